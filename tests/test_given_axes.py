"""Every figure can be drawn into axes of the caller's: what lands there, and what stays as it was.

What a panel must hold is what the same panel holds in the figure that the function makes by
itself.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph import figures
from erfgraph.errors import InputError

PHOTO = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)


def rate(text, shape=None, **how):
    return eg.importance(eg.load(text, shape), **how)


def matched():
    net = eg.load("conv3p1*4 max2 conv3p1*4", (64, 64))
    objects = eg.ObjectSizes([4, 10, 40], [4, 10, 40])
    return eg.match_objects(net, objects, ["conv4", "conv8"])


# what is drawn, and which axes of its own figure are the panels
CASES = {
    "agreement of one axis": (
        lambda **k: figures.agreement_figure(
            eg.compare(rate("conv3*3"), rate("conv3*3", measure="edges")), **k
        ),
        [0, 1, 2],
    ),
    "agreement": (
        lambda **k: figures.agreement_figure(
            eg.compare(rate("conv3*3", (9, 9)), rate("conv3*3", (9, 9), measure="edges")), **k
        ),
        [0, 1, 3, 4, 5, 6],
    ),
    "architecture": (
        lambda **k: figures.architecture_figure(eg.load("res(conv3p1)*2", (9, 9)), **k),
        [0],
    ),
    "cells of one axis": (
        lambda **k: figures.cells_figure(eg.cells(eg.load("conv5s4p2 conv3p1", 12)), **k),
        [0],
    ),
    "cells, all in one": (
        lambda **k: figures.cells_figure(
            eg.cells(eg.load("conv5s4p2 conv3p1", (12, 12))), PHOTO, **k
        ),
        [0],
    ),
    "cells": (
        lambda **k: figures.cells_figure(eg.cells(eg.load("conv5s4p2 conv3p1", (8, 8))), **k),
        [0, 1, 2, 3, 4],
    ),
    "centre": (
        lambda **k: figures.centre_figure(
            eg.load("conv3s2*2", (17, 17)), image=PHOTO, object_size=5, **k
        ),
        [0, 1],
    ),
    "centre of one axis": (
        lambda **k: figures.centre_figure(eg.load("conv3s2*2", 17), object_size=5, **k),
        [0],
    ),
    "checkerboard": (
        lambda **k: figures.checkerboard_figure(
            [eg.checkerboard(eg.load(t, (6, 6))) for t in ("deconv3s2", "deconv4s2")], **k
        ),
        [0, 1],
    ),
    "checkerboard of one axis": (
        lambda **k: figures.checkerboard_figure(eg.checkerboard(eg.load("deconv3s2", 6)), **k),
        [0],
    ),
    "compare": (
        lambda **k: figures.compare_figure(
            [rate("conv3*3", (9, 9)), rate("conv7", (9, 9))], scale="log", **k
        ),
        [0, 1],
    ),
    "compare of one axis": (
        lambda **k: figures.compare_figure([rate("conv3*9", 19), rate("conv7*3", 19)], **k),
        [0, 1],
    ),
    "compare of three axes": (
        lambda **k: figures.compare_figure(
            [rate("conv3", (5, 5, 5)), rate("conv5", (5,) * 3)], **k
        ),
        [0, 1, 2, 3, 4, 5],
    ),
    "coverage": (
        lambda **k: figures.coverage_figure(
            [eg.coverage(eg.load(name, (32, 32))) for name in ("vgg11", "resnet18")], **k
        ),
        [0, 1],
    ),
    "graph": (lambda **k: figures.graph_figure(eg.load("res(conv3p1)", 5), **k), [0]),
    "gridding": (
        lambda **k: figures.gridding_figure(
            [rate("conv3d2*3", (17, 17)), rate("conv3 conv3d2 conv3d5", (17, 17))], **k
        ),
        [0, 1],
    ),
    "gridding of one axis": (
        lambda **k: figures.gridding_figure(rate("conv3d2*3", 17), **k),
        [0],
    ),
    "growth": (
        lambda **k: figures.growth_figure(eg.growth(eg.load("conv3*9", 41)), law=True, **k),
        [0],
    ),
    "importance": (
        lambda **k: figures.importance_figure(
            rate("conv3p1*6", (21, 25)), thresholds=[0.01, 0.3], image=PHOTO, **k
        ),
        [0],
    ),
    "importance of one axis": (lambda **k: figures.importance_figure(rate("conv7*3"), **k), [0]),
    "importance of three axes": (
        lambda **k: figures.importance_figure(rate("conv3*2", (5, 5, 5)), **k),
        [0, 1, 2],
    ),
    "match": (lambda **k: figures.match_figure(matched(), **k), [0, 1]),
    "radial": (
        lambda **k: figures.radial_figure(
            [rate(text, (19, 19)) for text in ("conv3*9", "conv7*3")], **k
        ),
        [0, 1],
    ),
    "radial, one scale": (
        lambda **k: figures.radial_figure(rate("conv3*9", (19, 19)), scale="log", **k),
        [0],
    ),
    "scale": (
        lambda **k: figures.scale_figure(
            [eg.spectrum(eg.load(name, (64, 64))) for name in ("resnet18", "vgg11")], **k
        ),
        [0, 1],
    ),
}
# with several panels each has a legend, or a name, where these have one for all
NAMELESS = ("agreement", "match", "radial", "scale")


def drawn(axes):
    """The data of an axes' artists, in the order in which they were drawn."""
    found = [(line.get_label(), np.asarray(line.get_xydata(), dtype=float)) for line in axes.lines]
    for image in axes.images:
        values = np.ma.filled(image.get_array().astype(float), np.nan)
        found += [("image", values), ("clim", np.array(image.get_clim(), dtype=float))]
    found += [(patch.get_label(), patch.get_path().vertices) for patch in axes.patches]
    for collection in axes.collections:
        paths = [path.vertices for path in collection.get_paths()]
        found.append((collection.get_label(), np.concatenate([*paths, collection.get_offsets()])))
    return found


