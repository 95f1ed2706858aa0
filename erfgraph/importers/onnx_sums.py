"""ONNX's products, reductions, and operations of several tensors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers import attention as products
from erfgraph.importers import contract as sums
from erfgraph.importers import moves
from erfgraph.importers.einsum import einsum
from erfgraph.importers.merging import Operand, combine, with_constant
from erfgraph.importers.onnx_elementwise import fused_with
from erfgraph.importers.onnx_shapes import optional
from erfgraph.importers.passing import norm, scale
from erfgraph.importers.rows import Call, Result, Row, either, transparent
from erfgraph.importers.trained import numbers_of, then
from erfgraph.importers.values import Constant, Traced

Tensor = Traced | Constant


def product(c: Call, a: Tensor, b: Tensor, *rest: Any, **_: Any) -> Traced:
    """MatMul, MatMulInteger."""
    return products.matmul(c.t, a, b)


def quantised_product(c: Call, a: Tensor, s: Any, z: Any, b: Tensor, *rest: Any, **_: Any) -> Any:
    """QLinearMatMul, QGemm."""
    return products.matmul(c.t, a, b)


def turned(c: Call, v: Tensor, flag: Any) -> Tensor:
    """A matrix, transposed where a flag says so."""
    if not flag or len(v.shape) < 2:
        return v
    order = [*range(len(v.shape) - 2), len(v.shape) - 1, len(v.shape) - 2]
    if isinstance(v, Traced):
        return moves.permute(c.t, v, order)
    return Constant(
        tuple(v.shape[d] for d in order), stored=then(numbers_of(v), lambda w: w.transpose(order))
    )


def gemm(
    c: Call,
    a: Tensor,
    b: Tensor,
    added: Any = None,
    *,
    transA: int = 0,  # noqa: N803, as ONNX calls it
    transB: int = 0,  # noqa: N803
    activation: str = "",
    **_: Any,
) -> Result:
    """Gemm, FusedGemm, FusedMatMul."""
    made = products.matmul(c.t, turned(c, a, transA), turned(c, b, transB))
    total = combine(c.t, "add", made, added) if isinstance(added, Traced) else made
    found: Result = c.t.through(total, fused_with(activation))
    return found


def summed(c: Call, *operands: Tensor, equation: str) -> Traced:
    """Einsum."""
    if "->" not in equation:
        letters = equation.replace(" ", "").replace("...", "").replace(",", "")
        out = "".join(sorted(x for x in set(letters) if letters.count(x) == 1))
        equation += "->" + ("..." if "..." in equation else "") + out
    return einsum(c.t, equation, operands)


def reduced(how: str = "avg_pool") -> Row:
    """ReduceMean, ReduceSum, ReduceMax and the like."""

    def row(
        c: Call,
        x: Traced,
        axes: Any = None,
        *,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
        **a: Any,
    ) -> Traced:
        at = optional(c, "axes", axes, a.get("axes"))
        if not at and noop_with_empty_axes:
            return x
        mean = c.op == "ReduceMean"
        return sums.reduce(c.t, x, at or None, bool(keepdims), how, mean)

    return row


def extreme_place(c: Call, x: Traced, *, axis: int = 0, keepdims: int = 1, **_: Any) -> Traced:
    """ArgMax, ArgMin: every element decides."""
    return sums.reduce(c.t, x, [axis], bool(keepdims), "max_pool")


def added(c: Call, *values: Operand) -> Result:
    """Sum, Mean."""
    total = functools.reduce(functools.partial(combine_any, c, "add"), values)
    share = scale(1 / len(values)) if c.op == "Mean" else None
    found: Result = c.t.through(total, share)
    return found


def combine_any(c: Call, kind: str, a: Operand, b: Operand) -> Operand:
    """Two operands, of which neither needs to depend on the input."""
    if isinstance(a, Traced) or isinstance(b, Traced):
        return combine(c.t, kind, a, b)
    return a if isinstance(a, Constant) else b


def largest(c: Call, *values: Operand) -> Result:
    """Max, Min."""
    curve = np.minimum if "Min" in c.op else np.maximum
    return functools.reduce(lambda a, b: either(c.t, a, b, curve), values)


def chosen(c: Call, condition: Any, a: Any, b: Any) -> Result:
    """Where."""
    made = either(c.t, a, b)
    if not isinstance(condition, Traced):
        if isinstance(made, Traced) and isinstance(condition, Constant):
            return with_constant(c.t, made, condition)
        return made
    if not isinstance(made, Traced):
        made = with_constant(c.t, condition, a) if isinstance(a, Constant) else condition
        return with_constant(c.t, made, b) if isinstance(b, Constant) else made
    return combine(c.t, "mul", made, condition)


def cast_like(c: Call, x: Any, like: Any, **_: Any) -> Result:
    """CastLike."""
    return x  # type: ignore[no-any-return]


def normalised_sum(c: Call, x: Any, skip: Any, *rest: Any, **_: Any) -> list[Any]:
    """com.microsoft.SkipLayerNormalization: a sum, and its norm; the sum is a result too."""
    made = combine(c.t, "add", x, skip)
    normed = c.t.through(made, norm("layer_norm", rest[0] if rest else None))
    return [normed, Constant(()), Constant(()), made]


def quantised_by_range(c: Call, x: Traced) -> list[Any]:
    """DynamicQuantizeLinear: the scale is a statistic, as a norm's."""
    return [x, Constant(()), Constant(())]


def quantised_pair(kind: str) -> Row:
    """com.microsoft.QLinearAdd and QLinearMul."""
    curve = np.multiply if kind == "mul" else None

    def row(c: Call, a: Any, s: Any, z: Any, b: Any, *rest: Any, **_: Any) -> Result:
        return combine(c.t, kind, a, b, curve)

    return row


def quantised_concat(c: Call, s: Any, z: Any, *values: Any, axis: int) -> Traced:
    """com.microsoft.QLinearConcat: each tensor with its scale and zero point."""
    from erfgraph.importers.concat import concat

    return concat(c.t, list(values[::3]), axis)


def attended(
    c: Call,
    q: Tensor,
    k: Tensor | None = None,
    v: Tensor | None = None,
    *rest: Any,
    is_causal: int = 0,
    unidirectional: int = 0,
    **_: Any,
) -> Traced:
    """Attention of opset 23, and com.microsoft.MultiHeadAttention."""
    if is_causal or unidirectional:
        raise LayerError(f"{c.op}: causal attention is not supported")
    if k is None or v is None or len(v.shape) not in (3, 4) or len(q.shape) != len(v.shape):
        raise LayerError(f"{c.op}: packed keys and values are not supported")
    return products.attended(c.t, q, v)


def projected_attention(
    c: Call,
    x: Traced,
    weights: Constant,
    *rest: Any,
    qkv_hidden_sizes: Sequence[int] | None = None,
    unidirectional: int = 0,
    **_: Any,
) -> Traced:
    """com.microsoft.Attention: queries, keys and values are made of one tensor."""
    if unidirectional:
        raise LayerError(f"{c.op}: causal attention is not supported")
    features = qkv_hidden_sizes[2] if qkv_hidden_sizes else weights.shape[1] // 3
    values = sums.linear(c.t, x, features)
    return products.attended(c.t, x, values)


def like_shape(c: Call, x: Traced, *args: Any, **_: Any) -> Constant:
    """Random numbers and identities of the shape of a tensor."""
    return Constant(x.shape)


def passed(c: Call, x: Any, *args: Any, **kwargs: Any) -> Result:
    """Operations that hand their first tensor on, whatever the others are."""
    return transparent(c, x)
