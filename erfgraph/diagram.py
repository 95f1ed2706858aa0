"""`diagram`: a network's layers and what they read, runs of equal parts folded into one.

What a drawing or a listing of the architecture shows, before anybody draws or prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from erfgraph.arithmetic import ReceptiveField, receptive_fields
from erfgraph.grouping import Group, groups, reads_of
from erfgraph.layer_labels import layer_label, per_axis
from erfgraph.network import Network
from erfgraph.repeats import chains, runs

__all__ = ["Box", "Diagram", "Part", "Wire", "diagram", "field_label", "layer_label", "levels"]


@dataclass(frozen=True, slots=True)
class Box:
    """A layer, or several equal ones that follow each other.

    Attributes
    ----------
    label : str
        The operation in the notation of papers: ``conv 3×3, 64, /2``.
    op : str
        Name of the `Network` method; ``"input"``; ``"block"`` or ``"stage"`` for several
        layers that are shown as one.
    times : int
        How many equal layers stand in a row.
    maps : tuple of int
        Indices of the feature maps that these layers make, in the first repetition of the
        part that the box belongs to; the one that leaves the box is the last.
    last : int
        Index of the one that leaves it in the last repetition.
    first : int
        Index of the one that leaves the first of the equal layers, in the first repetition.
    """

    label: str
    op: str
    times: int
    maps: tuple[int, ...]
    last: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A feature map on its way from the box that makes it to one that reads it.

    Attributes
    ----------
    source, target : int
        Numbers of the boxes.
    first, last : ReceptiveField
        Field of the map, in the first and in the last repetition of the part that the wire
        belongs to; equal outside of repeated parts.
    count : int
        How often the target reads the map: twice in ``x + x``.
    """

    source: int
    target: int
    first: ReceptiveField
    last: ReceptiveField
    count: int = 1

    @property
    def label(self) -> str:
        """Size and stride of the field: ``r 11, s 4``; both ends where repetitions differ."""
        return field_label(self.first, self.last)


@dataclass(frozen=True, slots=True)
class Part:
    """Boxes that stand for several equal parts of the network, one after the other.

    Attributes
    ----------
    boxes : range
    times : int
    """

    boxes: range
    times: int


@dataclass(frozen=True, slots=True)
class Diagram:
    """The boxes of a network and the wires between them.

    Attributes
    ----------
    net : Network
    boxes : tuple of Box
        Each after those that it reads; the input first.
    wires : tuple of Wire
    parts : tuple of Part
    fields : tuple of (ReceptiveField, ReceptiveField)
        Per box, of the map that leaves it, in the first and in the last repetition.
    detail : str
        ``"layers"``, ``"blocks"`` or ``"stages"``: what a box stands for.
    """

    net: Network = field(repr=False)
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    parts: tuple[Part, ...]
    fields: tuple[tuple[ReceptiveField, ReceptiveField], ...] = field(repr=False)
    detail: str = "layers"

    @property
    def ends(self) -> tuple[int, ...]:
        """Boxes whose map no layer reads."""
        read = {wire.source for wire in self.wires}
        return tuple(i for i in range(len(self.boxes)) if i not in read)

    @property
    def misaligned(self) -> tuple[int, ...]:
        """Boxes in which branches meet that differ in stride or centres."""
        bad = {m.merge for _, last in self.fields for m in last.misaligned}
        inside = ((i, [*box.maps, box.last]) for i, box in enumerate(self.boxes))
        return tuple(i for i, maps in inside if any(self.net.maps[m].name in bad for m in maps))

    def names(self, box: int, *, every: bool = False) -> str:
        """Name of the feature map that leaves a box; of the first and the last repetition.

        With `every`, of the first and the last of all that the box stands for.
        """
        own = self.boxes[box]
        ends = (own.first if every else own.maps[-1], own.last)
        return " … ".join(dict.fromkeys(self.net.maps[i].name for i in ends))

    def size(self, box: int) -> str:
        """Field of the map that leaves a box; of the first and the last repetition."""
        return _both([rf.size for rf in self.fields[box]])

    def stride(self, box: int) -> str:
        """Stride of that field."""
        return _both([rf.stride for rf in self.fields[box]])

    def to_dict(self) -> dict[str, Any]:
        """Everything that is drawn, ready for JSON."""
        maps = self.net.maps
        return {
            "network": self.net.name,
            "input_shape": list(self.net.input.shape),
            "feature_maps": len(maps),
            "detail": self.detail,
            "boxes": [
                {
                    "label": b.label,
                    "op": b.op,
                    "times": b.times,
                    "maps": [maps[i].name for i in b.maps],
                    "last": maps[b.last].name,
                    "shape": list(maps[b.last].shape),
                    "size": list(rf.size),
                    "stride": [_plain(s) for s in rf.stride],
                }
                for b, (_, rf) in zip(self.boxes, self.fields, strict=True)
            ],
            "wires": [
                {
                    "source": w.source,
                    "target": w.target,
                    "size": list(w.first.size),
                    "stride": [_plain(s) for s in w.first.stride],
                    "last_size": list(w.last.size),
                    "last_stride": [_plain(s) for s in w.last.stride],
                }
                for w in self.wires
            ],
            "parts": [
                {"start": p.boxes.start, "stop": p.boxes.stop, "times": p.times}
                for p in self.parts
            ],
            "misaligned": list(self.misaligned),
        }


