"""Cells of an output grid, levels against objects, and their figures and commands."""

from __future__ import annotations

import itertools
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

import erfgraph as eg
from erfgraph.cli import main
from erfgraph.errors import FileError, InputError, NameLookupError, SizeError, ThresholdError
from erfgraph.figures import cells_figure, match_figure, save_figure
from erfgraph.figures.photo import read_photo
from erfgraph.tasks import detection

# every cell's field lies inside the image: 3x3 cells, each a translation of the others
FCN = "conv3*3 max2 conv3*2 max2 conv3*2 max2 conv3 conv3"


@pytest.fixture(scope="module")
def fcn():
    return eg.load(FCN, (92, 92))


@pytest.fixture(scope="module")
def nine(fcn):
    return eg.cells(fcn)


# --- cells --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape", "options"),
    [
        (FCN, (92, 92), {}),
        ("conv5s4p2 conv3p1", (12, 12), {"rule": "mass", "threshold": 0.5}),
        ("conv3s2p1 res(conv3p1) conv3s2p1", (12, 10), {"measure": "edges"}),
        ("conv3p1 conv1p1", (4, 3), {}),  # the border cells read padding alone
        ("conv3s2p1*2", (19,), {"rule": "square"}),
        ("conv3s2p1", (6, 5, 4), {}),
    ],
)
def test_each_cell_is_what_importance_says(text, shape, options):
    net = eg.load(text, shape)
    found = eg.cells(net, **options)
    rf = eg.receptive_field(net)
    assert found.shape == net.output.shape
    assert len(found) == math.prod(found.shape)
    options = {"measure": "paths", "rule": "peak", "threshold": None} | options
    for unit in np.ndindex(*found.shape):
        cell = found[unit]
        imp = eg.importance(net, unit=unit, measure=options["measure"])
        erf = imp.erf(options["threshold"], options["rule"])
        assert cell.unit == unit
        assert cell.trf == imp.trf.bbox
        assert (cell.erf, cell.area, cell.side) == (erf.bbox, erf.area, erf.size)
        assert cell.centre == rf.centre(unit)
        assert cell.box == tuple((a, b + 1) for a, b in rf.field(unit))
        if cell.trf:  # what is seen lies in the field, and in the image
            for (a, b), (start, stop), n in zip(cell.trf, cell.box, shape, strict=True):
                assert max(start, 0) <= a < b <= min(stop, n)
    assert [cell.unit for cell in found] == list(np.ndindex(*found.shape))


def test_what_is_seen_knows_the_padding_of_inner_layers():
    # the last unit reads conv1[3], which is padding: of the field 2:15 pixel 11 is not seen
    last = eg.cells(eg.load("conv5s4p2 conv3p1", (12,)))[2]
    assert (last.box, last.trf) == (((2, 15),), ((2, 11),))


def test_padding_alone_is_seen_as_nothing():
    found = eg.cells(eg.load("conv3p1 conv1p1", (4, 3)))
    corner = found[0, 0]
    assert corner.box == ((-2, 1), (-2, 1))
    assert (corner.trf, corner.erf, corner.area, corner.side) == (None, None, 0, 0.0)
    assert corner.to_dict()["erf"] == {"bbox": None, "area": 0, "side": 0.0}


def test_inner_cells_are_translations_by_the_stride(nine):
    assert nine.shape == (3, 3)
    assert nine.stride == (8.0, 8.0)
    first = nine[0, 0]
    assert first.trf == first.box  # none is cut off
    for cell in nine:
        by = [8 * u for u in cell.unit]
        for name in ("box", "trf", "erf"):
            moved = zip(getattr(first, name), by, strict=True)
            assert getattr(cell, name) == tuple((a + d, b + d) for (a, b), d in moved)
        assert cell.centre == tuple(c + d for c, d in zip(first.centre, by, strict=True))
        assert cell.area == first.area < 70 * 70


def test_cells_of_a_layer_and_progress():
    net = eg.load("resnet50")
    calls = []
    found = eg.cells(net, "layer4.2", progress=lambda *done: calls.append(done))
    assert found.shape == (7, 7)
    assert (calls[0], calls[-1], len(calls)) == ((0, 49), (49, 49), 50)
    assert found[3, 3].centre == (96.0, 96.0)
    assert found[-1, 0] == found[6, 0]


