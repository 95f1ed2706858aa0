"""Keras' layers and operations that sum, reduce, or bring several tensors together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers import attention as products
from erfgraph.importers import contract, moves
from erfgraph.importers.einsum import einsum
from erfgraph.importers.keras_formats import channel_of, constant_of
from erfgraph.importers.keras_moves import dims_of
from erfgraph.importers.masks import HIDDEN, masked
from erfgraph.importers.merging import Operand, combine, meet
from erfgraph.importers.passing import UNKNOWN, activation, scale
from erfgraph.importers.rows import Call, Result, Row, either, transparent
from erfgraph.importers.trained import numbers_of, then
from erfgraph.importers.values import Constant, Curve, Traced

MEANS = ("ops.Mean", "ops.Std", "ops.Var", "ops.Nanmean", "ops.Nanstd", "ops.Nanvar")
CURVES: dict[str, Curve] = {"mul": np.multiply}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


# --- merging ------------------------------------------------------------------------------


def merged(kind: str) -> Row:
    """Add, Subtract, Multiply, Average of a list of tensors."""

    def row(c: Call, layer: Any, values: Sequence[Operand], **kwargs: Any) -> Result:
        values = _of_one_rank(c, values)
        made: Operand = _side_by_side(c, values) if kind == "add" else None
        if made is None:
            made, *rest = values
            for value in rest:
                made = combine(c.t, kind, made, value, CURVES.get(kind))
        share = scale(1 / len(values)) if c.op == "Average" else None
        found: Result = c.t.through(made, share)
        return found

    return row


def extreme(c: Call, layer: Any, values: Sequence[Operand], **kwargs: Any) -> Result:
    """Maximum, Minimum of a list of tensors."""
    values = _of_one_rank(c, values)
    made = _side_by_side(c, values)
    if made is not None:
        return made
    first, *rest = values
    for value in rest:
        first = either(c.t, first, value, _extreme(c))
    return first


def _of_one_rank(c: Call, values: Sequence[Operand]) -> list[Operand]:
    """Tensors of lower rank get dimensions behind the batch, as Keras' merging layers do."""
    given = list(values)
    most = max(len(v.shape) for v in given if isinstance(v, Traced | Constant))
    for i, v in enumerate(given):
        if isinstance(v, Traced):
            while v.ndim < most:
                v = moves.unsqueeze(c.t, v, 1)
            given[i] = v
        elif isinstance(v, Constant) and len(v.shape) < most:
            given[i] = Constant((v.shape[0], *[1] * (most - len(v.shape)), *v.shape[1:]))
    return given


def _side_by_side(c: Call, values: Sequence[Operand]) -> Traced | None:
    """More than two tensors of different maps and one shape: one layer, not a chain of them."""
    maps = [v for v in values if isinstance(v, Traced) and not v.late and v.keys is None]
    if len(values) < 3 or len(maps) != len(values) or len({v.shape for v in maps}) > 1:
        return None
    if len({v.map.index for v in maps}) < len(maps) or len({v.map.shape for v in maps}) > 1:
        return None
    met = meet(c.t, [c.t.real(v) for v in maps])
    return Traced(c.t.add("add", *met.maps), met.dims)


def batch_dot(c: Call, layer: Any, values: Sequence[Traced | Constant], **kwargs: Any) -> Traced:
    """Dot: a product over one axis of each, sample by sample."""
    a, b = values
    axes = layer.axes if isinstance(layer.axes, list | tuple) else (layer.axes, layer.axes)
    ta = LETTERS[: len(a.shape)]
    tb = ta[0] + LETTERS[len(ta) : len(ta) + len(b.shape) - 1]
    summed = ta[axes[0] % len(ta)]
    at = axes[1] % len(tb)
    tb = tb[:at] + summed + tb[at + 1 :]
    out = ta.replace(summed, "") + tb[1:].replace(summed, "")
    made = einsum(c.t, f"{ta},{tb}->{out}", [a, b])
    return moves.unsqueeze(c.t, made, 1) if made.ndim == 1 else made


def choice(c: Call, op: Any, condition: Any, a: Any = None, b: Any = None) -> Result:
    """ops.where: of attention weights and numbers that hide, a mask."""
    weights = isinstance(a, Traced) and a.keys is not None
    if weights and isinstance(condition, Constant) and not isinstance(b, Traced):
        low = b.read() if isinstance(b, Constant) and b.read else b
        return masked(a, condition) if _is_low(low) else a
    made = either(c.t, a, b)
    if isinstance(condition, Traced):
        if not isinstance(made, Traced):
            return transparent(c, condition)
        return combine(c.t, "mul", made, condition)
    if not isinstance(made, Traced):
        raise LayerError(f"{c.op}: no operand depends on the input")
    return transparent(c, made)


def _is_low(value: Any) -> bool:
    return isinstance(value, int | float | np.ndarray) and bool(np.max(value) < HIDDEN)


