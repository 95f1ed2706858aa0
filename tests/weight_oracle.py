"""An exact account of `uniform` and `variance`: gradients as polynomials in the weights.

The gradient of a channel of a unit by a channel of an input unit is a sum over paths; each
path is a coefficient (averages, interpolations) times one weight for every layer with weights
that it passes, and each weight occurs in it at most once. So with G = sum of c_m m over
different monomials m, weights independent and of mean zero, E[G²] = sum of c_m² E[m²]: all
correlations are in the collecting of equal monomials. A max pool's choice is a symbol too, 1
with probability 1/n for each of the n positions of a window, one at a time.

Written from the layer records alone, as `oracles` and `channel_oracle` are; nothing of the
engine is used.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from channel_oracle import CHANNEL_RULES, Node, viewed
from oracles import (
    RULES,
    Position,
    conv_geometry,
    each,
    mapped,
    positions,
    sides,
    tensorflow_same,
    transparent,
)

from erfgraph.featuremap import Layer
from erfgraph.network import Network

Params = dict[str, Any]
Weight = tuple[Any, ...]  # (layer, tap, channel read, channel made)
Choice = tuple[Node, Position]  # what a window of a max pool takes
Monomial = tuple[tuple[Weight, ...], tuple[Choice, ...]]
Polynomial = dict[Monomial, float]


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a node: a coefficient, times a weight or a choice."""

    node: Node
    coefficient: float
    weight: Weight | None = None
    choice: Choice | None = None


# --- layers whose weights are drawn: which weight reads what ---------------------------------


def conv_taps(shape: Position, p: Params) -> Callable[[Position], Iterator[tuple[Any, Position]]]:
    """For a unit: every tap of the kernel, and the unit on which it lands."""
    kernel = each(p["kernel"], len(shape))
    stride, dilation, pads, _ = conv_geometry(shape, kernel, {"stride": 1, **p})
    kept = np.ones(kernel) if p.get("mask") is None else np.array(p["mask"])

    def taps(unit: Position) -> Iterator[tuple[Any, Position]]:
        for tap in positions(tuple(kernel)):
            at = [
                mapped(y * s - pad[0] + t * d, n, p.get("padding_mode", "zeros"))
                for y, s, pad, t, d, n in zip(
                    unit, stride, pads, tap, dilation, shape, strict=True
                )
            ]
            if kept[tap] and None not in at:
                yield tap, tuple(at)

    return taps


def conv_transpose_taps(shape: Position, p: Params) -> Callable[[Position], Any]:
    """The same of the transposed convolution: position x is spread to x*s - pad + t*d."""
    ndim = len(shape)
    kernel, stride = each(p["kernel"], ndim), each(p.get("stride", 1), ndim)
    dilation = each(p.get("dilation", 1), ndim)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = p.get("padding", 0)
    if padding == "same":
        pads = [
            tensorflow_same(n * s, span, s)
            for n, s, span in zip(shape, stride, spans, strict=True)
        ]
    else:
        pads = [(0, 0)] * ndim if padding == "valid" else sides(padding, ndim)
    kept = np.ones(kernel) if p.get("mask") is None else np.array(p["mask"])

    def taps(unit: Position) -> Iterator[tuple[Any, Position]]:
        for x, tap in itertools.product(positions(shape), positions(tuple(kernel))):
            at = tuple(
                i * s - pad[0] + t * d
                for i, s, pad, t, d in zip(x, stride, pads, tap, dilation, strict=True)
            )
            if kept[tap] and at == unit:
                yield tap, x

    return taps


def linear_taps(shape: Position, p: Params) -> Callable[[Position], Any]:
    """A weight for every position."""
    return lambda unit: ((x, x) for x in positions(shape))


DRAWN = {"conv": conv_taps, "conv_transpose": conv_transpose_taps, "linear": linear_taps}


def reads_made(op: str, shape: Position, channels: int, p: Params) -> float:
    """Fan-in: how many numbers an output number is a sum of; of a transposed layer, on average."""
    width = channels // p.get("groups", 1)
    if op == "linear":
        return width * math.prod(shape)
    kernel = each(p["kernel"], len(shape))
    taps = math.prod(kernel) if p.get("mask") is None else int(np.array(p["mask"]).sum())
    strides = each(p.get("stride", 1), len(shape)) if op == "conv_transpose" else [1]
    return width * taps / math.prod(strides)


# --- layers whose weights are fixed ----------------------------------------------------------


def pool_window(shape: Position, p: Params) -> Callable[[Position], int]:
    """What PyTorch's average pool divides by: what of the window the padded map holds."""
    kernel = each(p["kernel"], len(shape))
    stride, dilation, pads, _ = conv_geometry(shape, kernel, {"stride": p["kernel"], **p})

    def size(unit: Position) -> int:
        found = 1
        for y, s, pad, k, d, n in zip(unit, stride, pads, kernel, dilation, shape, strict=True):
            start = y * s - pad[0]
            found *= k if d > 1 else sum(start + t < n + pad[1] for t in range(k))
        return found

    return size


