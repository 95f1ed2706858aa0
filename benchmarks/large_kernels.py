"""Reproduce the high-contribution table of the large-kernel papers (Ding et al. 2022, RepLKNet,
arXiv:2203.06717; SLaK, arXiv:2207.03620) by counting, beside their gradient protocol.

Run from the repository's root: ``python -m benchmarks.large_kernels [--quick] [--gradient N]
[-o DIR]``. Tables are printed as Markdown; with ``-o`` a figure is written there. The papers'
networks are trained, these are as initialised: nothing is downloaded. So compare order and
trend, not the numbers. Wants PyTorch where N > 0.

Which statistic is which: ``variance`` is the expected *square* of the gradient. The papers
average the ReLU of the gradient, which in a wide network is proportional to the root; scale
``"sqrt"`` makes the one the like of the other. Their script takes log10(x + 1) before it takes
shares, so that its ratios depend on how large gradients are; those are shown apart.

All times are processor times on one thread, of the same run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import erfgraph as eg
from benchmarks.luo import table
from erfgraph.contribution import SHARES, replace_values
from erfgraph.counts import Counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS = ("resnet101", "resnet152", "replknet13", "replknet31")  # of the papers' table
MORE = ("convnext_tiny", "slak")  # without a table of theirs, counted only
SIZE, QUICK_SIZE = 1024, 256
REPEATS = 5


@dataclass(frozen=True)
class Counted:
    """A network by counting.

    Attributes
    ----------
    name : str
    batchnorm : str
    imp : ImportanceMap
        By ``variance``.
    seconds : float
        Least of a few sweeps, the network at hand.
    first : float
        The first: a plan is made, which later sweeps from the same unit use.
    """

    name: str
    batchnorm: str
    imp: eg.ImportanceMap
    seconds: float
    first: float


def counted(name: str, size: int, batchnorm: str) -> Counted:
    """The expected squared gradient at the network's own initialisation."""
    net = eg.load(name, (size, size))
    call = partial(eg.importance, net, measure="variance", init="torchvision", batchnorm=batchnorm)
    times = []
    for _ in range(1 + REPEATS):
        imp, spent = timed(call)
        times.append(spent)
    return Counted(name, batchnorm, imp, min(times[1:]), times[0])


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    found = call()
    return found, time.process_time() - start


def root(imp: eg.ImportanceMap, total: float = 1.0) -> eg.ImportanceMap:
    """The like of the papers' statistic, of a given total, from the variance.

    The mean of a normal gradient's ReLU is its standard deviation over the root of 2 pi. The
    factors are not kept: the scale of the papers' numbers depends on weights and on how many
    channels are summed, and shares do not ask for it.
    """
    values = np.sqrt(imp.counts.array())
    return replace_values(imp, values * (total / values.sum()))


# --- the gradient protocol --------------------------------------------------------------------


@dataclass(frozen=True)
class Sampled:
    """A network by the papers' protocol.

    Attributes
    ----------
    imp : GradientMap
    seconds : float
        Of one sample: forward and backward, weights at hand.
    """

    imp: eg.GradientMap
    seconds: float


def sampled(name: str, size: int, samples: int, seed: int = 0) -> Sampled:
    """Their script on random weights and inputs: evaluation mode, one input at a time."""
    net = eg.load(name, (size, size))
    module = eg.to_torch(net, init="torchvision", seed=seed)
    calibrate(module, (net.input.channels, size, size), seed)
    call = partial(
        eg.gradient_importance,
        module,
        (net.input.channels, size, size),
        samples=samples,
        statistic="mean_relu",
        init="keep",
        batch=1,
        seed=seed,
    )
    imp, spent = timed(call)
    return Sampled(imp, spent / samples)


def calibrate(module: Any, shape: tuple[int, ...], seed: int) -> None:
    """Give batch norms the statistics of a random input, in place of those of training."""
    import torch

    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.momentum = 1.0
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        module.train()(torch.randn(1, *shape, generator=generator))
    module.eval()


# --- tables -----------------------------------------------------------------------------------


def percents(imp: eg.ImportanceMap, scale: str) -> str:
    found = eg.high_contribution(imp, SHARES, scale)
    return " | ".join(f"{100 * row.area_ratio:.1f} %" for row in found)


HEAD = " | ".join(f"t = {100 * share:.0f} %" for share in SHARES)


def counted_lines(found: Sequence[Counted]) -> list[str]:
    return [
        f"| {c.name} | {c.batchnorm} | {percents(c.imp, 'linear')} "
        f"| {percents(c.imp, 'sqrt')} | {1000 * c.seconds:.0f} ms | {1000 * c.first:.0f} ms |"
        for c in found
    ]


def counted_table(found: Sequence[Counted]) -> str:
    squares = HEAD.replace("t", "squares, t", 1)
    roots = HEAD.replace("t", "roots, t", 1)
    head = f"network | batch norm | {squares} | {roots} | time | first time"
    return table(head, counted_lines(found))


