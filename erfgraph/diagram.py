"""`diagram`: a network's layers and what they read, runs of equal parts folded into one.

What a drawing or a listing of the architecture shows, before anybody draws or prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from erfgraph.arithmetic import ReceptiveField, receptive_fields
from erfgraph.network import FeatureMap, Network

LONGEST_PART = 32  # pieces of a part whose repetitions are looked for

# what layers are called in the drawings of papers; others by their method's name
NAMES = {
    "conv_transpose": "deconv",
    "max_pool": "max pool",
    "avg_pool": "avg pool",
    "adaptive_pool": "adaptive pool",
    "global_pool": "global pool",
    "pixel_shuffle": "pixel shuffle",
    "pixel_unshuffle": "pixel unshuffle",
    "channel_pool": "channel pool",
}
UP = ("conv_transpose", "upsample")  # their stride or scale makes maps larger
MERGES = ("add", "concat", "multiply", "gate")


@dataclass(frozen=True, slots=True)
class Box:
    """A layer, or several equal ones that follow each other.

    Attributes
    ----------
    label : str
        The operation in the notation of papers: ``conv 3×3, 64, /2``.
    op : str
        Name of the `Network` method; ``"input"``.
    times : int
        How many equal layers stand in a row.
    maps : tuple of int
        Indices of the feature maps that these layers make, in the first repetition of the
        part that the box belongs to.
    last : int
        Index of the last one in the last repetition.
    """

    label: str
    op: str
    times: int
    maps: tuple[int, ...]
    last: int


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
    """

    source: int
    target: int
    first: ReceptiveField
    last: ReceptiveField

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
    """

    net: Network = field(repr=False)
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    parts: tuple[Part, ...]
    fields: tuple[tuple[ReceptiveField, ReceptiveField], ...] = field(repr=False)

    @property
    def ends(self) -> tuple[int, ...]:
        """Boxes whose map no layer reads."""
        read = {wire.source for wire in self.wires}
        return tuple(i for i in range(len(self.boxes)) if i not in read)

    def names(self, box: int) -> str:
        """Name of the feature map that leaves a box; of the first and the last repetition."""
        ends = (self.boxes[box].maps[-1], self.boxes[box].last)
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
        }


def field_label(first: ReceptiveField, last: ReceptiveField | None = None) -> str:
    """Size and stride of a field, or of two: ``r 11, s 4``, ``r 11…43, s 4``."""
    both = (first, last or first)
    return f"r {_both([rf.size for rf in both])}, s {_both([rf.stride for rf in both])}"


def _both(values: Sequence[Sequence[Any]]) -> str:
    return "…".join(dict.fromkeys(map(per_axis, values)))


def per_axis(values: Sequence[Any]) -> str:
    """One number where all axes agree, else ``7×11``."""
    texts = [str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _plain(value: int | Fraction) -> int | float:
    return value if isinstance(value, int) else float(value)


def layer_label(m: FeatureMap) -> str:
    """The layer that makes a map, as papers write it.

    Kernel, channels of the result where the layer chooses them, ``/`` stride (``×`` where it
    makes the map larger), ``d`` dilation, ``g`` groups.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv7s2p3 conv3d2 max2 deconv4s2p1 up2", (64, 64))
    >>> [layer_label(m) for m in net.maps]
    ['input 64×64', 'conv 7×7, /2', 'conv 3×3, d2', 'max pool 2×2, /2', 'deconv 4×4, ×2', 'upsample ×2']
    """  # noqa: E501
    if m.op == "input":
        return f"input {'×'.join(map(str, m.shape))}"
    params, ndim = m.params, len(m.shape)
    name = NAMES.get(m.op, m.op.replace("_", " "))
    for key in ("kernel", "window", "block"):
        if params.get(key) is not None:
            name += f" {_window(params[key], ndim)}"
    said = [name]
    if m.op == "upsample":
        return f"{name} {_scale(params, ndim)}"
    if "channels" in params:
        said.append(str(params["channels"]))
    usual = params.get("kernel") if m.op in ("max_pool", "avg_pool") else 1
    stride = params.get("stride") or usual
    if any(s != 1 for s in _values(stride, ndim)):
        said.append(("×" if m.op in UP else "/") + per_axis(_values(stride, ndim)))
    for key, letter in (("dilation", "d"), ("groups", "g")):
        if any(v != 1 for v in _values(params.get(key, 1), ndim)):
            said.append(letter + per_axis(_values(params[key], ndim)))
    return ", ".join(said)


def _values(value: Any, ndim: int) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] * ndim


def _window(value: Any, ndim: int) -> str:
    return "×".join(map(str, _values(value, ndim)))


def _scale(params: Mapping[str, Any], ndim: int) -> str:
    if params.get("scale") is not None:
        return "×" + per_axis([f"{v:g}" for v in _values(params["scale"], ndim)])
    return "to " + _window(params["size"], ndim)


def diagram(net: Network, *, fold: bool = True) -> Diagram:
    """The boxes and wires that show a network.

    Parameters
    ----------
    net : Network
    fold : bool, optional
        Whether equal layers in a row, and equal parts in a row through which every path
        runs (residual blocks), are shown once with their number.

    Returns
    -------
    Diagram

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = diagram(eg.load("conv7s2p3 max3s2p1 res(conv3p1*2)*4", (64, 64)))
    >>> [(b.label, b.times) for b in found.boxes[1:]]
    [('conv 7×7, /2', 1), ('max pool 3×3, /2', 1), ('conv 3×3', 2), ('add', 1)]
    >>> found.parts[0].times, found.wires[3].label
    (4, 'r 27…75, s 4')
    """
    labels = [layer_label(m) for m in net.maps]
    chains = _chains(net, labels) if fold else [[m.index] for m in net.maps]
    of_map = {i: k for k, chain in enumerate(chains) for i in chain}
    reads = [
        list(dict.fromkeys(of_map[link.src] for link in net.maps[chain[0]].links))
        for chain in chains
    ]
    kinds = [(labels[chain[0]], len(chain)) for chain in chains]
    runs = _runs(kinds, reads) if fold else [(range(len(chains)), 1)]
    fields = receptive_fields(net)
    boxes: list[Box] = []
    wires: list[Wire] = []
    parts: list[Part] = []
    shown: dict[int, int] = {}  # number of the box by that of its chain, in any repetition
    for run, times in runs:
        if times > 1:
            parts.append(Part(range(len(boxes), len(boxes) + len(run)), times))
        later = (times - 1) * len(run)  # from a chain to the same one in the last repetition
        for k in run:
            last = chains[k + later]
            for source in reads[k]:
                end = source + later if source in run else source
                wires.append(
                    Wire(
                        shown[source],
                        len(boxes),
                        fields[chains[source][-1]],
                        fields[chains[end][-1]],
                    )
                )
            shown |= {k + n * len(run): len(boxes) for n in range(times)}
            op = net.maps[last[0]].op
            boxes.append(Box(*kinds[k][:1], op, kinds[k][1], tuple(chains[k]), last[-1]))
    ends = tuple((fields[b.maps[-1]], fields[b.last]) for b in boxes)
    return Diagram(net, tuple(boxes), tuple(wires), tuple(parts), ends)


def _chains(net: Network, labels: Sequence[str]) -> list[list[int]]:
    """Feature maps by runs of equal layers, each read by nothing but the next."""
    readers = [0] * len(net.maps)
    for m in net.maps:
        for link in m.links:
            readers[link.src] += 1
    chains: list[list[int]] = []
    ending: dict[int, list[int]] = {}  # chain by its last map
    for m in net.maps:
        source = m.links[0].src if len(m.links) == 1 else None
        if source is not None and readers[source] == 1 and labels[source] == labels[m.index]:
            chain = ending.pop(source)
            chain.append(m.index)
        else:
            chain = [m.index]
            chains.append(chain)
        ending[m.index] = chain
    return chains


def _runs(
    kinds: Sequence[tuple[str, int]], reads: Sequence[Sequence[int]]
) -> list[tuple[range, int]]:
    """Chains by parts: the first of equal parts in a row, and how many there are."""
    pieces = _pieces(reads)
    looks = [
        tuple((kinds[k], tuple(source - k for source in reads[k])) for k in piece)
        for piece in pieces
    ]
    runs: list[tuple[range, int]] = []
    i = 0
    while i < len(pieces):
        saved, period, times = 0, 1, 1
        for p in range(1, min(LONGEST_PART, (len(pieces) - i) // 2) + 1):
            n = 1
            while looks[i + n * p : i + (n + 1) * p] == looks[i : i + p]:
                n += 1
            save = (n - 1) * sum(map(len, pieces[i : i + p]))
            if save > saved:
                saved, period, times = save, p, n
        runs.append((range(pieces[i].start, pieces[i + period - 1].stop), times))
        i += period * times
    return runs


def _pieces(reads: Sequence[Sequence[int]]) -> list[range]:
    """Chains by pieces: each ends with one that nothing behind it reads past."""
    furthest = [-1] * len(reads)  # the last that reads it
    for k, sources in enumerate(reads):
        for source in sources:
            furthest[source] = k
    pieces, start, over = [], 0, -1
    for k in range(len(reads)):
        if over <= k or k == len(reads) - 1:  # all before are read by this one at the latest
            pieces.append(range(start, k + 1))
            start = k + 1
        over = max(over, furthest[k])
    return pieces


def levels(found: Diagram) -> list[int]:
    """For each box, the most wires on a way to it from the input."""
    depth = [0] * len(found.boxes)
    for wire in found.wires:  # in the order of their targets, which come after their sources
        depth[wire.target] = max(depth[wire.target], depth[wire.source] + 1)
    return depth
