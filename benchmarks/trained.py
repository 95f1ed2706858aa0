"""Trained weights against gradients on images: which map of a network predicts them best?

Run from the repository's root: ``python -m benchmarks.trained [--quick] [-o DIR]``. Tables are
printed as Markdown; with ``-o`` the figures are written there. Wants PyTorch, onnx, onnxruntime
and rapidocr_onnxruntime, whose text detector (PP-OCRv4, trained) is the first network; the
second is trained here to read digits. Nothing is downloaded.

The detector's gradients are central differences by onnxruntime (see `benchmarks.trained_probe`):
mean squares per block of pixels, over images and over units that lie one total stride apart, each
moved to the same place. The maps that are to predict them are summed into the same blocks, for
the same units. The digit reader's gradients are autograd's, before and after training.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import erfgraph as eg
from benchmarks.luo import table
from benchmarks.trained_digits import LAYER, SIDE, Training, make_network, train
from benchmarks.trained_images import detector_images, digit_images
from benchmarks.trained_probe import Probe, block_squares, detector, detector_path, linearity
from erfgraph.counts import Counts
from erfgraph.gradient.statistics import statistic_of
from erfgraph.gradient.sums import Sums

STRIDE = 32  # of the detector's smallest map
PREDICTORS: dict[str, Mapping[str, Any]] = {
    "paths": {"exact": False},
    "variance, 1/fan-in": {"measure": "variance"},
    "variance, Kaiming": {"measure": "variance", "init": "kaiming_fan_in", "scalar": "channel"},
    "variance, PyTorch": {"measure": "variance", "init": "pytorch", "scalar": "channel"},
    "weights, abs": {"weights": "abs"},
    "weights, square": {"weights": "square"},
}


@dataclass(frozen=True)
class Effort:
    """How much is looked at.

    Attributes
    ----------
    side : int
        Of the detector's images.
    images, digits : int
        Number of the images that the detector and the digit reader see.
    window : int
        Side of the detector's maps, around the unit.
    probe : Probe
    training : Training
    """

    side: int = 320
    images: int = 12
    digits: int = 256
    window: int = 256
    probe: Probe = field(default_factory=Probe)
    training: Training = field(default_factory=Training)

    @property
    def units(self) -> list[tuple[int, int]]:
        """Units of the detector's last map around its middle, as many as the window leaves."""
        most = (self.side - self.window) // 2 // STRIDE
        middle = self.side // 2
        moves = [m * STRIDE for m in range(-most, most + 1)]
        return [(middle + a, middle + b) for a in moves for b in moves]


QUICK = Effort(192, 2, 24, 128, training=Training(20))


@dataclass(frozen=True)
class Study:
    """One network: its gradients, and the maps that are to predict them.

    Attributes
    ----------
    name : str
    gradient : GradientMap
    maps : dict of str to ImportanceMap
    halves : float
        Total variation between the gradients of one half of the images and of the other.
    notes : tuple of str
    """

    name: str
    gradient: eg.GradientMap
    maps: dict[str, eg.ImportanceMap]
    halves: float
    notes: tuple[str, ...] = ()


# --- the detector -----------------------------------------------------------------------------


