"""The zoo against what its papers and torchvision say of the networks."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import zoo
from erfgraph.cli import text
from erfgraph.network import Network
from erfgraph.zoo import blocks, resnet

# made by benchmarks/torchvision_names.py from torchvision's own modules
TORCHVISION = json.loads(Path(__file__).with_name("torchvision_names.json").read_text())["models"]

STAGES = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}

# the list `features` of torchvision's vgg16, by module: C is a convolution, R ReLU, M a pool
VGG16 = "CRCRM CRCRM CRCRCRM CRCRCRM CRCRCRM".replace(" ", "")
VGG16_WIDTHS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]


def torchvision_resnet(name: str) -> dict[str, tuple[int, int]]:
    """Module path → (side at an input of 224, channels) of torchvision's ResNets."""
    bottleneck = name == "resnet50"
    names = {"conv1": (112, 64), "bn1": (112, 64), "relu": (112, 64), "maxpool": (56, 64)}
    before = 56
    for stage, repeats in enumerate(STAGES[name], start=1):
        width, side = 32 << stage, 112 >> stage
        out = 4 * width if bottleneck else width
        for i in range(repeats):
            block = f"layer{stage}.{i}"
            # the first convolution of a bottleneck is 1x1 and does not stride
            parts = [before if bottleneck else side, side, *([side] if bottleneck else [])]
            for j, part in enumerate(parts, start=1):
                channels = out if j == 3 else width
                names |= {f"{block}.conv{j}": (part, channels), f"{block}.bn{j}": (part, channels)}
            if i == 0 and (stage > 1 or bottleneck):
                for suffix in ("downsample", "downsample.0", "downsample.1"):
                    names[f"{block}.{suffix}"] = (side, out)
            names |= {f"{block}.relu": (side, out), block: (side, out)}
            before = side
        names[f"layer{stage}"] = (side, out)
    return names | {"avgpool": (1, out), "fc": (1, 1000)}


def torchvision_vgg16() -> dict[str, tuple[int, int]]:
    names, side, widths, channels = {}, 224, iter(VGG16_WIDTHS), 0
    for i, kind in enumerate(VGG16):
        side = side // 2 if kind == "M" else side
        channels = next(widths) if kind == "C" else channels
        names[f"features.{i}"] = (side, channels)
    names |= {"features": (7, 512), "avgpool": (7, 512), "classifier": (1, 1000)}
    return names | {f"classifier.{i}": (1, 1000 if i == 6 else 4096) for i in range(7)}


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("resnet18", torchvision_resnet("resnet18")),
        ("resnet50", torchvision_resnet("resnet50")),
        ("vgg16", torchvision_vgg16()),
    ],
)
def test_names_shapes_and_channels_are_torchvision_s(
    name: str, names: dict[str, tuple[int, int]]
) -> None:
    net = eg.load(name, head=True)
    # a ReLU that runs several times has the module's name where it runs last
    found = {
        key: (m.shape[0], m.channels)
        for key, m in net.names.items()
        if not re.fullmatch(r"input|identity\d+", key)
    }
    assert found == names
    assert all(m.shape == m.shape[:1] * 2 for m in net.maps)


def test_the_list_of_names_is_right_where_it_can_be_told() -> None:
    resnet, vgg = torchvision_resnet("resnet50"), torchvision_vgg16()
    assert resnet["layer4.2"] == resnet["layer4"] == (7, 2048)
    assert resnet["layer2.0.conv1"] == (56, 128)
    assert resnet["layer2.0.conv2"] == (28, 128)
    assert "layer1.1.downsample" not in resnet
    assert vgg["features.28"] == (14, 512)
    assert vgg["features.30"] == (7, 512)


@pytest.mark.parametrize(
    ("name", "last"),
    [("resnet50", "layer4.2"), ("resnet_v1_50", "layer4.2"), ("vgg16", "features.30")],
)
def test_without_a_head_it_ends_before_the_pooling(name: str, last: str) -> None:
    net = eg.load(name)
    assert (net.output.name, net.output.index) == (last, net[last].index)
    assert not {"avgpool", "fc", "classifier"} & net.names.keys()


# --- every network against a digest of torchvision's modules ---