def test_seen_counts_the_boxes_that_hold_a_pixel(nine):
    wanted = np.zeros((92, 92), dtype=int)
    for cell in nine:
        (y0, y1), (x0, x1) = cell.erf
        wanted[y0:y1, x0:x1] += 1
    assert np.array_equal(nine.seen, wanted)
    line = eg.cells(eg.load("conv3s4", (9,)))
    assert line.seen.tolist() == [1, 1, 1, 0, 1, 1, 1, 0, 0]
    assert line.to_dict()["share_seen"] == 6 / 9


def test_cells_as_json(nine):
    document = json.loads(json.dumps(nine.to_dict(), allow_nan=False))
    assert document["shape"] == [3, 3]
    assert document["layer"] == "conv9"
    first = document["cells"][0]
    assert first["unit"] == [0, 0]
    assert first["centre"] == [34.5, 34.5]
    assert first["box"] == [[0, 70], [0, 70]]
    assert first["erf"]["bbox"] == [[8, 62], [8, 62]]


def test_cells_refuses(fcn):
    with pytest.raises(SizeError, match=r"'conv1' has 90 x 90 = 8100 cells.* at most 4096"):
        eg.cells(fcn, "conv1")
    with pytest.raises(NameLookupError, match="unknown layer 'conv99'"):
        eg.cells(fcn, "conv99")
    with pytest.raises(NameLookupError, match="unknown measure 'path'"):
        eg.cells(fcn, measure="path")
    with pytest.raises(ThresholdError, match=r"got 2, rule 'peak' wants a share"):
        eg.cells(fcn, threshold=2)
    with pytest.raises(InputError, match="wanted a Network"):
        eg.cells("resnet50")
    with pytest.raises(InputError, match="no layers"):
        eg.cells(eg.Network((9, 9)))
    with pytest.raises(InputError, match="lies outside"):
        eg.cells(fcn)[3, 0]


def test_the_limit_counts_cells(fcn, monkeypatch):
    monkeypatch.setattr(detection, "MOST_CELLS", 9)
    assert len(eg.cells(fcn)) == 9
    monkeypatch.setattr(detection, "MOST_CELLS", 8)
    with pytest.raises(SizeError):
        eg.cells(fcn)


# --- matching -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pyramid():
    return eg.load("conv3p1*4 max2 conv3p1*4 max2 conv3p1*4", (96, 96))


LEVELS = ["conv4", "conv8", "conv12"]


