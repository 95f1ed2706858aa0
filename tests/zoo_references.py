"""The zoo beyond torchvision's classifiers, against the modules that its names are those of.

Needs torch, timm and torchvision, so it is run by hand: ``pytest tests/zoo_references.py``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import zoo
from erfgraph.featuremap import Pass
from erfgraph.initial import weight_variance
from erfgraph.network import Network

# the network, whose modules, and those that are called twice, or return what nothing else does
REFERENCES = {
    "darknet53": ("timm", r"\.drop|attn|global_pool\.|head\.flatten"),
    "hrnet_w18": ("timm", r"drop_block|\.aa$|fuse_act|global_pool\.|head_drop"),
    "swin_t": ("torchvision", r"stochastic_depth"),
    "vit_b_16": ("torchvision", r"$^"),
}
CHANNELS_LAST = re.compile(r"(?!features\.0\.0$|permute|avgpool|flatten|head)")


def reference(name: str) -> Any:
    """The module that the zoo's names are those of."""
    source = REFERENCES[name][0]
    package = pytest.importorskip(source)
    return package.create_model(name) if source == "timm" else getattr(package.models, name)()


@pytest.mark.parametrize("name", REFERENCES)
def test_names_shapes_and_channels_are_the_reference_s(name: str) -> None:
    torch = pytest.importorskip("torch")
    net = zoo.build(name, head=True)
    found: dict[str, tuple[tuple[int, ...], int]] = {}

    def shape_of(key: str, made: Any) -> tuple[tuple[int, ...], int]:
        if name.startswith("vit") and made.ndim == 3:  # a list of tokens
            return (math.isqrt(made.shape[1]),) * 2, made.shape[2]
        if made.ndim == 2:
            return (1, 1), made.shape[1]
        if name.startswith("swin") and CHANNELS_LAST.match(key):
            return tuple(made.shape[1:3]), made.shape[3]
        return tuple(made.shape[2:]), made.shape[1]

    def hook(key: str) -> Any:
        def keep(module: Any, args: Any, made: Any) -> None:
            made = made[0] if name.startswith("vit") and isinstance(made, tuple) else made
            if isinstance(made, torch.Tensor):
                found[key] = shape_of(key, made)

        return keep

    with torch.device("meta"):
        model = reference(name).eval()
        for key, module in model.named_modules():
            if key and not re.search(REFERENCES[name][1], key):
                module.register_forward_hook(hook(key))
        model(torch.zeros(1, 3, *net.input.shape))
    assert len(found) > 100
    ours = {key: (m.shape, m.channels) for key, m in net.names.items()}
    assert {key: ours.get(key) for key in found} == found


def linear(model: Any) -> Any:
    """The module without activations and norms, each layer the mean of its channels."""
    torch = pytest.importorskip("torch")
    model = model.double().eval()  # before weights are set, which float32 would round
    for module in list(model.modules()):
        for key, child in module.named_children():
            if re.match(r"(Batch|Layer)Norm|.*LU$", type(child).__name__):
                setattr(module, key, torch.nn.Identity())
    for key, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            places = 4 if key.endswith("reduction") else 1  # patch merging adds four positions
            module.weight.data.fill_(places / module.weight.shape[1])
            if module.bias is not None:
                module.bias.data.zero_()
        if hasattr(module, "qkv"):  # values as they are, neither queries nor keys
            module.qkv.weight.data[: -module.qkv.weight.shape[1]] = 0
            module.relative_position_bias_table.data.zero_()
    return model


