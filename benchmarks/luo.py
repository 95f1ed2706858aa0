"""Reproduce the figures of Luo et al. 2016, "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks" (arXiv:1701.04128), by counting and by gradients, side by side.

Run from the repository's root: ``python -m benchmarks.luo [--quick] [-o DIR]``. Tables are
printed as Markdown; with ``-o`` the figures are written there. Weights are drawn, nothing is
downloaded. Wants PyTorch.

Which statistic is which: counting by ``uniform`` is the gradient where all weights are one (up
to a factor), by ``variance`` the expected *square* of the gradient over draws of the weights.
So gradients are averaged as squares here. The mean of their sizes, which many papers plot, is
in a wide network proportional to the root, and its field larger by about the root of two.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import erfgraph as eg
from erfgraph import theory
from erfgraph.contribution import replace_values

DEPTHS = (5, 10, 20, 40)
GROWTH = (5, 7, 10, 14, 20, 28, 40, 57, 80)
ACTIVATION_DEPTH = 20
EFFECT_DEPTH = 15


@dataclass(frozen=True)
class Effort:
    """How much is drawn: channels of every map, and draws of the weights."""

    channels: int = 16
    draws: int = 256
    depths: tuple[int, ...] = DEPTHS
    growth: tuple[int, ...] = GROWTH


QUICK = Effort(channels=8, draws=8, depths=(3, 5, 8), growth=(5, 10, 20))


# --- networks ---------------------------------------------------------------------------------


def chain(depth: int, channels: int, kind: str | None = None) -> eg.Network:
    """3x3 layers without padding over the smallest window, and a function between two."""
    side = 2 * depth + 1
    net = eg.Network((side, side), channels=channels, name=f"conv3*{depth}")
    x = net.input
    for i in range(depth):
        x = net.conv(x, 3)
        if kind is not None and i < depth - 1:
            x = net.identity(x, kind)
    return net


def described(text: str, channels: int) -> eg.Network:
    """A network of the notation over an input that its centre unit sees wholly."""
    side = eg.receptive_field(eg.load(text, (512, 512))).size[0]
    return eg.load(text, (side, side), channels=channels)


@dataclass(frozen=True)
class Case:
    """One network with its weights.

    Attributes
    ----------
    name : str
    net : Network
    init : str or None
        How weights are drawn; None for all ones.
    """

    name: str
    net: eg.Network
    init: str | None


def kinds(depth: int, channels: int) -> list[Case]:
    """The paper's three: all ones, random weights, random weights with ReLU."""
    return [
        Case("all ones", chain(depth, 1), None),
        Case("random", chain(depth, channels), "lecun"),
        Case("random + ReLU", chain(depth, channels, "relu"), "kaiming_fan_in"),
    ]


def activations(depth: int, channels: int) -> list[Case]:
    """Random weights with four functions between the layers."""
    return [
        Case("none", chain(depth, channels), "lecun"),
        Case("ReLU", chain(depth, channels, "relu"), "kaiming_fan_in"),
        Case("tanh", chain(depth, channels, "tanh"), "lecun"),
        Case("sigmoid", chain(depth, channels, "sigmoid"), "lecun"),
    ]


# of the 15 layers three are replaced, the paper's number and factors
EFFECTS = {
    "15 layers": "conv3*15",
    "3 of stride 2": "conv3*3 conv3s2 conv3*3 conv3s2 conv3*3 conv3s2 conv3*3",
    "3 of dilation 2, 4, 8": "conv3*3 conv3d2 conv3*3 conv3d4 conv3*3 conv3d8 conv3*3",
    "skips around each": "res(conv3p1)*15",
}


def effects(channels: int) -> list[Case]:
    return [Case(name, described(text, channels), "lecun") for name, text in EFFECTS.items()]


# --- the two ways -----------------------------------------------------------------------------


def counted(case: Case) -> eg.ImportanceMap:
    """By counting: one sweep."""
    if case.init is None:
        return eg.importance(case.net, measure="uniform")
    return eg.importance(case.net, measure="variance", init=case.init)


