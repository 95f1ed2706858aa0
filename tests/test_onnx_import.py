"""`from_onnx`: the same networks as from PyTorch, real files, names, inputs, where to stop."""

from __future__ import annotations

import collections
import importlib.resources
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, parser
from onnx_models import OPSET, exported, model, nodes
from torch import nn

import erfgraph as eg
from erfgraph import importers

F = torch.nn.functional


def census(net: eg.Network) -> collections.Counter[Any]:
    return collections.Counter((m.op, m.shape, m.channels) for m in net.maps)


def assert_same(one: eg.Network, other: eg.Network) -> None:
    """The same maps and the same importance of the input for the output, channel by channel."""
    assert census(one) == census(other)
    found, want = eg.importance(one), eg.importance(other)
    assert np.array_equal(found.values, want.values)
    found, want = (eg.importance(net, channels="count") for net in (one, other))
    assert np.array_equal(found.values, want.values)


# --- the same as from PyTorch -------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, n: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n, 2 * n, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * n)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(2 * n, 2 * n, 3, 1, 1)
        self.down = nn.Sequential(nn.Conv2d(n, 2 * n, 1, stride), nn.BatchNorm2d(2 * n))

    def forward(self, x: Any) -> Any:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.conv2(y) + self.down(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.MaxPool2d(3, 2, 1))
        self.layer1 = nn.Sequential(Residual(4), Residual(8, 2))
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(self.layer1(self.stem(x)).mean((2, 3)))


class UNet(nn.Module):
    """Odd sizes: what goes up is padded to what it meets."""

    def __init__(self) -> None:
        super().__init__()
        self.top = nn.Conv2d(3, 4, 3, padding=1)
        self.low = nn.Conv2d(4, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.out = nn.Conv2d(8, 2, 3, padding=1)

    def forward(self, x: Any) -> Any:
        a = F.relu(self.top(x))
        b = self.up(F.relu(self.low(F.max_pool2d(a, 2))))
        dy, dx = a.shape[2] - b.shape[2], a.shape[3] - b.shape[3]
        b = F.pad(b, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))
        return self.out(torch.cat([a, b], 1))


class Gated(nn.Module):
    """Squeeze-and-excitation, hard-swish, GELU, a norm of groups and one of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.squeeze = nn.Conv2d(8, 2, 1)
        self.excite = nn.Conv2d(2, 8, 1)
        self.last = nn.LayerNorm(8)
        self.out = nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        x = F.hardswish(self.norm(self.conv(x)))
        s = torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        x = (x * s).permute(0, 2, 3, 1)
        return self.out(F.gelu(self.last(x))).permute(0, 3, 1, 2)


class Shuffled(nn.Module):
    """Half of the channels through a branch, then all shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.branch = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.out = nn.Conv2d(8, 8, 3, groups=2)

    def forward(self, x: Any) -> Any:
        a, b = self.stem(x).chunk(2, 1)
        x = torch.cat([a, self.branch(b)], 1)
        x = x.view(1, 2, 4, *x.shape[2:]).transpose(1, 2).reshape(1, 8, *x.shape[2:])
        return self.out(x)


class Windowed(nn.Module):
    """Attention in shifted windows, as a Swin transformer has it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 2, 2)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        x = torch.roll(self.patch(x).permute(0, 2, 3, 1), (-2, -2), (1, 2))
        h, w = x.shape[1] // 4, x.shape[2] // 4
        t = x.view(1, h, 4, w, 4, 8).permute(0, 1, 3, 2, 4, 5).reshape(h * w, 16, 8)
        q, k, v = self.qkv(t).view(h * w, 16, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        t = (q * 0.5) @ k.transpose(-2, -1)
        t = (t.softmax(-1) @ v).transpose(1, 2).reshape(h * w, 16, 8)
        t = (
            self.out(t)
            .view(1, h, w, 4, 4, 8)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(1, 4 * h, 4 * w, 8)
        )
        return x + torch.roll(t, (2, 2), (1, 2))


class Resized(nn.Module):
    """PyTorch's ways of resizing."""

    def forward(self, x: Any) -> Any:
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.conv2d(x, torch.ones(3, 3, 3, 3))
        x = F.interpolate(x, size=(11, 17), mode="bilinear", align_corners=False)
        x = F.conv2d(x, torch.ones(3, 3, 3, 3), stride=2)
        x = F.interpolate(x, size=(12, 10), mode="bilinear", align_corners=True)
        x = F.conv2d(x, torch.ones(3, 3, 3, 3), stride=2)
        return F.interpolate(x, size=(9, 9), mode="bicubic")