def digest(net: Network, beside: list[str]) -> tuple[int, str]:
    """Number and digest of a network's names that are modules of torchvision."""
    lines = sorted(
        f"{name} {m.channels} {'x'.join(map(str, m.shape))}"
        for name, m in net.names.items()
        if re.sub(r"\d+", "#", name) not in beside
    )
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_shapes_and_channels_are_those_of_torchvision_s_modules(name: str) -> None:
    known = TORCHVISION[name]
    for at in known["at"]:
        net = zoo.build(name, at["input"], head=True)
        assert digest(net, known["beside"]) == (known["names"], at["sha256"]), at["input"]
        last = zoo.build(name, at["input"]).output
        assert (last.channels, list(last.shape)) == (known["channels"], at["output"])


@pytest.mark.parametrize("name", TORCHVISION)
def test_as_many_paths_as_torchvision_s_forward_has(name: str) -> None:
    known = TORCHVISION[name]
    imp = eg.importance(zoo.build(name, known["at"][1]["input"]), exact=False)
    found = math.log10(imp.values.sum()) + imp.log10_scale
    assert found == pytest.approx(known["log10_paths"], abs=1e-9)


def test_the_digest_tells_networks_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    known = TORCHVISION["resnext50_32x4d"]
    shape, beside = known["at"][1]["input"], known["beside"]

    def changed(**options: Any) -> tuple[bool, bool]:
        """Whether digest and paths are still torchvision's."""
        row = zoo.ZOO["resnext50_32x4d"]
        layers = partial(resnet.resnet, depth=50, groups=32, **options)
        monkeypatch.setitem(zoo.ZOO, row.name, replace(row, layers=layers))
        nets = [zoo.build(row.name, shape, head=head) for head in (True, False)]
        imp = eg.importance(nets[1], exact=False)
        paths = math.log10(imp.values.sum()) + imp.log10_scale
        return (
            digest(nets[0], beside)[1] == known["at"][1]["sha256"],
            paths == pytest.approx(known["log10_paths"], abs=1e-9),
        )

    assert changed(group_width=4) == (True, True)
    assert changed(group_width=8) == (False, True)
    assert changed(group_width=4, dilated=(False, False, True)) == (False, False)
    joined = resnet.joined
    monkeypatch.setattr(
        resnet,
        "joined",
        lambda net, x, skip, name: joined(net, x, x if name == "layer3.4" else skip, name),
    )
    assert changed(group_width=4) == (True, False)


def test_what_the_digest_leaves_out() -> None:
    # pools, interpolations, products, concatenations and activations that are called are no
    # modules, nor is a parameter; nothing else may miss
    beside = {name for known in TORCHVISION.values() for name in known["beside"]}
    last = {name.split(".")[-1] for name in beside}
    assert last == {
        "input",
        "avgpool",
        "channel_slice#",
        "concat",
        "gate#",
        "identity#",
        "layer_scale",
        "max_pool",
        "avg_pool",
        "resized",
        "out",
    }


def test_every_family_of_torchvision_is_there() -> None:
    counted: dict[str, int] = {}
    for name in TORCHVISION:
        family = re.split(r"[_\d]", name)[0]
        counted[family] = counted.get(family, 0) + 1
    assert counted == {
        "alexnet": 1,
        "convnext": 4,
        "deeplabv": 3,
        "densenet": 4,
        "efficientnet": 11,
        "fcn": 2,
        "googlenet": 1,
        "inception": 1,
        "lraspp": 1,
        "mnasnet": 4,
        "mobilenet": 3,
        "regnet": 15,
        "resnet": 5,
        "resnext": 3,
        "shufflenet": 4,
        "squeezenet": 2,
        "vgg": 8,
        "wide": 2,
    }
    assert TORCHVISION.keys() <= zoo.ZOO.keys()


def test_channels_and_groups() -> None:
    def mix(name: str, layer: str) -> tuple[int, int, int]:
        m = zoo.build(name)[layer]
        (part,) = m.links[0].parts
        return len(part.mix.reads), m.channels, part.mix.groups

    assert mix("resnext50_32x4d", "layer1.0.conv2") == (128, 128, 32)
    assert mix("wide_resnet50_2", "layer4.2.conv2") == (1024, 1024, 1)
    assert mix("mobilenet_v2", "features.1.conv.0.0") == (32, 32, 32)
    assert mix("efficientnet_b2", "features.2.0.block.0.0") == (16, 96, 1)
    assert mix("regnet_y_400mf", "trunk_output.block4.block4-5.f.b.0") == (440, 440, 55)
    assert mix("convnext_tiny", "features.7.2.block.3") == (768, 3072, 1)
    assert mix("shufflenet_v2_x1_0", "stage2.1.branch2.0") == (58, 58, 1)


