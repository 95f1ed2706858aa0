"""Elementwise functions: what a layer may read a feature map through.

They make no edge and no feature map, and path counts do not see them. Measures that look at
weights do: an activation passes a share of the mean square, a norm divides by a standard
deviation. One row a kind: what it is, and the function of an activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.featuremap import Pass

Function = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of elementwise function.

    Attributes
    ----------
    function : callable, optional
        ``function(x, value)`` of an activation; None for norms and scales.
    value : float, optional
        Default of its parameter; None for a kind without one.
    over : str, optional
        Of a norm: what its statistics are taken over, ``"batch"`` (channel by channel, over
        samples and positions), ``"positions"`` (channel by channel, of each sample) or
        ``"channels"`` (of each sample or position).
    centred : bool
        Whether a norm subtracts the mean.
    """

    function: Function | None = None
    value: float | None = None
    over: str | None = None
    centred: bool = True


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return np.asarray(erf(x))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return np.asarray(expit(x))


def _elu(x: np.ndarray, a: float) -> np.ndarray:
    return np.where(x > 0, x, a * np.expm1(np.minimum(x, 0)))


SELU = (1.6732632423543772, 1.0507009873554805)  # its alpha and scale (Klambauer et al. 2017)

KINDS: dict[str, Kind] = {
    # activations
    "relu": Kind(lambda x, _: np.maximum(x, 0)),
    "relu6": Kind(lambda x, _: np.clip(x, 0, 6)),
    "leaky_relu": Kind(lambda x, a: np.where(x > 0, x, a * x), 0.01),
    "prelu": Kind(lambda x, a: np.where(x > 0, x, a * x), 0.25),
    "elu": Kind(_elu, 1.0),
    "selu": Kind(lambda x, _: SELU[1] * _elu(x, SELU[0])),
    "gelu": Kind(lambda x, _: x * (1 + _erf(x / math.sqrt(2))) / 2),
    "silu": Kind(lambda x, _: x * _sigmoid(x)),
    "mish": Kind(lambda x, _: x * np.tanh(np.logaddexp(0, x))),
    "hardswish": Kind(lambda x, _: x * np.clip(x + 3, 0, 6) / 6),
    "hardsigmoid": Kind(lambda x, _: np.clip(x + 3, 0, 6) / 6),
    "hardtanh": Kind(lambda x, a: np.clip(x, -a, a), 1.0),
    "sigmoid": Kind(lambda x, _: _sigmoid(x)),
    "tanh": Kind(lambda x, _: np.tanh(x)),
    "softplus": Kind(lambda x, _: np.logaddexp(0, x)),
    "softsign": Kind(lambda x, _: x / (1 + np.abs(x))),
    # norms; their value is the gain that multiplies what is normalised
    "batch_norm": Kind(value=1.0, over="batch"),
    "instance_norm": Kind(value=1.0, over="positions"),
    "layer_norm": Kind(value=1.0, over="channels"),
    "group_norm": Kind(value=1.0, over="channels"),
    "rms_norm": Kind(value=1.0, over="channels", centred=False),
    # a factor, such as layer scale
    "scale": Kind(value=1.0),
    # the factor that a gate is at initialisation; a trained one depends on the input
    "gate": Kind(value=0.5),
}


def gating(factor: tuple[Pass, ...]) -> Pass | None:
    """What multiplying by a gate is at initialisation: a half after a sigmoid, else nothing."""
    closes = bool(factor) and factor[-1].kind in ("sigmoid", "hardsigmoid")
    return Pass("gate", 0.5) if closes else None


def passing(kind: Any, value: Any = None) -> Pass | None:
    """A `Pass` of a kind, its parameter checked; None for a function that changes nothing.

    Raises
    ------
    LayerError
        If there is no such kind, or it takes no such value.

    Examples
    --------
    >>> passing("leaky_relu")
    Pass(kind='leaky_relu', value=0.01)
    """
    if kind is None:
        if value is not None:
            raise LayerError(f"value: got {value!r}, wanted none where no kind is given")
        return None
    if not isinstance(kind, str) or kind not in KINDS:
        raise LayerError(f"kind: got {kind!r}, wanted one of {', '.join(KINDS)}")
    default = KINDS[kind].value
    if value is None:
        return Pass(kind, default)
    if default is None:
        raise LayerError(f"value: got {value!r}, but {kind!r} has no parameter")
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise LayerError(f"value: got {value!r}, wanted a finite number")
    return Pass(kind, float(value))