MODULES: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "residual": (ResNet, (3, 40, 32)),
    "unet": (UNet, (3, 15, 21)),
    "gated": (Gated, (3, 9, 8)),
    "shuffled": (Shuffled, (3, 16, 14)),
    "windowed": (Windowed, (3, 16, 24)),
    "resized": (Resized, (3, 8, 9)),
}


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_an_exported_module_is_the_same_network(name: str, dynamo: bool, tmp_path: Path) -> None:
    kind, shape = MODULES[name]
    module = kind()
    found = eg.from_onnx(exported(module, shape, tmp_path, dynamo))
    want = eg.from_torch(module, shape)
    if name == "windowed":  # two rolls, each along one axis
        assert np.array_equal(eg.importance(found).values, eg.importance(want).values)
        assert sum(m.op == "roll" for m in found.maps) == 4
    else:
        assert_same(found, want)
    own = {m.name for m in found.maps if "." in m.name and m.op in ("conv", "add", "linear")}
    assert {m.name for m in want.maps if m.name in own} == own


def test_names_are_those_of_the_modules(tmp_path: Path) -> None:
    module = ResNet()
    want = eg.from_torch(module, (3, 40, 32))
    found = eg.from_onnx(exported(module, (3, 40, 32), tmp_path, True))
    assert set(found.names) >= set(want.names) - {"layer1.0.relu", "layer1.1.relu"}
    old = eg.from_onnx(exported(module, (3, 40, 32), tmp_path, False))
    for name in ("stem", "stem.0", "layer1", "layer1.0", "layer1.1.conv2", "layer1.1.down", "fc"):
        for net in (found, old):
            assert net[name].shape == want[name].shape
            assert np.array_equal(
                eg.importance(net, name).values, eg.importance(want, name).values
            )


def transformer(name: str) -> tuple[Any, str, tuple[int, ...]]:
    import transformers as t

    sizes = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
    if name == "resnet":
        return t.ResNetModel(t.ResNetConfig(embedding_size=8, **sizes)), "last", (3, 64, 64)
    if name == "convnext":
        return t.ConvNextModel(t.ConvNextConfig(**sizes)), "last", (3, 64, 64)
    if name == "mobilenet":
        return t.MobileNetV2Model(t.MobileNetV2Config(depth_multiplier=0.35)), "last", (3, 64, 64)
    config = t.SegformerConfig(decoder_hidden_size=16, num_attention_heads=[1, 2, 3, 4], **sizes)
    return t.SegformerForSemanticSegmentation(config), "logits", (3, 64, 64)


class Picked(nn.Module):
    """One of the results of a model of transformers."""

    def __init__(self, inner: nn.Module, key: str) -> None:
        super().__init__()
        self.model = inner
        self.key = key

    def forward(self, x: Any) -> Any:
        made = self.model(x)
        return made.logits if self.key == "logits" else made.last_hidden_state


@pytest.mark.parametrize("name", ["resnet", "convnext", "mobilenet", "segformer"])
def test_models_of_transformers(name: str, tmp_path: Path) -> None:
    inner, key, shape = transformer(name)
    module = Picked(inner, key)
    found = eg.from_onnx(exported(module, shape, tmp_path, False))
    want = eg.from_torch(module, shape)
    assert not census(found) - census(want)
    # what the model does not return is not exported
    assert (census(want) - census(found)).total() <= 1
    assert np.array_equal(eg.importance(found).values, eg.importance(want).values)


@pytest.mark.parametrize("dynamo", [False, True])
def test_models_of_monai(dynamo: bool, tmp_path: Path) -> None:
    from monai.networks import nets

    module = nets.UNet(3, 1, 2, (4, 8, 16), (2, 2), num_res_units=2)
    found = eg.from_onnx(exported(module, (1, 16, 16, 8), tmp_path, dynamo))
    assert_same(found, eg.from_torch(module.eval(), (1, 16, 16, 8)))


# --- real files ---------------------------------------------------------------------------

OCR = {
    "ch_PP-OCRv4_det_infer": (64, 96),
    "ch_PP-OCRv4_rec_infer": (48, 120),
    "ch_ppocr_mobile_v2.0_cls_infer": (48, 192),
}


def runtime_shape(made: Any, shape: tuple[int, ...]) -> list[int]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(made, options)
    images = session.get_inputs()
    return list(session.run(None, {images[0].name: np.zeros(shape, np.float32)})[0].shape)


