"""ONNX's activations, norms and other elementwise functions of one tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from erfgraph.importers.passing import (
    UNKNOWN,
    activation,
    clipped,
    elu,
    norm,
    over,
    piece,
    size_of_numbers,
)
from erfgraph.importers.rows import Passing, Row, passing, transparent, words
from erfgraph.importers.torch_elementwise import PIECES
from erfgraph.importers.trained import batch_gain, gain
from erfgraph.importers.values import Through, Traced

# nothing changes, or nothing that a trained network does
SAME = words(
    """
Bernoulli BitCast Cast DequantizeLinear Dropout Identity Optional OptionalGetElement
QuantizeLinear Trilu
"""
)
# functions that no measure knows; norms of vectors to length 1, and local response norms
OTHERS = words(
    """
Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Cos Cosh Floor Hardmax IsInf IsNaN LRN
LogSoftmax LpNormalization Not Round Shrink Sign Sin Sinh Softmax Tan
"""
)
ACTIVATIONS = {
    "Relu": "relu",
    "Gelu": "gelu",
    "HardSwish": "hardswish",
    "Mish": "mish",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
CURVES = words("Abs Erf Exp Log Neg Reciprocal Sqrt")
MICROSOFT_SAME = words("DequantizeLinear QuantizeLinear")
MICROSOFT_OTHERS = words("BiasSoftmax Inverse QLinearSoftmax")


def _clip(x: Any, low: Any = None, high: Any = None, **a: Any) -> Through:
    return clipped(a.get("min", low), a.get("max", high))


def _leaky_relu(x: Any, *args: Any, alpha: float = 0.01, **_: Any) -> Through:
    return activation("leaky_relu", float(alpha)) if alpha else activation("relu")


def _elu(x: Any, *, alpha: float = 1.0, **_: Any) -> Through:
    return elu(alpha)


def _prelu(x: Any, slope: Any, **_: Any) -> Through:
    return activation("prelu", size_of_numbers(slope))


def _hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5, **_: Any) -> Through:
    return Through("hardsigmoid", None, lambda y: np.clip(alpha * y + beta, 0, 1))


def _swish(x: Any, *, alpha: float = 1.0, **_: Any) -> Through:
    return activation("silu") if alpha == 1 else piece(lambda y: y / (1 + np.exp(-alpha * y)))


def _thresholded(x: Any, *, alpha: float = 1.0, **_: Any) -> Through:
    return activation("relu") if alpha == 0 else piece(lambda y: np.where(y > alpha, y, 0))


def _batch_norm(
    x: Traced,
    weight: Any = None,
    bias: Any = None,
    mean: Any = None,
    variance: Any = None,
    *args: Any,
    epsilon: float = 1e-5,
    **_: Any,
) -> Through:
    return norm("batch_norm", weight, batch_gain(x, weight, variance, epsilon))


def _instance_norm(x: Traced, weight: Any = None, *args: Any, **_: Any) -> Through:
    return norm("instance_norm", weight, gain(x, 1, weight))


def _group_norm(x: Traced, weight: Any = None, *args: Any, **_: Any) -> Through:
    return norm("group_norm", weight, gain(x, 1, weight))


def _layer_norm(x: Traced, weight: Any = None, *args: Any, axis: int = -1, **_: Any) -> Through:
    last = x.ndim - axis % x.ndim
    return norm(over(x, last), weight, gain(x, -1, weight) if last == 1 else None)


def _rms_norm(x: Traced, weight: Any = None, *args: Any, axis: int = -1, **_: Any) -> Through:
    last = x.ndim - axis % x.ndim
    return norm("rms_norm", weight, gain(x, -1, weight) if last == 1 else None)


def _by_mean(x: Any, *, axes: Any = (0, 2, 3), **_: Any) -> Through:
    """MeanVarianceNormalization: over all axes but the channels', if nothing else is said."""
    return norm("layer_norm" if 1 in axes else "instance_norm")


ROWS: dict[str, Row] = {
    **dict.fromkeys(SAME, transparent),
    **dict.fromkeys(OTHERS, passing(UNKNOWN)),
    **{name: passing(activation(kind)) for name, kind in ACTIVATIONS.items()},
    **{name: passing(piece(PIECES[name.lower()])) for name in CURVES},
    "Clip": Passing(_clip),
    "LeakyRelu": Passing(_leaky_relu),
    **dict.fromkeys(("Elu", "Celu"), Passing(_elu)),
    "PRelu": Passing(_prelu),
    "HardSigmoid": Passing(_hard_sigmoid),
    "Swish": Passing(_swish),
    "ThresholdedRelu": Passing(_thresholded),
    "BatchNormalization": Passing(_batch_norm),
    "InstanceNormalization": Passing(_instance_norm),
    "GroupNormalization": Passing(_group_norm),
    "LayerNormalization": Passing(_layer_norm),
    "RMSNormalization": Passing(_rms_norm),
    "MeanVarianceNormalization": Passing(_by_mean),
}

MICROSOFT_ROWS: dict[str, Row] = {
    **dict.fromkeys(MICROSOFT_SAME, transparent),
    **dict.fromkeys(MICROSOFT_OTHERS, passing(UNKNOWN)),
    **dict.fromkeys(words("BiasGelu FastGelu Gelu QuickGelu"), passing(activation("gelu"))),
    "BiasSplitGelu": passing(UNKNOWN),
    "GroupNorm": Passing(_group_norm),
    "QLinearLeakyRelu": Passing(_leaky_relu),
    "QLinearSigmoid": passing(activation("sigmoid")),
    "SimplifiedLayerNormalization": Passing(_rms_norm),
}

# what com.microsoft.FusedConv and FusedGemm may end with
FUSED: dict[str, Any] = {
    "Relu": activation("relu"),
    "Tanh": activation("tanh"),
    "Sigmoid": activation("sigmoid"),
}


def fused_with(name: str, numbers: Any = ()) -> Through | None:
    """The activation at the end of a fused operation, from its name and parameters."""
    given = list(numbers or ())
    if name == "LeakyRelu":
        return activation("leaky_relu", float(given[0])) if given else activation("leaky_relu")
    if name == "Clip":
        return clipped(*given[:2])
    if name == "HardSigmoid":
        return activation("hardsigmoid")
    return FUSED.get(name, UNKNOWN) if name else None