# --- blocks ---


def test_padding_by_default_keeps_the_size() -> None:
    assert (blocks.half(3), blocks.half(7, 2), blocks.half((1, 7))) == (1, 6, (0, 3))
    assert blocks.half((3, 5), (2, 1)) == (2, 2)


def test_gates_are_transparent_or_followed() -> None:
    for name in ("mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"):
        small, whole = (
            eg.importance(zoo.build(name, (1024, 1024), gates=gates), exact=False).trf.size
            for gates in ("transparent", "follow")
        )
        assert small < (1024, 1024)
        assert whole == (1024, 1024)


def test_segmentation_ends_at_the_size_of_its_input() -> None:
    net = zoo.build("deeplabv3_resnet50", (97, 130))
    assert net.output is net["out"]
    assert net.output.shape == (97, 130)
    assert net["backbone.layer4"].shape == (13, 17)  # stride 8
    assert zoo.build("deeplabv3_resnet50", (97, 130), head=True).names.keys() == net.names.keys()
    # the pyramid's mean sees everything, FCN does not
    assert eg.importance(net, exact=False).trf.size == (97, 130)
    fcn = zoo.build("fcn_resnet50", (1024, 1024))
    assert eg.importance(fcn, exact=False).trf.size < (1024, 1024)


# --- fields ---


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride", "padding"),
    [
        # Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (Distill)
        ("resnet_v1_50", "layer4", 483, 32, 239),
        ("resnet_v1_101", "layer4", 1027, 32, 511),
        ("resnet_v1_152", "layer4", 1507, 32, 751),
        ("vgg16", "features.30", 212, 32, 90),
        # torchvision strides in the first block of a stage
        ("resnet18", "layer4", 435, 32, 217),
        ("resnet34", "layer4", 899, 32, 449),
        ("resnet50", "layer1", 35, 4, 17),
        ("resnet50", "layer3", 267, 16, 133),
        ("resnet50", "layer4", 427, 32, 213),
        # padding by hand: 2 + 2*8 + 3*16, where TF-slim's first convolution has none
        ("alexnet", "features.12", 195, 32, 66),
        ("densenet121", "features", 2071, 32, 3 + 2 + 6 * 4 + 12 * 8 + 24 * 16 + 16 * 32),
        ("mobilenet_v2", "features.18", 491, 32, 245),
        ("googlenet", "inception5b", 379, 32, 3 + 4 + 2 * 8 + 5 * 16 + 2 * 32),
        ("convnext_tiny", "features", 1688, 32, 3 * (3 * 4 + 3 * 8 + 9 * 16 + 3 * 32)),
    ],
)
def test_fields(name: str, layer: str, size: int, stride: int, padding: int) -> None:
    net = eg.load(name, 1024 if size < 500 else 2048 if size < 2000 else 4096)
    # one axis is as good as two, and quicker
    middle = net[layer].shape[0] // 2
    boxes = [eg.importance(net, layer, middle + i).trf.bbox for i in (0, 1)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    start, stop = boxes[0][0]
    step = boxes[1][0][0] - start
    assert (stop - start, step, middle * step - start) == (size, stride, padding)


def by_hand(layers: str) -> tuple[int, int]:
    """Field and stride of a stack, each layer a kernel, ``/stride``, ``*times``."""
    size = stride = 1
    for word in layers.split():
        kernel, step, times = re.fullmatch(r"(\d+)(?:/(\d+))?(?:\*(\d+))?", word).groups()
        for _ in range(int(times or 1)):
            size, stride = size + (int(kernel) - 1) * stride, stride * int(step or 1)
    return size, stride


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        # of branches, the one with the widest kernels
        ("alexnet", "11/4 3/2 5 3/2 3*3 3/2"),
        ("densenet121", "7/2 3/2 3*6 2/2 3*12 2/2 3*24 2/2 3*16"),
        ("mobilenet_v2", "3/2 3 3/2 3 3/2 3*2 3/2 3*3 3*3 3/2 3*2 3"),
        ("mnasnet1_0", "3/2 3 3/2 3*2 5/2 5*2 5/2 5*2 3*2 5/2 5*3 3"),
        ("googlenet", "7/2 3/2 3 3/2 3*2 3/2 3*5 2/2 3*2"),
        ("inception_v3", "3/2 3*2 3/2 3 3/2 5*3 3 3/2 7*8 7 3/2 3*4"),
        ("convnext_tiny", "4/4 7*3 2/2 7*3 2/2 7*9 2/2 7*3"),
        ("squeezenet1_0", "7/2 3/2 3*3 3/2 3*4 3/2 3"),
        ("shufflenet_v2_x1_0", "3/2 3/2 3/2 3*3 3/2 3*7 3/2 3*3"),
        ("regnet_x_400mf", "3/2 3/2 3/2 3 3/2 3*6 3/2 3*11"),
        ("efficientnet_b0", "3/2 3 3/2 3 5/2 5 3/2 3*2 5*3 5/2 5*3 3"),
    ],
)
def test_fields_by_hand(name: str, layers: str) -> None:
    found = eg.receptive_field(eg.load(name))
    assert [(found.size[a], found.stride[a]) for a in (0, 1)] == [by_hand(layers)] * 2


