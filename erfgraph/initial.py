"""Initialisations: the variance of a layer's independent, zero-mean weights.

Fans are PyTorch's (`torch.nn.init._calculate_fan_in_and_fan_out`): of a weight of shape
``(out, in / groups, *kernel)``, fan-in is ``in / groups`` times the taps and fan-out is ``out``
times the taps, whatever the groups; of a transposed convolution's ``(in, out / groups,
*kernel)`` they are ``out / groups`` and ``in`` times the taps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from erfgraph.errors import InputError, unknown_name

Rule = Callable[[int, int], float]  # of fan-in and fan-out

RULES: dict[str, Rule] = {
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
    "kaiming_fan_in": lambda fan_in, fan_out: 2 / fan_in,
    "kaiming_fan_out": lambda fan_in, fan_out: 2 / fan_out,
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "pytorch": lambda fan_in, fan_out: 1 / (3 * fan_in),
}
OWN = "torchvision"  # the rule that a network of the zoo names as its own
FIXED = "std="  # and a number: the same standard deviation everywhere


def fans(weight_shape: Sequence[int]) -> tuple[int, int]:
    """Fan-in and fan-out of a weight by PyTorch's definition.

    Examples
    --------
    >>> fans((64, 3, 7, 7))
    (147, 3136)
    """
    taps = math.prod(weight_shape[2:])
    return weight_shape[1] * taps, weight_shape[0] * taps


def check_init(rule: Any) -> str:
    """The name of a rule.

    Raises
    ------
    NameLookupError
        If there is no such rule.
    InputError
        If a fixed standard deviation is no positive number.
    """
    if isinstance(rule, str) and rule.startswith(FIXED):
        try:
            std = float(rule.removeprefix(FIXED))
        except ValueError:
            std = math.nan
        if not 0 < std < math.inf:
            raise InputError(f"init: got {rule!r}, wanted {FIXED!r} and a positive number")
        return rule
    if rule not in (*RULES, OWN):
        raise unknown_name("init", str(rule), (*RULES, OWN, "std=0.01"))
    return str(rule)


def weight_variance(rule: str, weight_shape: Sequence[int]) -> float:
    """The variance of the weights of a layer.

    Parameters
    ----------
    rule : str
        ``"lecun"`` 1/fan-in, ``"kaiming_fan_in"`` 2/fan-in, ``"kaiming_fan_out"`` 2/fan-out
        (He et al. 2015), ``"xavier"`` 2/(fan-in + fan-out) (Glorot and Bengio 2010),
        ``"pytorch"`` 1/(3 fan-in) (what PyTorch's layers draw by themselves), or
        ``"std=0.02"``, a fixed standard deviation.
    weight_shape : sequence of int
        ``(out, in / groups, *kernel)``, or that of a transposed convolution.

    Examples
    --------
    >>> weight_variance("kaiming_fan_in", (64, 8, 5, 5))
    0.01
    """
    if rule.startswith(FIXED):
        return float(rule.removeprefix(FIXED)) ** 2
    return RULES[rule](*fans(weight_shape))