def assert_same(got, wanted):
    assert [label for label, _ in got] == [label for label, _ in wanted]
    for (label, a), (_, b) in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, err_msg=label)


def test_every_figure_has_a_case():
    makers = {name for name in figures.__all__ if name.endswith("_figure")} - {"save_figure"}
    assert makers == {f"{name.split()[0].rstrip(',')}_figure" for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_panels_land_in_the_axes_that_are_given_and_nowhere_else(name):
    make, panels = CASES[name]
    own = make()
    settings = dict(mpl.rcParams)
    figure = Figure(figsize=(15, 9), layout="constrained")
    grid = figure.subplots(3, 3)
    chosen = grid.flat[: len(panels)] if len(panels) > 1 else grid[0, 0]
    assert make(ax=chosen) is figure
    for axes, at in zip(grid.flat, panels, strict=False):
        assert axes.has_data()
        assert_same(drawn(axes), drawn(own.axes[at]))
        assert axes.get_xscale() == own.axes[at].get_xscale()
        if own.axes[at].get_xlabel():
            assert axes.get_xlabel() == own.axes[at].get_xlabel()
        if own.axes[at].get_ylabel():
            assert axes.get_ylabel() == own.axes[at].get_ylabel()
    for axes in grid.flat[len(panels) :]:
        assert not axes.has_data()
        assert axes.get_legend() is None
        assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("", "", "")
    # the figure is still the caller's
    assert figure.axes == list(grid.flat)
    assert not figure.texts
    assert not figure.legends
    assert not figure.get_label()
    assert tuple(figure.get_size_inches()) == (15, 9)
    assert dict(mpl.rcParams) == settings
    legends = [axes.get_legend() for axes in grid.flat if axes.get_legend()]
    assert bool(legends) == bool(own.findobj(mpl.legend.Legend))
    titles = [axes.get_title() for axes in grid.flat[: len(panels)]]
    if len(panels) == 1:
        assert titles == [""]
    elif not name.startswith(NAMELESS):
        assert all(titles)
    FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize("name", CASES)
def test_axes_of_pyplot_and_of_parts_of_a_figure(name):
    make, panels = CASES[name]
    figure, grid = plt.subplots(len(panels), 1, squeeze=False, figsize=(6, 2 * len(panels)))
    try:
        assert make(ax=list(grid.flat), title="Mine") is figure
        assert grid[0, 0].get_title() == "Mine"
        FigureCanvasAgg(figure).draw()
    finally:
        plt.close(figure)
    whole = Figure(figsize=(12, 6), layout="constrained")
    _, right = whole.subfigures(1, 2)
    assert make(ax=right.subplots(len(panels), 1)) is whole
    assert len(whole.axes) == len(panels)


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_axes_is_refused(name):
    make, panels = CASES[name]
    figure = Figure()
    grid = list(figure.subplots(3, 4).flat)
    with pytest.raises(InputError, match=r"^ax: got .*Figure.*, wanted matplotlib Axes$"):
        make(ax=figure)
    with pytest.raises(InputError, match=r"^ax: got 'x', wanted matplotlib Axes$"):
        make(ax=["x"])
    with pytest.raises(InputError, match=r"^ax: got 12 Axes, wanted (one|\d+, one for each of: )"):
        make(ax=grid)
    with pytest.raises(InputError, match=r"^ax: got 0 Axes, wanted "):
        make(ax=[])
    with pytest.raises(InputError, match=r"^ax: got Axes of projection 'polar', wanted "):
        make(ax=Figure().add_subplot(projection="polar"))
    assert not any(axes.has_data() for axes in grid)
    if not name.startswith("graph"):
        with pytest.raises(InputError, match=r"^ax, figure: got both, wanted one of them$"):
            make(ax=grid[: len(panels)], figure=Figure(figsize=(9, 9)))
    if len(panels) > 1:
        mixed = [Figure().add_subplot() for _ in panels]
        with pytest.raises(InputError, match=r"^ax: got Axes of several figures"):
            make(ax=mixed)


def test_a_colour_bar_has_the_limits_the_label_and_the_ends_of_the_scale():
    imp = rate("conv3*30", (61, 61))
    figure, ax = plt.subplots()
    try:
        figures.importance_figure(imp, scale="log", ax=ax)
        image = ax.images[0]
        bar = figure.colorbar(image, ax=ax, label=image.get_label())
        assert bar.ax.get_ylabel() == "log₁₀(paths / largest), from 10⁻⁶"
        assert (bar.vmin, bar.vmax) == (-6, 0)
        assert bar.extend == "min"
        figures.importance_figure(imp, ax=ax)
        assert figure.colorbar(ax.images[-1], ax=ax).extend == "neither"
    finally:
        plt.close(figure)


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_a_legend_lies_below_an_image_where_the_layout_makes_room(layout):
    figure = Figure(figsize=(6, 6), layout=layout)
    ax = figure.add_subplot()
    figures.importance_figure(rate("conv3*3", (9, 9)), ax=ax)
    FigureCanvasAgg(figure).draw()
    label, legend = ax.xaxis.label.get_window_extent(), ax.get_legend().get_window_extent()
    assert (legend.y1 < label.y0) == (layout is not None)
    assert legend.y0 > 0
    figures.growth_figure(eg.growth(eg.load("conv3*9", 41)), ax=(other := figure.add_subplot()))
    assert other.get_legend()._loc_real == 0  # the best


def test_letters_are_the_callers():
    with mpl.rc_context({"font.size": 13, "axes.titlesize": 17, "legend.fontsize": 5}):
        ax = Figure().add_subplot()
        figures.growth_figure(eg.growth(eg.load("conv3*9", 41)), ax=ax, title="T")
        assert ax.title.get_fontsize() == 17
        assert ax.xaxis.label.get_fontsize() == 13
        assert {text.get_fontsize() for text in ax.get_legend().get_texts()} == {5}


def test_pixels_are_square_in_axes_of_any_shape():
    figure = Figure(figsize=(9, 2))
    ax = figure.add_subplot()
    figures.importance_figure(rate("conv3*3", (9, 9)), ax=ax, view="input")
    FigureCanvasAgg(figure).draw()
    box = ax.get_window_extent()
    assert box.width == pytest.approx(box.height)


def test_side_panels_need_a_page_of_their_own():
    imp = rate("conv3*3", (9, 9))
    with pytest.raises(InputError, match=r"marginals: are not drawn in given axes \(ax\)"):
        figures.importance_figure(imp, marginals=True, ax=Figure().add_subplot())


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 5)])
def test_a_graph_of_planes_goes_into_plain_axes_and_into_space(shape):
    net = eg.load("conv3*2", shape)
    (own,) = figures.graph_figure(net, max_units=999).axes
    figure = Figure(figsize=(10, 5), layout="constrained")
    space = figure.add_subplot(121, projection="3d")
    plain = figure.add_subplot(122)
    figures.graph_figure(net, max_units=999, ax=space, title="in space")
    figures.graph_figure(net, max_units=999, ax=plain)
    FigureCanvasAgg(figure).draw()
    units = [c for c in space.collections if c.get_label() == "units"]
    wanted = [c for c in own.collections if c.get_label() == "units"]
    for a, b in zip(units[0]._offsets3d, wanted[0]._offsets3d, strict=True):
        np.testing.assert_allclose(a, b)
    edges = sum(len(c._segments3d) for c in space.collections if "edges" in c.get_label())
    assert edges == eg.graph(net).n_edges
    edges = sum(len(c.get_segments()) for c in plain.collections if "edges" in c.get_label())
    assert edges == eg.graph(net).n_edges
    (dots,) = [c for c in plain.collections if c.get_label() == "units"]
    assert len(dots.get_offsets()) == eg.graph(net).n_units
    names = [f"{m.name} ({'×'.join(map(str, m.shape))})" for m in net.maps]
    assert [label.get_text() for label in plain.get_yticklabels()] == names
    assert [t.get_text().strip() for t in space.texts if "×" in t.get_text()] == names
    # as seen from the same side: what lies left in one lies left in the other
    order = np.argsort(dots.get_offsets()[:, 0], kind="stable")
    assert np.all(np.diff(dots.get_offsets()[order, 0]) >= 0)
    with pytest.raises(InputError, match="projection '3d', wanted 'rectilinear'"):
        figures.graph_figure(eg.load("conv3", 5), ax=space)


def test_images_are_not_turned_by_the_callers_settings():
    maps = []
    for origin in ("upper", "lower"):
        with mpl.rc_context({"image.origin": origin}):
            ax = Figure().add_subplot()
            figures.importance_figure(eg.importance(eg.load("conv3*3", (9, 9))), ax=ax)
        maps.append((ax.images[0].origin, ax.images[0].get_extent(), ax.get_ylim()))
    assert maps[0] == maps[1]
