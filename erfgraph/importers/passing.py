"""Elementwise functions of traced tensors: activations, norms and factors, also written out.

A model may write an activation as a product, ``x * sigmoid(x)``, or in pieces, ``relu6(x + 3)
/ 6``. Each piece is kept as a curve; when a layer reads what became of them, the curve of all
together is compared with those of the known kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from erfgraph.elementwise import KINDS, SELU, passing
from erfgraph.featuremap import FeatureMap, Pass
from erfgraph.importers.layout import is_channel, is_spatial
from erfgraph.importers.trained import factor
from erfgraph.importers.values import Constant, Curve, Numbers, Statistic, Through, Traced

GRID = np.linspace(-8, 8, 65)  # where curves are compared; 0 and all corners of KINDS lie on it
STEP = GRID[1] - GRID[0]
FAR = np.array([60.0, 64.0])
TOLERANCE = 1e-5
LOOSE = {"gelu": 0.025}  # by tanh, or x sigmoid(1.702 x)
MOST_PIECES = 12  # of a written-out activation
MOST_ELEMENTS = 1 << 22  # of a constant whose size is looked at
UNKNOWN = Through()

Told = tuple[Pass, Numbers | None]  # what multiplies each channel, in a trained network


# --- functions ----------------------------------------------------------------------------


def activation(kind: str, value: float | None = None) -> Through:
    """An activation of a known kind."""
    row = KINDS[kind]
    assert row.function is not None
    function, number = row.function, row.value if value is None else value
    return Through(kind, value, lambda x: function(x, 0.0 if number is None else number))


def piece(curve: Curve | None) -> Through:
    """A function without a kind of its own."""
    return Through(curve=curve)


def norm(kind: str, gain: Any = None, scales: Numbers | None = None) -> Through:
    """A norm, and the constant that multiplies what it normalises."""
    return Through(kind, size_of_numbers(gain), scales=scales)


def scale(constant: Any, divides: bool = False, scales: Numbers | None = None) -> Through:
    """A product with a constant, or a quotient."""
    size = size_of_numbers(constant)
    if size is None or (divides and size == 0):
        return UNKNOWN
    number = single(constant)
    curve: Curve | None = None
    if number is not None:
        curve = (lambda x: x / number) if divides else (lambda x: x * number)
    return Through("scale", 1 / size if divides else size, curve, scales=scales)


def clipped(low: Any = None, high: Any = None) -> Through:
    """Values kept within bounds: ReLU, ReLU6, a symmetric clip, or a piece of something."""
    low, high = (None if v is None else single(v) for v in (low, high))
    if low is not None and low <= -1e30:  # the lowest number there is, where none was meant
        low = None
    if high is not None and high >= 1e30:
        high = None
    if low == 0 and high in (None, 6):
        return activation("relu" if high is None else "relu6")
    if low is not None and high is not None and high == -low > 0:
        return activation("hardtanh", high)
    if low is None and high is None:
        return UNKNOWN
    lowest, highest = -math.inf if low is None else low, math.inf if high is None else high
    return piece(lambda x: np.clip(x, lowest, highest))


def elu(alpha: float = 1.0, factor: float = 1.0) -> Through:
    """ELU with the factor that makes it SELU."""
    if math.isclose(alpha, SELU[0], rel_tol=1e-3) and math.isclose(factor, SELU[1], rel_tol=1e-3):
        return activation("selu")
    return activation("elu", float(alpha))


def over(v: Traced, last: int, kind: str = "layer_norm") -> str:
    """The kind of a norm over the last dimensions: of channels, or of positions alone."""
    atoms = [a for dim in v.dims[v.ndim - last :] for a in dim]
    alone = any(map(is_spatial, atoms)) and not any(map(is_channel, atoms))
    return "instance_norm" if alone and v.map.channels > 1 else kind


# --- constants ----------------------------------------------------------------------------


def numbers(value: Any) -> np.ndarray | None:
    """A constant or number as an array of floats, if it is at hand and of numbers."""
    if isinstance(value, Constant):
        if value.read is None or math.prod(value.shape) > MOST_ELEMENTS:
            return None
        try:
            value = value.read()
        except Exception:  # a tensor without memory, say; its numbers are not needed
            return None
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.size and np.isfinite(found).all() else None


def size_of_numbers(value: Any) -> float | None:
    """Root mean square of a constant; None where its numbers are not at hand."""
    found = None if value is None else numbers(value)
    return None if found is None else float(np.sqrt(np.mean(found * found)))


def single(value: Any) -> float | None:
    """A constant of one element, or a number, as a number."""
    if isinstance(value, Constant) and math.prod(value.shape) != 1:
        return None
    found = None if value is None else numbers(value)
    return float(found.ravel()[0]) if found is not None and found.size == 1 else None


def with_number(
    v: Traced, kind: str, function: Curve | None, other: Any, first: bool
) -> Through | None:
    """An elementwise operation of a tensor and something constant.

    Parameters
    ----------
    v : Traced
        Of the shape of the result.
    kind : str
        As for `erfgraph.importers.merging.combine`.
    function : callable, optional
        Of two arrays.
    other : Constant or number
    first : bool
        Whether it is the first operand.
    """
    if function is np.multiply or (function is np.divide and not first):
        divides = function is np.divide
        return scale(other, divides, factor(v, other, divides))
    number = single(other)
    if number is None or function is None:
        return None if kind in ("add", "sub") else UNKNOWN
    if kind in ("add", "sub") and number == 0 and not first:
        return None
    return piece((lambda x: function(number, x)) if first else (lambda x: function(x, number)))


# --- curves -------------------------------------------------------------------------------


def run(functions: Sequence[Through], x: np.ndarray) -> np.ndarray | None:
    """What functions make of numbers, one after another; None where one is unknown."""
    with np.errstate(all="ignore"):
        for f in functions:
            if f.curve is None:
                return None
            x = np.asarray(f.curve(x), dtype=np.float64)
    return x


def together(function: Curve | None, a: Sequence[Through], b: Sequence[Through]) -> Through:
    """An operation on two functions of the same element, as one function of it."""
    if function is None or any(f.curve is None for f in (*a, *b)):
        return UNKNOWN
    return piece(lambda x: function(run(a, x), run(b, x)))


def common(a: Sequence[Through], b: Sequence[Through]) -> int:
    """How many functions two tensors have been through together."""
    n = 0
    for f, g in zip(a, b, strict=False):
        same = (f.kind, f.value, f.scales) == (g.kind, g.value, g.scales)
        if f is not g and (f.kind is None or not same):
            break
        n += 1
    return n


def of_handle(x: FeatureMap, scales: Mapping[str, Numbers]) -> tuple[Through, ...]:
    """The functions that a handle stands for, as those of a tensor."""
    found = []
    for p in x.passed:
        row = KINDS[p.kind]
        if row.function is None:
            found.append(Through(p.kind, p.value, scales=scales.get(p.of)))
        else:
            found.append(activation(p.kind, p.value if row.value is not None else None))
    return tuple(found)


def normalises(mean: Statistic, by: Callable[[np.ndarray], Any]) -> bool:
    """Whether a factor falls as the statistic that it is made of grows, as a norm's does."""
    at = run(mean.passed, np.array([1.0, 16.0]))
    if at is None:
        return False
    with np.errstate(all="ignore"):
        low, high = np.asarray(by(at), dtype=np.float64)
    return bool(abs(high) < 0.3 * abs(low))


