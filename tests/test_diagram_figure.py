"""Drawings of architectures: rows, strips and U's, and that nothing overlaps in them."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import matplotlib
import pytest
from figure_checks import collisions
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from overlap import overlaps
from test_diagram import NETS, texts

import erfgraph as eg
from erfgraph.diagram import diagram
from erfgraph.errors import InputError, SizeError
from erfgraph.figures import architecture_figure, paper_style
from erfgraph.figures.diagrams.boxes import drawn_boxes
from erfgraph.figures.diagrams.cutting import cut_rows, lanes_before
from erfgraph.figures.diagrams.layering import rows_of, untangled
from erfgraph.figures.diagrams.strips import page_of
from erfgraph.figures.diagrams.ushape import u_page
from erfgraph.grouping import DETAILS

# --- layout ---------------------------------------------------------------------------------


def layout(found, wide=7.0):
    return rows_of(found, [box.room for box in drawn_boxes(found)], wide)


@pytest.mark.parametrize("name", NETS)
def test_wires_go_down_one_row_at_a_time_and_through_no_box(name):
    found = diagram(NETS[name]())
    laid = layout(found)
    row = laid.row_of
    for wire, way in zip(found.wires, laid.routes, strict=True):
        assert (way[0], way[-1]) == (wire.source, wire.target)
        assert [row[p] for p in way] == list(range(row[wire.source], row[wire.target] + 1))
        assert not any(isinstance(p, int) for p in way[1:-1])
    assert sorted(p for places in laid.rows for p in places if isinstance(p, int)) == list(
        range(len(found.boxes))
    )


def test_rows_are_no_wider_than_the_page():
    found = diagram(eg.load(f"cat({'|'.join(['conv3p1'] * 9)})", (9, 9)))
    wide, narrow = layout(found), layout(found, 3.0)
    assert len(wide.rows) < len(narrow.rows)
    drawn = drawn_boxes(found)
    for row in narrow.rows:
        assert sum(drawn[p].room for p in row if isinstance(p, int)) <= 3.0


def test_crossings_are_undone():
    rows = [[0, 1, 2], [3, 4, 5]]
    assert untangled(rows, [(0, 5), (1, 4), (2, 3)]) in (
        [[0, 1, 2], [5, 4, 3]],
        [[2, 1, 0], [3, 4, 5]],
    )


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v3", "yolov8n"])
def test_places_stand_in_order_and_apart(name):
    found = diagram(eg.load(name), detail="blocks")
    drawn = drawn_boxes(found)
    laid = rows_of(found, [box.room for box in drawn], 7.0)
    page = page_of(found, laid, drawn, (0,))
    for places in laid.rows:
        boxes = [p for p in places if isinstance(p, int)]
        for a, b in pairwise(boxes):
            apart = page.at[b][0] - page.at[a][0]
            assert apart >= (drawn[a].room + drawn[b].room) / 2 + 0.1 - 1e-6


def test_a_shortcut_runs_straight_beside_its_block():
    net = eg.load("res(conv3p1 conv5p2 conv3p1)", (16, 16))
    found = diagram(net, fold=False)
    drawn = drawn_boxes(found)
    page = page_of(found, layout(found), drawn, (0,))
    assert len({round(x, 6) for x, _ in page.at.values()}) == 1  # all boxes below each other
    skip = next(
        ways[0]
        for w, ways in zip(found.wires, page.lines, strict=True)
        if w.target - w.source == 4
    )
    aside = {round(x, 6) for x, _ in skip} - {round(x, 6) for x, _ in page.at.values()}
    assert len(aside) == 2  # the lane, and where it comes into the sum


def test_strips_do_not_split_parts():
    found = diagram(eg.load("resnet50"))
    laid = layout(found)
    allowed = [row for row, n in enumerate(lanes_before(laid)) if n == 1]
    starts = cut_rows([1.0] * len(laid.rows), allowed, 3)
    assert len(starts) == 3
    assert cut_rows([1, 1, 1, 4, 1], [1, 2, 3, 4], 2) == (0, 3)
    for rows in laid.parts:
        assert len({sum(start <= row for start in starts) for row in rows}) == 1


def test_a_u_net_is_a_u():
    """Skips run level from the way down to the way up, the outermost at the top."""
    net = eg.load("unet")
    figure = architecture_figure(net)
    lines = figure.axes[0].collections[0].get_segments()
    level = [line for line in lines if len(line) == 2 and line[0][1] == pytest.approx(line[1][1])]
    assert len(level) == 4
    shown = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    heights = [shown[f"r {r}, s {s}"][1] for r, s in ((5, 1), (14, 2), (32, 4), (68, 8))]
    assert heights == sorted(heights, reverse=True)
    assert heights == pytest.approx(sorted((line[0][1] for line in level), reverse=True))
    assert u_page(diagram(eg.load("resnet18")), layout(diagram(eg.load("resnet18"))), []) is None


# --- figure ---------------------------------------------------------------------------------

FAMILIES = [
    *("alexnet", "convnext_tiny", "darknet53", "densenet121", "efficientnet_b0"),
    *("efficientnet_v2_s", "googlenet", "hourglass", "hrnet_w18", "inception_v3"),
    *("mobilenet_v2", "mobilenet_v3_large", "pixelcnn", "pspnet", "regnet_x_400mf"),
    *("regnet_y_400mf", "replknet31", "resnet18", "resnet50", "resnet152", "fcn_resnet50"),
    *("deeplabv3_resnet50", "lraspp_mobilenet_v3_large", "segnet", "shufflenet_v2_x1_0"),
    *("slak", "squeezenet1_0", "swin_t", "tcn", "unet", "unet_padded", "unet3d", "vgg16"),
    *("vit_b_16", "wavenet", "yolov3", "yolov8n"),
]


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_overlaps_and_the_page_is_one_of_print(name):
    figure = architecture_figure(eg.load(name))
    width, height = figure.get_size_inches()
    assert width <= 8
    assert height <= 11
    assert overlaps(figure) == []
    assert collisions(figure) == []


def test_the_check_of_overlaps_can_fail():
    figure = architecture_figure(eg.load("resnet18"))
    axes = figure.axes[0]
    field = next(text for text in axes.texts if text.get_text() == "r 7, s 2")
    x, y = field.get_position()
    field.set_position((x, y + 0.05))
    assert {found[0] for found in overlaps(figure)} == {"texts", "text and box"}
    field.set_position((x, y))
    assert overlaps(figure) == []
    lines = axes.collections[0]
    lines.set_segments([*lines.get_segments(), [(0.0, y), (0.0, y - 0.01), (5.0, y - 0.01)]])
    assert ("line and text", "r 7, s 2") in overlaps(figure)


NOTATIONS = {
    "branches": ("cat(conv1 | conv3p1 | conv5p2)", (16, 16)),
    "eight blocks": ("res(conv3p1 conv3p1)*8", (32, 32)),
    "nested": ("cat(conv1|conv3p1|res(conv3p1*2) conv1)*2 max2 add(conv3p1|conv1)*3", (40, 40)),
    "long": ("(conv3p1 conv1 res(conv3p1 conv1) max2s1p1)*150", (32, 32)),
    "no two alike": (" ".join(f"conv{2 * i + 1}p{i}" for i in range(1, 200)), (9, 9)),
    "nine branches": (f"cat({'|'.join(['conv3p1 conv1'] * 9)})", (16, 16)),
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_notations_have_no_overlaps(name):
    text, shape = NOTATIONS[name]
    figure = architecture_figure(eg.load(text, shape), title="A network")
    width, height = figure.get_size_inches()
    assert width <= 8
    assert height <= 11
    assert overlaps(figure) == []


def tangled(seed):
    """A network whose layers read any of the maps before them."""
    draw = random.Random(seed)
    net = eg.Network((64, 64))
    maps = [net.input]
    for _ in range(draw.choice([5, 10, 20, 35])):
        x = draw.choice(maps[-draw.choice([1, 1, 2, 3, 6]) :])
        alike = [m for m in maps if m.shape == x.shape]
        kind = draw.random()
        if kind < 0.1 and min(x.shape) > 8:
            maps.append(net.max_pool(x, 2))
        elif kind < 0.2 and max(x.shape) < 64:
            maps.append(net.upsample(x, 2))
        elif kind < 0.55 and len(alike) > 1:
            maps.append(net.add(*draw.sample(alike, min(len(alike), draw.choice([2, 3, 8])))))
        else:
            maps.append(net.conv(x, draw.choice([1, 3, 5]), padding="same"))
    return net


@pytest.mark.parametrize("detail", [None, *DETAILS])
@pytest.mark.parametrize("seed", range(8))
def test_tangled_networks_have_no_overlaps(seed, detail):
    assert overlaps(architecture_figure(tangled(seed), detail=detail, title="Tangled")) == []


@pytest.mark.parametrize("name", NETS)
def test_every_layer_and_field_is_drawn(name):
    net = NETS[name]()
    found = diagram(net)
    figure = architecture_figure(net, detail="layers")
    assert overlaps(figure) == []
    shown = Counter(text.replace("\n", " ").removesuffix(" ≠") for text in texts(figure))
    joined = " ".join(texts(figure))
    for box in found.boxes:
        label = box.label if box.times == 1 else f"{box.times} × ({box.label})"
        assert shown[label] >= 1 or all(word in joined for word in label.split())
    fields = {text.replace("\n", "") for text in texts(figure)}
    assert {wire.label for wire in found.wires} <= fields
    rf = eg.receptive_field(net)
    assert any(text.startswith(f"r {rf.size[0]}") for text in shown)
    lines, *tips = figure.axes[0].collections
    assert len(lines.get_segments()) == len(found.wires) + len(found.ends)
    assert sum(len(t.get_offsets()) for t in tips) == len(found.wires)


def test_a_merge_has_the_larger_field():
    net = eg.load("cat(conv3p1|conv7p3)", (16, 16))
    shown = texts(architecture_figure(net))
    assert shown.count("r 3, s 1") == 1
    assert shown.count("r 7, s 1") == 2  # of the larger branch, and of the merge


def test_frames_stand_around_what_is_repeated():
    figure = architecture_figure(eg.load("resnet50"), detail="layers")
    axes = figure.axes[0]
    frames = [p for p in axes.patches if isinstance(p, Rectangle)]
    assert [frame.get_label() for frame in frames] == ["×2", "×3", "×5", "×2"]
    boxes = [p for p in axes.patches if isinstance(p, FancyBboxPatch)]
    for frame in frames:
        outer = frame.get_extents()
        inside = [
            b
            for b in boxes
            if outer.containsx(b.get_extents().x0)
            and outer.containsx(b.get_extents().x1)
            and outer.containsy(b.get_extents().y0)
            and outer.containsy(b.get_extents().y1)
        ]
        assert [b.get_label().split(",")[0] for b in inside] == [
            "conv 1×1",
            "conv 3×3",
            "conv 1×1",
            "add",
        ]
    assert "×5  layer3.1 … layer3.5" in texts(figure)


SLIM = ["vgg16", "resnet18", "resnet50", "unet", "googlenet", "cat(conv1 | conv3p1 | conv5p2)"]


@pytest.mark.parametrize("paper", ["cvpr", "nature"])
@pytest.mark.parametrize("name", SLIM)
def test_figure_fits_the_column_of_a_paper(name, paper):
    net = eg.load(name, (16, 16)) if "(" in name else eg.load(name)
    with paper_style(paper):
        figure = architecture_figure(net)
    assert figure.get_size_inches()[0] == pytest.approx(3.25 if paper == "cvpr" else 89 / 25.4)
    assert overlaps(figure) == []
    assert collisions(figure) == []
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 5


def test_what_is_too_wide_for_a_column_says_so():
    with paper_style("cvpr"), pytest.raises(InputError, match="take more columns"):
        architecture_figure(eg.load("hrnet_w18"))


def test_figure_is_filled_or_refused():
    page = Figure(figsize=(5, 6))
    assert architecture_figure(eg.load("conv3*3"), figure=page, title="Three") is page
    assert "Three" in [text.get_text() for text in page.texts]
    with pytest.raises(InputError, match="wanted at least"):
        architecture_figure(eg.load("hrnet_w18"), figure=Figure(figsize=(3, 3)))
    with pytest.raises(InputError, match="wanted a Network"):
        architecture_figure("resnet50")
    with pytest.raises(SizeError, match=r"square inches.*without -o"):
        architecture_figure(eg.load("(conv3p1 conv1)*3000", 9), fold=False, detail="layers")


def test_axes_are_filled_and_nothing_else_is_touched():
    page = Figure(figsize=(7, 6))
    left, right = page.subplots(1, 2)
    right.plot([1, 2], label="mine")

    def others():
        return right.get_xlim(), right.get_position().bounds, page.get_size_inches().tolist()

    before = others()
    settings = dict(matplotlib.rcParams)
    assert architecture_figure(eg.load("resnet18"), ax=left) is page
    assert dict(matplotlib.rcParams) == settings
    assert (
        right.get_xlim(),
        right.get_position().bounds,
        page.get_size_inches().tolist(),
    ) == before
    assert page.axes == [left, right]
    assert (page.texts, page.legends, page.get_suptitle()) == ([], [], "")
    assert left.get_title() == ""
    assert "r 435, s 32" in [text.get_text() for text in left.texts]
    assert overlaps(page, left) == []
    inches = left.get_window_extent().width / page.dpi
    assert abs(left.get_xlim()[1] - left.get_xlim()[0]) == pytest.approx(inches)


def test_axes_that_will_not_do_are_refused():
    page = Figure(figsize=(7, 6))
    axes = page.subplots()
    net = eg.load("conv3*3")
    with pytest.raises(InputError, match=r"ax: got 3"):
        architecture_figure(net, ax=3)
    with pytest.raises(InputError, match=r"ax, figure: got both"):
        architecture_figure(net, ax=axes, figure=page)
    small = Figure(figsize=(1, 1)).subplots()
    with pytest.raises(InputError, match=r"ax: got .* wanted at least"):
        architecture_figure(eg.load("resnet18"), ax=small)