def drawn(case: Case, draws: int, statistic: str = "mean_square", seed: int = 0) -> eg.GradientMap:
    """By gradients: autograd on the same network, the weights drawn again and again."""
    shape = (case.net.input.channels, *case.net.input.shape)
    if case.init is None:
        return eg.gradient_importance(
            eg.to_torch(case.net, init="ones"),
            shape,
            samples=1,
            statistic="mean",
            init="ones",
            dtype="float64",
        )
    module = eg.to_torch(case.net, init=case.init)
    return eg.gradient_importance(module, shape, samples=draws, statistic=statistic, seed=seed)


def root(imp: eg.ImportanceMap) -> eg.ImportanceMap:
    """What the mean size of gradients tends to in a wide network, from their mean square."""
    return replace_values(imp, np.sqrt(imp.counts.array()))


@dataclass(frozen=True)
class Result:
    """A case both ways.

    Attributes
    ----------
    case : Case
    a, b : ImportanceMap
        Counted, and by gradients.
    distance : float
        Total variation between them.
    noise : float
        What of it draws alone would make.
    seconds : (float, float)
        Of processor time, on one thread.
    """

    case: Case
    a: eg.ImportanceMap
    b: eg.GradientMap
    distance: float
    noise: float
    seconds: tuple[float, float]

    @property
    def single(self) -> float:
        """Expected total variation between one draw and the mean of them all."""
        return self.noise * math.sqrt(self.b.samples)


def both(case: Case, effort: Effort) -> Result:
    a, fast = least_time(partial(counted, case))
    start = time.process_time()
    b = drawn(case, effort.draws)
    slow = time.process_time() - start
    distance = eg.compare(a, b, bootstrap=0).total_variation.value
    noise = b.relative_error if b.samples > 1 else 0.0
    return Result(case, a, b, distance, noise, (fast, slow))


def least_time(call: Callable[[], eg.ImportanceMap]) -> tuple[eg.ImportanceMap, float]:
    """A result and the least of a few times that it took; the first call compiles the sweep."""
    times = []
    for _ in range(4):
        start = time.process_time()
        found = call()
        times.append(time.process_time() - start)
    return found, min(times[1:])


# --- tables -----------------------------------------------------------------------------------

HEAD = (
    "TRF | side, counted | side, gradient | kurtosis, counted | kurtosis, gradient "
    "| distance | noise"
)


def table(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"| {head} |", "|" + "---|" * (head.count(" | ") + 1), *lines])


def numbers(r: Result) -> str:
    a, b = r.a, r.b
    return (
        f"{a.trf.size[0]} | {a.erf().size:.1f} | {b.erf().size:.1f} "
        f"| {a.excess_kurtosis[0]:.3f} | {b.excess_kurtosis[0]:.3f} "
        f"| {r.distance:.3f} | {r.noise:.3f}"
    )


def depth_table(results: dict[int, list[Result]]) -> str:
    lines = [
        f"| {depth} | {r.case.name} | {numbers(r)} |"
        for depth, found in results.items()
        for r in found
    ]
    return table(f"layers | weights | {HEAD}", lines)


def statistic_table(effort: Effort, depths: Sequence[int]) -> str:
    """The mean of sizes beside the mean of squares: two statistics, two fields."""
    lines = []
    for depth in depths:
        case = kinds(depth, effort.channels)[1]
        square, size = counted(case), root(counted(case))
        sampled = drawn(case, effort.draws, "mean_abs")
        distance = [
            eg.compare(imp, sampled, bootstrap=0).total_variation.value for imp in (size, square)
        ]
        lines.append(
            f"| {depth} | {square.erf().size:.1f} | {size.erf().size:.1f} "
            f"| {sampled.erf().size:.1f} | {distance[0]:.3f} | {distance[1]:.3f} |"
        )
    head = (
        "layers | side, counted | side, root of the counted | side, mean absolute gradient "
        "| distance from the root | distance from the counted"
    )
    return table(head, lines)


def activation_table(results: Sequence[Result]) -> str:
    lines = [f"| {r.case.name} | {numbers(r)} | {r.single:.2f} |" for r in results]
    return table(f"function | {HEAD} | noise of one draw", lines)


