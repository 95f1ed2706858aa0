"""What the layers of the zoo read through, and how their weights are drawn.

`zoo_references` compares every network with torchvision's and timm's own forward.
"""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

import erfgraph as eg
from erfgraph import netfile, zoo
from erfgraph.elementwise import KINDS
from erfgraph.initial import check_init
from erfgraph.network import Network
from erfgraph.zoo import resnet
from erfgraph.zoo.blocks import After

NORMED = ("batch_norm",)
ACTIVE = ("batch_norm", "relu")
SILU = ("batch_norm", "silu")

# network → layer → of everything that it reads, in order: the map's name, and what it passes
READS: dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]] = {
    "vgg16": {
        "features.0": [("input", ())],
        "features.2": [("features.0", ("relu",))],
        "features.4": [("features.2", ("relu",))],  # a pool
        "features.5": [("features.4", ())],
        "classifier.0": [("avgpool", ())],
        "classifier.3": [("classifier.0", ("relu",))],
    },
    "vgg16_bn": {"features.3": [("features.0", ACTIVE)], "features.6": [("features.3", ACTIVE)]},
    "alexnet": {
        "features.2": [("features.0", ("relu",))],
        "features.8": [("features.6", ("relu",))],
        "classifier.1": [("avgpool", ())],
        "classifier.6": [("classifier.4", ("relu",))],
    },
    "resnet18": {
        "maxpool": [("conv1", ACTIVE)],
        "layer1.0.conv1": [("maxpool", ())],
        "layer1.0.conv2": [("layer1.0.conv1", ACTIVE)],
        "layer1.0": [("layer1.0.conv2", NORMED), ("maxpool", ())],
        "layer1.1.conv1": [("layer1.0", ("relu",))],
        "layer1.1": [("layer1.1.conv2", NORMED), ("layer1.0", ("relu",))],
        "layer2.0.downsample.0": [("layer1.1", ("relu",))],
        "layer2.0": [("layer2.0.conv2", NORMED), ("layer2.0.downsample.0", NORMED)],
        "avgpool": [("layer4.1", ("relu",))],
    },
    "resnet50": {
        "layer3.5.conv2": [("layer3.5.conv1", ACTIVE)],
        "layer3.5.conv3": [("layer3.5.conv2", ACTIVE)],
        "layer3.5": [("layer3.5.conv3", NORMED), ("layer3.4", ("relu",))],
    },
    "resnet_v1_50": {
        "layer1.0": [("layer1.0.conv3", NORMED), ("layer1.0.downsample.0", NORMED)],
        "layer1.2.downsample.0": [("layer1.1", ("relu",))],  # a pool
        "layer1.2": [("layer1.2.conv3", NORMED), ("layer1.2.downsample.0", ())],
    },
    "densenet121": {
        "features.pool0": [("features.conv0", ACTIVE)],
        "features.denseblock1.denselayer2.concat": [
            ("features.pool0", ()),
            ("features.denseblock1.denselayer1.conv2", ()),
        ],
        "features.denseblock1.denselayer2.conv1": [
            ("features.denseblock1.denselayer2.concat", ACTIVE)
        ],
        "features.denseblock1.denselayer2.conv2": [
            ("features.denseblock1.denselayer2.conv1", ACTIVE)
        ],
        "features.transition1.conv": [("features.denseblock1", ACTIVE)],
        "features.transition1.pool": [("features.transition1.conv", ())],
        "avgpool": [("features.denseblock4", ACTIVE)],
    },
    "mobilenet_v2": {
        "features.1.conv.0.0": [("features.0.0", ("batch_norm", "relu6"))],
        "features.1.conv.1": [("features.1.conv.0.0", ("batch_norm", "relu6"))],
        "features.2.conv.0.0": [("features.1.conv.1", NORMED)],  # a linear bottleneck
        "features.3": [("features.3.conv.2", NORMED), ("features.2.conv.2", NORMED)],
        "features.4.conv.0.0": [("features.3", ())],
        "features.18.0": [("features.17.conv.2", NORMED)],
        "avgpool": [("features.18.0", ("batch_norm", "relu6"))],
    },
    "mobilenet_v3_small": {
        "features.1.block.0.0": [("features.0.0", ("batch_norm", "hardswish"))],
        "features.1.block.1.fc1": [("features.1.block.1.avgpool", ())],
        "features.1.block.1.fc2": [("features.1.block.1.fc1", ("relu",))],
        "features.4.block.1.0": [("features.4.block.0.0", ("batch_norm", "hardswish"))],
        "features.3.block.1.0": [("features.3.block.0.0", ACTIVE)],
        "classifier.3": [("classifier.0", ("hardswish",))],
    },
    "efficientnet_b0": {
        "features.1.0.block.1.fc2": [("features.1.0.block.1.fc1", ("silu",))],
        "features.2.1": [("features.2.1.block.3.0", NORMED), ("features.2.0.block.3.0", NORMED)],
        "avgpool": [("features.8.0", SILU)],
    },
    "googlenet": {
        "maxpool1": [("conv1.conv", ACTIVE)],
        "inception3a": [
            ("inception3a.branch1.conv", ACTIVE),
            ("inception3a.branch2.1.conv", ACTIVE),
            ("inception3a.branch3.1.conv", ACTIVE),
            ("inception3a.branch4.1.conv", ACTIVE),
        ],
        "inception3b.branch4.0": [("inception3a", ())],
    },
    "convnext_tiny": {
        "features.1.0.block.0": [("features.0.0", ("layer_norm",))],
        "features.1.0.block.3": [("features.1.0.block.0", ("layer_norm",))],
        "features.1.0.block.5": [("features.1.0.block.3", ("gelu",))],
        "features.1.0": [("features.1.0.block.5", ("scale",)), ("features.0.0", ("layer_norm",))],
        "features.2.1": [("features.1.2", ("layer_norm",))],
        "classifier.2": [("avgpool", ("layer_norm",))],
    },
    "replknet31": {
        "stem.1.conv": [("stem.0.conv", ACTIVE)],
        "stages.0.blocks.0.pw1.conv": [("stem.3.conv", (*ACTIVE, "batch_norm"))],
        "stages.0.blocks.0.large_kernel.lkb_reparam": [("stages.0.blocks.0.pw1.conv", ACTIVE)],
        "stages.0.blocks.0.pw2.conv": [("stages.0.blocks.0.large_kernel.lkb_reparam", ("relu",))],
        "stages.0.blocks.0": [("stem.3.conv", ACTIVE), ("stages.0.blocks.0.pw2.conv", NORMED)],
        "stages.0.blocks.1.pw1.conv": [("stages.0.blocks.0", NORMED)],
        "stages.0.blocks.1.pw2.conv": [("stages.0.blocks.1.pw1.conv", ("batch_norm", "gelu"))],
        "avgpool": [("stages.3.blocks.3", NORMED)],
    },
    "slak": {
        "stages.0.0.large_kernel": [
            (f"stages.0.0.large_kernel.{part}.conv", NORMED)
            for part in ("Decom1", "Decom2", "small_conv")
        ],
        "stages.0.0.pwconv1": [("stages.0.0.large_kernel", ("layer_norm",))],
        "downsample_layers.1.1": [("stages.0.2", ("layer_norm",))],
    },
    "regnet_y_400mf": {
        "trunk_output.block1.block1-0": [
            ("trunk_output.block1.block1-0.proj.0", NORMED),
            ("trunk_output.block1.block1-0.f.c.0", NORMED),
        ],
        "trunk_output.block2.block2-0.f.a.0": [("trunk_output.block1.block1-0", ("relu",))],
    },
    "shufflenet_v2_x1_0": {
        "stage2.1.branch2.3": [("stage2.1.branch2.0", ACTIVE)],
        "stage2.1.branch2.5": [("stage2.1.branch2.3", NORMED)],
        "stage2.1.concat": [("stage2.0.concat", ()), ("stage2.1.branch2.5", ACTIVE)],
    },
    "squeezenet1_1": {
        "features.3": [
            ("features.3.expand1x1", ("relu",)),
            ("features.3.expand3x3", ("relu",)),
        ],
        "features.4.squeeze": [("features.3", ())],
        "classifier.3": [("classifier.1", ("relu",))],
    },
    "swin_t": {
        "features.1.0.attn.qkv": [("features.0.0", ("layer_norm", "layer_norm"))],
        "features.1.0.add": [("features.0.0", ("layer_norm",)), ("features.1.0.attn.proj", ())],
        "features.1.0.mlp.0": [("features.1.0.add", ("layer_norm",))],
        "features.1.0.mlp.3": [("features.1.0.mlp.0", ("gelu",))],
        "features.2.reduction": [("features.2.merge", ("layer_norm",))],
        "features.2.merge": [("features.1.1", ())],
        "avgpool": [("features.7.1", ("layer_norm",))],
    },
    "vit_b_16": {
        "encoder.layers.encoder_layer_0.self_attention.in_proj": [("conv_proj", ("layer_norm",))],
        "encoder.layers.encoder_layer_0.add": [
            ("conv_proj", ()),
            ("encoder.layers.encoder_layer_0.self_attention.out_proj", ()),
        ],
        "encoder.layers.encoder_layer_0.mlp.3": [
            ("encoder.layers.encoder_layer_0.mlp.0", ("gelu",))
        ],
        "heads.head": [("class_token.encoder_layer_11", ("layer_norm",))],
    },
    "unet": {"inc.double_conv.3": [("inc.double_conv.0", ("relu",))]},
    "unet_padded": {
        "inc.double_conv.3": [("inc.double_conv.0", ACTIVE)],
        "down1.maxpool_conv.0": [("inc.double_conv.3", ACTIVE)],
        "up4.cat": [("inc.double_conv.3", ACTIVE), ("up4.up", ())],
        "up4.up": [("up3.conv.double_conv.3", ACTIVE)],
    },
    "segnet": {
        "pool1": [("conv1_2", ACTIVE)],
        "conv4_1_D": [("conv4_2_D", ACTIVE)],
        "conv1_1_D": [("conv1_2_D", ACTIVE)],
    },
    "hourglass": {
        "pre.1.conv1.conv": [("pre.0.conv", (*ACTIVE, *ACTIVE))],
        "pre.1.skip_layer.conv": [("pre.0.conv", ACTIVE)],
        "pre.1": [("pre.1.conv3.conv", ()), ("pre.1.skip_layer.conv", ())],
        "pre.2": [("pre.1", ())],
        "pre.3.conv1.conv": [("pre.2", ACTIVE)],
        "outs.0.conv": [("features.0.1.conv", ACTIVE)],
        "merge_preds.0.conv.conv": [("outs.0.conv", ())],
    },
    "hrnet_w18": {
        "stage2.0.fuse_layers.0.1.2": [("stage2.0.fuse_layers.0.1.0", NORMED)],
        "stage3.0.fuse_layers.2.0.1.0": [("stage3.0.fuse_layers.2.0.0.0", ACTIVE)],
        "stage4.2.fuse_layers.3": [
            ("stage4.2.fuse_layers.3.0.2.0", NORMED),
            ("stage4.2.fuse_layers.3.1.1.0", NORMED),
            ("stage4.2.fuse_layers.3.2.0.0", NORMED),
            ("stage4.2.branches.3.3", ("relu",)),
        ],
        "incre_modules.3.0.conv1": [("stage4.2.fuse_layers.3", ("relu",))],
    },
    "darknet53": {
        "stages.0.blocks.0.conv1.conv": [
            ("stages.0.conv_down.conv", ("batch_norm", "leaky_relu"))
        ],
        "stages.0.blocks.0": [
            ("stages.0.blocks.0.conv2.conv", ("batch_norm", "leaky_relu")),
            ("stages.0.conv_down.conv", ("batch_norm", "leaky_relu")),
        ],
    },
    "yolov3": {"model.1.conv": [("model.0.conv", ("batch_norm", "leaky_relu"))]},
    "yolov8n": {
        "model.2.cat": [
            ("model.2.cv1.conv", SILU),
            ("model.2.cv1.conv", SILU),
            ("model.2.m.0", ()),
        ],
        "model.2.m.0": [("model.2.cv1.conv", SILU), ("model.2.m.0.cv2.conv", SILU)],
        "model.22.0": [("model.22.cv2.0.2", ()), ("model.22.cv3.0.2", ())],
    },
    "pspnet": {
        "layer0.9": [("layer0.6", ACTIVE)],
        "layer4.2": [("layer4.2.conv3", NORMED), ("layer4.1", ("relu",))],
        "ppm.features.0.upsample": [("ppm.features.0.1", ACTIVE)],
        "cls.4": [("cls.0", ACTIVE)],
    },
    "fcn_resnet50": {"classifier.4": [("classifier.0", ACTIVE)]},
    "deeplabv3_resnet50": {
        "classifier.0.convs.4": [("classifier.0.convs.4.1", ACTIVE)],
        "classifier.1": [("classifier.0.project.0", ACTIVE)],
    },
    "lraspp_mobilenet_v3_large": {
        "classifier.resized": [("classifier.cbr.0", (*ACTIVE, "gate"))],
        "classifier.low_classifier": [("backbone.4.block.3.0", NORMED)],
    },
    "wavenet": {
        "gated.0": [("filter_convs.0", ("tanh",)), ("gate_convs.0", ("sigmoid",))],
        "skip_convs.0": [("gated.0", ())],
        "end_conv_1": [("skip", ("relu",))],
        "end_conv_2": [("end_conv_1", ("relu",))],
    },
    "tcn": {
        "tcn.network.0.conv2": [("tcn.network.0.conv1", ("relu",))],
        "tcn.network.1": [("tcn.network.1.conv2", ("relu",)), ("tcn.network.0", ("relu",))],
    },
    "pixelcnn": {
        "blocks.0.conv1": [("conv_in", ("relu",))],
        "blocks.0.conv3": [("blocks.0.conv2", ("relu",))],
        "blocks.0": [("conv_in", ()), ("blocks.0.conv3", ())],
        "conv_out.1": [("conv_out.0", ("relu",))],
    },
}


