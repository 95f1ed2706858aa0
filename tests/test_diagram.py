"""Diagrams of architectures: what is folded, what is drawn and listed."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from itertools import pairwise

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from overlap import overlaps
from test_cli import call, document
from test_figures import collisions

import erfgraph as eg
from erfgraph.diagram import diagram, layer_label
from erfgraph.errors import InputError, NameLookupError, SizeError
from erfgraph.figures import architecture_figure, paper_style
from erfgraph.figures.boxes import drawn_boxes
from erfgraph.figures.cutting import cut_rows, lanes_before
from erfgraph.figures.layering import rows_of, untangled
from erfgraph.figures.strips import page_of
from erfgraph.figures.ushape import u_page
from erfgraph.grouping import DETAILS
from erfgraph.repeats import runs

NETS = {
    "one layer": lambda: eg.load("conv3"),
    "chain": lambda: eg.load("conv3p1*3 max2 conv3p1*2 max2", (16, 16)),
    "blocks": lambda: eg.load("conv7s2p3 max3s2p1 res(conv3p1*2)*4", (64, 64)),
    "branches": lambda: eg.load("cat(conv1|conv3p1|conv3d2p2|max3s1p1)*2 conv3", (16, 16)),
    "two-piece part": lambda: eg.load("(res(conv3p1) conv1)*3", (9, 9)),
    "volume": lambda: eg.load("conv3x5x7*2 deconv2s2", (19, 19, 19)),
    "resnet18": lambda: eg.load("resnet18"),
    "resnet50": lambda: eg.load("resnet50"),
    "unet": lambda: eg.load("unet"),
    "inception_v3": lambda: eg.load("inception_v3"),
    "vit_b_16": lambda: eg.load("vit_b_16"),
}


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


# --- folding --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_unfolded_is_the_network(name):
    net = NETS[name]()
    found = diagram(net, fold=False)
    assert [box.maps for box in found.boxes] == [(m.index,) for m in net.maps]
    expected = [(s, m.index) for m in net.maps for s in dict.fromkeys(k.src for k in m.links)]
    assert [(wire.source, wire.target) for wire in found.wires] == expected
    for wire in found.wires:
        rf = eg.receptive_field(net, net.maps[wire.source].name)
        assert (wire.first.size, wire.first.stride) == (rf.size, rf.stride)
        assert wire.first == wire.last
    assert found.parts == ()


def unfolded(found):
    """Label, shape and sources of every layer, written out again from a folded diagram."""
    layers: list[tuple[str, tuple[int, ...]]] = []
    ends: dict[int, int] = {}  # number of the last layer by that of its box
    times_of = {part.boxes.start: part for part in found.parts}
    i = 0
    while i < len(found.boxes):
        part = times_of.get(i)
        boxes = part.boxes if part else range(i, i + 1)
        for repetition in range(part.times if part else 1):
            entry = len(layers) - 1  # what the repetition before ended with
            for b in boxes:
                sources = []
                for wire in (w for w in found.wires if w.target == b):
                    inside = wire.source in boxes
                    sources.append(ends[wire.source] if inside or not repetition else entry)
                for _ in range(found.boxes[b].times):
                    layers.append((found.boxes[b].label, tuple(sources)))
                    sources = [len(layers) - 1]
                    ends[b] = len(layers) - 1
        i = boxes.stop
    return layers


@pytest.mark.parametrize("name", NETS)
def test_folding_loses_nothing(name):
    """Written out again, a folded diagram has the layers and links of the network."""
    net = NETS[name]()
    expected = Counter(
        (layer_label(m), tuple(sorted(layer_label(net.maps[k.src]) for k in m.links)))
        for m in net.maps
    )
    layers = unfolded(diagram(net))
    # chains are gathered in one place, so layers are compared by label and labels of sources
    found = Counter(
        (label, tuple(sorted(layers[s][0] for s in sources))) for label, sources in layers
    )
    assert found == expected
    assert len(layers) == len(net.maps)


def test_fields_of_a_part_are_those_of_its_ends():
    net = eg.load("resnet50")
    found = diagram(net)
    assert [(len(p.boxes), p.times) for p in found.parts] == [(4, 2), (4, 3), (4, 5), (4, 2)]
    box = next(
        i for i, b in enumerate(found.boxes) if net.maps[b.maps[0]].name == "layer3.1.conv2"
    )
    assert found.names(box) == "layer3.1.conv2 … layer3.5.conv2"
    first, last = (eg.receptive_field(net, f"layer3.{i}.conv2") for i in (1, 5))
    assert found.size(box) == f"{first.size[0]}…{last.size[0]}"
    (wire,) = (w for w in found.wires if w.source == box)
    assert wire.label == f"r {first.size[0]}…{last.size[0]}, s 16"
    # what follows the part reads its last repetition
    end = found.parts[2].boxes[-1]
    assert {w.label for w in found.wires if w.source == end} == {"r 267, s 16"}


def test_layers_that_differ_are_kept_apart():
    found = diagram(eg.load("conv3p1*2 conv3p2d2*2 conv5*2", (32, 32)))
    assert [(b.label, b.times) for b in found.boxes[1:]] == [
        ("conv 3×3", 2),
        ("conv 3×3, d2", 2),
        ("conv 5×5", 2),
    ]


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("conv3x1s2x1", (9, 9), "conv 3×1, /2×1"),
        ("conv5d2", 19, "conv 5, d2"),
        ("max3s1", 9, "max pool 3, /1"),
        ("avg2", (8, 8), "avg pool 2×2, /2"),
        ("gap", (8, 8), "global pool"),
        ("up2", (8, 8), "upsample ×2"),
        ("attention4", (8, 8), "attention 4×4"),
    ],
)
def test_labels(text, shape, expected):
    assert layer_label(eg.load(text, shape).output) == expected.removesuffix(", /1")


def test_labels_of_groups_and_channels():
    net = eg.Network((8, 8), channels=8)
    x = net.conv(net.input, 3, padding=1, groups=8, channels=16)
    assert layer_label(x) == "conv 3×3, 16, g8"
    assert layer_label(net.upsample(x, size=(5, 7))) == "upsample to 5×7"


# --- detail ---------------------------------------------------------------------------------


def boxes_of(source, detail, shape=None):
    return [(b.label, b.times) for b in diagram(eg.load(source, shape), detail=detail).boxes]


def test_blocks_lie_between_a_fork_and_its_merge():
    assert boxes_of("conv3p1 max2 res(conv1 conv3p1 conv1)*3", "blocks", (32, 32))[1:] == [
        ("conv 3×3", 1),
        ("max pool 2×2, /2", 1),
        ("res(1×1, 3×3, 1×1)", 3),
    ]
    assert boxes_of("resnet50", "blocks")[3:6] == [
        ("res(1×1, 3×3, 1×1), 256", 1),
        ("res(1×1, 3×3, 1×1), 256", 2),
        ("res(1×1, 3×3, 1×1), 512, /2", 1),
    ]
    assert [label for label, _ in boxes_of("densenet121", "blocks")][3::3] == [
        "dense block of 6, 256",
        "dense block of 12, 512",
        "dense block of 24, 1024",
        "dense block of 16, 1024",
    ]


def test_a_stage_names_what_it_holds():
    labels = [label for label, _ in boxes_of("conv3p1 gap conv1", "stages", (9, 9))]
    assert labels == ["input 9×9", "conv 3×3", "global pool, conv 1×1"]


def test_what_shrinks_and_grows_again_is_no_block():
    labels = [label for label, _ in boxes_of("unet", "blocks")]
    assert labels == [label for label, _ in boxes_of("unet", "layers")]
    pooled = "conv3p1*4 cat(conv3p1|gap conv1 up9)"  # pooled to one unit: that is one
    assert boxes_of(pooled, "blocks", (9, 9))[-1][0] == "concat of 2 branches"


def test_a_block_that_something_leaves_is_none():
    net = eg.Network((9, 9))
    x = net.conv(net.conv(net.conv(net.input, 3, padding=1), 3, padding=1), 3, padding=1)
    inner = net.conv(x, 3, padding=1)
    once = net.add(x, inner)
    twice = net.add(net.conv(once, 3, padding=1), inner)  # reads the inside of the one before
    (block,) = (box for box in diagram(net, detail="blocks").boxes if box.op == "block")
    assert block.maps == (inner.index, once.index, once.index + 1, twice.index)


def test_stages_go_up_to_the_next_change_of_size():
    assert [label for label, _ in boxes_of("resnet50", "stages")] == [
        "input 224×224",
        "conv 7×7, 64, /2",
        "max pool 3×3, 3 × res(1×1, 3×3, 1×1), 256, /2",
        "4 × res(1×1, 3×3, 1×1), 512, /2",
        "6 × res(1×1, 3×3, 1×1), 1024, /2",
        "3 × res(1×1, 3×3, 1×1), 2048, /2",
    ]
    found = diagram(eg.load("unet"), detail="stages")
    assert [b.label for b in found.boxes if b.op == "fusion"] == ["crop, concat"] * 4


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("name", [*NETS, "densenet121", "hrnet_w18", "wavenet", "mobilenet_v2"])
def test_every_feature_map_is_in_one_box(name, detail):
    """Counted with all repetitions, boxes hold every map; the wires' fields are the maps'."""
    net = NETS[name]() if name in NETS else eg.load(name)
    found = diagram(net, detail=detail)
    times = {i: part.times for part in found.parts for i in part.boxes}
    assert sum(len(b.maps) * times.get(i, 1) for i, b in enumerate(found.boxes)) == len(net.maps)
    assert len({i for b in found.boxes for i in b.maps}) == sum(len(b.maps) for b in found.boxes)
    fields = {field.name: field for field in eg.receptive_fields(net)}
    for wire in found.wires:
        assert wire.source < wire.target
        target = found.boxes[wire.target]
        read = {net.maps[link.src].name for m in target.maps for link in net.maps[m].links}
        assert wire.first.name in read
        assert wire.first.size == fields[wire.first.name].size


def test_modules_of_several_branches_fold():
    """HRNet's stages: four modules of three branches, three of four."""
    net = eg.load("hrnet_w18")
    found = diagram(net, detail="stages")
    assert [part.times for part in found.parts] == [4, 3]
    first, last = (found.boxes[part.boxes[0]] for part in found.parts)
    assert net.maps[first.maps[-1]].name == "stage3.0.branches.0.3"
    assert net.maps[first.last].name == "stage3.3.branches.0.3"
    assert net.maps[last.last].name == "stage4.2.branches.0.3"
    for part in found.parts:  # all of a module's branches meet in each of its merges
        merges = [i for i in part.boxes if found.boxes[i].op == "fusion"]
        branches = set(part.boxes) - set(merges)
        for merge in merges:
            assert {w.source for w in found.wires if w.target == merge} == branches


