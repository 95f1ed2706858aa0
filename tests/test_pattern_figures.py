"""Figures of holes and of uneven paths: what is drawn, and that its period is one."""

from __future__ import annotations

import numpy as np
import pytest
from figure_checks import collisions
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from test_cli import call

import erfgraph as eg
from erfgraph.errors import InputError, NameLookupError
from erfgraph.figures import checkerboard_figure, gridding_figure, paper_style
from erfgraph.figures.gridding import HOLE, USED
from erfgraph.figures.tiles import period_cell


def rate(text, shape):
    return eg.importance(eg.load(text, shape))


def board(text, shape, **options):
    return eg.checkerboard(eg.load(text, shape), **options)


FIGURES = {
    "gridding": lambda: gridding_figure(rate("conv3d2*3", (13, 13))),
    "gridding, three": lambda: gridding_figure(
        [rate(t, (17, 17)) for t in ("conv3d2*3", "conv3 conv3d2 conv3d5", "conv3x5d4")]
    ),
    "gridding, two rows": lambda: gridding_figure([rate("conv3d2*3", (13, 13))] * 5, title="Five"),
    "gridding, one axis": lambda: gridding_figure([rate("conv3d2*3", 13), rate("conv3*2", 13)]),
    "gridding, three axes": lambda: gridding_figure(rate("conv3d2*2", (9, 9, 9))),
    "gridding, long name": lambda: gridding_figure(rate("res(conv3p1 conv3p1)*4 " * 9, (60, 60))),
    "checkerboard": lambda: checkerboard_figure(board("deconv3s2*2", (6, 6))),
    "checkerboard, three": lambda: checkerboard_figure(
        [board(t, (6, 6)) for t in ("deconv3s2", "deconv4s2", "deconv5s3")]
    ),
    "checkerboard, one axis": lambda: checkerboard_figure(
        [board("deconv3s2", 6), board("deconv5s3*2", 6, counts=False)], title="One axis"
    ),
    "checkerboard, three axes": lambda: checkerboard_figure(board("deconv3s2", (5, 5, 5))),
    "checkerboard, large counts": lambda: checkerboard_figure(
        eg.checkerboard(eg.load("resnet152", (64, 64)))
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_collides_or_is_cut_off(name):
    figure = FIGURES[name]()
    assert collisions(figure) == []
    assert figure.get_size_inches()[0] <= 7.2


@pytest.mark.parametrize(("paper", "columns", "width"), [("cvpr", 1, 3.25), ("neurips", 1, 5.5)])
@pytest.mark.parametrize("name", [n for n in FIGURES if "large" not in n])
def test_figures_fit_the_columns_of_a_paper(name, paper, columns, width):
    with paper_style(paper, columns):
        figure = FIGURES[name]()
    assert figure.get_size_inches()[0] == width
    assert collisions(figure) == []


def frame_of(axes):
    (frame,) = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_label() == "period"]
    return frame


# --- gridding -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["conv3d2*3", "conv3x5d4", "conv3 conv3d3", "conv3*2"])
def test_units_are_dark_where_a_path_leads(text):
    imp = rate(text, (30, 30))
    axes = gridding_figure(imp).axes[0]
    (image,) = axes.images
    (y0, y1), (x0, x1) = imp.trf.bbox
    assert image.get_extent() == [x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5]
    used = (np.asarray(image.get_array()) == to_rgba(USED)).all(axis=-1)
    assert (used == (imp.values[y0:y1, x0:x1] > 0)).all()
    holes = (np.asarray(image.get_array()) == to_rgba(HOLE)).all(axis=-1)
    assert (holes == ~used).all()


@pytest.mark.parametrize("text", ["conv3d2*3", "conv3d3*4", "conv3d2x3*3"])
def test_holes_repeat_by_the_frame(text):
    imp = rate(text, (40, 40))
    frame = frame_of(gridding_figure(imp).axes[0])
    width, height = int(frame.get_width()), int(frame.get_height())
    assert (height, width) == eg.gridding(imp).period
    (y0, y1), (x0, x1) = imp.trf.bbox
    mask = imp.values[y0:y1, x0:x1] > 0
    assert (mask[height:] == mask[:-height]).all()
    assert (mask[:, width:] == mask[:, :-width]).all()
    # the frame starts with a period
    x, y = (int(v + 0.5) for v in frame.get_xy())
    assert ((y - y0) % height, (x - x0) % width) == (0, 0)
    assert y0 <= y <= y + height <= y1


def test_a_field_without_holes_has_no_frame():
    figure = gridding_figure(rate("conv3 conv3d2 conv3d5", (17, 17)))
    assert not [p for p in figure.axes[0].patches if p.get_label() == "period"]
    assert "100 % of 17×17 units used" in [text.get_text() for text in figure.texts]


def test_a_field_that_does_not_repeat_is_framed_by_its_lattice():
    imp = rate("conv2d6", 30)
    assert eg.gridding(imp).period == (None,)
    figure = gridding_figure(imp)
    assert frame_of(figure.axes[0]).get_width() == eg.gridding(imp).lattice[0]
    assert any("on every 6" in text.get_text() for text in figure.texts)


def test_a_plane_of_three_axes_holds_the_peak():
    imp = rate("conv3d2*2", (9, 9, 9))
    (image,) = gridding_figure(imp).axes[0].images
    used = (np.asarray(image.get_array()) == to_rgba(USED)).all(axis=-1)
    assert (used == (imp.values[imp.peak.position[0]] > 0)).all()


def test_a_unit_without_a_path():
    net = eg.Network((8, 8))
    net.pad(net.conv(net.input, 3), 4, name="far")
    figure = gridding_figure(eg.importance(net, "far", (0, 0)))
    assert "no path leads to the unit" in [text.get_text() for text in figure.texts]
    assert not figure.axes[0].images


# --- checkerboard ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["deconv3s2", "deconv5s3", "deconv3s2*2", "conv3"])
def test_colours_are_counts_over_the_largest(text):
    net = eg.load(text, (6, 6))
    axes = checkerboard_figure(eg.checkerboard(net)).axes[0]
    (image,) = axes.images
    top = net.output
    # paths into a unit are the total of its importance map
    totals = [eg.importance(net, unit=unit).total for unit in np.ndindex(top.shape)]
    expected = np.array(totals).reshape(top.shape) / max(totals)
    assert np.asarray(image.get_array()) == pytest.approx(expected, rel=1e-15)
    assert image.get_clim() == (0, 1)


def test_counts_are_written_on_small_maps():
    found = board("deconv3s2", (6, 6))
    texts = [text.get_text() for text in checkerboard_figure(found).axes[0].texts]
    assert texts == [str(count) for count in found.counts.ravel()]
    assert not checkerboard_figure(board("deconv3s2", (9, 9))).axes[0].texts


def test_without_counts_periods_of_the_pattern_are_shown():
    found = board("deconv5s3", (6, 6), counts=False)
    (image,) = checkerboard_figure(found).axes[0].images
    share = np.asarray(image.get_array())
    assert share.shape == (12, 12)
    assert (share == np.tile(found.pattern / found.pattern.max(), (4, 4)).astype(float)).all()


def test_the_frame_is_one_period_and_starts_one():
    found = board("deconv5s3", (6, 6))
    frame = frame_of(checkerboard_figure(found).axes[0])
    assert (frame.get_height(), frame.get_width()) == found.period == (3, 3)
    x, y = (int(v + 0.5) for v in frame.get_xy())
    assert (y % 3, x % 3) == (0, 0)
    assert (found.counts[y : y + 3, x : x + 3] == found.pattern).all()
    even = checkerboard_figure(board("deconv4s2", (6, 6)))
    assert not [p for p in even.axes[0].patches if p.get_label() == "period"]


def test_counts_beyond_float_range():
    found = board("deconv3s2p1*6 " + "conv99p49*250", 4)
    figure = checkerboard_figure(found)
    (stairs,) = [p for p in figure.axes[0].patches if p.get_label() == "counts"]
    values = stairs.get_data().values
    assert np.isfinite(values).all()
    assert 0 < values.max() <= 1


# --- both -----------------------------------------------------------------------------------


def test_cells_lie_in_the_view():
    assert period_cell(((0, 13),), (0,), (2,)) == ((4, 6),)
    assert period_cell(((3, 10),), (3,), (None,)) == ((3, 10),)
    assert period_cell(((0, 5),), (0,), (9,)) == ((0, 5),)
    for start in range(5):
        ((low, high),) = period_cell(((start, start + 7),), (0,), (3,))
        assert start <= low < high
        assert low % 3 == 0


def test_figures_are_filled_or_refused():
    page = Figure(figsize=(5, 5))
    assert gridding_figure(rate("conv3d2*3", (13, 13)), figure=page) is page
    imp, found = rate("conv3d2*3", (13, 13)), board("deconv3s2", (6, 6))
    with pytest.raises(InputError, match="wanted at least"):
        gridding_figure(imp, figure=Figure(figsize=(1, 1)))
    for bad in ([], [imp] * 10, [imp, rate("conv3", 9)], [1]):
        with pytest.raises(InputError, match="maps"):
            gridding_figure(bad)
    for bad in ([], [found] * 10, [found, board("deconv3s2", 6)], [1]):
        with pytest.raises(InputError, match="found"):
            checkerboard_figure(bad)
    with pytest.raises(InputError, match="names: got 2 for 1"):
        checkerboard_figure(found, names=["a", "b"])
    with pytest.raises(NameLookupError, match="cmap"):
        checkerboard_figure(found, cmap="virridis")


def test_command_draws_either(capsys, tmp_path):
    for name, said in (("gridding", "29 % of 13×13"), ("checkerboard", "paths into the unit")):
        path = tmp_path / f"{name}.svg"
        arguments = ["conv3d2*3", "--input", "13x13", "--figure", name, "-o", str(path)]
        assert call(capsys, "scales", *arguments)[0] == 0
        assert said in path.read_text()
    status, out, err = call(capsys, "scales", "conv3", "--figure", "grid")
    assert (status, out) == (2, "")
    assert "unknown --figure 'grid'" in err
