"""Figures as one would put them into a paper: labels that hold, lines that break well."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import erfgraph as eg
from erfgraph.figures import cells_figure, compare_figure, importance_figure, paper_style, style
from erfgraph.figures.panel import Outline


def chain(measure: str = "paths") -> eg.ImportanceMap:
    """Six layers of 3x3: importance falls by more than six decades."""
    return eg.importance(eg.load("conv3p1*6", input_shape=(17, 17)), measure=measure)


def bar_of(figure):
    """The colour bar: its axes, and what it belongs to."""
    image = next(i for a in figure.axes for i in a.images if i.colorbar)
    return image.colorbar.ax, image.colorbar


def label_of(figure) -> str:
    axes, _ = bar_of(figure)
    return (axes.get_ylabel() or axes.get_xlabel()).replace("\n", " ")


# --- what a colour bar says -----------------------------------------------------------------


@pytest.mark.parametrize("page", [None, "cvpr"])
def test_a_bar_of_several_measures_names_none(page):
    same = [chain(), chain()]
    several = [chain(), chain("edges")]
    with paper_style(page):
        assert label_of(compare_figure(same)) == "paths / largest"
        figure = compare_figure(several)
    assert label_of(figure) == "importance / largest"
    titles = [a.get_title().split("\n") for a in figure.axes if a.images]
    assert ["paths" in titles[0], "edges" in titles[1]] == [True, True]


def test_images_of_several_measures_in_given_axes_name_none():
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    compare_figure([chain(), chain("edges")], ax=axes)
    assert {a.images[0].get_label() for a in axes} == {"importance / largest"}


@pytest.mark.parametrize(
    ("options", "lowest", "extend"),
    [
        ({}, "10⁻⁶", "min"),
        ({"vmin": -3}, "10⁻³", "min"),
        ({"floor": 1e-4}, "10⁻⁴", "min"),
        ({"floor": 1e-4, "vmin": -2}, "10⁻²", "min"),
        ({"vmin": -7}, "10⁻⁷", "min"),
        ({"vmin": -2.5, "vmax": -1}, "3.2×10⁻³", "both"),
        ({"vmin": -15}, None, "neither"),
    ],
)
def test_a_logarithmic_bar_says_where_it_begins(options, lowest, extend):
    imp = eg.importance(eg.load("conv3p1*11", input_shape=(25, 25)))
    assert float(imp.relative[imp.relative > 0].min()) < 1e-7
    figure = importance_figure(imp, scale="log", **options)
    said = "" if lowest is None else f", from {lowest}"
    assert label_of(figure) == f"log₁₀(paths / largest){said}"
    assert bar_of(figure)[1].extend == extend


@pytest.mark.parametrize("scale", ["linear", "power"])
def test_other_bars_are_pointed_where_they_are_cut(scale):
    for options, extend in (
        ({}, "neither"),
        ({"vmin": 0.1}, "min"),
        ({"vmax": 0.9}, "max"),
        ({"vmin": 0.1, "vmax": 0.9}, "both"),
        ({"vmin": -0.5, "vmax": 1.5}, "neither"),
    ):
        figure = importance_figure(chain(), scale=scale, **options)
        assert bar_of(figure)[1].extend == extend
        assert "from" not in label_of(figure)


def test_a_bar_that_begins_at_the_least_there_is_is_not_pointed():
    imp = eg.importance(eg.load("conv3 conv3", input_shape=(5, 5)))  # every unit has a path
    least = float(imp.relative.min())
    for vmin, extend in ((0.9 * least, "neither"), (1.1 * least, "min")):
        assert bar_of(importance_figure(imp, vmin=vmin))[1].extend == extend


@pytest.mark.parametrize("page", ["cvpr", "nature"])
def test_the_label_of_a_bar_stays_beside_it(page):
    with paper_style(page):
        figure = importance_figure(chain(), scale="log", vmin=-2.5)
        figure.canvas.draw()
        axes, _ = bar_of(figure)
        label, bar = axes.yaxis.label.get_window_extent(), axes.get_window_extent()
    room = 0.2 * figure.dpi
    assert bar.y0 - room < label.y0
    assert label.y1 < bar.y1 + room
    assert label.x1 < figure.bbox.x1


# --- lines on any ground --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["viridis", "cividis", "magma", "gray", "RdYlGn", "jet", "Reds"])
def test_the_outline_is_no_colour_of_the_map(name):
    figure = importance_figure(chain(), cmap=name)
    (image,) = figure.axes[0].images
    (line,) = figure.axes[0].findobj(Outline)
    colours = image.get_cmap()(np.linspace(0, 1, 256))[:, :3]
    drawn = line.get_edgecolor()[0][:3]
    assert np.linalg.norm(colours - drawn, axis=1).min() > 0.16
    legend = dict(
        zip(
            [t.get_text() for t in figure.legends[0].get_texts()],
            figure.legends[0].get_lines(),
            strict=False,
        )
    )
    assert to_rgb(legend["ERF"].get_color()) == pytest.approx(tuple(drawn))
    assert (tuple(drawn) == to_rgb(style.ERF_COLOUR)) is (name not in ("RdYlGn", "jet", "Reds"))


# --- where lines break ----------------------------------------------------------------------


def test_numbers_stay_with_what_they_count():
    text = (
        "ERF (importance ≥ 4.55 % of the largest): area 101 px², side 10.0 px, 83.5 % of the TRF"
    )
    whole = ("4.55 % of", "101 px²", "10.0 px", "83.5 % of the TRF")
    for width in np.arange(1.5, 6.0, 0.1):
        with paper_style("neurips"):
            lines = style.wrapped(text, width, 7)
        assert " ".join(lines) == text
        assert all(sum(part in line for line in lines) == 1 for part in whole[1:]), width


def test_positions_stay_whole():
    text = "TRF: 13 × 13 px; largest: 19,881 paths at (y, x) = (16, 16)"
    for width in np.arange(1.5, 5.0, 0.1):
        with paper_style("neurips"):
            lines = style.wrapped(text, width, 7)
        assert " ".join(lines) == text
        assert sum("13 × 13 px" in line for line in lines) == 1
        assert sum("(y, x) = (16, 16)" in line for line in lines) == 1


def test_long_names_break_where_they_have_a_sign():
    name = "a_network_whose_name_is_long_enough_to_wrap_sixty_characters"
    with paper_style("cvpr"):
        lines = style.wrapped(name, 1.3, 8)
    assert "".join(lines) == name
    assert len(lines) > 2
    assert all(line.endswith("_") for line in lines[:-1])
    assert "".join(style.wrapped("x" * 40, 1.3, 8)) == "x" * 40  # no sign: anywhere


@pytest.mark.parametrize("page", [None, "cvpr", "neurips", "nature", "acl"])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_titles_of_compared_maps_stay_apart(page, n):
    names = ["vgg16", "densenet121", "a_network_whose_name_is_very_long_indeed", "unet"]
    maps = []
    for name in names[:n]:
        net = eg.load("conv3p1*6", input_shape=(224, 224))
        net.name = name
        maps.append(eg.importance(net))
    with paper_style(page):
        figure = compare_figure(maps)
        figure.canvas.draw()
        panels = [a for a in figure.axes if a.images]
        boxes = [a.title.get_window_extent() for a in panels]
    found = [a.get_title() for a in panels]
    assert all("px, " in text or "px,\n" in text for text in found)
    assert all("% of TRF" in text for text in found)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_numbers_below_small_images_stay_apart(n):
    maps = [eg.importance(eg.load("conv3p1*6", input_shape=(224, 224))) for _ in range(n)]
    with paper_style("neurips"):
        figure = compare_figure(maps, view="input")
        figure.canvas.draw()
        for axes in (a for a in figure.axes if a.images):
            boxes = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
            assert len(boxes) >= 2
            assert all(a.x1 + 2 < b.x0 for a, b in pairwise(boxes))


# --- texts ----------------------------------------------------------------------------------


def test_equal_sides_are_said_once():
    def foot(text, shape):
        figure = cells_figure(eg.cells(eg.load(text, input_shape=shape)))
        return " ".join(t.get_text() for t in figure.texts)

    assert "ERF side 3.0 px" in foot("conv3s4", (16, 16))
    assert "ERF sides " in foot("conv5s4p2 conv3p1", (12, 12))
    assert " to " in foot("conv5s4p2 conv3p1", (12, 12))
