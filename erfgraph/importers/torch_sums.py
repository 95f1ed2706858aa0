"""PyTorch's products, reductions, and operations of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers import attention as products
from erfgraph.importers import contract as sums
from erfgraph.importers import moves
from erfgraph.importers.einsum import einsum
from erfgraph.importers.masks import HIDDEN, masked
from erfgraph.importers.merging import Operand, combine
from erfgraph.importers.passing import activation, scale
from erfgraph.importers.rows import (
    Call,
    Result,
    Row,
    either,
    transparent,
    words,
)
from erfgraph.importers.trained import numbers_of
from erfgraph.importers.values import Constant, Traced

MEANS = words("aten.mean aten.nanmean aten.var aten.std aten.var_mean aten.std_mean")


def linear(c: Call, x: Traced, weight: Traced | Constant, bias: Any = None) -> Result:
    """linear."""
    if isinstance(weight, Traced):
        return products.matmul(c.t, x, moves.permute(c.t, weight, (1, 0)))
    return sums.linear(c.t, x, weight.shape[0], weight=numbers_of(weight))


def product(c: Call, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """matmul, mm, bmm, mv."""
    return products.matmul(c.t, a, b)


def product_added(c: Call, add: Any, a: Any, b: Any, **kwargs: Any) -> Result:
    """addmm, baddbmm."""
    made = products.matmul(c.t, a, b)
    return combine(c.t, "add", made, add) if isinstance(add, Traced) else made


def summed(c: Call, equation: str, operands: Sequence[Traced | Constant], **kwargs: Any) -> Traced:
    """einsum."""
    return einsum(c.t, equation, operands)


def attended(
    c: Call,
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    **kwargs: Any,
) -> Traced:
    """scaled_dot_product_attention."""
    if causal:
        raise LayerError(f"{c.op}: causal attention is not supported")
    return products.attended(c.t, q, v, k, mask)


attended.weighs = 3  # type: ignore[attr-defined]  # the mask: what no layer represents may be in it


def attended_pair(c: Call, q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> Result:
    """The forms of scaled_dot_product_attention that return statistics too."""
    return [products.attended(c.t, q, v), *(Constant(shape) for shape in c.shapes[1:])]


def reduced(how: str = "avg_pool", results: int = 1) -> Row:
    """mean, sum, amax, norm, var, …, over dimensions or over all."""

    def row(c: Call, x: Traced, *args: Any, **kwargs: Any) -> Result:
        dims: Any = kwargs.get("dim")
        rest = list(args)
        while dims is None and rest:  # norms have an order before the dimensions
            value = rest.pop(0)
            if isinstance(value, list | tuple):
                dims = list(value)
            elif isinstance(value, int) and not isinstance(value, bool) and "norm" not in c.op:
                dims = [value]
        dims = [dims] if isinstance(dims, int) else dims
        keep = len(c.shape) == x.ndim
        made = sums.reduce(c.t, x, dims, keep, how, mean=c.op in MEANS)
        return made if results == 1 else [made] * results

    return row


def extreme(c: Call, x: Any, *args: Any, **kwargs: Any) -> Result:
    """max, min: of two tensors, over a dimension with indices, or over all."""
    if args and isinstance(args[0], Traced | Constant):
        return largest(c, x, args[0])
    return reduced("max_pool", len(c.shapes))(c, x, *args, **kwargs)


def filled(c: Call, x: Operand, mask: Any, value: Any) -> Result:
    """masked_fill: of attention weights, a mask."""
    if isinstance(x, Traced) and x.keys is not None and isinstance(mask, Constant):
        return masked(x, mask, hides=True) if _is_low(value) else x
    return transparent(c, x, mask)


def _is_low(value: Any) -> bool:
    if isinstance(value, Constant):
        return value.read is not None and float(value.read()) < HIDDEN
    return isinstance(value, int | float) and value < HIDDEN


def chosen(c: Call, condition: Any, a: Any = None, b: Any = None) -> Result:
    """where."""
    made = either(c.t, a, b)
    if isinstance(condition, Traced):
        if not isinstance(made, Traced):
            return transparent(c, condition)
        return combine(c.t, "mul", made, condition)
    if not isinstance(made, Traced):
        raise LayerError(f"{c.op}: no operand depends on the input")
    return transparent(c, made)


def largest(c: Call, a: Operand, b: Operand) -> Operand:
    """maximum, minimum."""
    return either(c.t, a, b, np.minimum if "min" in c.op else np.maximum)


def added_product(c: Call, base: Any, a: Any, b: Any, value: Any = 1, **kwargs: Any) -> Result:
    """addcmul, addcdiv."""
    curve = np.divide if "div" in c.op else np.multiply
    traced = any(isinstance(v, Traced) for v in (a, b))
    factor = combine(c.t, "mul", a, b, curve) if traced else a
    if value != 1:
        factor = c.t.through(factor, scale(value))
    return combine(c.t, "add", base, factor)


def interpolated_between(c: Call, a: Any, b: Any, weight: Any) -> Result:
    """lerp."""
    made = combine(c.t, "add", a, b)
    return combine(c.t, "mul", made, weight) if isinstance(weight, Traced) else made


def gated(c: Call, x: Traced, d: int = -1) -> Result:
    """glu: one half of the channels, gated by the other."""
    half = x.shape[d] // 2
    passed, gate = moves.split(c.t, x, [half, half], d)
    return combine(c.t, "mul", passed, c.t.through(gate, activation("sigmoid")), np.multiply)


def added_and_activated(c: Call, a: Operand, b: Operand, *args: Any, **kwargs: Any) -> Result:
    """_add_relu."""
    found: Result = c.t.through(combine(c.t, "add", a, b), activation("relu"))
    return found


def nothing(c: Call, *args: Any, **kwargs: Any) -> None:
    """Assertions and other operations without a result."""
    return
