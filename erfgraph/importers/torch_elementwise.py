"""PyTorch's activations, norms and other elementwise functions of one tensor."""

from __future__ import annotations

from collections.abc import Sequence
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
from erfgraph.importers.rows import Call, Passing, Result, Row, passing, transparent, words
from erfgraph.importers.trained import batch_gain, gain
from erfgraph.importers.values import Constant, Through, Traced

# nothing changes, or nothing that a trained network does
SAME = words(
    """
alias alpha_dropout bernoulli clone contiguous conj detach dropout
fake_quantize_per_channel_affine fake_quantize_per_tensor_affine feature_alpha_dropout
feature_dropout lift_fresh lift_fresh_copy nan_to_num positive quantize_per_tensor
resolve_conj resolve_neg to _to_copy triu tril type_as dequantize
"""
)
# functions that no measure knows
OTHERS = words(
    """
acos acosh angle asin asinh atan atanh bitwise_not ceil cos cosh deg2rad digamma erfc erfinv fix
floor frac hardshrink i0 isfinite isinf isnan lgamma log10 log2 log_softmax _log_softmax
logical_not logit renorm copysign round sgn sign signbit sin sinc sinh softmax _softmax
softshrink tan tanh_backward trunc
"""
)


def _erf(x: Any) -> Any:
    from scipy.special import erf

    return erf(x)


# functions that activations are written out with
PIECES: dict[str, Any] = {
    "abs": np.abs,
    "absolute": np.abs,
    "erf": _erf,
    "special_erf": _erf,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "neg": np.negative,
    "negative": np.negative,
    "reciprocal": np.reciprocal,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sqrt": np.sqrt,
    "square": np.square,
}
# activations by their own names, without a parameter
NAMED = {name: name for name in words("relu relu6 gelu silu mish hardswish selu tanh")} | {
    "hardsigmoid": "hardsigmoid",
    "sigmoid": "sigmoid",
    "special_expit": "sigmoid",
}


def _threshold(x: Any, threshold: float, value: float) -> Through:
    if threshold == value == 0:
        return activation("relu")
    return piece(lambda y: np.where(y > threshold, y, value))


def _softplus(x: Any, beta: float = 1, threshold: float = 20) -> Through:
    return (
        activation("softplus") if beta == 1 else piece(lambda y: np.logaddexp(0, beta * y) / beta)
    )


def _leaky_relu(x: Any, slope: float = 0.01) -> Through:
    return activation("leaky_relu", float(slope)) if slope else activation("relu")


def _rrelu(x: Any, lower: float = 1 / 8, upper: float = 1 / 3, *args: Any, **_: Any) -> Through:
    return activation("leaky_relu", (lower + upper) / 2)


def _prelu(x: Any, weight: Any, *args: Any) -> Through:
    return activation("prelu", size_of_numbers(weight))


def _elu(x: Any, alpha: float = 1, scale: float = 1, *args: Any) -> Through:
    return elu(alpha, scale)


def _celu(x: Any, alpha: float = 1) -> Through:
    return elu(alpha)


def _clamp(x: Any, low: Any = None, high: Any = None, **named: Any) -> Through:
    return clipped(named.get("min", low), named.get("max", high))


def _hardtanh(x: Any, low: float = -1, high: float = 1) -> Through:
    return clipped(low, high)


def _clamp_min(x: Any, low: Any) -> Through:
    return clipped(low)


def _clamp_max(x: Any, high: Any) -> Through:
    return clipped(None, high)


def _batch_norm(
    x: Traced,
    weight: Any = None,
    bias: Any = None,
    mean: Any = None,
    variance: Any = None,
    *args: Any,
    **_: Any,
) -> Through:
    """Arguments end with epsilon, but for a flag that says which library is used."""
    numbers = [a for a in args if isinstance(a, float)]  # momentum, epsilon
    epsilon = numbers[-1] if numbers else 1e-5
    return norm("batch_norm", weight, batch_gain(x, weight, variance, epsilon))


def _instance_norm(x: Traced, weight: Any = None, *args: Any, **_: Any) -> Through:
    return norm("instance_norm", weight, gain(x, 1, weight))


def _group_norm(x: Traced, groups: int, weight: Any = None, *args: Any, **_: Any) -> Through:
    return norm("group_norm", weight, gain(x, 1, weight))


def _native_group_norm(x: Traced, weight: Any = None, *args: Any, **_: Any) -> Through:
    return norm("group_norm", weight, gain(x, 1, weight))


def _layer_norm(
    x: Traced, shape: Sequence[int], weight: Any = None, *args: Any, **_: Any
) -> Through:
    return norm(over(x, len(shape)), weight, gain(x, -1, weight) if len(shape) == 1 else None)


def _rms_norm(
    x: Traced, shape: Sequence[int], weight: Any = None, *args: Any, **_: Any
) -> Through:
    return norm("rms_norm", weight, gain(x, -1, weight) if len(shape) == 1 else None)


def normalised(function: Any, results: int) -> Row:
    """The native norms, which return statistics beside the result."""

    def row(c: Call, x: Traced, *args: Any, **kwargs: Any) -> Result:
        made = x if function is None else c.t.through(x, function(x, *args, **kwargs))
        return [made, *(Constant(shape) for shape in c.shapes[1:results])]

    return row


def copied(c: Call, x: Any, source: Any, *args: Any) -> Result:
    """copy: what is written into a tensor is the tensor."""
    return transparent(c, source)


ROWS: dict[str, Row] = {
    **dict.fromkeys(SAME, transparent),
    **dict.fromkeys(OTHERS, passing(UNKNOWN)),
    **{name: passing(piece(curve)) for name, curve in PIECES.items()},
    **{name: passing(activation(kind)) for name, kind in NAMED.items()},
    "threshold": Passing(_threshold),
    "softplus": Passing(_softplus),
    "leaky_relu": Passing(_leaky_relu),
    "rrelu": Passing(_rrelu),
    "prelu": Passing(_prelu),
    "_prelu_kernel": Passing(_prelu),
    "elu": Passing(_elu),
    "celu": Passing(_celu),
    **dict.fromkeys(("clamp", "clip"), Passing(_clamp)),
    "clamp_min": Passing(_clamp_min),
    "clamp_max": Passing(_clamp_max),
    "hardtanh": Passing(_hardtanh),
    "batch_norm": Passing(_batch_norm),
    "instance_norm": Passing(_instance_norm),
    "group_norm": Passing(_group_norm),
    "layer_norm": Passing(_layer_norm),
    "rms_norm": Passing(_rms_norm),
    "_fused_rms_norm": normalised(_rms_norm, 2),
    **dict.fromkeys(
        (
            "native_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "cudnn_batch_norm",
            "_batch_norm_with_update",
        ),
        normalised(_batch_norm, 3),
    ),
    "native_layer_norm": normalised(_layer_norm, 3),
    "native_group_norm": normalised(_native_group_norm, 3),
    "native_dropout": normalised(None, 3),
    "copy": copied,
}