def passes(functions: Sequence[Through]) -> tuple[Told, ...]:
    """What a network is told of functions: the known kinds, written-out ones recognised."""
    found: list[Told] = []
    i = 0
    while i < len(functions):
        n, recognised = _longest(functions[i : i + MOST_PIECES])
        known = functions[i].scales if n == 1 else None
        found += [(p, known) for p in recognised]
        i += n
    return tuple(found)


def _longest(functions: Sequence[Through]) -> tuple[int, tuple[Pass, ...]]:
    """How many of the first functions are one known function together, and which."""
    for n in range(len(functions), 0, -1):
        if all(f.kind for f in functions[:n]):
            continue
        curve, far = run(functions[:n], GRID), run(functions[:n], FAR)
        recognised = None if curve is None or far is None else _recognised(curve, far)
        if recognised is not None:
            return n, recognised
    first = functions[0]
    if first.kind is None:
        return 1, ()
    return 1, _pass(first.kind, first.value, first.scales is not None)


def _pass(kind: str, value: float | None, by_channel: bool = False) -> tuple[Pass, ...]:
    if kind == "scale" and not by_channel and (value is None or abs(value - 1) < 1e-9):
        return ()
    made = passing(kind, value)
    return () if made is None else (made,)


def _recognised(curve: np.ndarray, far: np.ndarray) -> tuple[Pass, ...] | None:
    """The known function with this curve; with a factor, if need be."""
    if not np.isfinite(curve).all():
        return None
    slope = (curve[-1] - curve[0]) / (GRID[-1] - GRID[0])
    middle = curve[len(curve) // 2]
    if np.allclose(curve, slope * GRID + middle, atol=TOLERANCE):
        return None if slope == 0 else _pass("scale", abs(slope))
    end = (far[1] - far[0]) / (FAR[1] - FAR[0])  # of what is linear for large numbers
    for size in (1.0, end):
        if not TOLERANCE < size < math.inf:
            continue
        known = _known(curve / size)
        if known is not None:
            return (known, *_pass("scale", size))
    return None


def _known(curve: np.ndarray) -> Pass | None:
    """The known function whose curve is nearest, if it is near enough."""
    fitted = {
        "leaky_relu": (curve[1] - curve[0]) / STEP,
        "hardtanh": curve[-1],
        "elu": curve[0] / math.expm1(GRID[0]),
    }
    best, least = None, math.inf
    for kind, row in KINDS.items():
        if row.function is None or kind == "prelu":  # which is a leaky ReLU
            continue
        value = fitted.get(kind, row.value)
        if kind in fitted and not fitted[kind] > 0:
            continue
        error = np.abs(row.function(GRID, 0.0 if value is None else value) - curve).max()
        if error <= LOOSE.get(kind, TOLERANCE) and error < least:
            best, least = passing(kind, value), error
    return best
