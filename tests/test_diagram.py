"""Diagrams of architectures: what is folded, what a box stands for, and what is listed."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from overlap import overlaps
from test_cli import call, document

import erfgraph as eg
from erfgraph.diagram import diagram, layer_label
from erfgraph.errors import NameLookupError
from erfgraph.figures import architecture_figure
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