def reads(net: Network, layer: str) -> list[tuple[str, tuple[str, ...]]]:
    """What a layer reads, in order, and the kinds that it reads it through."""
    links = net[layer].links
    return [(net.maps[link.src].name, tuple(p.kind for p in link.passed)) for link in links]


@pytest.mark.parametrize("name", READS)
def test_layers_read_through_the_norm_and_activation_before_them(name: str) -> None:
    net = zoo.build(name, head=True)
    found = {layer: reads(net, layer) for layer in READS[name]}
    assert found == READS[name]


def test_a_block_that_leaves_its_activation_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = resnet.batch_norm

    def gone(name: str | None = None) -> After:
        return name if name == "layer1.0.bn1" else kept(name)

    monkeypatch.setattr(resnet, "batch_norm", gone)
    net = zoo.build("resnet18")
    assert reads(net, "layer1.0.conv2") == [("layer1.0.conv1", ("relu",))]
    assert READS["resnet18"]["layer1.0.conv2"] != reads(net, "layer1.0.conv2")


# what torchvision's (timm's) forward calls, counted there: norms and activations, heads included
CALLED: dict[str, dict[str, int]] = {
    "alexnet": {"relu": 7},
    "vgg19": {"relu": 18},
    "vgg11_bn": {"batch_norm": 8, "relu": 10},
    "resnet18": {"batch_norm": 20, "relu": 17},
    "resnet152": {"batch_norm": 155, "relu": 151},
    "resnext50_32x4d": {"batch_norm": 53, "relu": 49},
    "densenet121": {"batch_norm": 121, "relu": 121},
    "densenet201": {"batch_norm": 201, "relu": 201},
    "mobilenet_v2": {"batch_norm": 52, "relu6": 35},
    "mobilenet_v3_small": {"batch_norm": 34, "hardsigmoid": 9, "hardswish": 19, "relu": 14},
    "mobilenet_v3_large": {"batch_norm": 46, "hardsigmoid": 8, "hardswish": 21, "relu": 19},
    "mnasnet1_0": {"batch_norm": 52, "relu": 35},
    "efficientnet_b0": {"batch_norm": 49, "sigmoid": 16, "silu": 49},
    "efficientnet_b7": {"batch_norm": 163, "sigmoid": 55, "silu": 163},
    "efficientnet_v2_s": {"batch_norm": 110, "sigmoid": 30, "silu": 102},
    "googlenet": {"batch_norm": 57, "relu": 57},
    "inception_v3": {"batch_norm": 94, "relu": 94},
    "squeezenet1_0": {"relu": 26},
    "shufflenet_v2_x1_0": {"batch_norm": 56, "relu": 37},
    "regnet_x_400mf": {"batch_norm": 71, "relu": 67},
    "regnet_y_400mf": {"batch_norm": 53, "relu": 65, "sigmoid": 16},
    "convnext_tiny": {"gelu": 18, "layer_norm": 23, "scale": 18},
    "convnext_large": {"gelu": 36, "layer_norm": 41, "scale": 36},
    "fcn_resnet50": {"batch_norm": 54, "relu": 50},
    "deeplabv3_resnet50": {"batch_norm": 60, "relu": 56},
    "lraspp_mobilenet_v3_large": {
        "batch_norm": 47,
        "hardsigmoid": 8,
        "hardswish": 20,
        "relu": 20,
        "sigmoid": 1,
    },
    "darknet53": {"batch_norm": 52, "leaky_relu": 52},
    "hrnet_w18": {"batch_norm": 325, "relu": 284},
    "swin_t": {"gelu": 12, "layer_norm": 29},
    "vit_b_16": {"gelu": 12, "layer_norm": 25},
}