def naive(levels, side, fit):
    return [level for level in levels if fit[0] * level.erf <= side <= fit[1] * level.erf]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(
        st.tuples(st.floats(0.5, 300), st.floats(0.5, 300), st.integers(0, 3)),
        min_size=1,
        max_size=40,
    ),
    fit=st.tuples(st.floats(0, 0.9), st.floats(0.91, 3)),
    size=st.sampled_from(["area", "height", "width"]),
    picked=st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3, unique=True),
)
def test_matching_against_a_plain_loop(pyramid, sizes, fit, size, picked):
    widths, heights, classes = zip(*sizes, strict=True)
    objects = eg.ObjectSizes(widths, heights, classes, ("a", "b", "c", "d"))
    found = eg.match_objects(pyramid, objects, picked, fit, size=size)
    assert [level.name for level in found.levels] == picked
    measured = {
        "area": [math.sqrt(w * h) for w, h in zip(widths, heights, strict=True)],
        "height": heights,
        "width": widths,
    }[size]
    rows = [("all classes", list(measured), found.total)]
    for i, one in enumerate(found.classes):
        mine = [s for s, c in zip(measured, classes, strict=True) if c == i]
        rows.append(("abcd"[i], mine, one))
    for name, mine, one in rows:
        assert (one.name, one.count) == (name, len(mine))
        if not mine:
            assert math.isnan(one.uncovered)
            assert one.to_dict()["shares"] is None
            continue
        suits = [naive(found.levels, side, fit) for side in mine]
        for level, share in zip(found.levels, one.shares, strict=True):
            assert share == pytest.approx(sum(level in s for s in suits) / len(mine))
        left = sorted(side for side, s in zip(mine, suits, strict=True) if not s)
        assert one.uncovered == pytest.approx(len(left) / len(mine))
        assert one.quantiles == pytest.approx(
            np.quantile(mine, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
        )
        assert sum(gap.count for gap in one.gaps) == len(left)
        for gap in one.gaps:
            inside = [side for side in left if gap.above < side < gap.below]
            assert len(inside) == gap.count
            assert (gap.smallest, gap.largest) == (inside[0], inside[-1])
    for row, side in zip(found.covered, measured, strict=True):
        names = {level.name for level in naive(found.levels, side, fit)}
        assert {n for n, c in zip(picked, row, strict=True) if c} == names


def test_levels_are_their_centre_units_fields(pyramid):
    objects = eg.ObjectSizes([10], [10])
    for size, axis in (("area", None), ("height", 0), ("width", 1)):
        found = eg.match_objects(pyramid, objects, LEVELS, size=size)
        for level in found.levels:
            erf = eg.importance(pyramid, level.name).erf()
            rf = eg.receptive_field(pyramid, level.name)
            box = [b - a for a, b in erf.bbox]
            assert level.trf == rf.size[0]
            assert level.stride == tuple(map(float, rf.stride))
            assert level.erf == (math.sqrt(erf.area) if axis is None else box[axis])
            assert (level.low, level.high) == (0.25 * level.erf, level.erf)
    wide = eg.Network((40, 40))
    wide.conv(wide.input, (3, 9))
    tall = eg.match_objects(wide, objects, "conv1", size="height").levels[0]
    assert (tall.trf, tall.erf) == (3, 3)
    assert eg.match_objects(wide, objects, "conv1", size="width").levels[0].trf == 9
    assert eg.match_objects(wide, objects, "conv1").levels[0].trf == math.sqrt(27)


def test_both_ends_of_the_fit_are_included():
    net = eg.Network((40, 40))
    net.conv(net.input, 8)
    objects = eg.ObjectSizes([2, 8, 1.999, 8.001], [2, 8, 1.999, 8.001])
    found = eg.match_objects(net, objects, ["conv1"])
    assert found.levels[0].erf == 8
    assert found.covered[:, 0].tolist() == [True, True, False, False]
    assert [(g.above, g.below, g.count) for g in found.total.gaps] == [(0, 2, 1), (8, math.inf, 1)]


def test_gaps_lie_between_levels():
    net = eg.Network((96, 96))
    net.conv(net.conv(net.input, 3), 62)  # the second sees 64 x 64 and all of it well
    sides = [0.5, 2.5, 4, 12, 50, 90]
    objects = eg.ObjectSizes(sides, sides)
    found = eg.match_objects(net, objects, ["conv2", "conv1"], (0.5, 1), threshold=0.01)
    assert [level.erf for level in found.levels] == [64, 3]
    gaps = [(g.above, g.below, g.count, g.smallest, g.largest) for g in found.total.gaps]
    assert gaps == [(0, 1.5, 1, 0.5, 0.5), (3, 32, 2, 4, 12), (64, math.inf, 1, 90, 90)]
    assert found.to_dict()["total"]["gaps"][-1]["below"] is None
    # ranges that overlap leave no gap
    joined = eg.match_objects(net, objects, ["conv2", "conv1"], (0.01, 1), threshold=0.01)
    assert [(g.above, g.count) for g in joined.total.gaps] == [(64, 1)]


def test_objects_are_resized_to_the_networks_input(pyramid):
    objects = eg.ObjectSizes([64], [48], image_sizes=[[480, 640]])
    found = eg.match_objects(pyramid, objects, LEVELS, resize="longer")
    assert found.sides.tolist() == pytest.approx([math.sqrt(64 * 48) * 96 / 640])
    assert found.to_dict()["resize"] == "longer"


def test_anchors_and_strides_against_the_fields(pyramid):
    objects = eg.ObjectSizes([10], [10])
    found = eg.match_objects(
        pyramid, objects, LEVELS, anchors=[[5], [8, 12], [100]], strides=[1, 2, 8]
    )
    sizes = {level.name: level for level in found.levels}
    assert [(a.level, a.anchor) for a in found.anchors] == [
        ("conv4", 5), ("conv8", 8), ("conv8", 12), ("conv12", 100),
    ]  # fmt: skip
    for a in found.anchors:
        level = sizes[a.level]
        assert (a.over_erf, a.over_trf) == (a.anchor / level.erf, a.anchor / level.trf)
        assert a.suits == (0.25 <= a.over_erf <= 1)
    assert [a.suits for a in found.anchors] == [True, True, True, False]
    assert [(s.given, s.stride[0], s.agrees) for s in found.strides] == [
        (1, 1, True), (2, 2, True), (8, 4, False),
    ]  # fmt: skip
    flat = eg.match_objects(pyramid, objects, LEVELS, anchors=np.array([5, 8]))
    assert [(a.level, a.anchor) for a in flat.anchors] == [
        *itertools.product(LEVELS, [5.0, 8.0]),
    ]  # fmt: skip
    json.dumps(found.to_dict(), allow_nan=False)


OBJECTS = eg.ObjectSizes([10, 20], [10, 20])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": []}, "levels: got none"),
        ({"levels": ["conv4", "conv4"]}, "levels: 'conv4' is given twice"),
        ({"levels": "conv99"}, "unknown layer 'conv99'"),
        ({"objects": [3]}, r"objects: got \[3\], wanted ObjectSizes"),
        ({"objects": eg.ObjectSizes([], [])}, "objects: got none"),
        ({"fit": (1, 0.5)}, r"fit: got \(1, 0.5\), wanted two numbers"),
        ({"fit": (-1, 0.5)}, "fit: got"),
        ({"fit": (math.nan, 1)}, "fit: got"),
        ({"fit": 3}, "fit: got 3"),
        ({"size": "aera"}, "unknown size 'aera'"),
        ({"resize": "strech"}, "unknown resize 'strech'"),
        ({"resize": "stretch"}, "needs the height and width of every image"),
        ({"anchors": [[1], [2]]}, "anchors: got 2 lists, wanted one for each of 3 levels"),
        ({"anchors": [1, [2]]}, "anchors: got .* wanted sizes, or some per level"),
        ({"anchors": [1, -2]}, r"anchors: got \[1, -2\], wanted numbers > 0"),
        ({"anchors": []}, "anchors: got"),
        ({"anchors": 32}, "anchors: got 32"),
        ({"strides": [1, 2]}, "strides: got 2, wanted one for each of 3 levels"),
        ({"strides": ["a", 2, 3]}, "strides: got .*, wanted numbers > 0"),
        ({"rule": "pick"}, "unknown rule 'pick'"),
        ({"rule": "count", "threshold": 1e300}, "level 'conv4': the effective field .* is empty"),
    ],
)
def test_matching_refuses(pyramid, options, message):
    options = {"objects": OBJECTS, "levels": LEVELS} | options
    with pytest.raises(InputError, match=message):
        eg.match_objects(pyramid, **options)