@pytest.mark.parametrize("name", OCR)
def test_networks_that_read_text(name: str) -> None:
    path = importlib.resources.files("rapidocr_onnxruntime") / "models" / f"{name}.onnx"
    shape = OCR[name]
    net = eg.from_onnx(os.fspath(path), shape)
    assert (net.input.shape, net.input.channels) == (shape, 3)
    want = runtime_shape(os.fspath(path), (1, 3, *shape))
    out = net.output
    if "det" in name:
        assert want == [1, out.channels, *out.shape]
    elif "rec" in name:
        assert want == [1, out.shape[1], out.channels]
        assert eg.importance(net).values.all()  # attention sees the whole line
    else:
        assert want == [1, out.channels]
    with pytest.raises(eg.InputError, match=r"leaves the size of input 'x' open .*\(224, 224\)"):
        eg.from_onnx(os.fspath(path))


LIGHT_MAPS = {
    "bvlc_alexnet": 12,
    "densenet121": 185,
    "inception_v1": 82,
    "inception_v2": 94,
    "resnet50": 73,
    "shufflenet": 72,
    "squeezenet": 39,
    "vgg19": 25,
    "zfnet512": 12,
}


@pytest.mark.parametrize("name", LIGHT_MAPS)
def test_models_of_the_standards_own_tests(name: str) -> None:
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    path = folder / f"light_{name}.onnx"
    net = eg.from_onnx(path)
    assert net.name == f"light_{name}"
    assert (net.input.shape, net.input.channels) == ((224, 224), 3)
    assert (net.output.shape, net.output.channels) == ((1, 1), 1000)
    assert len(net) == LIGHT_MAPS[name]
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path))
    shapes = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in inferred.graph.value_info
    }
    checked = 0
    for node in inferred.graph.node:
        shape = shapes.get(node.output[0], ())
        if len(shape) == 4 and node.name in net and min(shape) > 0 and node.op_type == "Conv":
            found = net[node.name]
            assert (1, found.channels, *found.shape) == shape
            checked += 1
    assert checked >= 5


def test_resnet50_is_the_zoos() -> None:
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    found = eg.from_onnx(folder / "light_resnet50.onnx")
    zoo = eg.load("resnet50")
    # Caffe2's has the stride in the first convolution of a block, so other sizes within
    ops = [collections.Counter(m.op for m in net.maps) for net in (zoo, found)]
    assert ops[1] - ops[0] == {"avg_pool": 1, "conv": 1}
    assert ops[0] - ops[1] == {}
    assert (zoo.output.shape, zoo.output.channels) == ((7, 7), found.maps[-3].channels)


# --- inputs -------------------------------------------------------------------------------


def test_sizes_come_from_the_caller_or_the_model() -> None:
    body = "y = Conv <strides = [2, 2]> (x, w)"
    fixed = model(body, "float[1, 3, 8, 10] x", w=(4, 3, 3, 3))
    assert eg.from_onnx(fixed).output.shape == (3, 4)
    assert eg.from_onnx(fixed, (9, 9)).output.shape == (4, 4)
    open_ = model(body, "float[N, 3, H, W] x", w=(4, 3, 3, 3))
    assert eg.from_onnx(open_, [9, 11]).output.shape == (4, 5)
    with pytest.raises(eg.InputError, match=r"open \(\[N, 3, H, W\]\); wanted 2 numbers"):
        eg.from_onnx(open_)
    with pytest.raises(eg.InputError, match=r"got \(9, 9, 3\), wanted 2 spatial sizes"):
        eg.from_onnx(open_, (9, 9, 3))
    with pytest.raises(eg.InputError, match=r"got 9, wanted 2 spatial sizes"):
        eg.from_onnx(open_, 9)


def test_another_size_than_the_model_was_exported_for() -> None:
    body = "a = Conv (x, w)  b = Flatten (a)  y = MatMul (b, m)"
    made = model(body, "float[1, 1, 5, 5] x", w=(1, 1, 3, 3), m=(9, 2))
    assert eg.from_onnx(made).output.channels == 2
    reshaped = model("a = Conv (x, w)  y = Reshape (a, s)", w=(1, 1, 3, 3), s=[1, 20])
    with pytest.raises(eg.LayerError, match=r"exported for an input of \(6, 7\)"):
        eg.from_onnx(reshaped, (9, 9))