def larger(c: Call, op: Any, a: Operand, b: Operand) -> Operand:
    """ops.maximum, ops.minimum."""
    return either(c.t, a, b, _extreme(c))


def _extreme(c: Call) -> Curve:
    return np.minimum if "Min" in c.op or "min" in c.op else np.maximum


def binary(kind: str, curve: Curve | None = None) -> Row:
    """ops.add, ops.subtract, ops.multiply and the like."""

    def row(c: Call, op: Any, a: Operand, b: Operand = None, **kwargs: Any) -> Result:
        return combine(c.t, kind, a, b, curve)

    return row


def gated(c: Call, op: Any, x: Traced) -> Result:
    """ops.glu: one half of the channels, gated by the other."""
    half = x.shape[op.axis] // 2
    passed, gate = moves.split(c.t, x, [half, half], op.axis)
    return combine(c.t, "mul", passed, c.t.through(gate, activation("sigmoid")), np.multiply)


# --- linear layers and products -----------------------------------------------------------


def dense(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Dense: over the last dimension."""
    weight = then(numbers_of(constant_of(layer, "kernel")), np.transpose)
    return contract.linear(c.t, x, layer.units, weight=weight)


def summed(c: Call, op: Any, *operands: Any) -> Traced:
    """ops.einsum."""
    return einsum(c.t, op.subscripts, operands)


def product(c: Call, op: Any, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """ops.matmul."""
    return products.matmul(c.t, a, b)


def dot(c: Call, op: Any, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """ops.dot, which is a matrix product where the second tensor is a matrix or a vector."""
    if not isinstance(b, Constant) or len(b.shape) > 2:
        raise LayerError(f"{c.op}: of tensors of shapes {a.shape} and {b.shape} is not supported")
    return products.matmul(c.t, a, b)


def tensor_dot(c: Call, op: Any, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """ops.tensordot."""
    na, nb = len(a.shape), len(b.shape)
    if isinstance(op.axes, int):
        pairs = [(na - op.axes + i, i) for i in range(op.axes)]
    else:
        pairs = list(zip(dims_of(op.axes[0], na), dims_of(op.axes[1], nb), strict=True))
    ta, tb = LETTERS[:na], list(LETTERS[na : na + nb])
    for i, j in pairs:
        tb[j] = ta[i]
    shared = {ta[i] for i, _ in pairs}
    out = "".join(x for x in (*ta, *tb) if x not in shared)
    return einsum(c.t, f"{ta},{''.join(tb)}->{out}", [a, b])


# --- reductions ---------------------------------------------------------------------------


def reduced(how: str = "avg_pool") -> Row:
    """ops.mean, ops.sum, ops.max, ops.norm and the like."""

    def row(c: Call, op: Any, x: Traced, *args: Any, **kwargs: Any) -> Traced:
        axes = dims_of(op.axis, x.ndim)
        keep, mean = bool(getattr(op, "keepdims", False)), c.op in MEANS
        return contract.reduce(c.t, x, axes, keep, how, mean)

    return row


def moments(c: Call, op: Any, x: Traced) -> list[Traced]:
    """ops.moments: mean and variance."""
    axes, keep = dims_of(op.axes, x.ndim), bool(op.keepdims)
    return [contract.reduce(c.t, x, axes, keep, mean=True)] * 2


def grey(c: Call, op: Any, x: Traced) -> Traced:
    """ops.image.rgb_to_grayscale."""
    return contract.reduce(c.t, x, [channel_of(op, x)], keep=True)


# --- attention ----------------------------------------------------------------------------


def dot_product_attention(
    c: Call,
    op: Any,
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    mask: Any = None,
    *args: Any,
    **kw: Any,
) -> Traced:
    """ops.dot_product_attention, on (batch, positions, heads, channels)."""
    if op.is_causal:
        raise LayerError(f"{c.op}: causal attention is not supported")
    heads = (0, 2, 1, 3)
    q, k, v = (
        moves.permute(c.t, x, heads)
        if isinstance(x, Traced)
        else Constant(tuple(x.shape[i] for i in heads))
        for x in (q, k, v)
    )
    return moves.permute(c.t, products.attended(c.t, q, v, k, mask), heads)


def softmax(c: Call, layer: Any, x: Traced, mask: Any = None, **kwargs: Any) -> Traced:
    """Softmax, which may be given a mask: of attention weights, it says what is seen."""
    if isinstance(mask, Constant) and x.keys is not None:
        return masked(x, mask)
    found: Traced = c.t.through(x, UNKNOWN)
    return found


def attention(c: Call, layer: Any, values: Sequence[Any], *args: Any, **kwargs: Any) -> Traced:
    """Attention, AdditiveAttention: called on [query, value] or [query, value, key]."""
    _refuse(c, kwargs)
    return products.attended(c.t, values[0], values[1])


def _refuse(c: Call, given: Mapping[str, Any]) -> None:
    for key in ("use_causal_mask", "return_attention_scores"):
        if given.get(key):
            raise LayerError(f"{c.op}: {key} is not supported")
