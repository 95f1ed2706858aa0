"""A few figures beside pictures of them: what no list of artists shows, the whole as one sees it.

Letters are left out, since every matplotlib draws them a little differently; what they say is
tested in the other files. A missing outline, another colour map or a shifted panel is noticed
(`test_the_check_can_fail`). After a wanted change:
``pytest tests/test_baselines.py --mpl-generate-path=tests/baseline``, and look at each picture.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

import erfgraph as eg
from erfgraph import figures

BASELINE = Path(__file__).parent / "baseline"
TOLERANCE = 3.5  # root mean square, in the 255 steps of a colour
DPI = 60


def maps(*texts: str, side: int = 19) -> list[eg.ImportanceMap]:
    return [eg.importance(eg.load(text, (side, side))) for text in texts]


def growths() -> list[eg.Growth]:
    return [eg.growth(eg.load(text, (81, 81))) for text in ("conv3*40", "res(conv3p1)*20")]


MAKERS: dict[str, Callable[[], Figure]] = {
    "map": lambda: figures.importance_figure(eg.importance(eg.load("resnet18"))),
    "contours": lambda: figures.importance_figure(
        *maps("conv3p1*8", side=33), scale="log", thresholds=(0.01, 0.0455, 0.3)
    ),
    "axis": lambda: figures.importance_figure(eg.importance(eg.load("conv7*3"))),
    "compare": lambda: figures.compare_figure(maps("conv3*9", "conv7*3", "conv19")),
    "graph": lambda: figures.graph_figure(eg.load("conv7*3")),
    "planes": lambda: figures.graph_figure(eg.load("res(conv3p1) conv3", (5, 5))),
    "growth": lambda: figures.growth_figure(growths(), law=True),
    "radial": lambda: figures.radial_figure(maps("conv3*9", "conv7*3", "conv19")),
    "cells": lambda: figures.cells_figure(
        eg.cells(eg.load("conv3p1*2 max4 conv3p1*2 max4", (48, 48)))
    ),
    "diagram": lambda: figures.architecture_figure(eg.load("resnet18")),
}


def bare(figure: Figure) -> Figure:
    """A figure without letters, and without legends, whose places follow from their letters."""
    for artist in [*figure.findobj(Text), *figure.findobj(Legend)]:
        artist.set_visible(False)
    return figure


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.mpl_image_compare(
    baseline_dir=str(BASELINE), tolerance=TOLERANCE, style="default", savefig_kwargs={"dpi": DPI}
)
def test_figure(name: str) -> Figure:
    return bare(MAKERS[name]())


# --- faults that a reader would see ----------------------------------------------------------


def without_outline() -> Figure:
    figure = MAKERS["map"]()
    for artist in list(figure.axes[0].collections):
        artist.remove()
    return figure


def in_other_colours() -> Figure:
    return figures.compare_figure(maps("conv3*9", "conv7*3", "conv19"), cmap="magma")


def without_effective_fields() -> Figure:
    figure = MAKERS["growth"]()
    for line in figure.axes[0].lines:
        if ": ERF" in str(line.get_label()):
            line.remove()
    return figure


def shifted() -> Figure:
    figure = MAKERS["radial"]()
    left, bottom, width, height = figure.axes[0].get_position().bounds
    figure.axes[0].set_position((left + 0.03, bottom, width, height))
    return figure


@pytest.mark.parametrize(
    ("name", "faulty"),
    [
        ("map", without_outline),
        ("compare", in_other_colours),
        ("growth", without_effective_fields),
        ("radial", shifted),
    ],
)
def test_the_check_can_fail(name: str, faulty: Callable[[], Figure], tmp_path) -> None:
    path = tmp_path / "faulty.png"
    bare(faulty()).savefig(path, dpi=DPI)
    wanted = str(BASELINE / f"test_figure_{name}.png")
    assert compare_images(wanted, str(path), tol=TOLERANCE) is not None
