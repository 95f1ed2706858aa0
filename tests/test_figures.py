"""Figures of maps, by their matplotlib artists: what is drawn, where, that nothing collides."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from figure_checks import (
    bars_of_colour,
    collisions,
    enclosed,
    erf_lines,
    images,
    rate,
    shown_texts,
    trf_box,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

import erfgraph as eg
from erfgraph.erf import ERF
from erfgraph.errors import FileError, InputError, NameLookupError
from erfgraph.figures import (
    compare_figure,
    graph_figure,
    importance_figure,
    paper_style,
    save_figure,
)
from erfgraph.figures.panel import outline, view_of
from erfgraph.figures.wording import number

# --- nothing collides, nothing is cut off ------------------------------------------------


FIGURES = {
    "resnet50": lambda: importance_figure(rate("resnet50", layer="layer4.2", unit=(3, 3))),
    "resnet50 corner": lambda: importance_figure(
        rate("resnet50", layer="layer4.2", unit=(0, 0)), scale="power"
    ),
    "resnet152 log": lambda: importance_figure(rate("resnet152"), scale="log"),
    "vgg16": lambda: importance_figure(rate("vgg16", layer="features.16")),
    "37 paths": lambda: importance_figure(rate("conv7*3")),
    "one axis, steps": lambda: importance_figure(rate("conv3*30", 200), scale="log"),
    "two axes": lambda: importance_figure(rate("conv3*3", (9, 9))),
    "holes": lambda: importance_figure(rate("conv3d2*3", (13, 13)), scale="log"),
    "wide": lambda: importance_figure(rate("conv3x9*3", (13, 90))),
    "tall": lambda: importance_figure(rate("conv9x3*3", (90, 13))),
    "three axes": lambda: importance_figure(rate("conv3*3", (9, 9, 9))),
    "small page": lambda: importance_figure(
        rate("conv3*3", (9, 9)), figure=Figure(figsize=(4.4, 4.2))
    ),
    "long name": lambda: importance_figure(rate("res(conv3p1 conv3p1)*4 " * 12, (60, 60))),
    "compare": lambda: compare_figure([rate(n) for n in ("resnet18", "resnet50", "vgg16")]),
    "compare two rows": lambda: compare_figure(
        [rate(n, (25, 25)) for n in ("conv3*4 conv3d2*3", "conv7*3", "conv3*9", "conv5", "conv9")],
        scale="log",
        title="Five networks",
    ),
    "compare one axis": lambda: compare_figure([rate(n, 19) for n in ("conv7*3", "conv3*9")]),
    "compare three axes": lambda: compare_figure(
        [rate(n, (9, 9, 9)) for n in ("conv3*3", "conv3x3x1*3")]
    ),
    "graph 37 paths": lambda: graph_figure(eg.load("conv7*3")),
    "graph 37 edges": lambda: graph_figure(eg.load("conv3*5"), measure="edges"),
    "graph two axes": lambda: graph_figure(eg.load("conv3*2", input_shape=(5, 5))),
    "graph residual": lambda: graph_figure(eg.load("res(conv3p1 conv3p1)", input_shape=9)),
    "graph residual two axes": lambda: graph_figure(
        eg.load("res(conv3p1 conv3p1) max2", input_shape=(6, 6))
    ),
    "graph three axes": lambda: graph_figure(eg.load("conv3*2", input_shape=(5, 5, 5))),
    "graph large counts": lambda: graph_figure(eg.load("conv7*8", input_shape=49), max_units=999),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_collides_or_is_cut_off(name):
    assert collisions(FIGURES[name]()) == []


def test_a_collision_would_be_found():
    figure = importance_figure(rate("conv3*3", (9, 9)))
    figure.text(0.5, 0.98, "over the title")
    figure.text(0.99, 0.5, "cut off at the right")
    found = [pair for both in collisions(figure) for pair in both]
    assert "over the title" in found
    assert "cut off" in found


@pytest.mark.parametrize("name", [n for n in FIGURES if not n.startswith("graph")])
def test_legend_lies_below_all_axes(name):
    figure = FIGURES[name]()
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.findobj(Legend)
    box = legend.get_window_extent()
    for axes in figure.axes:
        assert not box.overlaps(axes.get_window_extent())
        assert not box.overlaps(axes.xaxis.label.get_window_extent())


def test_pyplot_stays_out(tmp_path):
    import subprocess

    code = (
        "import sys, erfgraph as eg\n"
        "from erfgraph.figures import *\n"
        "save_figure(importance_figure(eg.importance(eg.load('conv3*3', (9, 9)))), sys.argv[1])\n"
        "graph_figure(eg.load('conv3', (5, 5)))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- one map --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("linear", lambda relative: relative),
        ("power", np.sqrt),
        (
            "log",
            lambda relative: np.where(relative > 0, np.log10(np.maximum(relative, 1e-300)), 0),
        ),
    ],
)
def test_image_is_the_scaled_relative_importance(scale, expected):
    imp = rate("conv3d2*3", (21, 25), unit=(3, 5))
    assert imp.holes
    figure = importance_figure(imp, scale=scale)
    (axes,) = images(figure)
    image = axes.images[0]
    drawn = image.get_array()
    window = imp.relative[imp.window_slices]
    np.testing.assert_allclose(np.ma.filled(drawn, 0), expected(window), atol=1e-12)
    if scale == "log":
        assert np.array_equal(np.ma.getmaskarray(drawn), window == 0)
    # pixel centres at whole numbers, rows downwards
    (top, bottom), (left, right) = ((s.start, s.stop) for s in imp.window_slices)
    assert image.get_extent() == [left - 0.5, right - 0.5, bottom - 0.5, top - 0.5]
    assert axes.yaxis_inverted()


def test_counts_beyond_float_range_are_drawn():
    imp = rate("conv3p1*700", (40, 40))
    assert imp.peak.value > 10**310
    figure = importance_figure(imp, scale="log")
    drawn = images(figure)[0].images[0].get_array()
    assert np.isfinite(drawn).all()
    assert drawn.max() == pytest.approx(0)
    assert any("×10⁶" in text for text, _ in shown_texts(figure))


def test_log_scale_is_clipped_at_the_stated_floor():
    imp = rate("conv3*9", (25, 25))
    figure = importance_figure(imp, scale="log", floor=1e-3)
    assert images(figure)[0].images[0].get_array().min() == pytest.approx(-3)
    (bar,) = bars_of_colour(figure)
    assert bar.get_ylabel() == "log₁₀(paths / largest), from 10⁻³"
    with pytest.raises(InputError, match="floor: got 2"):
        importance_figure(imp, scale="log", floor=2)


@pytest.mark.parametrize(
    ("text", "shape", "unit"),
    [("conv3*3", (15, 20), (4, 9)), ("conv3p1*3", (9, 9), (0, 8)), ("conv3d2*3", (13, 13), None)],
)
def test_box_and_outline_are_pixel_exact(text, shape, unit):
    imp = rate(text, shape, unit=unit)
    erf = imp.erf(0.3)
    assert 0 < erf.area < imp.trf.area
    (axes,) = images(importance_figure(imp, erf))
    assert trf_box(axes) == tuple((start - 0.5, stop - 0.5) for start, stop in imp.trf.bbox)
    assert np.array_equal(enclosed(erf_lines(axes), shape), erf.mask)


def test_outline_of_any_mask():
    rng = np.random.default_rng(0)
    for density in (0.1, 0.5, 0.9):
        mask = rng.random((13, 17)) < density
        assert np.array_equal(enclosed(outline(mask), mask.shape), mask)
    assert outline(np.ones((3, 4), dtype=bool)).shape == (4, 2, 2)  # runs are joined
    assert outline(np.zeros((3, 4), dtype=bool)).shape == (0, 2, 2)


def test_side_panels_hold_the_sums():
    imp = rate("conv3*2 conv3x5", (12, 14), unit=(2, 1))
    figure = importance_figure(imp)
    _, top, right, _ = figure.axes
    for axes, axis in ((top, 1), (right, 0)):
        values, edges, _ = axes.patches[0].get_data()
        sums = imp.share.sum(axis=1 - axis)
        inside = sums[int(edges[0] + 0.5) : int(edges[-1] + 0.5)]
        np.testing.assert_allclose(values, inside)
        assert values.sum() == pytest.approx(1)
        ends = {line.get_xdata()[0] if axis else line.get_ydata()[0] for line in axes.lines}
        assert ends == {end - 0.5 for end in imp.trf.bbox[axis]}
    assert top.get_xlim() == images(figure)[0].get_xlim()
    assert right.get_ylim() == images(figure)[0].get_ylim()
    # the panels continue the image, without a gap or shift
    FigureCanvasAgg(figure).draw()
    main = images(figure)[0].get_window_extent()
    assert np.allclose(top.get_window_extent().intervalx, main.intervalx)
    assert np.allclose(right.get_window_extent().intervaly, main.intervaly)


def test_pixels_are_square():
    for shape in ((9, 9), (20, 40)):
        (axes,) = images(importance_figure(rate("conv3*3", shape), view="input"))
        box = axes.get_window_extent()
        assert box.width / shape[1] == pytest.approx(box.height / shape[0])


def test_texts_say_what_is_shown():
    imp = rate("resnet18", layer="layer2.0", unit=(5, 6), measure="paths")
    erf = imp.erf(0.9, "mass")
    text = " ".join(t for t, _ in shown_texts(importance_figure(imp, erf)))
    for part in (
        "resnet18",
        "unit (5, 6) of layer2.0",
        "paths / largest",
        "x (pixels)",
        "y (pixels)",
        "smallest set with 90 % of the total",
        f"{erf.area:,} px²",
        f"side {erf.size:.1f} px",
        f"{100 * erf.share_of_trf:.3g} % of the TRF",
        number(imp.peak.value),
    ):
        assert part in text
    titled = importance_figure(imp, erf, title="My title")
    assert "My title" in [t for t, _ in shown_texts(titled)]
    assert "resnet18" not in [t for t, _ in shown_texts(titled)]


def test_maps_of_other_layers_are_not_in_pixels():
    imp = eg.importance(eg.load("conv3*3", input_shape=(9, 9)), of="conv1")
    (axes,) = images(importance_figure(imp))
    assert axes.get_xlabel() == "x (units of conv1)"


def test_a_small_field_is_shown_at_its_place():
    imp = rate("conv3*3", (100, 120), unit=(50, 60))
    (axes,) = images(importance_figure(imp))
    (y, x), (high, wide) = imp.trf.bbox, (axes.get_ylim(), axes.get_xlim())
    assert high == (y[1] + 0.5, y[0] - 1.5)  # one pixel of margin
    assert wide == (x[0] - 1.5, x[1] + 0.5)
    (axes,) = images(importance_figure(imp, view="input"))
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 119.5), (99.5, -0.5))
    assert view_of(rate("conv3*3", (9, 9))) == ((0, 9), (0, 9))


def test_large_inputs_allocate_only_the_window():
    imp = rate("resnet50", (4096, 4096))
    (axes,) = images(importance_figure(imp))
    assert axes.images[0].get_array().shape == imp.counts.shape
    assert max(imp.counts.shape) < 500


def test_three_axes_show_the_planes_through_the_peak():
    imp = rate("conv3x5x3*2 conv3", (9, 13, 11), unit=(1, 1, 2))
    figure = importance_figure(imp)
    z, y, x = imp.peak.position
    window = imp.relative
    planes = [window[z], window[:, y], window[:, :, x]]
    erf = imp.erf()
    masks = [erf.mask[z], erf.mask[:, y], erf.mask[:, :, x]]
    for axes, plane, mask, kept in zip(
        images(figure), planes, masks, ([1, 2], [0, 2], [0, 1]), strict=True
    ):
        slices = tuple(imp.window_slices[a] for a in kept)
        np.testing.assert_allclose(axes.images[0].get_array(), plane[slices])
        assert np.array_equal(enclosed(erf_lines(axes), mask.shape), mask)
    assert [axes.get_title() for axes in images(figure)] == [f"z = {z}", f"y = {y}", f"x = {x}"]
    assert len(bars_of_colour(figure)) == 1
    assert bars_of_colour(figure)[0].get_ylabel()


def test_a_unit_without_a_path_still_gives_a_figure():
    net = eg.Network((4, 4))
    padded = net.pad(net.input, 3)
    imp = eg.importance(net, padded, (0, 0))
    assert imp.trf.area == 0
    for scale in ("linear", "log"):
        figure = importance_figure(imp, scale=scale)
        assert any("no path" in text for text, _ in shown_texts(figure))


def test_given_axes_and_figures_are_used():
    imp = rate("conv3*3", (9, 9))
    figure = Figure(figsize=(8, 4))
    left, right = figure.subplots(1, 2)
    assert importance_figure(imp, ax=left) is figure
    assert len(left.images) == 1
    assert importance_figure(rate("conv7*3"), ax=right, title="37") is figure
    assert right.get_title() == "37"
    whole = Figure(figsize=(12, 5))
    parts = whole.subfigures(1, 2)
    assert importance_figure(imp, figure=parts[0]) is whole
    assert importance_figure(rate("conv7*3"), figure=parts[1]) is whole
    assert collisions(whole) == []
    with pytest.raises(InputError, match=r"figure: got 1.0 x 1.0 inches, wanted at least"):
        importance_figure(imp, figure=Figure(figsize=(1, 1)))
    with pytest.raises(
        InputError, match="ax: got 1 Axes, wanted 3, one for each of: z = 1, y = 1"
    ):
        importance_figure(rate("conv3", (5, 5, 5)), ax=left)


def test_what_does_not_fit_is_refused():
    imp = rate("conv3*3", (9, 9))
    with pytest.raises(NameLookupError, match="unknown scale 'logs'; did you mean 'log'"):
        importance_figure(imp, scale="logs")
    with pytest.raises(NameLookupError, match="unknown cmap 'virids'; did you mean 'viridis'"):
        importance_figure(imp, cmap="virids")
    with pytest.raises(NameLookupError, match="unknown view"):
        importance_figure(imp, view="zoom")
    with pytest.raises(
        InputError, match=r"erf: got shape \(7,\), wanted an ERF of shape \(9, 9\)"
    ):
        importance_figure(imp, rate("conv3*3").erf())
    with pytest.raises(InputError, match="vmin < vmax"):
        importance_figure(imp, vmin=1, vmax=0.5)
    with pytest.raises(InputError, match="wanted an ImportanceMap"):
        importance_figure(imp.values)


# --- one axis -------------------------------------------------------------------------------


def test_the_37_stands_on_the_centre_bar():
    imp = rate("conv7*3")
    (axes,) = importance_figure(imp).axes
    labels = {int(text.xy[0]): text.get_text() for text in axes.texts}
    assert labels == {i: str(v) for i, v in enumerate(imp.values.tolist())}
    assert labels[9] == "37"
    (bars,) = axes.containers
    np.testing.assert_allclose([bar.get_height() for bar in bars], imp.relative)
    np.testing.assert_allclose([bar.get_center()[0] for bar in bars], np.arange(19))
    assert sorted(line.get_xdata()[0] for line in axes.lines) == [-0.5, 18.5]


def test_spans_of_a_field_with_holes():
    imp = rate("conv3d3*2", 20, unit=1)
    erf = imp.erf(0.5)
    (axes,) = importance_figure(imp, erf).axes
    spans = [p for p in axes.patches if p.get_zorder() == 0]
    covered = np.zeros(20, dtype=bool)
    for span in spans:
        covered[int(span.get_x() + 0.5) : int(span.get_x() + span.get_width() + 0.5)] = True
    assert np.array_equal(covered, erf.mask)
    assert len(spans) == 3


def test_long_inputs_have_steps_and_no_numbers():
    imp = rate("conv3*30", 200)
    (axes,) = importance_figure(imp, view="input").axes
    values, edges, _ = axes.patches[-1].get_data()
    start = int(edges[0] + 0.5)
    np.testing.assert_allclose(values, imp.relative[start : start + len(values)])
    assert not axes.texts


# --- several maps ---------------------------------------------------------------------------


def test_compared_maps_share_limits_and_one_colour_bar():
    imps = [rate(text, (99, 99)) for text in ("conv7", "conv3*5")]
    for scale in ("linear", "log"):
        figure = compare_figure(imps, scale=scale)
        shown = images(figure)
        assert len(shown) == 2
        limits = {axes.images[0].get_clim() for axes in shown}
        assert len(limits) == 1
        assert len({(axes.get_xlim(), axes.get_ylim()) for axes in shown}) == 1
        (bar,) = bars_of_colour(figure)
        assert "paths / largest" in bar.get_ylabel()
        for axes, imp in zip(shown, imps, strict=True):
            assert axes.get_title().startswith(imp.network)
    lowest = np.log10(min(imp.relative[imp.trf.mask].min() for imp in imps))
    assert limits == {(max(-6, lowest), 0)}
    given = compare_figure(imps, vmin=0.1, vmax=0.7)
    assert {axes.images[0].get_clim() for axes in images(given)} == {(0.1, 0.7)}


def test_on_a_narrow_page_the_bar_lies_below_and_images_share_their_numbers():
    with paper_style("cvpr"):
        figure = compare_figure([rate(n) for n in ("resnet18", "vgg16", "vgg11")], scale="log")
    shown = images(figure)
    (bar,) = bars_of_colour(figure)
    assert bar.get_xlabel().startswith("log₁₀(paths / largest)")
    box = bar.get_position()
    assert box.y1 < min(axes.get_position().y0 for axes in shown)
    assert box.width > 5 * box.height
    first, second, third = shown
    assert first.get_position().y0 == second.get_position().y0 > third.get_position().y1
    assert [a.yaxis.get_tick_params()["labelleft"] for a in shown] == [True, False, True]
    assert len({axes.images[0].get_clim() for axes in shown}) == 1
    assert collisions(figure) == []


def test_compared_profiles_share_both_axes():
    imps = [rate(text, 19) for text in ("conv7*3", "conv3*9", "conv4*6")]
    figure = compare_figure(imps)
    assert len(figure.axes) == 3
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    texts = [text for text, _ in shown_texts(figure)]
    assert {"conv7*3", "conv3*9", "conv4*6"} <= set(texts)


def test_compared_fields_are_those_given():
    imps = [rate("conv3*3", (9, 9)), rate("conv7", (9, 9))]
    erfs = [imps[0].erf(0.5), None]
    first, second = images(compare_figure(imps, erfs))
    assert np.array_equal(enclosed(erf_lines(first), (9, 9)), erfs[0].mask)
    assert np.array_equal(enclosed(erf_lines(second), (9, 9)), imps[1].erf().mask)


def test_what_cannot_be_compared_is_refused():
    imp = rate("conv3*3", (9, 9))
    with pytest.raises(InputError, match="got none"):
        compare_figure([])
    with pytest.raises(InputError, match=r"maps of \[1, 2\] axes"):
        compare_figure([imp, rate("conv3")])
    with pytest.raises(InputError, match="erfs: got 1, wanted one for each of 2"):
        compare_figure([imp, imp], [None])


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_same_figure_same_bytes(tmp_path, suffix):
    written = []
    for i in range(2):
        for make in (
            lambda: importance_figure(rate("conv3*3", (9, 9))),
            lambda: graph_figure(eg.load("conv3*2", input_shape=(5, 5))),
        ):
            path = tmp_path / f"{i}{suffix}"
            save_figure(make(), path, {"title": "T", "keywords": ["a", "b"]})
            written.append(path.read_bytes())
    assert written[0] == written[2]
    assert written[1] == written[3]
    assert written[0] != written[1]
    assert {p.name for p in tmp_path.iterdir()} == {f"0{suffix}", f"1{suffix}"}


def test_metadata_and_text_are_in_the_file(tmp_path):
    figure = importance_figure(rate("conv7*3"))
    entries = {"title": "The 37", "author": "A. Uthor", "keywords": ["x", "y"]}
    for suffix in (".png", ".pdf", ".svg"):
        save_figure(figure, tmp_path / f"f{suffix}", entries)
    svg = (tmp_path / "f.svg").read_text("utf-8")
    assert "<dc:title>The 37</dc:title>" in svg
    assert f"erfgraph {eg.__version__}" in svg
    assert "dc:date" not in svg
    assert ">37</text>" in svg  # text stays text
    pdf = (tmp_path / "f.pdf").read_bytes()
    assert b"/Title (The 37)" in pdf
    assert b"CreationDate" not in pdf
    assert b"/Type3" not in pdf
    assert b"The 37" in (tmp_path / "f.png").read_bytes()
    save_figure(figure, tmp_path / "default.pdf")
    assert b"conv7*3" in (tmp_path / "default.pdf").read_bytes()


def test_unwritable_targets_leave_nothing(tmp_path):
    figure = importance_figure(rate("conv3*3"))
    with pytest.raises(FileError, match=r"got suffix '.eps', wanted .pdf or .pgf or .png or .svg"):
        save_figure(figure, tmp_path / "a.eps")
    with pytest.raises(FileError, match="does not exist"):
        save_figure(figure, tmp_path / "no" / "a.png")
    with pytest.raises(NameLookupError, match="unknown metadata entry 'titel'"):
        save_figure(figure, tmp_path / "a.png", {"titel": "x"})
    with pytest.raises(InputError, match="wanted a matplotlib Figure"):
        save_figure(figure.axes[0], tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_writer_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    figure = importance_figure(rate("conv3*3"))

    def fail(file, **options):
        file.write(b"half")
        raise RuntimeError("broken")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(RuntimeError, match="broken"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_fields_of_other_makers_are_drawn():
    """An `ERF` needs no rule that erfgraph knows."""
    imp = rate("conv3*3", (9, 9))
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:4, 5:7] = True
    (axes,) = images(importance_figure(imp, ERF(mask, "mine", 0.5, imp.trf.area)))
    assert np.array_equal(enclosed(erf_lines(axes), (9, 9)), mask)