def test_the_recurrence_by_hand() -> None:
    # 1311 and 32 is what Araujo et al. have for Inception v3
    assert by_hand("3/2 3*2 3/2 3 3/2 5*3 3 3/2 7*8 7 3/2 3*4") == (1311, 32)
    assert by_hand("11/4 3/2 5 3/2 3*3 3/2") == (195, 32)
    assert by_hand("3*2 2/2") == (6, 2)


@pytest.mark.parametrize(("layer", "size"), [("layer3", 267), ("layer4", 427)])
def test_fields_on_two_axes(layer: str, size: int) -> None:
    assert eg.importance(eg.load("resnet50", (1024, 1024)), layer).trf.size == (size, size)


# --- depth, sizes, time ---


def depth(net: Network) -> int:
    """Layers with weights on the way, as the papers count them: no projections of skips."""
    weighted = [m for m in net.maps if m.op in ("conv", "linear")]
    return sum("downsample" not in m.name for m in weighted)


COUNTED = re.compile(r"(?:vgg|densenet|res(?:net|net_v1_|next)|wide_resnet)(\d+)(?!\dd)")
DEEP = [name for name in zoo.ZOO if COUNTED.match(name)]


@pytest.mark.parametrize("name", DEEP)
def test_the_depth_is_the_number_in_the_name(name: str) -> None:
    found = COUNTED.match(name)
    assert found is not None
    said = int(found[1])
    assert depth(eg.load(name, head=True)) == said
    assert depth(eg.load(name)) == said - (3 if name.startswith("vgg") else 1)


def test_which_names_have_a_number_that_is_checked() -> None:
    assert len(DEEP) == 8 + 4 + 5 + 3 + 2 + 3


@pytest.mark.parametrize("name", zoo.ZOO)
def test_every_architecture(name: str) -> None:
    row = zoo.ZOO[name]
    assert row.name == name
    # ends in a year and where to find it; spelled as the list shows it
    assert re.search(r" (19|20)\d\d, (arXiv:\d{4}\.\d{4,5}|\S+\.\S+)$", row.paper), row.paper
    whole, net = zoo.build(name, head=True), zoo.build(name)
    assert net.names.keys() <= whole.names.keys()
    assert net.input.shape == row.input_shape
    assert len({m.name for m in net.maps}) == len(net)
    imp = eg.importance(net, exact=False)
    assert imp.values.shape == row.input_shape
    assert imp.peak.value > 0
    assert np.isfinite(imp.values).all()


@pytest.mark.parametrize("name", zoo.ZOO)
def test_it_builds_at_once(name: str) -> None:
    times = []
    for _ in range(3):
        start = time.process_time()
        zoo.build(name, head=True)
        times.append(time.process_time() - start)
    assert min(times) < 0.2


