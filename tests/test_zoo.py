"""The zoo against what its papers and torchvision say of the networks."""

from __future__ import annotations

import re
import time

import pytest

import erfgraph as eg
from erfgraph import zoo
from erfgraph.network import Network

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
    found = {key: (m.shape[0], m.channels) for key, m in net.names.items() if key != "input"}
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
    assert net.output is net[last]
    assert not {"avgpool", "fc", "classifier"} & net.names.keys()


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
    ],
)
def test_fields(name: str, layer: str, size: int, stride: int, padding: int) -> None:
    net = eg.load(name, 1024 if size < 500 else 2048)
    # one axis is as good as two, and quicker
    middle = net[layer].shape[0] // 2
    boxes = [eg.importance(net, layer, middle + i).trf.bbox for i in (0, 1)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    start, stop = boxes[0][0]
    step = boxes[1][0][0] - start
    assert (stop - start, step, middle * step - start) == (size, stride, padding)


@pytest.mark.parametrize(("layer", "size"), [("layer3", 267), ("layer4", 427)])
def test_fields_on_two_axes(layer: str, size: int) -> None:
    assert eg.importance(eg.load("resnet50", (1024, 1024)), layer).trf.size == (size, size)


# --- depth, sizes, time ---


def depth(net: Network) -> int:
    """Layers with weights on the way, as the papers count them: no projections of skips."""
    weighted = [m for m in net.maps if m.op in ("conv", "linear")]
    return sum("downsample" not in m.name for m in weighted)


@pytest.mark.parametrize("name", zoo.ZOO)
def test_the_depth_is_the_number_in_the_name(name: str) -> None:
    said = int(re.findall(r"\d+", name)[-1])
    assert depth(eg.load(name, head=True)) == said
    assert depth(eg.load(name)) == said - (3 if name.startswith("vgg") else 1)


@pytest.mark.parametrize("name", zoo.ZOO)
def test_it_builds_at_once(name: str) -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        zoo.build(name, head=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1


@pytest.mark.parametrize("name", zoo.ZOO)
def test_any_size_and_channels(name: str) -> None:
    net = eg.load(name, (160, 97), channels=1)
    strides = (5, 3) if name.startswith("vgg") else (5, 4)
    assert (net.input.shape, net.input.channels) == ((160, 97), 1)
    assert net.output.shape == strides
    assert (net.name, eg.load(name).input.shape, eg.load(name).input.channels) == (
        name,
        (224, 224),
        3,
    )


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
        "feature_maps": 1 + 13 + 5,
        "convolutions": 13,
        "stride": [32, 32],
    }


def test_an_unknown_architecture() -> None:
    with pytest.raises(eg.NameLookupError, match="unknown architecture 'vgg15'; did you mean"):
        zoo.build("vgg15")