@pytest.mark.parametrize("name", CALLED)
def test_as_many_norms_and_activations_as_the_reference_calls(name: str) -> None:
    # with its head a vision transformer has a class token beside the grid
    assert called(zoo.build(name, head=name != "vit_b_16")) == CALLED[name]


def called(net: Network) -> dict[str, int]:
    """Elementwise functions by kind; those of a gate's factor among them, its product not."""
    kinds = Counter(layer.params.get("kind") for layer in net.layers if layer.op == "identity")
    return {kind: n for kind, n in kinds.items() if kind}


# --- every network ---

ACTIVATIONS = {kind for kind, row in KINDS.items() if row.function is not None}
NORMS = {kind for kind, row in KINDS.items() if row.over is not None}


@pytest.mark.parametrize("name", zoo.ZOO)
def test_no_activation_twice_in_a_row_and_norms_where_something_was_made(name: str) -> None:
    net = zoo.build(name, head=True)
    for m in net.maps:
        for link in m.links:
            kinds = [p.kind for p in link.passed]
            for one, next_ in itertools.pairwise(kinds):
                assert not {one, next_} <= ACTIVATIONS, (m.name, kinds)
            if NORMS & {*kinds[:1]}:
                source = net.maps[link.src].op
                made = ("conv", "concat", "add", "max_pool", "global_pool", "pixel_unshuffle")
                assert source in made, (m.name, source)