def test_channels_come_from_the_model_its_weights_or_the_caller() -> None:
    conv = model(
        "a = Relu (x)  y = Conv <group = 2> (a, w)", "float[1, C, 8, 8] x", w=(4, 3, 3, 3)
    )
    assert eg.from_onnx(conv).input.channels == 6
    with pytest.raises(eg.InputError, match="channels: got 5, but input 'x' has 6"):
        eg.from_onnx(conv, channels=5)
    pool = model("y = MaxPool <kernel_shape = [3, 3]> (x)", "float[1, C, 8, 8] x")
    assert eg.from_onnx(pool).input.channels == 3
    assert eg.from_onnx(pool, channels=7).input.channels == 7


def test_channels_may_stand_last() -> None:
    body = "a = Transpose <perm = [0, 3, 1, 2]> (x)  y = Conv (a, w)"
    made = model(body, "float[N, H, W, 3] x", w=(4, 3, 3, 3))
    net = eg.from_onnx(made, (8, 9))
    assert [(m.shape, m.channels) for m in net.maps] == [((8, 9), 3), ((6, 7), 4)]
    # an input that nothing tells of: few channels stand last
    mean = model("y = ReduceMean <keepdims = 0> (x, d)", "float[1, 8, 9, 3] x", d=[1, 2])
    assert eg.from_onnx(mean).input.shape == (8, 9)


def test_images_of_one_channel_without_a_batch() -> None:
    body = "a = Unsqueeze (x, d)  y = Conv (a, w)"
    net = eg.from_onnx(model(body, "float[H, W] x", d=[0, 1], w=(2, 1, 3, 3)), (7, 8))
    assert [(m.shape, m.channels) for m in net.maps] == [((7, 8), 1), ((5, 6), 2)]
    net = eg.from_onnx(model(body, "float[3, 7, 8] x", d=[0], w=(2, 3, 3, 3)))
    assert (net.input.shape, net.input.channels) == ((7, 8), 3)


def test_a_batch_is_one_image() -> None:
    body = "a = Conv (x, w)  b = Reshape (a, s)  y = MatMul (b, m)"
    made = model(body, "float[8, 1, 5, 5] x", w=(2, 1, 3, 3), s=[8, -1], m=(18, 3))
    net = eg.from_onnx(made)
    assert [(m.op, m.shape, m.channels) for m in net.maps] == [
        ("input", (5, 5), 1),
        ("conv", (3, 3), 2),
        ("linear", (1, 1), 3),
    ]


def test_other_inputs_are_constants() -> None:
    inputs = "float[N, 2] scale, float[N, 3, H, W] image, float[K, M] grid"
    made = model("y = Conv (image, w)", inputs, w=(4, 3, 3, 3))
    assert eg.from_onnx(made, (8, 8)).output.shape == (6, 6)
    used = model("a = Conv (image, w)  y = Add (a, grid)", inputs, w=(4, 3, 3, 3))
    with pytest.raises(eg.LayerError, match=r"input 'grid' of the model has an open shape"):
        eg.from_onnx(used, (8, 8))
    two = "float[1, 3, 8, 8] left, float[1, 3, 8, 8] right"
    pair = model("a = Conv (left, w)  b = Conv (right, w)  y = Sub (a, b)", two, w=(4, 3, 3, 3))
    assert eg.from_onnx(pair).input is not None
    assert len(eg.from_onnx(pair, input="right")) == 2
    with pytest.raises(eg.NameLookupError, match="unknown input 'write' of the model; did you"):
        eg.from_onnx(pair, input="write")
    with pytest.raises(eg.InputError, match=r"no input with 1 to 3 spatial axes .*'x'"):
        eg.from_onnx(model("y = Relu (x)", "float[1, 8] x"))


# --- names, ends and stops ----------------------------------------------------------------

CHAIN = "[first] a = Conv (x, w)  [second] b = Relu (a)  [third] y = Conv (b, w)"


def test_nodes_name_maps_where_no_exporter_says_more() -> None:
    net = eg.from_onnx(model(CHAIN, w=(1, 1, 3, 3)))
    assert [m.name for m in net.maps] == ["input", "first", "third"]
    assert net["second"].index == net["first"].index
    assert [f.kind for f in net["second"].passed] == ["relu"]
    nameless = eg.from_onnx(model("a = Conv (x, w)  y = Relu (a)", w=(1, 1, 3, 3)))
    assert [m.name for m in nameless.maps] == ["input", "a"]
    assert net.name == "net"


