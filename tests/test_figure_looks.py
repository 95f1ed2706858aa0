"""Figures as one would put them into a paper: labels that hold, lines that break well."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from figure_checks import collisions
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from test_figure_files import every_kind

import erfgraph as eg
from erfgraph.figures import (
    agreement_figure,
    cells_figure,
    centre_figure,
    compare_figure,
    coverage_figure,
    gridding_figure,
    growth_figure,
    importance_figure,
    match_figure,
    paper_style,
    radial_figure,
    style,
)
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


def test_what_is_measured_stays_with_its_number():
    text = "ERF at 4.55 %: IoU 0.345, area 12 px², sides 12.3 and 21.0 px; TRF ≥ 126.4, period 2"
    parts = ("IoU 0.345", "area 12 px²", "sides 12.3", "21.0 px", "TRF ≥ 126.4", "period 2")
    for width in np.arange(1.2, 5.0, 0.1):
        with paper_style("neurips"):
            lines = style.wrapped(text, width, 7)
        assert " ".join(lines) == text
        assert all(sum(part in line for line in lines) == 1 for part in parts)


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


def test_counts_on_bars_stay_apart():
    imp = eg.importance(eg.load("conv7*3"))
    for page in (None, "cvpr", "nature", "neurips"):
        with paper_style(page):
            figure = importance_figure(imp)
            figure.canvas.draw()
        texts = sorted(figure.axes[0].texts, key=lambda text: text.get_window_extent().x0)
        assert len(texts) == 19
        boxes = [text.get_window_extent() for text in texts]
        assert all(a.x1 < b.x0 or a.y1 < b.y0 or b.y1 < a.y0 for a, b in pairwise(boxes)), page


def test_equal_sides_are_said_once():
    def foot(text, shape):
        figure = cells_figure(eg.cells(eg.load(text, input_shape=shape)))
        return " ".join(t.get_text() for t in figure.texts)

    assert "ERF side 3.0 px" in foot("conv3s4", (16, 16))
    assert "ERF sides " in foot("conv5s4p2 conv3p1", (12, 12))
    assert " to " in foot("conv5s4p2 conv3p1", (12, 12))


# --- large letters --------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 2])
def test_figures_for_aaai_have_nine_points_and_room_for_them(columns):
    with paper_style("aaai", columns):
        made = every_kind()
    del made["architecture"]  # its texts are fitted into boxes
    for name, figure in made.items():
        texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
        assert min(t.get_size() for t in texts) >= 9 - 1e-9, name
        assert collisions(figure) == [], name


def test_large_letters_make_room_and_others_none():
    with paper_style("aaai"):
        assert style.grown(0.7) == pytest.approx(0.9)
        assert style.small(5) == pytest.approx(9)
    for page in (None, "cvpr", "nature"):
        with paper_style(page):
            assert style.grown(0.7) == 0.7
            assert style.small(5) == 5 * style.letters()


# --- one column -----------------------------------------------------------------------------


def volume(measure: str = "paths") -> eg.ImportanceMap:
    return eg.importance(eg.load("conv3p1*4", input_shape=(24, 20, 16)), measure=measure)


@pytest.mark.parametrize("page", ["cvpr", "nature", "aaai", "acl"])
def test_planes_of_three_axes_fold_into_a_column(page):
    with paper_style(page):
        figure = importance_figure(volume(), scale="log")
        planes = [a for a in figure.axes if a.images]
        boxes = [a.get_position() for a in planes]
        assert collisions(figure) == []
    assert [a.get_title() for a in planes] == ["z = 12", "y = 10", "x = 8"]
    assert boxes[0].y0 == pytest.approx(boxes[1].y0, abs=0.1)
    assert boxes[2].y1 < boxes[0].y0
    widths = {
        round(72 * b.width * figure.get_figwidth() / np.ptp(a.get_xlim()), 6)
        for a, b in zip(planes, boxes, strict=True)
    }
    assert len(widths) == 1  # a unit is as long in all planes
    with paper_style(page, 2):
        level = [a.get_position().y0 for a in importance_figure(volume()).axes if a.images]
    assert max(level) - min(level) < 0.1  # beside each other


@pytest.mark.parametrize("page", ["cvpr", "nature", "aaai"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_agreement_fits_a_column(page, axes):
    made = {
        1: lambda measure: eg.importance(eg.load("conv7*3"), measure=measure),
        2: chain,
        3: volume,
    }[axes]
    found = eg.compare(made("paths"), made("edges"), bootstrap=0)
    with paper_style(page):
        figure = agreement_figure(found)
        assert collisions(figure) == []
    curves = [a for a in figure.axes if a.lines and not a.images]
    assert len(curves) == axes + 2
    assert len([a for a in figure.axes if a.images]) == (2 if axes > 1 else 0)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["a: paths", "b: edges"]
    wide = agreement_figure(found)
    for one, other in zip(curves, [a for a in wide.axes if a.lines and not a.images], strict=True):
        for a, b in zip(one.lines, other.lines, strict=True):
            np.testing.assert_array_equal(a.get_ydata(), b.get_ydata())


@pytest.mark.parametrize("page", ["cvpr", "nature", "aaai"])
def test_classes_and_their_numbers_stand_above_the_histograms_of_a_column(page):
    names = ("car", "a person with a rather long name")
    objects = eg.ObjectSizes([6, 40, 9, 12], [5, 50, 9, 12], np.array([0, 0, 1, 1]), names)
    net = eg.load("conv3p1*2 max2 conv3p1*2", (24, 24))
    match = eg.match_objects(net, objects, ["conv2", "conv4"])
    with paper_style(page):
        figure = match_figure(match)
        figure.canvas.draw()
        assert collisions(figure) == []
    for axes, name, count in zip(figure.axes[1:], names, (2, 2), strict=True):
        said, numbers = axes.texts
        assert name.startswith(said.get_text().rstrip("…"))
        assert numbers.get_text().startswith(f"{count}, ")
        assert numbers.get_text().endswith("% uncovered")
        assert said.get_window_extent().y0 >= axes.get_window_extent().y1


# --- legends in given axes ------------------------------------------------------------------


@pytest.mark.parametrize("make", [growth_figure, radial_figure])
def test_legends_of_narrow_panels_keep_names_and_leave_the_data(make):
    net = eg.load("conv3*9", input_shape=(21, 21))
    net.name = "densenet264_with_a_longer_name"
    given = eg.growth(net) if make is growth_figure else eg.importance(net)
    with paper_style():
        figure = Figure(figsize=(6.9, 4.5), layout="constrained")
        axes = figure.subplots(1, 3)
        options = {} if make is growth_figure else {"scale": "log"}
        make(given, ax=axes[1], **options)
        figure.canvas.draw()
    legend = axes[1].get_legend()
    assert net.name in legend.get_texts()[0].get_text().replace("\n", "")
    box, panel = legend.get_window_extent(), axes[1].get_window_extent()
    lines = [line.get_transform().transform_path(line.get_path()) for line in axes[1].lines]
    over = any(path.intersects_bbox(box, filled=False) for path in lines)
    assert box.y1 < panel.y0 or not over
    assert box.width < panel.width + 0.6 * figure.dpi
    assert panel.height > figure.dpi  # there is still room for the curves


def test_a_legend_stays_inside_where_it_covers_nothing():
    with paper_style():
        figure = Figure(figsize=(6, 5), layout="constrained")
        axes = figure.add_subplot()
        radial_figure(eg.importance(eg.load("conv3*20", (41, 41))), scale="linear", ax=axes)
        figure.canvas.draw()
    box, panel = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert panel.y0 < box.y0 < box.y1 < panel.y1


def test_a_legend_below_rotated_names_does_not_meet_them():
    with paper_style():
        figure = Figure(figsize=(3, 4), layout="constrained")
        axes = figure.add_subplot()
        coverage_figure(eg.coverage(eg.load("vgg16", (64, 64))), ax=axes)
        figure.canvas.draw()
    names = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
    box = axes.get_legend().get_window_extent()
    below = box.y1 < axes.get_window_extent().y0
    assert not below or all(box.y1 <= name.y0 for name in names)


def test_long_axis_labels_are_shortened_where_they_do_not_fit():
    with paper_style():
        wide, narrow = Figure(figsize=(6, 3)), Figure(figsize=(1.6, 3))
        for figure in (wide, narrow):
            radial_figure(chain(), scale="linear", ax=figure.add_subplot())
    assert wide.axes[0].get_xlabel() == "distance from the centre of mass (pixels)"
    assert narrow.axes[0].get_xlabel() == "distance (pixels)"


def test_strips_of_centres_are_described_in_lines_that_fit():
    net = eg.load("conv3s2*3", (64,))
    with paper_style("cvpr"):
        figure = centre_figure(net, object_size=5)
        assert collisions(figure) == []
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert all("\n" in text for text in texts)
    assert all(text.replace("\n", " ").endswith("5 px objects") for text in texts)
    assert not any("\n" in text.get_text() for text in centre_figure(net).axes[0].texts)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 1), (2,)])
def test_positions_are_whole_numbers_however_few(shape):
    imp = eg.importance(eg.load("conv1", shape))
    for figure in (importance_figure(imp), gridding_figure(imp)):
        figure.canvas.draw()
        axes = figure.axes[0]
        for axis in (axes.xaxis, axes.yaxis)[: len(shape)]:
            shown = sorted(axis.get_view_interval())
            ticks = [t for t in axis.get_majorticklocs() if shown[0] <= t <= shown[1]]
            assert ticks
            assert all(t == round(t) for t in ticks)