def test_matching_needs_a_network_of_two_axes():
    with pytest.raises(InputError, match="got an input of 1 axes, objects in images need 2"):
        eg.match_objects(eg.load("conv3"), OBJECTS, ["conv1"])
    with pytest.raises(InputError, match="wanted a Network"):
        eg.match_objects("resnet50", OBJECTS, ["conv1"])


# --- figures ------------------------------------------------------------------------------


def rectangles(axes):
    """Boxes of the image's coordinates, (start, stop) per axis, by label."""
    found = {}
    for p in axes.patches:
        if isinstance(p, Rectangle):
            (x, y), w, h = p.get_xy(), p.get_width(), p.get_height()
            box = (y + 0.5, y + h + 0.5), (x + 0.5, x + w + 0.5)
            found[p.get_label()] = (tuple(tuple(map(round, b)) for b in box), p)
    return found


def dots(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_the_figure_shows_each_cell_in_its_colour(nine):
    figure = cells_figure(nine)
    main, *others = figure.axes
    assert len(others) == 9
    drawn, points = rectangles(main), dots(main)
    colours = set()
    for cell, axes in zip(nine, others, strict=True):
        at = f"({cell.unit[0]}, {cell.unit[1]})"
        box, outline = drawn[f"ERF {at}"]
        assert box == cell.erf
        assert drawn[f"TRF {at}"][0] == cell.box
        assert drawn[f"TRF {at}"][1].get_edgecolor() == outline.get_edgecolor()
        colours.add(outline.get_edgecolor())
        assert points[f"centre {at}"].tolist() == [[cell.centre[1], cell.centre[0]]]
        assert axes.get_title() == at
        own = rectangles(axes)
        assert own[f"ERF {at}"][0] == cell.erf
        assert own[f"TRF {at}"][0] == cell.trf
        assert sum(label.startswith("ERF") for label in own) == 1
    assert len(colours) == 9
    assert len(points["centres"]) == 9
    assert drawn["image"][0] == ((0, 92), (0, 92))


def test_a_large_grid_shows_all_centres_and_nine_boxes():
    found = eg.cells(eg.load("resnet50"))
    main, *others = cells_figure(found).axes
    assert len(dots(main)["centres"]) == 49
    titles = [axes.get_title() for axes in others]
    assert titles == [f"({y}, {x})" for y in (0, 3, 6) for x in (0, 3, 6)]
    for cell, axes in zip(
        (found[t] for t in itertools.product((0, 3, 6), repeat=2)), others, strict=True
    ):
        at = f"TRF ({cell.unit[0]}, {cell.unit[1]})"
        assert rectangles(main)[at][0] == cell.box
        assert rectangles(axes)[at][0] == cell.trf != cell.box
    (left, right), (bottom, top) = main.get_xlim(), main.get_ylim()
    assert left < -100 < 324 < right  # fields reach beyond the image, at most half of it
    assert top < -100 < 324 < bottom
    assert right - left < 2.1 * 224
    few = cells_figure(found, chosen=[(0, 0), (3, 3)])
    assert [axes.get_title() for axes in few.axes[1:]] == ["(0, 0)", "(3, 3)"]


@pytest.mark.parametrize("kind", ["grey", "floats", "bytes"])
def test_a_photo_lies_under_the_boxes(nine, kind):
    photo = np.linspace(0, 1, 30 * 40 * 3).reshape(30, 40, 3)
    photo = {"grey": photo[..., 0], "floats": photo, "bytes": (255 * photo).astype(np.uint8)}[kind]
    for axes in cells_figure(nine, photo).axes:
        (shown,) = axes.images
        assert np.array_equal(shown.get_array(), photo)
        assert shown.get_extent() == [-0.5, 91.5, 91.5, -0.5]
        assert shown.get_zorder() < min(
            p.get_zorder() for p in axes.patches if p.get_label() != "image"
        )


def test_one_axis_is_drawn_as_lines():
    found = eg.cells(eg.load("conv3s2p1*3", (64,)))
    (axes,) = cells_figure(found).axes
    lines = dots(axes)
    assert lines["TRF (0)"].tolist() == [[-7.5, 0], [7.5, 0]]
    assert lines["ERF (7)"].tolist() == [[48.5, 7], [63.5, 7]]
    assert lines["centre (7)"].tolist() == [[56, 7]]
    many = eg.cells(eg.load("conv3s2p1", (64,)))
    assert len(cells_figure(many).axes[0].get_yticks()) == 9


def test_cells_figure_refuses(nine):
    with pytest.raises(InputError, match="image: got uint8 of shape \\(3,\\)"):
        cells_figure(nine, np.zeros(3, dtype=np.uint8))
    with pytest.raises(InputError, match="wanted floats from 0 to 1"):
        cells_figure(nine, np.full((3, 3), np.nan))
    with pytest.raises(InputError, match="chosen: got 10 cells, wanted 1 to 9"):
        cells_figure(nine, chosen=[(0, 0)] * 10)
    with pytest.raises(InputError, match="wanted Cells"):
        cells_figure(3)
    with pytest.raises(InputError, match="three axes"):
        cells_figure(eg.cells(eg.load("conv3s2p1", (6, 6, 6))))
    line = eg.cells(eg.load("conv3", (9,)))
    with pytest.raises(InputError, match="one axis"):
        cells_figure(line, np.zeros((3, 3)))
    with pytest.raises(InputError, match="wanted at least"):
        cells_figure(nine, figure=Figure(figsize=(2, 2)))


def test_photos_from_files(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("P", (3200, 800)).save(path)
    assert read_photo(path).shape == (400, 1600, 3)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FileError, match="cannot be read as an image"):
        read_photo(path)
    with pytest.raises(FileError, match="No such file"):
        read_photo(tmp_path / "none.png")


def three_classes(n=900):
    rng = np.random.default_rng(0)
    classes = np.arange(n) % 3
    sides = np.exp(rng.normal(np.log([5, 20, 80]), 0.4, (n // 3, 3))).ravel()
    return eg.ObjectSizes(sides, sides, classes, ("face", "$car_{$", "bus"))


def test_match_figure_by_its_artists(pyramid, tmp_path):
    match = eg.match_objects(pyramid, three_classes(), LEVELS)
    figure = match_figure(match)
    top, *others = figure.axes
    assert [axes.get_label() for axes in figure.axes] == ["levels", "face", "$car_{$", "bus"]
    points = dots(top)
    for y, level in enumerate(match.levels):
        assert points[f"suits {level.name}"].tolist() == [[level.low, y], [level.high, y]]
        assert points[f"ERF {level.name}"].tolist() == [[level.erf, y]]
        assert points[f"TRF {level.name}"].tolist() == [[level.trf, y]]
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    for axes, one in zip(others, match.classes, strict=True):
        covered, left = axes.patches[-2:]
        assert (covered.get_label(), left.get_label()) == ("covered", "uncovered")
        inside = covered.get_data().values.sum()
        assert left.get_data().values.sum() == one.count == 300
        assert inside / one.count == pytest.approx(1 - one.uncovered)
        marks = {line.get_label(): line.get_xdata()[0] for line in axes.lines}
        for level in match.levels:
            assert marks[f"ERF {level.name}"] == level.erf
            assert marks[f"TRF {level.name}"] == level.trf
    save_figure(figure, tmp_path / "match.svg")  # a name is no formula
    assert ">$car_{$<" in (tmp_path / "match.svg").read_text()


def test_match_figure_joins_rare_classes(pyramid):
    n = 20
    classes = np.repeat(np.arange(n), np.arange(1, n + 1))
    sides = np.full(len(classes), 9.0)
    objects = eg.ObjectSizes(sides, sides, classes, tuple(f"c{i}" for i in range(n)))
    figure = match_figure(eg.match_objects(pyramid, objects, LEVELS))
    labels = [axes.get_label() for axes in figure.axes]
    assert labels == ["levels", *(f"c{i}" for i in range(9, 20)), "9 other classes"]
    assert figure.axes[-1].patches[-1].get_data().values.sum() == sum(range(1, 10))


def test_match_figure_refuses(pyramid):
    with pytest.raises(InputError, match="wanted an ObjectMatch"):
        match_figure(3)
    match = eg.match_objects(pyramid, OBJECTS, LEVELS)
    with pytest.raises(InputError, match="wanted at least"):
        match_figure(match, figure=Figure(figsize=(2, 2)))


# --- commands -----------------------------------------------------------------------------


def call(capsys, *arguments):
    status = main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def coco(tmp_path):
    sides = [2.0, 6.0, 300.0]
    document = {
        "images": [{"id": 1, "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "[red] car"}, {"id": 2, "name": "none"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, s, s]} for s in sides],
    }
    path = tmp_path / "in" / "instances.json"
    path.parent.mkdir()
    path.write_text(json.dumps(document))
    return path


def test_cells_command(capsys, tmp_path):
    status, out, err = call(capsys, "cells", FCN, "--input", "92x92", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == eg.cells(eg.load(FCN, (92, 92))).to_dict()
    status, out, _ = call(capsys, "cells", "conv5s4p2 conv3p1", "--input", "12x12")
    assert status == 0
    assert "(1, 1)  (4, 4)  -2:11 x -2:11" in out
    photo, figure = tmp_path / "photo.png", tmp_path / "cells.png"
    Image.new("RGB", (40, 30), "green").save(photo)
    arguments = ["cells", FCN, "--input", "92x92", "--image", str(photo), "-o", str(figure)]
    status, out, _ = call(capsys, *arguments)
    assert status == 0
    assert f"wrote {figure}" in out
    assert figure.stat().st_size > 1000
    status, out, _ = call(capsys, "cells", "conv3s8", "--input", "19", "--format", "csv")
    assert out.splitlines()[1] == "(0),(1),0:3,0:3,0:3,3,3.00"


def test_match_command(capsys, coco, pyramid, tmp_path):
    text = "conv3p1*4 max2 conv3p1*4 max2 conv3p1*4"
    common = ["match", text, "--input", "96x96", "--coco", str(coco)]
    common += [part for level in LEVELS for part in ("--level", level)]
    status, out, err = call(capsys, *common, "--json")
    assert (status, err) == (0, "")
    wanted = eg.match_objects(pyramid, eg.read_coco(coco), LEVELS).to_dict()
    assert json.loads(out) == wanted
    target = tmp_path / "match.pdf"
    more = ["--anchors", "5", "--anchors", "8,12", "--anchors", "20", "--strides", "1,2,8"]
    status, out, _ = call(capsys, *common, *more, "-o", str(target))
    assert status == 0
    assert "[red] car" in out  # no markup
    assert "stride of conv12: given 8, the network's is 4" in out
    assert re.search(r"covered by no level: 1 object of size 300.0 px, above \d", out)
    assert re.search(r"conv8 +12 +0\.\d\d +0\.\d\d +yes", out)
    assert target.read_bytes()[:4] == b"%PDF"
    status, out, _ = call(capsys, *common, "--format", "latex")
    assert out.startswith(r"\begin{tabular}{lrrrrrrrr}")
    assert call(capsys, *common, "--anchors", "5,8")[0] == 0


def test_match_command_on_bad_boxes(capsys, coco):
    coco.write_text(coco.read_text().replace("6.0, 6.0", "-6.0, 6.0"))
    arguments = ["match", "resnet50", "--coco", str(coco), "--level", "layer2"]
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "annotations[1].bbox[2]: got -6.0, wanted a number > 0" in err
    assert err.count("\n") == 1
    status, out, _ = call(capsys, *arguments, "--lenient")
    assert status == 0
    assert "dropped: 1 annotation without a size" in out


BAD = [
    (["cells", "resnt50"], "did you mean 'resnet50'"),
    (["cells", "vgg16", "--layer", "features.2"], "224 x 224 = 50176 cells.* at most 4096"),
    (["cells", "vgg16", "--layer", "x"], "unknown layer 'x'"),
    (["cells", "vgg16", "--rule", "pick"], "unknown rule 'pick'"),
    (["cells", "vgg16", "--threshold", "7"], "threshold: got 7.0"),
    (["cells", "vgg16", "--measure", "path"], "unknown measure 'path'"),
    (["cells", "vgg16", "--format", "html"], "unknown format 'html'"),
    (["cells", "vgg16", "--image", "x.png"], "--image: goes with a figure"),
    (["cells", "vgg16", "--image", "x.png", "-o", "y.png"], "x.png: cannot be read"),
    (["cells", "vgg16", "-o", "x.bmp"], "got suffix '.bmp'"),
    (["cells", "vgg16", "-o", "none/x.png"], "folder 'none' does not exist"),
    (["cells", "conv3", "--input", "6x6x6", "-o", "x.png"], "three axes"),
    (["match", "vgg16", "--level", "features.9"], "Missing option '--coco'"),
    (["match", "vgg16", "--coco", "{}"], "Missing option '--level'"),
    (["match", "vgg16", "--coco", "x.json", "--level", "features.9"], "x.json: cannot be read"),
    (["match", "vgg16", "--coco", "x.json", "--level", "layer9"], "unknown layer 'layer9'"),
    (["match", "conv3", "--coco", "{}", "--level", "conv1"], "an input of 1 axes"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--fit", "1"], "--fit: got '1'"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--fit", "2,1"], "fit: got"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--anchors", "a"], "--anchors"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--strides", "x"], "--strides"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--strides", "8,8"], "got 2"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--size", "x"], "unknown size"),
    (["match", "vgg16", "--coco", "{}", "--level", "features.9", "--resize", "x"], "unknown res"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda v: " ".join(v)[:60])
def test_bad_input(capsys, tmp_path, monkeypatch, coco, arguments, message):
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    status, out, err = call(capsys, *(part.replace("{}", str(coco)) for part in arguments))
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert list(folder.iterdir()) == []
