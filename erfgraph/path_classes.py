"""Path classes: the ways through a network's feature maps, merged by what they see.

A way picks one branch at every merge. Carried along the feature maps is a polynomial: per
class of ways one coefficient for the number of ways and one for the number of paths through
positions. Ways whose fields only differ by a shift fall into one class, so the number of
classes grows with the number of sizes, not with the exponential number of ways.

Borders are ignored: padding counts as positions, as in `erfgraph.arithmetic`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from erfgraph import params as read
from erfgraph.arithmetic import LONGEST_PERIOD, Progression, through, union
from erfgraph.errors import SizeError
from erfgraph.network import FeatureMap, Network
from erfgraph.patterns import Hull, Pattern, patterns

By = Literal["size", "depth"]
MOST_CLASSES = 100_000  # of one feature map
COPIES = ("add", "concat", "multiply")

Field = Progression | None  # None: the whole map, whatever its size
Counts = tuple[int, ...]
Key = tuple[int, tuple[Field, ...], tuple[Counts, ...]]  # depth, fields, counts per axis
Coefficients = tuple[int, int]  # ways, and paths over the counts of the phases


@dataclass(frozen=True, slots=True)
class Reads:
    """Which positions one output axis reads, borders ignored: a `Pattern` without its gaps.

    Attributes
    ----------
    advance : int
        Input positions that a whole period moves on; 0 where every position reads the same.
    phases : tuple of sequences of int
        The positions that each position of the first period reads, ascending.
    """

    advance: int
    phases: tuple[range | tuple[int, ...], ...]


ReadsTerm = tuple[Reads, ...]  # one per axis; a layer's reads are the sum of its terms


@dataclass(frozen=True, slots=True)
class PathClass:
    """Ways whose fields are equal up to a shift.

    Attributes
    ----------
    depth : int
        Spatial layers passed; 0 where ways are told apart by size.
    fields : tuple of Progression or None, one per axis
        What the units see; None: everything. Empty where ways are told apart by depth.
    counts : tuple of tuples of int, one per axis
        How the paths into a unit depend on its phase on each axis.
    subpaths : int
        How many ways.
    paths : int
        Paths through positions into a unit, over the product of its phases' counts.
    """

    depth: int
    fields: tuple[Field, ...]
    counts: tuple[Counts, ...]
    subpaths: int
    paths: int

    @property
    def size(self) -> tuple[int | None, ...]:
        """Positions of the largest field of a unit per axis; None for the whole map."""
        return tuple(None if f is None else _largest(f) for f in self.fields)

    def paths_to(self, unit: Sequence[int]) -> int:
        """Paths into one unit."""
        phases = (c[u % len(c)] for c, u in zip(self.counts, unit, strict=True))
        return self.paths * math.prod(phases)


def _largest(field: Progression) -> int:
    return max((h[1] - h[0] + 1 for h in field.hulls if h is not None), default=0)


# --- what layers read -----------------------------------------------------------------------


def layer_reads(net: Network, m: FeatureMap, branch: int) -> tuple[ReadsTerm, ...]:
    """What a layer reads of one of its sources, tap by tap.

    Parameters
    ----------
    net : Network
    m : FeatureMap
    branch : int
        Which of its links.

    Returns
    -------
    tuple of terms
        More than one where a mask is no product.
    """
    shape = net.maps[m.links[branch].src].shape
    if m.op in ("conv", "max_pool", "avg_pool"):
        return _window_reads(m, shape)
    if m.op == "conv_transpose":
        return _transposed_reads(m, shape)
    found = patterns(m.op, m.params, shape, m.shape, branch)
    return (
        tuple(
            Reads(0, (range(shape[a]),))
            if reads_whole(m, shape[a], a)
            else Reads(
                p.advance,
                tuple(() if h is None else range(h[0], h[1] + 1, p.step) for h in p.phases),
            )
            for a, p in enumerate(found)
        ),
    )


def _window_reads(m: FeatureMap, shape: tuple[int, ...]) -> tuple[ReadsTerm, ...]:
    ndim, params = len(shape), m.params
    kernel = read.per_axis("kernel", params["kernel"], ndim, 1)
    step = 1 if m.op == "conv" else kernel
    stride = read.per_axis("stride", params.get("stride", step), ndim, 1)
    dilation = read.per_axis("dilation", params.get("dilation", 1), ndim, 1)
    pads = read.padding_sides(params.get("padding", 0), shape, kernel, stride, dilation)
    return tuple(
        tuple(
            Reads(s, (tuple(t * d - pad for t in taps),))
            for s, d, (pad, _), taps in zip(stride, dilation, pads, product, strict=True)
        )
        for product in read.kernel_products(kernel, params.get("mask"))
    )


def _transposed_reads(m: FeatureMap, shape: tuple[int, ...]) -> tuple[ReadsTerm, ...]:
    ndim, params = len(shape), m.params
    kernel = read.per_axis("kernel", params["kernel"], ndim, 1)
    stride = read.per_axis("stride", params.get("stride", 1), ndim, 1)
    dilation = read.per_axis("dilation", params.get("dilation", 1), ndim, 1)
    pads, _ = read.transposed_padding(params.get("padding", 0), kernel, stride, dilation)

    def axis(s: int, d: int, pad: int, taps: Sequence[int]) -> Reads:
        spread = [[phase + pad - t * d for t in taps] for phase in range(s)]
        phases = [sorted(at // s for at in row if at % s == 0) for row in spread]
        return Reads(1, tuple(map(tuple, phases)))

    return tuple(
        tuple(
            axis(s, d, pad, taps)
            for s, d, (pad, _), taps in zip(stride, dilation, pads, product, strict=True)
        )
        for product in read.kernel_products(kernel, params.get("mask"))
    )


def reads_whole(m: FeatureMap, n: int, axis: int) -> bool:
    """Whether each unit of a layer reads all n > 1 positions of an axis, however many."""
    if n == 1:
        return False
    if m.op == "attention":
        window = m.params.get("window")
        if window is None:
            return True
        window, dilation = (
            read.per_axis(key, value, len(m.shape), 1)[axis]
            for key, value in (("window", window), ("dilation", m.params.get("dilation", 1)))
        )
        return window >= n and dilation == 1
    return m.op in ("global_pool", "linear") or (m.op == "adaptive_pool" and m.shape[axis] == 1)


# --- composing ------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 16)
def _field_through(reads: Reads, field: Progression) -> Progression:
    """The fields of a layer's output, moved so that the first one starts at 0."""
    # each tap by itself: a unit in the gap of a dilated kernel is not read, and may see more
    (made,) = union([(through(tap, field),) for tap in _taps(reads, len(field.hulls) == 1)])
    start = next((h[0] for h in made.hulls if h is not None), 0)
    if not start:
        return made
    return Progression(
        made.advance,
        tuple(None if h is None else (h[0] - start, h[1] - start) for h in made.hulls),
    )