def field_label(first: ReceptiveField, last: ReceptiveField | None = None) -> str:
    """Size and stride of a field, or of two: ``r 11, s 4``, ``r 11…43, s 4``."""
    both = (first, last or first)
    return f"r {_both([rf.size for rf in both])}, s {_both([rf.stride for rf in both])}"


def _both(values: Sequence[Sequence[Any]]) -> str:
    return "…".join(dict.fromkeys(map(per_axis, values)))


def _plain(value: int | Fraction) -> int | float:
    return value if isinstance(value, int) else float(value)


def diagram(net: Network, *, fold: bool = True, detail: str = "layers") -> Diagram:
    """The boxes and wires that show a network.

    Parameters
    ----------
    net : Network
    fold : bool, optional
        Whether equal layers in a row, and equal parts in a row through which every path
        runs (residual blocks), are shown once with their number.
    detail : str, optional
        What a box stands for: ``"layers"`` (default), ``"blocks"``, or ``"stages"``; see
        `erfgraph.grouping.groups`.

    Returns
    -------
    Diagram

    Raises
    ------
    NameLookupError
        If the detail is unknown.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv7s2p3 max3s2p1 res(conv3p1*2)*4", (64, 64))
    >>> found = diagram(net)
    >>> [(b.label, b.times) for b in found.boxes[1:]]
    [('conv 7×7, /2', 1), ('max pool 3×3, /2', 1), ('conv 3×3', 2), ('add', 1)]
    >>> found.parts[0].times, found.wires[3].label
    (4, 'r 27…75, s 4')
    >>> [(b.label, b.times) for b in diagram(net, detail="blocks").boxes[3:]]
    [('res(3×3, 3×3)', 4)]
    """
    fields = receptive_fields(net)
    found = groups(net, detail, fields)
    reads = reads_of(net, found)
    looks = [group.look for group in found]
    rows = chains(looks, reads) if fold else [[k] for k in range(len(found))]
    of_group = {k: c for c, chain in enumerate(rows) for k in chain}
    chain_reads = [[of_group[k] for k in reads[chain[0]]] for chain in rows]
    kinds = [(looks[chain[0]], len(chain)) for chain in rows]
    folded = [(range(len(rows)), 1)]
    if fold:
        folded = runs(kinds, chain_reads, inside=detail != "layers")
    return _diagram(
        net, detail, fields, [[found[k] for k in chain] for chain in rows], chain_reads, folded
    )


def _diagram(
    net: Network,
    detail: str,
    fields: Sequence[ReceptiveField],
    rows: Sequence[Sequence[Group]],
    reads: Sequence[Sequence[int]],
    folded: Sequence[tuple[range, int]],
) -> Diagram:
    """Boxes of chains of groups, of which some stand for several."""
    leaves = [row[-1].maps[-1] for row in rows]
    boxes: list[Box] = []
    wires: list[Wire] = []
    parts: list[Part] = []
    shown: dict[int, int] = {}  # number of the box by that of its chain, in any repetition
    for run, times in folded:
        if times > 1:
            parts.append(Part(range(len(boxes), len(boxes) + len(run)), times))
        later = (times - 1) * len(run)  # from a chain to the same one in the last repetition
        for k in run:
            for source in reads[k]:
                last = leaves[source + later if source in run else source]
                count = _count(net, rows[source], rows[k][0])
                ends = fields[leaves[source]], fields[last]
                wires.append(Wire(shown[source], len(boxes), *ends, count))
            shown |= {k + n * len(run): len(boxes) for n in range(times)}
            maps = tuple(i for group in rows[k] for i in group.maps)
            first = rows[k][0]
            last = leaves[k + later]
            boxes.append(Box(first.label, first.op, len(rows[k]), maps, last, first.maps[-1]))
    outs = tuple((fields[b.maps[-1]], fields[b.last]) for b in boxes)
    return Diagram(net, tuple(boxes), tuple(wires), tuple(parts), outs, detail)


def _count(net: Network, source: Sequence[Group], target: Group) -> int:
    """How often one layer reads the map that leaves a box; once for a box of several layers."""
    if len(target.maps) > 1:
        return 1
    inside = [link.src for link in net.maps[target.maps[0]].links]
    return inside.count(source[-1].maps[-1])


def levels(found: Diagram) -> list[int]:
    """For each box, the most wires on a way to it from the input."""
    depth = [0] * len(found.boxes)
    for wire in found.wires:  # in the order of their targets, which come after their sources
        depth[wire.target] = max(depth[wire.target], depth[wire.source] + 1)
    return depth
