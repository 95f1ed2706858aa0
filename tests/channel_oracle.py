"""Oracles of networks whose channels are told apart: plain loops, networkx, and PyTorch.

Each layer's rule is a second account of which channels it joins, from PyTorch's definitions,
as a function of the layer's record alone: where the output unit at `unit` reads the unit at
`source` of the layer's k-th input once, which of that input's channels does its channel c
read? `oracles` says which units are read; nothing of `FeatureMap.links` is used.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from oracles import RULES, Position, as_array, each, positions, transparent

from erfgraph.network import Network

Node = tuple[int, Position, int]  # (index of the feature map, position, channel)
Reads = Callable[[int, int, Position, Position], list[int]]  # (k, c, unit, source)
ChannelRule = tuple[int, Reads]  # output channels, channels read
Params = dict[str, Any]


def each_channel(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    """A layer that treats every channel by itself."""
    return counts[0], lambda k, c, unit, source: [c]


def conv(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    groups, n = p.get("groups", 1), p.get("channels") or counts[0]
    width = counts[0] // groups

    def reads(k: int, c: int, unit: Position, source: Position) -> list[int]:
        group = c // (n // groups)
        return list(range(group * width, (group + 1) * width))

    return n, reads


def channel_pool(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    n = p.get("channels", 1)
    return n, conv(counts, shape, {"groups": n, "channels": n})[1]


def broadcast(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    """Sums and products: a map of one channel goes into all of the others'."""
    return max(counts), lambda k, c, unit, source: [c if counts[k] > 1 else 0]


def gate(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    return counts[0], broadcast(counts, shape, p)[1]


def concat(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    starts = [sum(counts[:k]) for k in range(len(counts))]

    def reads(k: int, c: int, unit: Position, source: Position) -> list[int]:
        return [c - starts[k]] if starts[k] <= c < starts[k] + counts[k] else []

    return sum(counts) + p.get("constant", 0), reads


def place(at: Position, block: list[int]) -> int:
    """Where in its block a position is, in row-major order."""
    found = 0
    for i, f in zip(at, block, strict=True):
        found = found * f + i % f
    return found


def pixel_shuffle(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    block = each(p["block"], len(shape))
    n = math.prod(block)
    return counts[0] // n, lambda k, c, unit, source: [c * n + place(unit, block)]


def pixel_unshuffle(counts: list[int], shape: Position, p: Params) -> ChannelRule:
    block = each(p["block"], len(shape))
    n = math.prod(block)

    def reads(k: int, c: int, unit: Position, source: Position) -> list[int]:
        return [c // n] if place(source, block) == c % n else []

    return counts[0] * n, reads


CHANNEL_RULES: dict[str, Callable[[list[int], Position, Params], ChannelRule]] = {
    **dict.fromkeys(("max_pool", "avg_pool", "adaptive_pool", "global_pool"), each_channel),
    **dict.fromkeys(("attention", "pad", "crop", "slice", "roll", "upsample"), each_channel),
    **dict.fromkeys(("conv", "conv_transpose", "linear"), conv),
    **dict.fromkeys(("add", "multiply"), broadcast),
    "gate": gate,
    "concat": concat,
    "channel_pool": channel_pool,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}


def viewed(op: str, p: Params, channels: list[int]) -> list[int]:
    """The channels that a transparent layer returns of those that it was given."""
    if op == "channel_slice":
        return channels[slice(*(p.get(key) for key in ("start", "stop", "step")))]
    if op == "channel_take":
        return [channels[i] for i in p["order"]]
    if op == "channel_shuffle":  # PyTorch's own words: view, transpose, view
        groups = [channels[i :: len(channels) // p["groups"]] for i in range(len(channels))]
        return list(itertools.chain(*groups[: len(channels) // p["groups"]]))
    return channels


@dataclass(frozen=True)
class ChannelGraph:
    """What every channel of every unit reads, how often.

    `views` holds for every name the map and the channels that it stands for.
    """

    shapes: tuple[Position, ...]
    channels: tuple[int, ...]
    reads: dict[Node, Counter[Node]]
    views: dict[str, tuple[int, list[int]]]


def channel_graph(net: Network) -> ChannelGraph:
    """The graph of a network with every channel of every unit a node."""
    shapes, channels = [net.input.shape], [net.input.channels]
    views = {"input": (0, list(range(channels[0])))}
    reads: dict[Node, Counter[Node]] = {}
    for layer, name in zip(net.layers, net.results, strict=True):
        inputs, p = [views[x] for x in layer.inputs], dict(layer.params)
        if transparent(net, layer.op):
            index, held = inputs[0]
            views[layer.name or name] = index, viewed(layer.op, p, held)
            continue
        shape, units_read = RULES[layer.op]([shapes[i] for i, _ in inputs], p)
        n, channels_read = CHANNEL_RULES[layer.op]([len(v) for _, v in inputs], shape, p)
        index = len(shapes)
        for unit, c in itertools.product(positions(shape), range(n)):
            found = reads[index, unit, c] = Counter()
            for k, source in units_read(unit):
                for channel in channels_read(k, c, unit, source):
                    found[inputs[k][0], source, inputs[k][1][channel]] += 1
        views[name] = index, list(range(n))
        shapes.append(shape)
        channels.append(n)
    return ChannelGraph(tuple(shapes), tuple(channels), reads, views)


def counts_to(graph: ChannelGraph, name: str, unit: Position) -> Counter[Node]:
    """Paths from every node to the channels of a unit, by dynamic programming."""
    top, asked = graph.views[name]
    counts: Counter[Node] = Counter()
    for c in asked:
        counts[top, unit, c] += 1
    for index in range(top, 0, -1):
        for node in [node for node in counts if node[0] == index]:
            for source, times in graph.reads[node].items():
                counts[source] += times * counts[node]
    return counts


def paths(graph: ChannelGraph, name: str, unit: Position, of: str = "input") -> np.ndarray:
    """Path counts from the channels of every unit of a map to those of a unit."""
    index, held = graph.views[of]
    found: Counter[Position] = Counter()
    for (i, position, c), times in counts_to(graph, name, unit).items():
        if i == index:
            found[position] += times * held.count(c)
    return as_array(graph.shapes[index], found)


def enumerated(graph: ChannelGraph, name: str, unit: Position) -> np.ndarray:
    """Path counts from the input, each path of a networkx multigraph walked one by one."""
    many = nx.MultiDiGraph()
    for node, found in graph.reads.items():
        many.add_edges_from((source, node) for source in found.elements())
    index, asked = graph.views[name]
    counted: Counter[Position] = Counter()
    for c in asked:
        target = (index, unit, c)
        if target not in many:
            continue
        inner = many.subgraph(nx.ancestors(many, target) | {target})
        for node in inner:
            if node[0] == 0:
                counted[node[1]] += sum(1 for _ in nx.all_simple_edge_paths(inner, node, target))
    return as_array(graph.shapes[0], counted)