def _taps(reads: Reads, together: bool) -> list[Pattern]:
    """Patterns that a layer's fields are the hulls of: all taps together, or one each."""
    if together or all(_contiguous(phase) for phase in reads.phases):
        return [Pattern(reads.advance, tuple(map(_hull, reads.phases)))]
    return [
        Pattern(reads.advance, tuple(None if at is None else (at, at) for at in tap))
        for tap in itertools.zip_longest(*reads.phases)
    ]


def _contiguous(positions: Sequence[int]) -> bool:
    return not positions or positions[-1] - positions[0] == len(positions) - 1


def _hull(positions: Sequence[int]) -> Hull | None:
    return (positions[0], positions[-1]) if positions else None


@lru_cache(maxsize=1 << 16)
def _counts_through(reads: Reads, counts: Counts) -> tuple[int, Counts]:
    """Paths per phase of a layer's output: their common factor, and what is left of them."""
    n, known = len(reads.phases), len(counts)
    period = n * (known // math.gcd(known, reads.advance)) if reads.advance else n
    if period > LONGEST_PERIOD:
        raise SizeError(f"paths repeat only every {period} units; at most {LONGEST_PERIOD}")
    made = []
    for unit in range(period):
        j, phase = divmod(unit, n)
        made.append(_sum_of(reads.phases[phase], reads.advance * j, counts))
    factor = math.gcd(*made)
    if not factor:
        return 0, (0,)
    return factor, shortest([c // factor for c in made])


def _sum_of(positions: Sequence[int], moved: int, counts: Counts) -> int:
    if len(counts) == 1:
        return len(positions) * counts[0]
    rounds, rest = 0, positions
    if isinstance(positions, range):  # which may be as long as a map
        rounds, left = divmod(len(positions), len(counts))
        rest = positions[:left]
    return rounds * sum(counts) + sum(counts[(moved + at) % len(counts)] for at in rest)


def shortest(values: Sequence[int]) -> Counts:
    """One period of a periodic sequence."""
    n = len(values)
    for period in range(1, n // 2 + 1):
        if n % period == 0 and list(values[:-period]) == list(values[period:]):
            return tuple(values[:period])
    return tuple(values)


class _Table:
    """Classes by number, so that polynomials have small keys, and what layers make of them."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._numbers: dict[Key, int] = {}
        self._moves: dict[object, dict[int, tuple[int, int]]] = {}

    def number(self, key: Key) -> int:
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return found

    def moves(self, step: _Step, term: ReadsTerm) -> dict[int, tuple[int, int]]:
        """For one term of one kind of layer: class -> (class behind it, factor of its paths)."""
        return self._moves.setdefault((step, term), {})

    def move(self, step: _Step, term: ReadsTerm, number: int) -> tuple[int, int]:
        depth, fields, counts = self.keys[number]
        made = [_counts_through(r, c) for r, c in zip(term, counts, strict=True)]
        seen = tuple(
            None if f is None or whole else _field_through(line, f)
            for f, line, whole in zip(fields, step.lines, step.whole, strict=False)
        )
        key = (depth + step.deeper if not fields else 0, seen, tuple(c for _, c in made))
        return self.number(key), math.prod(f for f, _ in made)


@dataclass(frozen=True, slots=True)
class _Step:
    """What a layer does to a class: what it reads and whether that is all, per axis; depth."""

    lines: tuple[Reads, ...]
    whole: tuple[bool, ...]
    deeper: bool


def path_classes(net: Network, top: FeatureMap, by: By = "size") -> list[PathClass]:
    """The classes of the ways from the input to a feature map.

    Parameters
    ----------
    net : Network
    top : FeatureMap
    by : {"size", "depth"}, optional
        Whether ways are told apart by what they see, or by how many spatial layers (those
        that read more than one position of an axis) they pass.

    Returns
    -------
    list of PathClass
        In no particular order. Several may have equal sizes.

    Raises
    ------
    SizeError
        If there are too many classes, or fields repeat only after very many units.
    """
    leading = {top.index}
    for m in reversed(net.maps[: top.index + 1]):
        if m.index in leading:
            leading.update(link.src for link in m.links)
    ndim = len(net.input.shape)
    table = _Table()
    fields: tuple[Field, ...] = (Progression(1, ((0, 0),)),) * ndim if by == "size" else ()
    start = table.number((0, fields, ((1,),) * ndim))
    found: dict[int, dict[int, Coefficients]] = {0: {start: (1, 1)}}
    for m in net.maps[1 : top.index + 1]:
        if m.index not in leading:
            continue
        into: dict[int, Coefficients] = {}
        for branch, link in enumerate(m.links):
            if m.op in COPIES:
                for number, (ways, paths) in found[link.src].items():
                    known = into.get(number, (0, 0))
                    into[number] = (known[0] + ways, known[1] + paths)
            else:
                _push(table, net, m, branch, found[link.src], into)
        if len(into) > MOST_CLASSES:
            raise SizeError(
                f"{m.name}: {len(into)} classes of paths, at most {MOST_CLASSES}"
                + ("; by='depth' has fewer" if by == "size" else "")
            )
        found[m.index] = into
    return [
        PathClass(*table.keys[k], ways, paths) for k, (ways, paths) in found[top.index].items()
    ]


def _merged(lines: Sequence[Reads]) -> Reads:
    """What the terms of a mask read of one axis, together."""
    if len(lines) == 1:
        return lines[0]
    phases = zip(*(line.phases for line in lines), strict=True)
    return Reads(lines[0].advance, tuple(tuple(sorted({*itertools.chain(*p)})) for p in phases))


def _push(
    table: _Table,
    net: Network,
    m: FeatureMap,
    branch: int,
    source: dict[int, Coefficients],
    into: dict[int, Coefficients],
) -> None:
    shape = net.maps[m.links[branch].src].shape
    terms = layer_reads(net, m, branch)
    lines = tuple(map(_merged, zip(*terms, strict=True)))
    whole = tuple(reads_whole(m, n, a) for a, n in enumerate(shape))
    deeper = any(len(phase) > 1 for line in lines for phase in line.phases)
    step = _Step(lines, whole, deeper)
    for i, term in enumerate(terms):
        moves = table.moves(step, term)
        for number, (ways, paths) in source.items():
            move = moves.get(number)
            if move is None:
                move = moves[number] = table.move(step, term, number)
            known = into.get(move[0], (0, 0))
            # a way is one, in however many terms its mask comes
            into[move[0]] = (known[0] + (ways if i == 0 else 0), known[1] + paths * move[1])