def interpolated(shape: Position, p: Params) -> Callable[[Position, Position], float]:
    """The weight with which a resized map reads a unit, as PyTorch and ONNX define it."""
    if p.get("size") is not None:
        sizes = each(p["size"], len(shape))
        scales = [Fraction(m, n) for n, m in zip(shape, sizes, strict=True)]
    else:
        scales = [Fraction(str(s)) for s in each(p["scale"], len(shape))]
        sizes = [math.floor(n * s) for n, s in zip(shape, scales, strict=True)]
    cubic = p["mode"] in ("cubic", "bicubic")
    grid = p.get("coordinates", "align_corners" if p.get("align_corners") else "half_pixel")

    def kernel(x: Fraction) -> Fraction:
        x = abs(x)
        if not cubic:
            return max(1 - x, Fraction(0))
        a = Fraction(-3, 4)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else Fraction(0)

    def along(out: int, src: int, n: int, m: int, scale: Fraction) -> Fraction:
        half = Fraction(1, 2)
        if grid == "asymmetric":
            at = out / scale
        elif grid == "align_corners":
            at = Fraction(out * (n - 1), m - 1) if m > 1 else Fraction(0)
        else:
            at = (out + half) / scale - half
            if grid == "half_pixel_symmetric":
                at += Fraction(n, 2) * (1 - m / (n * scale))
        at = at if cubic else max(at, Fraction(0))
        near = range(math.floor(at) - 1, math.floor(at) + 3)
        return sum((kernel(at - i) for i in near if min(max(i, 0), n - 1) == src), Fraction(0))

    def weight(unit: Position, source: Position) -> float:
        return float(math.prod(map(along, unit, source, shape, sizes, scales)))

    return weight


def fixed_weights(op: str, shape: Position, p: Params) -> Callable[[Position, Position], float]:
    """What a layer multiplies a unit by that it reads, as a function of both positions."""
    if op == "avg_pool" and p.get("count_include_pad", True):
        size = pool_window(shape, p)
        return lambda unit, source: 1 / size(unit)
    if op in ("avg_pool", "adaptive_pool", "global_pool", "attention"):
        reads = RULES[op]([shape], p)[1]
        return lambda unit, source: 1 / len(reads(unit))
    if op == "upsample" and not p.get("mode", "nearest").startswith("nearest"):
        return interpolated(shape, p)
    return lambda unit, source: 1.0


# --- the graph -------------------------------------------------------------------------------


@dataclass
class WeightGraph:
    """What every channel of every unit reads, through which weight.

    `fans` holds for every layer with weights (the first part of a `Weight`) its fan-in,
    `records` its record, the channels that it reads and makes, and its input's shape.
    """

    shapes: list[Position]
    channels: list[int]
    reads: dict[Node, list[Read]] = field(default_factory=dict)
    views: dict[str, tuple[int, list[int]]] = field(default_factory=dict)
    fans: dict[int, float] = field(default_factory=dict)
    records: dict[int, tuple[Layer, int, int, Position]] = field(default_factory=dict)


EXACT = (*DRAWN, *(op for op in RULES if op not in ("multiply", "gate")))


def weight_graph(net: Network) -> WeightGraph:
    """The graph of a network from its layer records."""
    g = WeightGraph([net.input.shape], [net.input.channels])
    g.views["input"] = 0, list(range(net.input.channels))
    for layer, name in zip(net.layers, net.results, strict=True):
        inputs, p = [g.views[x] for x in layer.inputs], dict(layer.params)
        if transparent(net, layer.op):
            index, held = inputs[0]
            g.views[layer.name or name] = index, viewed(layer.op, p, held)
            continue
        assert layer.op in EXACT, f"{layer.op} has no exact account"
        index = len(g.shapes)
        sources = [g.shapes[i] for i, _ in inputs]
        shape, units_read = RULES[layer.op](sources, p)
        counts = [len(v) for _, v in inputs]
        n, channels_read = CHANNEL_RULES[layer.op](counts, shape, p)
        if layer.op in DRAWN:
            _add_drawn(g, layer, index, inputs[0], shape, n, channels_read)
        else:
            fixed = fixed_weights(layer.op, sources[0], p)
            for unit, c in itertools.product(positions(shape), range(n)):
                found = g.reads[index, unit, c] = []
                for k, source in units_read(unit):
                    met = channels_read(k, c, unit, source)
                    share = len(met) if layer.op == "channel_pool" else 1
                    for channel in met:
                        node = inputs[k][0], source, inputs[k][1][channel]
                        choice = ((index, unit, c), source) if layer.op == "max_pool" else None
                        found.append(Read(node, fixed(unit, source) / share, choice=choice))
        g.views[name] = index, list(range(n))
        g.shapes.append(shape)
        g.channels.append(n)
    return g