def gradient_table(pairs: Sequence[tuple[Counted, Sampled]]) -> str:
    lines = []
    for c, s in pairs:
        for way, imp, spent in (
            ("counted", root(c.imp, s.imp.total), f"{c.seconds:.3f} s"),
            (f"gradient, {s.imp.samples}", s.imp, f"{s.seconds:.1f} s"),
        ):
            lines.append(
                f"| {c.name} | {way} | {percents(imp, 'linear')} | {percents(imp, 'log10')} "
                f"| {imp.peak.value:.3g} | {spent} |"
            )
    free = HEAD.replace("t", "scale-free, t", 1)
    logs = HEAD.replace("t", "log10(x + 1), t", 1)
    return table(f"network | way | {free} | {logs} | largest x | time", lines)


def cost_table(pairs: Sequence[tuple[Counted, Sampled]]) -> str:
    lines = [
        f"| {c.name} | {1000 * c.first:.0f} ms | {1000 * c.seconds:.0f} ms | {s.seconds:.1f} s "
        f"| {s.seconds / c.first:.0f} | {s.seconds / c.seconds:.0f} |"
        for c, s in pairs
    ]
    head = (
        "network | variance, first sweep | later sweeps | one sample | sample over first sweep "
        "| sample over later sweep"
    )
    return table(head, lines)


def scale_table(imp: eg.ImportanceMap) -> str:
    """What log10(x + 1) makes of one map in several units."""
    x = root(imp)
    lines = []
    for largest in (0.01, 1, 100, 10_000):
        scaled = replace_values(x, x.counts.array() * (largest / x.peak.value))
        lines.append(
            f"| {largest:g} | {percents(scaled, 'linear')} | {percents(scaled, 'log10')} |"
        )
    free = HEAD.replace("t", "scale-free, t", 1)
    return table(f"largest x | {free} | {HEAD.replace('t', 'log10(x + 1), t', 1)}", lines)


# --- figure -----------------------------------------------------------------------------------


def coarse(imp: eg.ImportanceMap, to: int = 128) -> eg.ImportanceMap:
    """Means over blocks, so that a picture of many pixels stays small."""
    n = imp.shape[0] // to
    values = imp.share.reshape(to, n, to, n).mean(axis=(1, 3))
    plain = replace_values(imp, imp.counts.array())  # without a gradient map's samples
    shape = (to, to)
    return replace(plain, shape=shape, input_shape=shape, offset=(0, 0), counts=Counts(values))


def figure(found: Results) -> Figure:
    """The papers' figure: each network's map with its squares, on one scale."""
    from benchmarks.panels import Panel, grid_figure

    def panel(imp: eg.ImportanceMap) -> Panel:
        rows = eg.high_contribution(imp, SHARES)
        small = coarse(imp)
        sides = [row.side * small.shape[0] / imp.shape[0] for row in rows]
        ratios = [f"{100 * row.area_ratio:.1f}" for row in rows]
        return Panel(small, f"r: {', '.join(ratios[:2])},\n{', '.join(ratios[2:])} %", 0, sides)

    named = {c.name: c for c in found.normed}
    shown = [c for c in found.normed if c.name in found.sampled or not found.sampled]
    rows, names = [[panel(root(named[c.name].imp)) for c in shown]], ["counted,\nroot"]
    if found.sampled:
        rows.append([panel(found.sampled[c.name].imp) for c in shown])
        n = next(iter(found.sampled.values())).imp.samples
        names.append(f"gradient,\n{n} inputs" if n > 1 else "gradient,\n1 input")
    return grid_figure(rows, [c.name for c in shown], names, 1.35)


# --- run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Results:
    """Everything that was computed, over inputs of one size."""

    size: int
    counted: list[Counted]
    sampled: dict[str, Sampled]

    @property
    def normed(self) -> list[Counted]:
        return [c for c in self.counted if c.batchnorm == "batch"]


def run(size: int, samples: int, networks: Sequence[str], more: Sequence[str]) -> Results:
    ways = ("batch", "identity")
    found = [counted(name, size, way) for name in (*networks, *more) for way in ways]
    return Results(
        size, found, {name: sampled(name, size, samples) for name in networks if samples}
    )


def report(found: Results) -> str:
    parts = [
        "Area of the smallest centred square that holds a share t, over that of the input, "
        f"{found.size}². Initialised, not trained.",
        "### Counted",
        counted_table(found.counted),
    ]
    if found.sampled:
        pairs = [(c, found.sampled[c.name]) for c in found.normed if c.name in found.sampled]
        parts += [
            "### Beside the gradient protocol",
            gradient_table(pairs),
            "The counted map is shown in the units in which its total is the gradient's.",
            "### Cost",
            cost_table(pairs),
        ]
    first = found.normed[0]
    parts += [f"### log10(x + 1) and the scale of x ({first.name})", scale_table(first.imp)]
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"inputs of {QUICK_SIZE}²")
    parser.add_argument(
        "--gradient", type=int, default=1, metavar="N", help="samples a network (0: none)"
    )
    parser.add_argument("-o", type=Path, metavar="DIR", help="folder for the figure")
    options = parser.parse_args(arguments)
    size = QUICK_SIZE if options.quick else SIZE
    threads = None
    if options.gradient:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
    try:
        found = run(size, options.gradient, NETWORKS, MORE)
        print(report(found))
    finally:
        if threads:
            torch.set_num_threads(threads)
    if options.o:
        from benchmarks.panels import save_picture

        options.o.mkdir(parents=True, exist_ok=True)
        save_picture(figure(found), options.o / "large_kernels.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