def effect_table(results: Sequence[Result]) -> str:
    plain = results[0].a
    lines = []
    for r in results:
        paths = eg.importance(r.case.net)
        lines.append(
            f"| {r.case.name} | {r.a.trf.size[0]} | {r.a.erf().size:.1f} | {r.b.erf().size:.1f} "
            f"| {r.a.erf().size / plain.erf().size:.2f} | {r.a.std[0]:.2f} | {r.b.std[0]:.2f} "
            f"| {paths.std[0]:.2f} | {r.distance:.3f} | {r.noise:.3f} |"
        )
    head = (
        "network | TRF | side, counted | side, gradient | side over the plain one's "
        "| σ, counted | σ, gradient | σ, path count | distance | noise"
    )
    return table(head, lines)


@dataclass(frozen=True)
class Growth:
    """Sides of fields over depths, and the exponents that fit them."""

    depths: tuple[int, ...]
    sides: tuple[float, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(s / (2 * n + 1) for s, n in zip(self.sides, self.depths, strict=True))

    @property
    def side(self) -> theory.Fit:
        return theory.fit_power(self.depths, self.sides)

    @property
    def share(self) -> theory.Fit:
        return theory.fit_power(self.depths, self.shares)


def growth(results: dict[int, list[Result]], effort: Effort) -> dict[str, Growth]:
    """By counting, at many depths; by gradients, at those that were drawn."""
    sides = [counted(Case("", chain(n, 1), "lecun")).erf().size for n in effort.growth]
    found = {"counted": Growth(effort.growth, tuple(sides))}
    for i, name in ((1, "gradient, random"), (2, "gradient, random + ReLU")):
        sampled = tuple(r[i].b.erf().size for r in results.values())
        found[name] = Growth(tuple(results), sampled)
    return found


def growth_table(found: dict[str, Growth]) -> str:
    def written(fit: theory.Fit) -> str:
        return f"{fit.slope:.3f} [{fit.low:.3f}, {fit.high:.3f}]"

    lines = [
        f"| {name} | {', '.join(map(str, g.depths))} | {written(g.side)} | {written(g.share)} |"
        for name, g in found.items()
    ]
    return table("sides | layers | exponent of the side | exponent of its share of the TRF", lines)


# --- run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Everything:
    """All results."""

    depths: dict[int, list[Result]]
    activations: list[Result]
    effects: list[Result]
    growth: dict[str, Growth]

    @property
    def results(self) -> list[Result]:
        return [*(r for found in self.depths.values() for r in found), *self.rest]

    @property
    def rest(self) -> list[Result]:
        return [*self.activations, *self.effects]


def run(effort: Effort) -> Everything:
    depths = {n: [both(case, effort) for case in kinds(n, effort.channels)] for n in effort.depths}
    depth = min(ACTIVATION_DEPTH, max(effort.depths))
    return Everything(
        depths,
        [both(case, effort) for case in activations(depth, effort.channels)],
        [both(case, effort) for case in effects(effort.channels)],
        growth(depths, effort),
    )


def report(found: Everything, effort: Effort) -> str:
    ratios = [r.seconds[1] / r.seconds[0] for r in found.results if r.case.init]
    depth = found.activations[0].case.net.name
    parts = [
        f"{effort.channels} channels, {effort.draws} draws of the weights, each with an input of "
        "its own. Distance: total variation between the two maps; noise: what of it too few "
        "draws alone would make.",
        "### Depth and weights",
        depth_table(found.depths),
        "### Which statistic",
        statistic_table(effort, effort.depths),
        f"### Functions between the layers ({depth})",
        activation_table(found.activations),
        "### Growth with depth",
        growth_table(found.growth),
        "### Subsampling, dilation, skips",
        effect_table(found.effects),
        f"Counting took {min(ratios):.0f} to {max(ratios):.0f} times less than drawing "
        f"(median {statistics.median(ratios):.0f}; processor time, one thread each).",
    ]
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few draws, shallow networks")
    parser.add_argument("-o", type=Path, metavar="DIR", help="folder for the figures")
    options = parser.parse_args(arguments)
    import torch

    # maps this small gain nothing from threads, and lose much where others work beside them
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    effort = QUICK if options.quick else Effort()
    try:
        found = run(effort)
        print(report(found, effort))
    finally:
        torch.set_num_threads(threads)
    if options.o:
        from benchmarks.luo_figures import FIGURES
        from benchmarks.panels import save_picture

        options.o.mkdir(parents=True, exist_ok=True)
        for name, make in FIGURES.items():
            save_picture(make(found), options.o / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