RESIDUAL = ("resnet", "wide_resnet", "resnext", "regnet", "mobilenet", "mnasnet", "efficientnet")


@pytest.mark.parametrize("name", [n for n in zoo.ZOO if n.startswith(RESIDUAL)])
def test_a_residual_branch_ends_with_its_norm(name: str) -> None:
    net = zoo.build(name)
    added = [m for m in net.maps if m.op == "add"]
    assert added
    for m in added:
        kinds = [tuple(p.kind for p in link.passed) for link in m.links]
        # a fused block that does not widen is one convolution, and its activation ends it
        single = name.startswith("efficientnet_v2") and m.name.startswith("features.1.")
        assert any(k[-1:] == NORMED for k in kinds) != single, m.name
        assert not any(k[-1:] == ("relu6",) for k in kinds)


def test_the_parameters_of_functions() -> None:
    def values(name: str, kind: str) -> set[float | None]:
        links = [link for m in zoo.build(name).maps for link in m.links]
        return {p.value for link in links for p in link.passed if p.kind == kind}

    assert values("darknet53", "leaky_relu") == values("yolov3", "leaky_relu") == {0.1}
    assert values("convnext_base", "scale") == values("slak", "scale") == {1e-6}
    # gains of norms are 1: none starts a residual branch at zero
    for name in zoo.ZOO:
        if not name.startswith(("vit_h", "vit_l")):
            assert {v for kind in NORMS for v in values(name, kind)} <= {1.0}