def test_parts_that_are_entered_otherwise_do_not_fold():
    """The second of these reads what is before the first."""
    looks = "iabab"
    assert runs(looks, [[], [0], [1, 0], [2], [3, 2]], inside=True)[1] == (range(1, 3), 2)
    assert runs(looks, [[], [0], [1, 0], [2], [3, 0]], inside=True) == [
        (range(i, i + 1), 1) for i in range(5)
    ]


def test_a_map_that_is_read_twice_has_two_lines():
    net = eg.Network((9,))
    x = net.conv(net.input, 3)
    net.add(x, x)
    found = diagram(net)
    assert [wire.count for wire in found.wires] == [1, 2]
    figure = architecture_figure(net)
    assert len(figure.axes[0].collections[0].get_segments()) == 1 + 2 + 1
    assert overlaps(figure) == []


def test_merges_whose_branches_are_not_aligned_are_marked():
    net = eg.Network((12,))
    x = net.conv(net.input, 3)
    aside = net.crop(net.input, ((0, 2),))  # centred two to the left of what the layer reads
    merge = net.conv(net.add(x, aside), 3)
    found = diagram(net)
    (marked,) = found.misaligned
    assert found.boxes[marked].op == "add"
    assert eg.receptive_field(net, merge).misaligned
    assert "add ≠" in texts(architecture_figure(net))
    assert diagram(eg.load("cat(conv3p1|conv5p2)", (12,))).misaligned == ()


