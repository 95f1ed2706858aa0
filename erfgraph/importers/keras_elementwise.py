"""Keras' activations, norms and other elementwise functions: layers and `keras.ops` alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from erfgraph.importers.keras_formats import constant_of
from erfgraph.importers.passing import (
    UNKNOWN,
    activation,
    clipped,
    elu,
    norm,
    numbers,
    piece,
    scale,
    size_of_numbers,
)
from erfgraph.importers.rows import Call, Passing, Result, Row, passing, transparent, words
from erfgraph.importers.torch_elementwise import PIECES
from erfgraph.importers.trained import batch_gain, gain
from erfgraph.importers.values import Through

# layers that change nothing once they are trained
SAME_LAYERS = words(
    """
ActivityRegularization AlphaDropout AugMix AutoContrast CutMix Dropout GaussianDropout
GaussianNoise Identity Masking MixUp RandAugment RandomBrightness RandomColorDegeneration
RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip
RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization
RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
SpatialDropout1D SpatialDropout2D SpatialDropout3D
"""
)
OTHER_LAYERS = words("Solarization UnitNormalization")
SAME = words(
    """
Array Cast Conj Conjugate ConvertToTensor Copy NanToNum Real SaturateCast StopGradient Tril Triu
"""
)
# functions that no measure knows
OTHERS = words(
    """
Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh BitwiseInvert BitwiseNot Cbrt Ceil Cos Cosh
Deg2rad Erfc Erfinv Floor HardShrink I0 Imag Isfinite Isinf Isnan Log10 Log2 LogSoftmax
LogicalNot Normalize Rad2deg Round Sign Signbit Sin Sinc Sinh SoftShrink Softmax SparsePlus
SparseSigmoid Sparsemax Squareplus Tan TanhShrink Trunc HSVToRGB RGBToHSV
"""
)
CURVES = {
    "Abs": "abs",
    "Absolute": "abs",
    "Erf": "erf",
    "Exp": "exp",
    "Exp2": "exp2",
    "Expm1": "expm1",
    "Fabs": "abs",
    "Log": "log",
    "Log1p": "log1p",
    "LogSigmoid": "log_sigmoid",
    "Negative": "neg",
    "Reciprocal": "reciprocal",
    "Rsqrt": "rsqrt",
    "Sqrt": "sqrt",
    "Square": "square",
}
ACTIVATIONS = {
    "Gelu": "gelu",
    "HardSigmoid": "hardsigmoid",
    "HardSilu": "hardswish",
    "HardTanh": "hardtanh",
    "Relu": "relu",
    "ReLU": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
# by the name of the function in keras.activations
FUNCTIONS: dict[str, Through | None] = {
    "linear": None,
    "elu": activation("elu"),
    "celu": activation("elu"),
    "leaky_relu": activation("leaky_relu", 0.2),
    "exponential": piece(np.exp),
    "hard_swish": activation("hardswish"),
    "swish": activation("silu"),
    **{
        name: activation(name)
        for name in words("relu relu6 selu gelu silu mish sigmoid tanh softplus softsign")
    },
    "hard_silu": activation("hardswish"),
    "hard_sigmoid": activation("hardsigmoid"),
    "hard_tanh": activation("hardtanh"),
}


def of_callable(function: Any) -> Through | None:
    """What a layer's ``activation`` is: a function of Keras, a layer, or the user's own."""
    if function is None:
        return None
    row = LAYERS.get(type(function).__name__)
    if isinstance(row, Passing):
        return row.function(function)
    if not getattr(function, "__module__", "").startswith("keras."):
        return UNKNOWN
    return FUNCTIONS.get(getattr(function, "__name__", ""), UNKNOWN)


def activated(row: Row) -> Row:
    """A row for a layer that ends with an activation where it is given one."""

    def with_activation(c: Call, layer: Any, *args: Any, **kwargs: Any) -> Result:
        made = row(c, layer, *args, **kwargs)
        found: Result = c.t.through(made, of_callable(getattr(layer, "activation", None)))
        return found

    return with_activation


def _relu(layer: Any, *args: Any, **_: Any) -> Through:
    slope, threshold, most = layer.negative_slope, layer.threshold, layer.max_value
    if slope and not threshold and most is None:
        return activation("leaky_relu", float(slope))
    if not slope and not threshold:
        return clipped(0, most)

    def curve(x: Any) -> Any:
        y = np.where(x > threshold, x, slope * (x - threshold))
        return y if most is None else np.minimum(y, most)

    return piece(curve)


def _leaky_relu(layer: Any, *args: Any, **_: Any) -> Through:
    slope = float(layer.negative_slope)
    return activation("leaky_relu", slope) if slope else activation("relu")


def _prelu(layer: Any, *args: Any, **_: Any) -> Through:
    return activation("prelu", size_of_numbers(constant_of(layer, "alpha")))


def _elu(layer: Any, *args: Any, **_: Any) -> Through:
    return elu(float(layer.alpha))


def _activation(layer: Any, *args: Any, **_: Any) -> Through | None:
    return of_callable(layer.activation)


def _threshold(op: Any, *args: Any, **_: Any) -> Through:
    low, value = op.threshold, op.default_value
    if low == value == 0:
        return activation("relu")
    return piece(lambda x: np.where(x > low, x, value))


def _clip(op: Any, *args: Any, **_: Any) -> Through:
    return clipped(op.x_min, op.x_max)


def _rescaled(layer: Any, *args: Any, **_: Any) -> Through | None:
    return scale(layer.scale)


def _normalised(layer: Any, *args: Any, **_: Any) -> Through | None:
    """Normalization: by a mean and a variance that were adapted to data or given."""
    variance = numbers(constant_of(layer, "variance"))
    return UNKNOWN if variance is None else scale(np.sqrt(variance), divides=not layer.invert)


def _one_axis(layer: Any) -> int | None:
    """The axis of a norm, if it is one."""
    given = list(layer.axis) if isinstance(layer.axis, list | tuple) else [layer.axis]
    return int(given[0]) if len(given) == 1 else None


def _of_layer(kind: str, name: str = "gamma") -> Callable[..., Through]:
    def function(layer: Any, x: Any, *args: Any, **_: Any) -> Through:
        weight, axis = constant_of(layer, name), _one_axis(layer)
        return norm(kind, weight, None if axis is None else gain(x, axis, weight))

    return function


def _batch_norm(layer: Any, x: Any, *args: Any, **_: Any) -> Through:
    weight, variance = constant_of(layer, "gamma"), constant_of(layer, "moving_variance")
    axis = _one_axis(layer)
    if axis is None:
        return norm("batch_norm", weight)
    return norm("batch_norm", weight, batch_gain(x, weight, variance, layer.epsilon, axis))


def _layer_norm(layer: Any, x: Any, *args: Any, **_: Any) -> Through:
    kind = "rms_norm" if getattr(layer, "rms_scaling", False) else "layer_norm"
    return _of_layer(kind)(layer, x)


def _op_batch_norm(
    op: Any, x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None, **_: Any
) -> Through:
    return norm("batch_norm", scale)


def _op_layer_norm(op: Any, x: Any, gamma: Any = None, *args: Any, **_: Any) -> Through:
    return norm("rms_norm" if getattr(op, "rms_scaling", False) else "layer_norm", gamma)


def _op_rms_norm(op: Any, x: Any, scale: Any = None, **_: Any) -> Through:
    return norm("rms_norm", scale)


LAYERS: dict[str, Row] = {
    **dict.fromkeys(SAME_LAYERS, transparent),
    **dict.fromkeys(OTHER_LAYERS, passing(UNKNOWN)),
    "Activation": Passing(_activation),
    "ReLU": Passing(_relu),
    "LeakyReLU": Passing(_leaky_relu),
    "PReLU": Passing(_prelu),
    "ELU": Passing(_elu),
    "ThresholdedReLU": passing(UNKNOWN),
    "BatchNormalization": Passing(_batch_norm),
    "LayerNormalization": Passing(_layer_norm),
    "GroupNormalization": Passing(_of_layer("group_norm")),
    "RMSNormalization": Passing(_of_layer("rms_norm", "scale")),
    "Normalization": Passing(_normalised),
    "Rescaling": Passing(_rescaled),
}

OPERATIONS: dict[str, Row] = {
    **dict.fromkeys(SAME, transparent),
    **dict.fromkeys(OTHERS, passing(UNKNOWN)),
    **{name: passing(piece(PIECES[curve])) for name, curve in CURVES.items()},
    **{name: passing(activation(kind)) for name, kind in ACTIVATIONS.items()},
    **dict.fromkeys(("Elu", "Celu"), Passing(_elu)),
    "LeakyRelu": Passing(_leaky_relu),
    "Threshold": Passing(_threshold),
    "Clip": Passing(_clip),
    "BatchNorm": Passing(_op_batch_norm),
    "LayerNorm": Passing(_op_layer_norm),
    "RMSNorm": Passing(_op_rms_norm),
}