@pytest.mark.parametrize(
    ("layer", "name", "shape"),
    [("first", "first", (4, 5)), ("a", "first", (4, 5)), ("second", "first", (4, 5)),
     ("y", "third", (2, 3))],
)  # fmt: skip
def test_a_network_may_end_early(layer: str, name: str, shape: tuple[int, ...]) -> None:
    net = eg.from_onnx(model(CHAIN, w=(1, 1, 3, 3)), layer=layer)
    assert (net.output.name, net.output.shape) == (name, shape)


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(
        eg.NameLookupError, match="unknown layer 'fist' of the model; did you mean"
    ):
        eg.from_onnx(model(CHAIN, w=(1, 1, 3, 3)), layer="fist")


def test_the_end_may_be_a_module(tmp_path: Path) -> None:
    for dynamo in (False, True):
        path = exported(ResNet(), (3, 40, 32), tmp_path, dynamo)
        net = eg.from_onnx(path, layer="layer1.0")
        assert net.output.shape == (10, 8)
        assert "layer1.1" not in net
        stopped = eg.from_onnx(path, stop_at="layer1.1")
        assert "layer1.0" in stopped
        assert "layer1.1" not in stopped


@pytest.mark.parametrize("stop", ["com.acme.Blur", "blur", "b"])
def test_stopping_before_what_is_not_known(stop: str) -> None:
    made = model("a = Conv (x, w) [blur] b = com.acme.Blur (a)  y = Relu (b)", w=(1, 1, 3, 3))
    assert eg.from_onnx(made, stop_at=stop).output.shape == (4, 5)
    with pytest.raises(eg.UnknownOperationError, match=r"'com.acme.Blur' at node 'blur'.*stop_at"):
        eg.from_onnx(made)


def test_operations_of_ones_own() -> None:
    made = model("a = com.acme.Blur <size = 5> (x)  y = Relu (a)")

    def blurred(net: eg.Network, x: eg.FeatureMap, size: int) -> eg.FeatureMap:
        return net.conv(x, size, groups=x.channels)

    net = eg.from_onnx(made, ops={"com.acme.Blur": importers.layer(blurred)})
    assert net.output.shape == (2, 3)
    assert eg.from_onnx(
        model("a = Conv (x, w)  y = GridSample (a)", w=(1, 1, 3, 3)),
        ops={"GridSample": importers.transparent},
    ).output.shape == (4, 5)
    with pytest.raises(eg.LayerError, match=r"ops\['com.acme.Blur'\]: got 3, wanted a row"):
        eg.from_onnx(made, ops={"com.acme.Blur": 3})


def test_gates_are_followed_where_asked() -> None:
    body = "s = GlobalAveragePool (x)  t = Sigmoid (s)  g = Mul (x, t)  y = Conv (g, w)"
    made = model(body, w=(1, 1, 3, 3))
    assert eg.importance(eg.from_onnx(made)).total == 9
    assert eg.importance(eg.from_onnx(made, gates="follow")).total == 9 + 9 * 42


# --- what models have beside layers -------------------------------------------------------


def test_functions_of_the_model_are_looked_through() -> None:
    text = f"""<ir_version: 8, opset_import: ["" : {OPSET}, "own" : 1]>
    net (float[1, 1, 8, 9] x) => (float y) <float[1, 1, 3, 3] w = {{1, 1, 1, 1, 1, 1, 1, 1, 1}}> {{
        a = own.block <step = 2> (x, w)
        [twice] y = own.block <step = 1> (a, w)
    }}
    <domain: "own", opset_import: ["" : {OPSET}]>
    block <step> (image, weight) => (made) {{
        pads = Constant <value_ints = [1, 1]> ()
        [inside] before = Conv <strides: ints = [1, 1], pads = [1, 1, 1, 1]> (image, weight)
        made = Relu (before)
    }}"""
    net = eg.from_onnx(parser.parse_model(text))
    assert [m.shape for m in net.maps] == [(8, 9), (8, 9), (8, 9)]
    assert [m.name for m in net.maps][2] == "twice/inside"
    assert eg.importance(net).total == 81


def branches() -> tuple[onnx.GraphProto, onnx.GraphProto]:
    def graph(name: str, pads: int) -> onnx.GraphProto:
        node = helper.make_node("Conv", ["x", "w"], [name], pads=[pads] * 4)
        info = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        return helper.make_graph([node], name, [], [info])

    return graph("yes", 1), graph("no", 0)