def test_an_unknown_detail_is_named():
    with pytest.raises(NameLookupError, match=r"detail.*layer"):
        diagram(eg.load("conv3"), detail="layer")


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


# --- command --------------------------------------------------------------------------------


def test_command_lists_and_draws(capsys, tmp_path):
    path = tmp_path / "net.svg"
    status, out, err = call(capsys, "diagram", "resnet50", "-o", str(path))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "resnet50, input 224×224: 71 feature maps in 39 boxes"
    assert re.fullmatch(
        r"│ conv 3×3, 256 +27 +26 +139…267 +16 +14×14  layer3.1.conv2 … layer3.5.conv2", lines[32]
    )
    assert lines[-1] == f"wrote {path}"
    assert ">r 427, s 32<" in path.read_text()


def test_command_without_folding(capsys):
    out = call(capsys, "diagram", "conv3*4", "--no-fold")[1]
    assert out.count("conv 3") == 4
    assert call(capsys, "diagram", "conv3*4")[1].count("4 × (conv 3)") == 1


def test_json_of_the_command(capsys):
    net = eg.load("conv7s2p3 res(conv3p1*2)*4", (32, 32))
    found = document(capsys, "diagram", "conv7s2p3 res(conv3p1*2)*4", "--input", "32x32")
    assert found["feature_maps"] == 14
    assert found["parts"] == [{"start": 2, "stop": 4, "times": 4}]
    assert found["boxes"][2] == {
        "label": "conv 3×3",
        "op": "conv",
        "times": 2,
        "maps": ["conv2", "conv3"],
        "last": "conv9",
        "shape": [16, 16],
        "size": list(eg.receptive_field(net, "conv9").size),
        "stride": [2, 2],
    }
    assert (found["detail"], found["misaligned"]) == ("layers", [])
    assert json.dumps(found) == json.dumps(diagram(net).to_dict())


def test_detail_of_the_command(capsys, tmp_path):
    out = call(capsys, "diagram", "resnet50", "--detail", "stages")[1]
    assert "in 6 boxes" in out
    path = tmp_path / "net.svg"
    call(capsys, "diagram", "resnet50", "--detail", "blocks", "-o", str(path))
    assert ">layer3.1 … layer3.5<" in path.read_text()
    status, _, err = call(capsys, "diagram", "resnet50", "--detail", "layer")
    assert status == 2
    assert "detail" in err
