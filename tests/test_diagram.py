"""Diagrams of architectures: what is folded, what is drawn and listed."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from test_cli import call, document
from test_figures import collisions

import erfgraph as eg
from erfgraph.diagram import diagram, layer_label, levels
from erfgraph.errors import InputError, SizeError
from erfgraph.figures import architecture_figure, paper_style
from erfgraph.figures.layering import cuts, rows_of, strips

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


# --- layout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_wires_go_down_one_row_at_a_time_and_through_no_box(name):
    found = diagram(NETS[name]())
    laid, depth = rows_of(found), levels(found)
    row = {p: i for i, places in enumerate(laid.rows) for p in places}
    for wire, way in zip(found.wires, laid.routes, strict=True):
        assert (way[0], way[-1]) == (wire.source, wire.target)
        assert [row[p] for p in way] == list(range(depth[wire.source], depth[wire.target] + 1))
        assert not any(isinstance(p, int) for p in way[1:-1])
    for places in laid.rows:
        xs = [laid.x[p] for p in places]
        assert all(b - a == pytest.approx(1, abs=0.01) for a, b in pairwise(xs))
        assert sum(xs) == pytest.approx(0, abs=0.01)


def test_residual_blocks_are_drawn_without_crossings():
    laid = rows_of(diagram(eg.load("resnet50")))
    for way in laid.routes:
        xs = [laid.x[p] for p in way[1:-1]]
        assert len(set(xs)) <= 1  # a shortcut runs straight


def test_strips_do_not_split_parts():
    found = diagram(eg.load("resnet50"))
    laid, depth = rows_of(found), levels(found)
    cut = strips(laid, cuts(found, laid), 3)
    assert len(cut.spans) == 3
    assert cut.spans[0][0] == 0
    assert cut.spans[-1][1] == len(laid.rows)
    for part in found.parts:
        assert len({cut.strip(depth[b]) for b in part.boxes}) == 1


# --- figure ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_every_layer_and_field_is_drawn(name):
    net = NETS[name]()
    found = diagram(net)
    figure = architecture_figure(net)
    assert collisions(figure) == []
    shown = Counter(text.replace("\n", "") for text in texts(figure))
    for box in found.boxes:
        label = box.label if box.times == 1 else f"{box.times} × ({box.label})"
        assert shown[label] == sum(
            (b.label, b.times) == (box.label, box.times) for b in found.boxes
        )
    assert {wire.label for wire in found.wires} <= set(shown)
    rf = eg.receptive_field(net)
    assert any(text.startswith(f"r {rf.size[0]}") for text in shown)
    (lines, ends) = figure.axes[0].collections
    assert len(lines.get_segments()) == len(found.wires) + len(found.ends)
    assert len(ends.get_offsets()) == len(found.wires)


def test_frames_stand_around_what_is_repeated():
    figure = architecture_figure(eg.load("resnet50"))
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


def test_resnet50_fits_a_page():
    width, height = architecture_figure(eg.load("resnet50")).get_size_inches()
    assert width <= 7.2
    assert height <= 9


@pytest.mark.parametrize(("name", "paper"), [("resnet18", "ieee"), ("vgg16", "nature")])
def test_figure_fits_the_column_of_a_paper(name, paper):
    with paper_style(paper):
        figure = architecture_figure(eg.load(name))
    assert figure.get_size_inches()[0] < 3.6
    assert collisions(figure) == []
    with paper_style("cvpr"), pytest.raises(InputError, match="take more columns"):
        architecture_figure(eg.load("unet"))


def test_figure_is_filled_or_refused():
    page = Figure(figsize=(5, 6))
    assert architecture_figure(eg.load("conv3*3"), figure=page, title="Three") is page
    assert "Three" in [text.get_text() for text in page.texts]
    with pytest.raises(InputError, match="wanted at least"):
        architecture_figure(eg.load("resnet50"), figure=Figure(figsize=(3, 3)))
    with pytest.raises(InputError, match="wanted a Network"):
        architecture_figure("resnet50")
    with pytest.raises(SizeError, match=r"square inches.*without -o"):
        architecture_figure(eg.load("densenet121"))


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
    assert json.dumps(found) == json.dumps(diagram(net).to_dict())