@pytest.mark.parametrize("name", TORCHVISION)
def test_any_size_and_channels(name: str) -> None:
    net = eg.load(name, (161, 98), channels=1)
    assert (net.input.shape, net.input.channels) == ((161, 98), 1)
    assert net.name == name
    assert eg.load(name).input.channels == 3
    # PyTorch rounds a stride down; padding, or a pool that rounds up, makes up for some of it
    down, up = (tuple(round_(n / 32) for n in (161, 98)) for round_ in (math.floor, math.ceil))
    if net["input"].shape != net.output.shape and not name.startswith("squeezenet"):
        low = tuple(n - (2 if name.startswith(("inception", "alexnet")) else 0) for n in down)
        assert low <= net.output.shape <= up


@pytest.mark.parametrize("name", TORCHVISION)
def test_an_input_that_is_too_small_is_said_to_be(name: str) -> None:
    message = (
        r"^(conv|max_pool|avg_pool) '[\w.]+': kernel: spans \d+ positions on axis 0, but the "
        r"padded input has \d+ \(input \d+, padding \d+ \+ \d+\); reads '[\w.]+' of shape"
    )
    if name.startswith(UNPADDED):
        with pytest.raises(eg.LayerError, match=message):
            zoo.build(name, (1, 1))
    else:  # as in torchvision, padding suffices
        assert zoo.build(name, (1, 1)).output.shape == (1, 1)


UNPADDED = ("alexnet", "convnext", "densenet", "googlenet", "inception", "squeezenet", "vgg")


def test_an_input_that_is_too_small() -> None:
    assert eg.load("vgg16", 32).output.shape == (1,)
    with pytest.raises(eg.LayerError) as caught:
        eg.load("vgg16", 31)
    assert str(caught.value) == (
        "max_pool 'features.30': kernel: spans 2 positions on axis 0, but the padded input has 1 "
        "(input 1, padding 0 + 0); reads 'features.28' of shape (1,)"
    )
    assert eg.load("resnet50", 1).output.shape == (1,)  # as in torchvision, padding suffices


def test_describe_reads_off_the_network() -> None:
    assert zoo.describe("vgg16") == {
        "name": "vgg16",
        "paper": "Simonyan and Zisserman 2015, arXiv:1409.1556",
        "input_shape": [224, 224],
        "channels": 3,
        "feature_maps": 1 + 13 + 5,
        "convolutions": 13,
        "depth": 13,
        "field": [212, 212],
        "stride": [32, 32],
    }
    # branches count once, and gates, which are passed by, not at all
    assert zoo.describe("googlenet")["depth"] == 21
    found = zoo.describe("mobilenet_v3_small")
    assert found["convolutions"] - found["depth"] == 2 * 9  # two in each of nine gates


@pytest.mark.parametrize(
    ("one", "other"),
    [("densenet121", "densenet169"), ("resnet50", "wide_resnet50_2"), ("vgg16", "vgg16_bn")],
)
def test_fields_that_are_known_already_are_right(one: str, other: str) -> None:
    for name in (one, other, one):
        assert zoo.describe(name)["field"] == list(eg.receptive_field(zoo.build(name)).size)


def test_the_whole_list_is_quick() -> None:
    start = time.process_time()
    rows = [zoo.describe(name) for name in zoo.ZOO]
    assert len(rows) == len({row["name"] for row in rows}) == len(zoo.ZOO)
    assert time.process_time() - start < 8  # some 3 s, and room for a slow machine


def test_the_list_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_zoo([zoo.describe(name) for name in ("resnet50", "resnet101", "segnet")])
    header, first, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "input", "maps", "convs", "depth", "field", "stride"]
    assert first == "He et al. 2016, arXiv:1512.03385"
    assert lines[0].split() == ["resnet50", "224x224", "71", "53", "49", "427", "32"]
    assert lines[1].split()[0] == "resnet101"  # under the same paper
    assert lines[3].split()[:2] == ["segnet", "360x480"]
    assert max(map(len, [header, first, *lines])) < 100


def test_no_two_rows_have_one_name() -> None:
    assert len(set(zoo.ZOO)) == len(zoo.ZOO) > 100


def test_an_unknown_architecture() -> None:
    with pytest.raises(eg.NameLookupError, match="unknown architecture 'vgg15'; did you mean"):
        zoo.build("vgg15")
