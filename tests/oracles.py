"""Oracles that know nothing of erfgraph's engine: plain loops, Python integers, networkx.

Each layer's rule is written here a second time, from the PyTorch and TensorFlow definitions,
as a function of the `Layer` record alone (its op, inputs and params): which units does the
unit at `position` read? From that follow the graph, path counts and edge counts.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import networkx as nx
import numpy as np

from erfgraph.network import Network

Position = tuple[int, ...]
Unit = tuple[int, Position]  # (index of the feature map, position)
Read = tuple[int, Position]  # (number of the layer's input, position in it)
Rule = tuple[Position, Callable[[Position], list[Read]]]  # output shape, reads of a unit


def each(value: Any, ndim: int) -> list[Any]:
    """One value per axis."""
    return list(value) if isinstance(value, list | tuple) else [value] * ndim


def sides(value: Any, ndim: int) -> list[tuple[int, int]]:
    """A (before, after) pair per axis."""
    return [tuple(v) if isinstance(v, list | tuple) else (v, v) for v in each(value, ndim)]


def positions(shape: Position) -> Iterator[Position]:
    """All positions of a map in raster order."""
    return itertools.product(*map(range, shape))


def mapped(position: int, n: int, mode: str) -> int | None:
    """The real position that a padded one stands for, one step at a time; None for a zero."""
    while not 0 <= position < n:
        if mode == "zeros":
            return None
        if mode == "replicate":
            position += 1 if position < 0 else -1
        elif mode == "circular":
            position += n if position < 0 else -n
        elif mode == "reflect":
            position = -position if position < 0 else 2 * (n - 1) - position
        elif mode == "symmetric":
            position = -1 - position if position < 0 else 2 * n - 1 - position
    return position


# --- one rule a layer -----------------------------------------------------------------------


def tensorflow_same(n: int, span: int, stride: int, lower: bool = False) -> tuple[int, int]:
    """SAME padding as TensorFlow's guide defines it."""
    rest = n % stride
    total = max(span - stride, 0) if rest == 0 else max(span - rest, 0)
    return (total - total // 2, total // 2) if lower else (total // 2, total - total // 2)


def conv_geometry(
    shape: Position, kernel: list[int], p: dict[str, Any]
) -> tuple[list[int], list[int], list[tuple[int, int]], Position]:
    """Stride, dilation, padding and output shape of a convolution or pool."""
    ndim = len(shape)
    stride, dilation = each(p["stride"], ndim), each(p.get("dilation", 1), ndim)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = p.get("padding", 0)
    if padding == "valid":
        padding = 0
    if isinstance(padding, str):
        pads = [
            tensorflow_same(n, span, s, padding == "same_lower")
            for n, span, s in zip(shape, spans, stride, strict=True)
        ]
    else:
        pads = sides(padding, ndim)
    sizes = []
    for n, span, s, (before, after) in zip(shape, spans, stride, pads, strict=True):
        start, size = 0, 0
        while start + span <= before + n + after:  # windows that fit
            size, start = size + 1, start + s
        if p.get("ceil_mode"):  # one more, but none that starts beyond the data, as PyTorch does
            size += start - s + span < before + n + after
            size -= (size - 1) * s >= before + n
        sizes.append(size)
    return stride, dilation, pads, tuple(sizes)


def conv(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    kernel = each(p["kernel"], len(shape))
    stride, dilation, pads, sizes = conv_geometry(shape, kernel, {"stride": 1, **p})
    mask = np.ones(kernel) if p.get("mask") is None else np.array(p["mask"])
    mode = p.get("padding_mode", "zeros")

    def reads(unit: Position) -> list[Read]:
        found = []
        for tap in positions(tuple(kernel)):
            at = [
                mapped(y * s - pad[0] + t * d, n, mode)
                for y, s, pad, t, d, n in zip(
                    unit, stride, pads, tap, dilation, shape, strict=True
                )
            ]
            if mask[tap] and None not in at:
                found.append((0, tuple(at)))
        return found

    return sizes, reads


def pool(shapes: list[Position], p: dict[str, Any]) -> Rule:
    return conv(shapes, {"stride": p["kernel"], **p})


def conv_transpose(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    ndim = len(shape)
    kernel, stride = each(p["kernel"], ndim), each(p.get("stride", 1), ndim)
    dilation, extra = each(p.get("dilation", 1), ndim), each(p.get("output_padding", 0), ndim)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = p.get("padding", 0)
    if isinstance(padding, str):  # the gradient of the forward convolution of a larger map
        sizes = [
            n * s + (max(span - s, 0) if padding == "valid" else 0) + e
            for n, s, span, e in zip(shape, stride, spans, extra, strict=True)
        ]
        pads = [
            tensorflow_same(n * s, span, s) if padding == "same" else (0, 0)
            for n, s, span in zip(shape, stride, spans, strict=True)
        ]
    else:
        pads = sides(padding, ndim)
        sizes = [
            (n - 1) * s - sum(pad) + span + e
            for n, s, pad, span, e in zip(shape, stride, pads, spans, extra, strict=True)
        ]
    mask = np.ones(kernel) if p.get("mask") is None else np.array(p["mask"])

    def reads(unit: Position) -> list[Read]:
        found = []
        for x in positions(shape):
            for tap in positions(tuple(kernel)):
                spread = tuple(
                    i * s - pad[0] + t * d
                    for i, s, pad, t, d in zip(x, stride, pads, tap, dilation, strict=True)
                )
                if mask[tap] and spread == unit:
                    found.append((0, x))
        return found

    return tuple(sizes), reads


def adaptive_pool(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    sizes = tuple(each(p["size"], len(shape)))

    def reads(unit: Position) -> list[Read]:
        windows = [
            range(math.floor(Fraction(i * n, m)), math.ceil(Fraction((i + 1) * n, m)))
            for i, n, m in zip(unit, shape, sizes, strict=True)
        ]
        return [(0, x) for x in itertools.product(*windows)]

    return sizes, reads


def dense(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    return (1,) * len(shape), lambda unit: [(0, x) for x in positions(shape)]


def attention(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    window = p.get("window")
    if window is None:
        return shape, lambda unit: [(0, x) for x in positions(shape)]
    sizes, shifts = each(window, len(shape)), each(p.get("shift", 0), len(shape))
    spacing = each(p.get("dilation", 1), len(shape))

    def tile(at: Position) -> list[tuple[int, int]]:
        """Per axis the window, and which of the windows that are interleaved in it."""
        return [
            ((i - s) // (w * d), (i - s) % d)
            for i, w, s, d in zip(at, sizes, shifts, spacing, strict=True)
        ]

    return shape, lambda unit: [(0, x) for x in positions(shape) if tile(x) == tile(unit)]


def pixel_shuffle(shapes: list[Position], p: dict[str, Any]) -> Rule:
    block = each(p["block"], len(shapes[0]))
    sizes = tuple(n * f for n, f in zip(shapes[0], block, strict=True))
    return sizes, lambda unit: [(0, tuple(i // f for i, f in zip(unit, block, strict=True)))]


def pixel_unshuffle(shapes: list[Position], p: dict[str, Any]) -> Rule:
    block = each(p["block"], len(shapes[0]))
    sizes = tuple(n // f for n, f in zip(shapes[0], block, strict=True))

    def reads(unit: Position) -> list[Read]:
        found = [x for x in positions(shapes[0]) if tuple(map(int.__floordiv__, x, block)) == unit]
        return [(0, x) for x in found]

    return sizes, reads


def merge(shapes: list[Position], p: dict[str, Any]) -> Rule:
    assert len(set(shapes)) == 1
    return shapes[0], lambda unit: [(k, unit) for k in range(len(shapes))]


def gate(shapes: list[Position], p: dict[str, Any]) -> Rule:
    whole, factor = shapes

    def reads(unit: Position) -> list[Read]:
        return [(0, unit), (1, tuple(min(i, n - 1) for i, n in zip(unit, factor, strict=True)))]

    return whole, reads


def pad(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    pads = sides(p["padding"], len(shape))
    sizes = tuple(n + a + b for n, (a, b) in zip(shape, pads, strict=True))

    def reads(unit: Position) -> list[Read]:
        mode = p.get("mode", "zeros")
        at = [mapped(i - a, n, mode) for i, (a, _), n in zip(unit, pads, shape, strict=True)]
        return [] if None in at else [(0, tuple(at))]

    return sizes, reads


def picked(kept: list[list[int]]) -> Rule:
    """Copies of positions given by list, per axis."""
    return tuple(map(len, kept)), lambda unit: [
        (0, tuple(line[i] for line, i in zip(kept, unit, strict=True)))
    ]


def crop(shapes: list[Position], p: dict[str, Any]) -> Rule:
    cuts = sides(p["amount"], len(shapes[0]))
    return picked([list(range(n))[a : n - b] for n, (a, b) in zip(shapes[0], cuts, strict=True)])


def slice_(shapes: list[Position], p: dict[str, Any]) -> Rule:
    bounds = [each(p.get(key), len(shapes[0])) for key in ("start", "stop", "step")]
    return picked([list(range(n))[a:b:c] for n, a, b, c in zip(shapes[0], *bounds, strict=True)])


def roll(shapes: list[Position], p: dict[str, Any]) -> Rule:
    shifts = each(p["shift"], len(shapes[0]))
    kept = [np.roll(np.arange(n), s).tolist() for n, s in zip(shapes[0], shifts, strict=True)]
    return picked(kept)


def upsample(shapes: list[Position], p: dict[str, Any]) -> Rule:
    (shape,) = shapes
    if p.get("size") is not None:
        sizes = each(p["size"], len(shape))
        scales = [Fraction(m, n) for n, m in zip(shape, sizes, strict=True)]
    else:
        scales = [Fraction(str(s)) for s in each(p["scale"], len(shape))]
        sizes = [math.floor(n * s) for n, s in zip(shape, scales, strict=True)]
    mode, half = p.get("mode", "nearest"), Fraction(1, 2)
    if mode == "nearest_exact":
        grid, rounding = "half_pixel", "half_up"
    else:
        plain = "asymmetric" if mode == "nearest" else "half_pixel"
        plain = "align_corners" if p.get("align_corners") and mode != "nearest" else plain
        grid, rounding = p.get("coordinates", plain), p.get("rounding", "floor")

    def sources(out: int, n: int, m: int, scale: Fraction) -> set[int]:
        if grid == "asymmetric":
            at = out / scale
        elif grid == "align_corners":
            at = Fraction(out * (n - 1), m - 1) if m > 1 else Fraction(0)
        else:
            at = (out + half) / scale - half
            if grid == "half_pixel_symmetric":  # as ONNX states it
                at += Fraction(n, 2) * (1 - m / (n * scale))
        if mode.startswith("nearest"):
            low = math.floor(at)
            up = {"floor": 0, "ceil": at > low, "half_up": at - low >= half}
            up["half_down"] = at - low > half
            return {min(max(low + up[rounding], 0), n - 1)}
        if mode in ("linear", "bilinear", "trilinear"):
            at = max(at, Fraction(0))
            near = (math.floor(at), math.ceil(at))
        else:  # cubic convolution has weight 0 at whole distances but 0
            whole = math.floor(at)
            near = (whole,) if at == whole else tuple(range(whole - 1, whole + 3))
        return {min(max(i, 0), n - 1) for i in near}

    def reads(unit: Position) -> list[Read]:
        per_axis = map(sources, unit, shape, sizes, scales)
        return [(0, x) for x in itertools.product(*map(sorted, per_axis))]

    return tuple(sizes), reads


RULES: dict[str, Callable[[list[Position], dict[str, Any]], Rule]] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": pool,
    "avg_pool": pool,
    "adaptive_pool": adaptive_pool,
    "global_pool": dense,
    "linear": dense,
    "attention": attention,
    "add": merge,
    "concat": merge,
    "multiply": merge,
    "gate": gate,
    "pad": pad,
    "crop": crop,
    "slice": slice_,
    "roll": roll,
    "upsample": upsample,
    "channel_pool": merge,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}
VIEWS = ("identity", "channel_slice", "channel_take", "channel_shuffle")


def transparent(net: Network, op: str) -> bool:
    """Whether a layer adds neither units nor edges."""
    return op in VIEWS or (op == "gate" and net.gates == "transparent")


# --- the graph --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Naive:
    """What every unit reads, how often, by the rules above."""

    shapes: tuple[Position, ...]
    reads: dict[Unit, Counter[Unit]]

    def digraph(self) -> nx.DiGraph:
        """Units and edges, with multiplicities."""
        graph = nx.DiGraph()
        for v, found in self.reads.items():
            graph.add_node(v)
            for u, times in found.items():
                graph.add_edge(u, v, multiplicity=times)
        return graph

    def multigraph(self) -> nx.MultiDiGraph:
        """One edge a read."""
        graph = nx.MultiDiGraph()
        for v, found in self.reads.items():
            graph.add_node(v)
            graph.add_edges_from((u, v) for u in found.elements())
        return graph


def naive_graph(net: Network) -> Naive:
    """The network's reads from its layer records; nothing of `FeatureMap.links` is used."""
    shapes = [net.input.shape]
    index_of = {"input": 0}
    reads: dict[Unit, Counter[Unit]] = {(0, x): Counter() for x in positions(shapes[0])}
    for layer, name in zip(net.layers, net.results, strict=True):
        inputs = [index_of[name] for name in layer.inputs]
        if transparent(net, layer.op):
            index_of[layer.name or name] = inputs[0]
            continue
        shape, rule = RULES[layer.op]([shapes[i] for i in inputs], dict(layer.params))
        index = index_of[name] = len(shapes)
        assert shape == net.maps[index].shape, (layer, shape, net.maps[index].shape)
        shapes.append(shape)
        for unit in positions(shape):
            reads[index, unit] = Counter((inputs[k], x) for k, x in rule(unit))
    return Naive(tuple(shapes), reads)


def as_array(shape: Position, found: dict[Position, int]) -> np.ndarray:
    """Python integers as an object array."""
    values = np.zeros(shape, dtype=object)
    for position, value in found.items():
        values[position] = value
    return values


# --- path counts ----------------------------------------------------------------------------


def counts_to(naive: Naive, target: Unit) -> dict[Unit, int]:
    """Paths from every unit to the target, by dynamic programming over the DAG."""
    counts: Counter[Unit] = Counter({target: 1})
    for index in range(target[0], -1, -1):
        for unit in [u for u in counts if u[0] == index]:
            for source, times in naive.reads[unit].items():
                counts[source] += times * counts[unit]
    return counts


def paths(naive: Naive, target: Unit, of: int = 0) -> np.ndarray:
    """Path counts from every unit of a map to the target."""
    counts = counts_to(naive, target)
    return as_array(naive.shapes[of], {u[1]: c for u, c in counts.items() if u[0] == of})


def enumerated_paths(naive: Naive, target: Unit) -> np.ndarray:
    """Path counts from the input, each path walked one by one."""
    found: Counter[Position] = Counter()

    def walk(unit: Unit) -> None:
        if unit[0] == 0:
            found[unit[1]] += 1
            return
        for source in naive.reads[unit].elements():
            walk(source)

    walk(target)
    return as_array(naive.shapes[0], found)


def edges(naive: Naive, target: Unit, of: int = 0, graph: nx.DiGraph | None = None) -> np.ndarray:
    """Distinct edges on a path from every unit of a map to the target."""
    graph = graph or naive.digraph()
    leads = nx.ancestors(graph, target) | {target}
    inner = graph.subgraph(leads)
    found = {}
    for position in positions(naive.shapes[of]):
        unit = (of, position)
        if unit in leads:
            reached = nx.descendants(inner, unit) | {unit}
            found[position] = sum(len(inner[u]) for u in reached)
    return as_array(naive.shapes[of], found)