def test_what_is_followed_by_a_function_is_found_without_it() -> None:
    net = zoo.build("resnet50")
    raw, block = net["layer4.2"], net["layer4.2.relu"]
    assert (raw.index, raw.name) == (block.index, block.name)
    assert (raw.passed, [p.kind for p in block.passed]) == ((), ["relu"])
    assert net["layer4"] is net.output is block
    first = net["layer1.0.conv1"], net["layer1.0.bn1"]
    assert [[p.kind for p in m.passed] for m in first] == [[], ["batch_norm"]]


def test_a_gate_that_is_followed_is_read_through_its_function() -> None:
    for name, layer, factor, kind in (
        ("mobilenet_v3_small", "features.1.block.1", "features.1.block.1.fc2", "hardsigmoid"),
        ("efficientnet_b0", "features.1.0.block.1", "features.1.0.block.1.fc2", "sigmoid"),
    ):
        net = zoo.build(name, gates="follow")
        assert reads(net, layer)[1] == (factor, (kind,))


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v3_small", "hourglass", "yolov8n"])
def test_a_network_file_keeps_what_is_read_through(name: str) -> None:
    net = zoo.build(name)
    again = netfile.build(net.to_dict())
    links = [[(m.links, m.name) for m in n.maps] for n in (net, again)]
    assert links[0] == links[1]