@pytest.mark.parametrize(
    ("name", "shape", "layer", "units"),
    [
        ("darknet53", (96, 64), "stages", [(0, 0), (1, 1)]),
        ("hrnet_w18", (96, 64), "final_layer", [(1, 1)]),
        ("swin_t", (120, 152), "features", [(0, 0), (2, 2)]),
        ("swin_t", (100, 64), "features", [(3, 1)]),  # sizes that windows do not divide
    ],
)
def test_as_many_paths_as_the_reference_s_forward_has(
    name: str,
    shape: tuple[int, int],
    layer: str,
    units: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    model, net = linear(reference(name)), zoo.build(name, shape, head=True)
    # attention as a sum of what no mask hides, masks being -100
    monkeypatch.setattr(torch.nn.functional, "softmax", lambda x, dim: (x > -50).to(x))
    made: dict[str, Any] = {}
    dict(model.named_modules())[layer].register_forward_hook(
        lambda module, args, out: made.update(out=out)
    )
    for unit in units:
        x = torch.zeros(1, 3, *shape, dtype=torch.double, requires_grad=True)
        model(x)
        at = (0, *unit, 0) if name.startswith("swin") else (0, 0, *unit)
        (gradient,) = torch.autograd.grad(made["out"][at], x)
        found = eg.importance(net, layer, unit).values.astype(float)
        np.testing.assert_allclose(found, gradient[0].sum(0).numpy(), rtol=1e-9)


# --- how weights are drawn ---

DRAWN = {  # a module of each family with thousands of weights
    "alexnet": "features.3",
    "vgg11": "features.8",
    "resnet18": "layer2.0.conv2",
    "resnext50_32x4d": "layer3.1.conv2",
    "wide_resnet50_2": "layer2.1.conv2",
    "mobilenet_v2": "features.14.conv.0.0",
    "mobilenet_v3_small": "features.9.block.1.0",
    "mnasnet0_5": "layers.11.0.layers.3",
    "efficientnet_b0": "features.5.1.block.0.0",
    "efficientnet_v2_s": "features.2.1.block.0.0",
    "regnet_x_400mf": "trunk_output.block3.block3-1.f.b.0",
    "densenet121": "features.denseblock2.denselayer3.conv1",
    "squeezenet1_0": "features.7.expand3x3",
    "shufflenet_v2_x1_0": "stage3.1.branch2.0",
    "googlenet": "inception4a.branch2.1.conv",
    "inception_v3": "Mixed_6b.branch7x7_2.conv",
    "convnext_tiny": "features.3.1.block.0",
    "swin_t": "features.3.0.attn.qkv",
    "vit_b_16": "encoder.layers.encoder_layer_3.mlp.0",
    "hrnet_w18": "stage3.0.branches.1.0.conv1",
}


@pytest.mark.parametrize("name", DRAWN)
def test_weights_are_drawn_as_the_reference_draws_them(name: str) -> None:
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("timm" if name == "hrnet_w18" else "torchvision")
    torch.manual_seed(0)
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    make = package.create_model if name == "hrnet_w18" else package.models.get_model
    weight = make(name, **options).get_submodule(DRAWN[name]).weight.detach()
    assert weight.numel() > 2000
    wanted = weight_variance(zoo.ZOO[name].init, tuple(weight.shape))
    # of n draws, by four times its standard error, of normal ones
    assert weight.square().mean().item() == pytest.approx(
        wanted, rel=4 * math.sqrt(2 / weight.numel())
    )


# --- what every layer reads, and through what, against the operations that the forward calls ---

LAYERS = {  # operation of PyTorch → what it is called below
    "convolution": "weights",
    "addmm": "weights",
    "max_pool2d_with_indices": "max",
    "avg_pool2d": "mean",
    "_adaptive_avg_pool2d": "mean",
    "mean": "mean",
    "add": "add",
    "cat": "cat",
    "upsample_bilinear2d": "resize",
    "upsample_nearest2d": "resize",
}
OURS = {
    "conv": "weights",
    "linear": "weights",
    "max_pool": "max",
    "avg_pool": "mean",
    "adaptive_pool": "mean",
    "global_pool": "mean",
    "add": "add",
    "concat": "cat",
    "upsample": "resize",
}
ELEMENTWISE = {
    "native_batch_norm": "batch_norm",
    "native_layer_norm": "layer_norm",
    "relu": "relu",
    "hardtanh": "relu6",
    "leaky_relu": "leaky_relu",
    "silu": "silu",
    "hardswish": "hardswish",
    "gelu": "gelu",
    "sigmoid": "sigmoid",
    "hardsigmoid": "hardsigmoid",
}
MOVES = ("view", "_unsafe_view", "permute", "transpose", "clone", "split", "as_strided", "alias")

# the layer that made a tensor, as a hash of all below it, and what followed
State = tuple[int, tuple[str, ...]]


class Layers:
    """Layers as hashes of all below them, and how often each is there.

    A sum is known by its terms, in any order, as one of three may be two of two.
    """

    def __init__(self) -> None:
        self.count: Counter[int] = Counter()
        self.terms: dict[State, list[State]] = {}

    def add(self, label: str, channels: int, positions: int, read: list[State]) -> State:
        if label == "add":
            read = sorted(term for state in read for term in self.terms.get(state, [state]))
        made: State = (hash((label, channels, positions, tuple(read))), ())
        if label == "add":
            self.terms[made] = read
        else:
            self.count[made[0]] += 1
        return made


def forward_reads(model: Any, shape: tuple[int, ...]) -> tuple[Counter[int], State, Counter[str]]:
    """The layers that a forward calls, the last one's, and elementwise calls by kind."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    image = torch.empty(1, 3, *shape, device="meta")
    states: dict[int, State] = {id(image): (0, ())}
    alive: list[Any] = [image]  # an id is given again to another tensor otherwise
    layers = Layers()
    kinds: Counter[str] = Counter()

    class Follow(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            op = func.overloadpacket.__name__.removesuffix("_")
            tensors = args[0] if op == "cat" else args
            given = [a for a in tensors if isinstance(a, torch.Tensor) and id(a) in states]
            read = [states[id(a)] for a in given]
            if not read:
                return made
            first = made[0] if isinstance(made, tuple) else made
            if op in MOVES:
                new = read[0]
            elif op in ELEMENTWISE:
                kinds[ELEMENTWISE[op]] += 1
                new = (read[0][0], (*read[0][1], ELEMENTWISE[op]))
            elif op == "mul":  # by a gate, which is the smaller of the two, or by a parameter
                kinds["scale"] += len(read) == 1
                new = states[id(max(given, key=lambda a: a.numel()))]
                new = (new[0], (*new[1], "scale"))
            else:
                channels, n = first.shape[1], math.prod(first.shape) // first.shape[1]
                new = layers.add(LAYERS[op], channels, n, read)
            for a in made if isinstance(made, tuple | list) else [made]:
                states[id(a)] = new
                alive.append(a)
            return made

    with torch.no_grad(), Follow():
        out = model(image)
    return layers.count, states[id(out["out"] if isinstance(out, dict) else out)], kinds


def described_reads(net: Network) -> tuple[Counter[int], State]:
    """The layers of a network, and the last one's."""

    def through(index: int, passed: tuple[Pass, ...]) -> State:
        return made[index][0], tuple(p.kind for p in passed)

    layers = Layers()
    made: list[State] = [(0, ())]
    for m in net.maps[1:]:
        read = [through(link.src, link.passed) for link in m.links]
        made.append(layers.add(OURS[m.op], m.channels, math.prod(m.shape), read))
    return layers.count, through(net.output.index, net.output.passed)


def convolutional() -> list[str]:
    """Networks of the zoo that are models of torchvision or timm, and no transformers."""
    torchvision = pytest.importorskip("torchvision")
    known = {*torchvision.models.list_models(), "darknet53", "hrnet_w18"}
    return [name for name in zoo.ZOO if name in known and not name.startswith(("swin", "vit"))]


@pytest.mark.parametrize("name", convolutional())
def test_layers_read_through_what_the_reference_s_forward_calls(name: str) -> None:
    from benchmarks.torchvision_names import torchvision_model

    torch = pytest.importorskip("torch")
    if name in REFERENCES:
        with torch.device("meta"):
            model = reference(name).eval()
    else:
        model = torchvision_model(name)
    net = zoo.build(name, head=True)
    layers, last, kinds = forward_reads(model, net.input.shape)
    assert described_reads(net) == (layers, last)
    called = Counter(layer.params.get("kind") for layer in net.layers if layer.op == "identity")
    assert {kind: n for kind, n in called.items() if kind} == dict(+kinds)


def test_the_comparison_of_reads_can_fail() -> None:
    from benchmarks.torchvision_names import torchvision_model

    layers, _, _ = forward_reads(torchvision_model("resnet18"), (224, 224))
    net = zoo.build("resnet18", head=True)
    net.conv(net["layer1.0.bn1"], 3, padding=1, channels=64)  # the ReLU is left out
    more = described_reads(net)[0] - layers
    assert sum(more.values()) == 1
    net = zoo.build("resnet34", head=True)
    assert described_reads(net)[0] != layers


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "convnext_tiny"])
def test_imported_models_against_the_zoo(name: str) -> None:
    """Written by hand and imported, they read the same maps through the same functions."""
    pytest.importorskip("torch")
    models = pytest.importorskip("torchvision").models
    net = eg.from_torch(getattr(models, name)(weights=None), (3, 64, 64))
    zoo = eg.load(name, (64, 64))
    assert len(net.maps) > len(zoo.maps)  # the classifier too
    for made, known in zip(net.maps, zoo.maps, strict=False):
        assert (made.op, made.params) == (known.op, known.params)
        assert [link.src for link in made.links] == [link.src for link in known.links]
        for link, other in zip(made.links, known.links, strict=True):
            assert [f.kind for f in link.passed] == [f.kind for f in other.passed]
            for f, g in zip(link.passed, other.passed, strict=True):
                assert f.value == pytest.approx(g.value)