def _add_drawn(
    g: WeightGraph,
    layer: Layer,
    index: int,
    source: tuple[int, list[int]],
    shape: Position,
    n: int,
    channels_read: Any,
) -> None:
    src, held = source
    p = dict(layer.params)
    taps = DRAWN[layer.op](g.shapes[src], p)
    g.fans[index] = reads_made(layer.op, g.shapes[src], len(held), p)
    g.records[index] = layer, len(held), n, g.shapes[src]
    for unit in positions(shape):
        landed = list(taps(unit))
        for c in range(n):
            g.reads[index, unit, c] = [
                Read((src, x, held[channel]), 1.0, (index, tap, channel, c))
                for tap, x in landed
                for channel in channels_read(0, c, unit, x)
            ]


# --- polynomials -----------------------------------------------------------------------------


def gradients(g: WeightGraph, target: Node) -> dict[Node, Polynomial]:
    """The gradient of a node by every node below it. Weights stand in the order of layers."""
    found: dict[Node, Polynomial] = defaultdict(lambda: defaultdict(float))
    found[target][(), ()] = 1.0
    for index in range(target[0], 0, -1):
        for node in [node for node in found if node[0] == index]:
            for read in g.reads[node]:
                into = found[read.node]
                for (weights, choices), c in found[node].items():
                    more = weights if read.weight is None else (*weights, read.weight)
                    if read.choice is not None:
                        choices = (*choices, read.choice)
                    into[more, choices] += c * read.coefficient
    return found


def mean_square(g: WeightGraph, p: Polynomial, variances: dict[int, float]) -> float:
    """E[p²]: equal products of weights meet, their choices as they may hold together."""
    by_weights: dict[tuple[Weight, ...], list[tuple[tuple[Choice, ...], float]]] = {}
    for (weights, choices), c in p.items():
        by_weights.setdefault(weights, []).append((choices, c))
    total = 0.0
    for weights, group in by_weights.items():
        variance = math.prod(variances[w[0]] for w in weights)
        total += variance * sum(
            a * b * together(g, (*one, *two)) for one, a in group for two, b in group
        )
    return total


def together(g: WeightGraph, choices: tuple[Choice, ...]) -> float:
    """The probability that some choices are made: one per window, each position alike."""
    made = dict(choices)
    if any(made[window] != source for window, source in choices):
        return 0.0
    return math.prod(1 / len(g.reads[window]) for window in made)


def mean(g: WeightGraph, p: Polynomial, windows: dict[int, int]) -> float:
    """The polynomial with every weight 1/fan-in, of a max pool 1/taps."""
    return sum(
        c
        * math.prod(1 / g.fans[w[0]] for w in weights)
        * math.prod(1 / windows[node[0]] for node, _ in choices)
        for (weights, choices), c in p.items()
    )


def answer(
    net: Network,
    unit: Position,
    measure: str = "variance",
    layer: str | None = None,
    of: str = "input",
    variances: Callable[[Layer, int, int, Position], float] | None = None,
) -> np.ndarray:
    """What `importance` should say: mean over the unit's channels, sum over the input's.

    `variances` gives the variance of a layer's weights from its record, the numbers of channels
    that it reads and makes, and its input's shape; default 1/fan-in.
    """
    g = weight_graph(net)
    spread = {
        i: 1 / g.fans[i] if variances is None else variances(*record)
        for i, record in g.records.items()
    }
    windows = {
        m.index: math.prod(each(m.params["kernel"], len(m.shape)))
        for m in net.maps
        if m.op == "max_pool"
    }
    top, asked = g.views[layer or net.results[-1]]
    index, held = g.views[of]
    total = np.zeros(g.shapes[index])
    for c in asked:
        for (i, position, channel), p in gradients(g, (top, unit, c)).items():
            if i == index and channel in held:
                one = mean_square(g, p, spread) if measure == "variance" else mean(g, p, windows)
                total[position] += held.count(channel) * one / len(asked)
    return total


def correlated(net: Network, unit: Position) -> bool:
    """Whether numbers that depend on each other arrive at several positions of a drawn layer.

    Or at a max pool. There the engine's account is an approximation wherever a layer below has
    such numbers meet again.
    """
    g = weight_graph(net)
    blind = {m.index for m in net.maps if m.op in DRAWN or m.op == "max_pool"}
    top, asked = g.views[net.results[-1]]
    for c in set(asked):
        met: dict[Any, Position] = {}
        for (i, position, channel), p in gradients(g, (top, unit, c)).items():
            if i in blind:
                for weights, _ in p:
                    if met.setdefault((i, channel, weights), position) != position:
                        return True
    return False