# --- initialisations ---

INIT = {
    "alexnet": "pytorch",
    "vgg16": "kaiming_fan_out",
    "resnet50": "kaiming_fan_out",
    "resnet_v1_50": "kaiming_fan_in",
    "wide_resnet50_2": "kaiming_fan_out",
    "resnext101_64x4d": "kaiming_fan_out",
    "mobilenet_v2": "kaiming_fan_out",
    "mobilenet_v3_large": "kaiming_fan_out",
    "mnasnet0_5": "kaiming_fan_out",
    "efficientnet_b3": "kaiming_fan_out",
    "efficientnet_v2_m": "kaiming_fan_out",
    "regnet_x_8gf": "kaiming_fan_out",
    "densenet161": "kaiming_fan_in",
    "squeezenet1_1": "kaiming_fan_in",
    "shufflenet_v2_x1_5": "pytorch",
    "googlenet": "std=0.01",
    "inception_v3": "std=0.1",
    "convnext_small": "std=0.02",
    "swin_b": "std=0.02",
    "vit_l_32": "xavier",
    "fcn_resnet101": "kaiming_fan_out",
    "unet": "kaiming_fan_in",
    "unet_padded": "pytorch",
    "segnet": "kaiming_fan_in",
    "yolov3": "kaiming_fan_in",
    "yolov8s": "pytorch",
    "replknet13": "pytorch",
    "slak": "std=0.02",
    "hrnet_w32": "kaiming_fan_out",
}


def test_initialisations_are_the_authors() -> None:
    assert {name: zoo.build(name).init for name in INIT} == INIT
    assert all(check_init(row.init) == row.init for row in zoo.ZOO.values())
    assert eg.Network((5,)).init is None