@pytest.mark.parametrize(("rank", "shape"), [(4, (6, 7)), (3, (4, 5))])
def test_the_branch_that_is_taken(rank: int, shape: tuple[int, ...]) -> None:
    yes, no = branches()
    made = nodes(
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Size", ["s"], ["n"]),
        helper.make_node("Equal", ["n", "rank"], ["c"]),
        helper.make_node("If", ["c"], ["y"], then_branch=yes, else_branch=no),
        initializer=[
            onnx.numpy_helper.from_array(np.array(rank), "rank"),
            onnx.numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w"),
        ],
    )
    assert eg.from_onnx(made).output.shape == shape


def test_a_branch_that_depends_on_the_image() -> None:
    yes, no = branches()
    made = nodes(
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("If", ["m"], ["y"], then_branch=yes, else_branch=no),
        initializer=[onnx.numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")],
    )
    with pytest.raises(eg.LayerError, match="If at node 'y': which branch is taken depends on"):
        eg.from_onnx(made)


def test_quantised_layers() -> None:
    q = {"s": np.array(1, np.float32), "z": np.array(0, np.uint8)}
    w = np.ones((2, 1, 3, 3), np.uint8)
    dense = model(
        "a = QuantizeLinear (x, s, z)  b = QLinearConv (a, s, z, w, s, z, s, z)"
        "  y = DequantizeLinear (b, s, z)",
        w=w,
        **q,
    )
    assert eg.from_onnx(dense).output.shape == (4, 5)
    ranged = model(
        "a, t, u = DynamicQuantizeLinear (x)  b = ConvInteger (a, w, u)  c = Cast <to = 1> (b)"
        "  y = Mul (c, t)",
        w=w,
    )
    assert [m.op for m in eg.from_onnx(ranged).maps] == ["input", "conv"]
    fused = model(
        'a = com.microsoft.FusedConv <activation = "Relu", pads = [1, 1, 1, 1]> (x, w, , x)'
        "  y = com.microsoft.QLinearAdd (a, s, z, x, s, z, s, z)",
        w=(1, 1, 3, 3),
        **q,
    )
    assert [m.op for m in eg.from_onnx(fused).maps] == ["input", "conv", "add", "add"]


def test_activations_written_out_are_one() -> None:
    hard_swish = "a = Add (x, three)  b = Clip (a, zero, six)  c = Div (b, six)  d = Mul (x, c)"
    made = model(
        f"{hard_swish}  y = Conv (d, w)",
        **{name: np.array(n, np.float32) for name, n in (("three", 3), ("zero", 0), ("six", 6))},
        w=(1, 1, 3, 3),
    )
    assert eg.importance(eg.from_onnx(made)).total == 9
    norm = (
        "m = ReduceMean (x, axes)  d = Sub (x, m)  q = Pow (d, two)  v = ReduceMean (q, axes)"
        "  s = Sqrt (v)  n = Div (d, s)  y = Conv (n, w)"
    )
    two = np.array(2, np.float32)
    made = model(norm, "float[1, 2, 6, 7] x", axes=[1], two=two, w=(1, 2, 3, 3))
    assert eg.importance(eg.from_onnx(made)).total == 9


def test_errors_say_which_node_and_what_it_got() -> None:
    made = model("[odd] y = Conv (x, w)", w=(4, 3, 3, 3))
    with pytest.raises(eg.LayerError, match=r"^Conv at node 'odd': an input of 1 channels and"):
        eg.from_onnx(made)
    made = model("[odd] y = Reshape (x, s)", s=[4, 11])
    with pytest.raises(eg.LayerError, match=r"Reshape at node 'odd': .*\(4, 11\)"):
        eg.from_onnx(made)
    made = model('[odd] y = Conv <auto_pad = "SAME"> (x, w)', w=(1, 1, 3, 3))
    with pytest.raises(eg.LayerError, match="auto_pad: got 'SAME', wanted NOTSET or SAME_UPPER"):
        eg.from_onnx(made)
    made = model("[odd] y = Relu (x)")
    with pytest.raises(eg.InputError, match="makes no feature map"):
        eg.from_onnx(made)


def test_a_file_and_its_name(tmp_path: Path) -> None:
    path = tmp_path / "blurrer.v2.onnx"
    path.write_bytes(model(CHAIN, w=(1, 1, 3, 3)).SerializeToString())
    for given in (path, str(path), os.fsencode(path)):
        assert eg.from_onnx(given).name == "blurrer.v2"
    assert eg.from_onnx(path, name="mine").name == "mine"