def moved(blocks: np.ndarray, unit: tuple[int, int], effort: Effort) -> np.ndarray:
    """Of a grid of blocks, the window whose middle is the unit's."""
    half = effort.window // 2 // effort.probe.block
    y, x = (u // effort.probe.block for u in unit)
    return blocks[y - half : y + half, x - half : x + half]


def summed(values: np.ndarray, block: int) -> np.ndarray:
    """Sums over blocks of pixels."""
    rows, columns = (n // block for n in values.shape)
    return np.asarray(values.reshape(rows, block, columns, block).sum((1, 3)))


def about(net: eg.Network, effort: Effort, measure: str) -> dict[str, Any]:
    """What the maps of blocks say of themselves."""
    n = effort.window // effort.probe.block
    return {
        "layer": net.output.name,
        "unit": (n // 2, n // 2),
        "of": "blocks of pixels",
        "measure": measure,
        "shape": (n, n),
        "input_shape": (n, n),
        "network": net.name,
        "offset": (0, 0),
        "channels": "mean",
    }


def predicted(
    net: eg.Network, effort: Effort, name: str, options: Mapping[str, Any]
) -> tuple[eg.ImportanceMap, float]:
    """One map on blocks, the mean over the units, and how much of it the window holds."""
    total, whole = np.zeros((effort.window // effort.probe.block,) * 2), 0.0
    for unit in effort.units:
        found = eg.importance(net, unit=unit, **options)
        values = np.asarray(found.values, dtype=float) * 10.0**found.log10_scale
        blocks = summed(values, effort.probe.block)
        total += moved(blocks, unit, effort)
        whole += blocks.sum()
    made = eg.ImportanceMap(**about(net, effort, name), counts=Counts(total / len(effort.units)))
    return made, float(total.sum() / whole)


def probed(
    net: eg.Network, run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, effort: Effort
) -> tuple[eg.GradientMap, float]:
    """The detector's mean-square gradient on blocks; an image is a sample."""
    random = np.random.default_rng(7)
    row = statistic_of("mean_square")
    n = effort.window // effort.probe.block
    sums, whole, inside = Sums((n, n), row), 0.0, 0.0
    for image in images:
        squares = block_squares(run, image, effort.units, effort.probe, random)
        sample = np.mean(
            [moved(s, u, effort) for s, u in zip(squares, effort.units, strict=True)], axis=0
        )
        sums.add(sample)
        whole += float(squares.sum()) / len(squares)
        inside += float(sample.sum())
    made = eg.GradientMap(
        **about(net, effort, "gradient mean square"),
        counts=Counts(sums.values()),
        samples=sums.n,
        relative_error=sums.relative_error(),
        standard_error=sums.standard_error(),
        replicates=sums.replicates(),
        replicate_sizes=sums.group_sizes(),
    )
    return made, inside / whole


def halves(replicates: np.ndarray) -> float:
    """Total variation between the means of every other sample and of the rest."""
    shares = [replicates[i::2].sum(0) / replicates[i::2].sum() for i in (0, 1)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def study_detector(effort: Effort) -> Study:
    path = detector_path()
    run = detector(path)
    images = detector_images(effort.images, effort.side, 0)
    net = eg.from_onnx(path, (effort.side, effort.side))
    steps = [list(linearity(run, image, effort.units, effort.probe, 1)) for image in images[:4]]
    start = time.perf_counter()
    gradient, inside = probed(net, run, images, effort)
    took = time.perf_counter() - start
    maps, held = {}, {}
    for name, options in PREDICTORS.items():
        maps[name], held[name] = predicted(net, effort, name, options)
    followed = eg.from_onnx(path, (effort.side, effort.side), gates="follow")
    name = "weights, square; gates followed"
    maps[name], held[name] = predicted(followed, effort, name, PREDICTORS["weights, square"])
    distances = "; ".join(
        f"ε = {steps[0][i][0]:g}: {np.mean([s[i][1] for s in steps]):.3f}" for i in range(3)
    )
    shares = "; ".join(f"{name} {share:.2f}" for name, share in held.items())
    notes = (
        f"{len(images)} images of {effort.side}², {len(effort.units)} units, blocks of "
        f"{effort.probe.block}², window of {effort.window}²; {took:.0f} s of finite differences.",
        f"Differences against those of half the step, relative: {distances}.",
        f"Share inside the window: gradient {inside:.2f}; {shares}.",
    )
    return Study("text detector", gradient, maps, halves(gradient.replicates), notes)


# --- the digit reader -------------------------------------------------------------------------


def study_digits(effort: Effort) -> list[Study]:
    """The reader before and after training."""
    module = make_network(effort.training.seed)
    images, _ = digit_images(effort.digits, SIDE, np.random.default_rng(99))
    before = reader("digit reader, untrained", module, images)
    start = time.perf_counter()
    loss, accuracy = train(module, effort.training)
    took = time.perf_counter() - start
    note = (
        f"{effort.training.steps} steps in {took:.0f} s: loss {loss:.2f}, reads "
        f"{accuracy:.1%} of other pictures."
    )
    return [before, reader("digit reader, trained", module, images, note)]


def reader(name: str, module: Any, images: np.ndarray, *notes: str) -> Study:
    gradient = eg.gradient_importance(
        module, (1, SIDE, SIDE), layer=LAYER, images=images, scalar="channel"
    )
    net = eg.from_torch(module, (1, SIDE, SIDE))
    maps = {
        key: eg.importance(net, LAYER, unit=gradient.unit, **options)
        for key, options in PREDICTORS.items()
    }
    return Study(name, gradient, maps, halves(gradient.replicates), notes)


# --- tables -----------------------------------------------------------------------------------


def root(imp: eg.ImportanceMap) -> eg.ImportanceMap:
    """A map of the roots of another's values."""
    from erfgraph.contribution import replace_values

    return replace_values(imp, np.sqrt(np.asarray(imp.share[imp.window_slices])))


def study_table(study: Study) -> str:
    """Every map against the gradients' mean square, and against its root."""
    lines = []
    rooted = root(study.gradient)
    for name, imp in study.maps.items():
        found = eg.compare(imp, study.gradient, bootstrap=400)
        other = eg.compare(imp, rooted, bootstrap=0)
        tv = found.total_variation
        lines.append(
            f"| {name} | {tv.value:.3f} [{tv.low:.3f}, {tv.high:.3f}] | {found.pearson.value:.3f} "
            f"| {found.spearman.value:.3f} | {imp.std[0]:.2f}, {imp.std[1]:.2f} "
            f"| {other.total_variation.value:.3f} |"
        )
    g = study.gradient
    lines.append(f"| *gradient* | | | | {g.std[0]:.2f}, {g.std[1]:.2f} | |")
    head = (
        "map | distance from the mean square | Pearson | Spearman | σ by axis "
        "| distance from its root"
    )
    return table(head, lines)


def report(studies: Sequence[Study]) -> str:
    parts = []
    for s in studies:
        parts += [f"### {s.name}", *s.notes]
        parts.append(
            f"Sampling noise: {s.gradient.relative_error:.3f} expected by the spread of "
            f"{s.gradient.samples} images; the two halves lie {s.halves:.3f} apart, half of "
            "which is what to expect of all of them."
        )
        parts.append(study_table(s))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small images, and few of them")
    parser.add_argument("-o", type=Path, metavar="DIR", help="folder for the figures")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else Effort()
    import torch

    # networks this small gain nothing from threads, and lose much where others work beside them
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        studies = [study_detector(effort), *study_digits(effort)]
    finally:
        torch.set_num_threads(threads)
    print(report(studies))
    if options.o:
        from benchmarks.panels import save_picture
        from benchmarks.trained_figures import FIGURES

        options.o.mkdir(parents=True, exist_ok=True)
        for name, make in FIGURES.items():
            save_picture(make(studies), options.o / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
