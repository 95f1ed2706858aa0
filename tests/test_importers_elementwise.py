"""What importers say of activations, norms and factors, against what the modules compute."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modules import Does

import erfgraph as eg
from erfgraph.elementwise import KINDS
from erfgraph.importers.passing import passes, piece

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

SHAPE = (3, 16, 16)


def conv(before: int = 4, after: int = 4, kernel: int = 1, **options: Any) -> nn.Module:
    return nn.Conv2d(before, after, kernel, **options)


def after_a_conv(forward: Callable[..., Any], *layers: nn.Module) -> nn.Module:
    """A conv "0", a module "1" with a forward of its own, a conv "2"."""
    return nn.Sequential(conv(3), Does(forward, *layers), conv())


def read_through(net: eg.Network, name: str | None = None) -> list[list[tuple[str, Any]]]:
    """Per link of a map (default the output), the functions that it is read through."""
    x = net.output if name is None else net[name]
    return [[(f.kind, f.value) for f in link.passed] for link in x.links]


def of(module: nn.Module, shape: tuple[int, ...] = SHAPE) -> list[tuple[str, Any]]:
    """The functions through which the last layer reads."""
    net = eg.from_torch(module, shape)
    assert len(net.maps) == 3
    (found,) = read_through(net)
    return found


# --- by their own names -------------------------------------------------------------------

NAMED: dict[str, tuple[nn.Module, str, float | None]] = {
    "relu": (nn.ReLU(), "relu", None),
    "relu in place": (nn.ReLU(inplace=True), "relu", None),
    "relu6": (nn.ReLU6(), "relu6", None),
    "leaky relu": (nn.LeakyReLU(0.2), "leaky_relu", 0.2),
    "prelu": (nn.PReLU(4, init=0.3), "prelu", pytest.approx(0.3)),
    "rrelu": (nn.RReLU(0.1, 0.3), "leaky_relu", pytest.approx(0.2)),
    "elu": (nn.ELU(0.5), "elu", 0.5),
    "celu": (nn.CELU(), "elu", 1.0),
    "selu": (nn.SELU(), "selu", None),
    "gelu": (nn.GELU(), "gelu", None),
    "gelu by tanh": (nn.GELU("tanh"), "gelu", None),
    "silu": (nn.SiLU(), "silu", None),
    "mish": (nn.Mish(), "mish", None),
    "hardswish": (nn.Hardswish(), "hardswish", None),
    "hardsigmoid": (nn.Hardsigmoid(), "hardsigmoid", None),
    "hardtanh": (nn.Hardtanh(-2, 2), "hardtanh", 2.0),
    "hardtanh from 0 to 6": (nn.Hardtanh(0, 6), "relu6", None),
    "sigmoid": (nn.Sigmoid(), "sigmoid", None),
    "tanh": (nn.Tanh(), "tanh", None),
    "softplus": (nn.Softplus(), "softplus", None),
    "softsign": (nn.Softsign(), "softsign", None),
    "threshold": (nn.Threshold(0.0, 0.0), "relu", None),
    "batch norm": (nn.BatchNorm2d(4), "batch_norm", 1.0),
    "batch norm without gain": (nn.BatchNorm2d(4, affine=False), "batch_norm", 1.0),
    "instance norm": (nn.InstanceNorm2d(4), "instance_norm", 1.0),
    "group norm": (nn.GroupNorm(2, 4), "group_norm", 1.0),
    "layer norm": (nn.LayerNorm((4, 16, 16)), "layer_norm", 1.0),
}


@pytest.mark.parametrize("name", NAMED)
def test_modules(name: str) -> None:
    layer, kind, value = NAMED[name]
    assert of(nn.Sequential(conv(3), layer, conv())) == [(kind, value)]


SAME: dict[str, Callable[[Any], Any]] = {
    "dropout": lambda x: F.dropout(x, training=False),
    "a cast": lambda x: x.double().float(),
    "a sum with a number": lambda x: x + 3,
    "a sum with a vector": lambda x: x + torch.arange(4.0).view(4, 1, 1),
    "a negative": lambda x: -x,
    "a product with 1": lambda x: 1 * x,
    "length 1": lambda x: F.normalize(x),
    "a softmax over channels": lambda x: x.softmax(1),
    "a function of no kind": lambda x: torch.sin(x),
    "a square": lambda x: x * x,
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_not_told(name: str) -> None:
    assert of(after_a_conv(SAME[name])) == []


# --- written out --------------------------------------------------------------------------

WRITTEN: dict[str, tuple[Callable[[Any], Any], str, Any]] = {
    "relu by clamp": (lambda x: x.clamp(min=0), "relu", None),
    "relu by a maximum": (lambda x: torch.maximum(x, torch.zeros(())), "relu", None),
    "relu by a comparison": (lambda x: x * (x > 0), "relu", None),
    "relu by an absolute": (lambda x: (x + x.abs()) / 2, "", None),
    "relu6 by clamp": (lambda x: x.clamp(0, 6), "relu6", None),
    "leaky relu by a maximum": (lambda x: torch.maximum(x, 0.25 * x), "leaky_relu", 0.25),
    "silu": (lambda x: x * x.sigmoid(), "silu", None),
    "silu the other way round": (lambda x: x.sigmoid() * x, "silu", None),
    "silu as a quotient": (lambda x: x / (1 + (-x).exp()), "silu", None),
    "gelu by erf": (lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))), "gelu", None),
    "gelu by tanh": (
        lambda x: 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3))),
        "gelu",
        None,
    ),
    "gelu by a sigmoid": (lambda x: x * torch.sigmoid(1.702 * x), "gelu", None),
    "hardswish": (lambda x: x * F.relu6(x + 3) / 6, "hardswish", None),
    "hardsigmoid": (lambda x: F.relu6(x + 3) / 6, "hardsigmoid", None),
    "mish": (lambda x: x * torch.tanh(F.softplus(x)), "mish", None),
    "mish by logarithms": (lambda x: x * torch.tanh(torch.log1p(x.exp())), "mish", None),
    "softplus": (lambda x: (1 + x.exp()).log(), "softplus", None),
    "softsign": (lambda x: x / (1 + x.abs()), "softsign", None),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), "sigmoid", None),
    "tanh": (lambda x: 2 * torch.sigmoid(2 * x) - 1, "tanh", None),
    "elu of another size": (lambda x: F.relu(x) - 0, "relu", None),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_written_out(name: str) -> None:
    forward, kind, value = WRITTEN[name]
    net = eg.from_torch(after_a_conv(forward), SHAPE)
    if not kind:  # a sum of two readings, as counts have it
        assert len(net.maps) == 4
        return
    assert read_through(net) == [[(kind, value)]]


@pytest.mark.parametrize("kind", [k for k, row in KINDS.items() if row.function])
def test_curves_are_told_apart(kind: str) -> None:
    row = KINDS[kind]
    assert row.function is not None
    function, value = row.function, row.value if row.value is not None else 0.0
    ((found, _),) = passes([piece(lambda x: function(x, value))])
    x = np.linspace(-5, 5, 101)
    known = KINDS[found.kind].function
    assert known is not None
    np.testing.assert_allclose(known(x, found.value or 0.0), function(x, value), atol=1e-6)
    if kind != "prelu":
        assert found.kind == kind
    assert passes([piece(lambda x: function(x, value) + 0.1 * x * x)]) == ()


def test_pieces_inside_do_not_leak() -> None:
    assert of(after_a_conv(lambda x: x * torch.sin(x.sigmoid()))) == []
    assert of(after_a_conv(lambda x: F.relu(x) * x.sin())) == []
    assert of(after_a_conv(lambda x: (y := F.relu(x)) * y.sin())) == [("relu", None)]


def test_functions_in_a_row_stay_in_order() -> None:
    found = of(after_a_conv(lambda x: torch.tanh(3 * F.silu(x) + 1) * 0.5))
    assert found == [("silu", None), ("scale", 3.0), ("tanh", None), ("scale", 0.5)]


def test_a_factor_of_a_written_out_function() -> None:
    found = of(after_a_conv(lambda x: 1.5 * x * x.sigmoid()))
    assert found == [("silu", None), ("scale", pytest.approx(1.5))]


def centred(x: Any, dims: Any) -> Any:
    return x - x.mean(dims, keepdim=True)


NORMS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "layer": (
        lambda x: (d := centred(x, 1)) / (d.pow(2).mean(1, True) + 1e-6).sqrt(),
        "layer_norm",
    ),
    "by rsqrt": (lambda x: centred(x, 1) * (x.var(1, keepdim=True) + 1e-6).rsqrt(), "layer_norm"),
    "by std": (lambda x: centred(x, 1) / (x.std(1, keepdim=True) + 1e-6), "layer_norm"),
    "by squeezed": (
        lambda x: centred(x, 1) / (x.var(1) + 1e-6).sqrt().unsqueeze(1),
        "layer_norm",
    ),
    "rms": (lambda x: x * (x.pow(2).mean(1, True) + 1e-6).rsqrt(), "rms_norm"),
    "instance": (
        lambda x: centred(x, (2, 3)) / x.std((2, 3), keepdim=True),
        "instance_norm",
    ),
    "a gate is none": (lambda x: x * x.mean((2, 3), True).sigmoid(), ""),
    "a length is none": (lambda x: x / x.norm(dim=1, keepdim=True), ""),
    "a mean alone is none": (lambda x: centred(x, 1), ""),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_written_out(name: str) -> None:
    forward, kind = NORMS[name]
    assert of(after_a_conv(forward)) == ([(kind, 1.0)] if kind else [])


# --- gains and factors --------------------------------------------------------------------


def gained(layer: nn.Module, numbers: list[float]) -> nn.Module:
    layer.weight.data = torch.tensor(numbers)
    return layer


def test_gains_are_root_mean_squares() -> None:
    norm = gained(nn.BatchNorm2d(4), [3.0, -4.0, 0.0, 0.0])
    assert of(nn.Sequential(conv(3), norm, conv())) == [("batch_norm", 2.5)]
    zero = nn.Sequential(conv(3), gained(nn.BatchNorm2d(4), [0.0] * 4), conv())
    assert of(zero) == [("batch_norm", 0.0)]


class Scaled(nn.Module):
    """Layer scale: a vector of factors, or a number, or the inverse of one."""

    def __init__(self, forward: Callable[[Any, Any], Any], numbers: Any) -> None:
        super().__init__()
        self.forward_, self.gamma = forward, nn.Parameter(torch.tensor(numbers))

    def forward(self, x: Any) -> Any:
        return self.forward_(x, self.gamma)


def test_factors() -> None:
    def found(forward: Callable[[Any, Any], Any], numbers: Any) -> Any:
        return of(nn.Sequential(conv(3), Scaled(forward, numbers), conv()))

    assert found(lambda x, g: x * g.view(-1, 1, 1), [3.0, -4.0, 0.0, 0.0]) == [("scale", 2.5)]
    assert found(lambda x, g: g[:, None, None] * x, [0.5] * 4) == [("scale", 0.5)]
    assert found(lambda x, g: x / g, 4.0) == [("scale", 0.25)]
    assert found(lambda x, g: x * -2, 1.0) == [("scale", 2.0)]
    assert found(lambda x, g: x * 0, 1.0) == [("scale", 0.0)]


def test_weights_without_memory_count_as_1() -> None:
    module = nn.Sequential(conv(3), nn.BatchNorm2d(4), conv()).to("meta")
    assert of(module) == [("batch_norm", 1.0)]


# --- blocks -------------------------------------------------------------------------------


class Residual(nn.Module):
    """ResNet's block: the ReLU stands after the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = conv(4, 4, 3, padding=1), gained(nn.BatchNorm2d(4), [0.0] * 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.relu(out)


def test_a_residual_block() -> None:
    net = eg.from_torch(nn.Sequential(conv(3), Residual(), Residual()), SHAPE)
    names = [m.name for m in net.maps]
    assert names == ["input", "0", "1.conv1", "1.conv2", "1", "2.conv1", "2.conv2", "2"]
    assert read_through(net, "1.conv1") == [[]]
    assert read_through(net, "1.conv2") == [[("batch_norm", 1.0), ("relu", None)]]
    assert read_through(net, "1") == [[("batch_norm", 0.0)], []]
    assert read_through(net, "2.conv1") == [[("relu", None)]]
    assert read_through(net, "2") == [[("batch_norm", 0.0)], [("relu", None)]]
    assert [f.kind for f in net.output.passed] == ["relu"]
    assert net["1.bn1"].index == net["1.relu"].index == net["1.conv1"].index
    assert [f.kind for f in net["1.relu"].passed] == ["batch_norm", "relu"]
    assert net["1.relu"].key == "1.relu"
    again = remade(net)
    assert [read_through(again, n) for n in names] == [read_through(net, n) for n in names]


def remade(net: eg.Network) -> eg.Network:
    """A network through its own description."""
    from erfgraph.netfile import build

    return build(net.to_dict())


def test_a_block_with_norms_before() -> None:
    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nn.BatchNorm2d(4), conv(4, 4, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return x + self.conv(F.relu(self.norm(x)))

    net = eg.from_torch(nn.Sequential(conv(3), Before(), Before()), SHAPE)
    for name, read in (("1", "0"), ("2", "1")):
        assert read_through(net, f"{name}.conv") == [[("batch_norm", 1.0), ("relu", None)]]
        assert read_through(net, name) == [[], []]
        assert net[f"{name}.conv"].links[0].src == net[read].index


def test_a_branch_reads_what_stood_before_its_activation() -> None:
    def forward(x: Any, first: nn.Module, second: nn.Module) -> Any:
        return first(F.relu(x)) + second(x)

    net = eg.from_torch(after_a_conv(forward, conv(), conv()), SHAPE)
    reads = {m.name: read_through(net, m.name) for m in net.maps}
    assert reads["1.layers.0"] == [[("relu", None)]]
    assert reads["1.layers.1"] == [[]]


def test_a_gate_of_squeeze_and_excitation() -> None:
    def forward(x: Any, squeeze: nn.Module, excite: nn.Module) -> Any:
        x = x * F.relu6(x + 3) / 6
        s = F.relu(squeeze(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(excite(s))

    module = after_a_conv(forward, conv(4, 2), conv(2, 4))
    net = eg.from_torch(module, SHAPE, gates="follow")
    gate = next(m for m in net.maps if m.op == "gate")
    assert read_through(net, gate.name) == [[("hardswish", None)], [("hardsigmoid", None)]]
    assert read_through(net, "1.layers.1") == [[("relu", None)]]
    closed = eg.from_torch(module, SHAPE)  # a gate that is not followed halves what passes
    assert read_through(closed) == [[("hardswish", None), ("gate", 0.5)]]


class ConvNeXt(nn.Module):
    """Channels last between the depthwise convolution and the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.dw = conv(4, 4, 7, padding=3, groups=4)
        self.norm = nn.LayerNorm(4)
        self.up, self.down = nn.Linear(4, 16), nn.Linear(16, 4)
        self.gamma = nn.Parameter(1e-2 * torch.ones(4))

    def forward(self, x: Any) -> Any:
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = self.gamma * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


def test_a_block_of_convnext() -> None:
    net = eg.from_torch(nn.Sequential(conv(3), ConvNeXt()), SHAPE)
    assert read_through(net, "1.up") == [[("layer_norm", 1.0)]]
    assert read_through(net, "1.down") == [[("gelu", None)]]
    assert read_through(net, "1") == [[], [("scale", pytest.approx(1e-2))]]


def test_a_layer_norm_over_positions_is_an_instance_norm() -> None:
    def forward(x: Any) -> Any:
        return F.layer_norm(x.flatten(2), (256,)).view(x.shape)

    assert of(after_a_conv(forward)) == [("instance_norm", 1.0)]


def test_halves_of_channels() -> None:
    def forward(x: Any) -> Any:
        a, b = F.relu(x).chunk(2, 1)
        return a * b

    net = eg.from_torch(nn.Sequential(conv(3), Does(forward)), SHAPE)
    assert read_through(net) == [[("relu", None)], [("relu", None)]]
    half = eg.from_torch(nn.Sequential(conv(3), nn.GLU(1)), SHAPE)
    assert read_through(half) == [[], [("sigmoid", None)]]
    again = eg.from_torch(after_a_conv(lambda x: torch.cat(F.relu(x).chunk(2, 1)[::-1], 1)), SHAPE)
    assert read_through(again) == [[("relu", None)]]


def test_a_class_token_goes_through_the_norm_too() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 4))
            self.norm, self.mlp = nn.LayerNorm(4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            x = torch.cat([self.token, x.flatten(2).transpose(1, 2)], 1)
            return self.mlp(F.gelu(self.norm(x)))[:, 1:]

    net = eg.from_torch(nn.Sequential(conv(3), Tokens()), SHAPE)
    assert read_through(net) == [[("layer_norm", 1.0), ("gelu", None)]]


def test_attention_reads_values_as_they_are() -> None:
    def forward(x: Any) -> Any:
        y = F.layer_norm(x.flatten(2).transpose(1, 2), (4,))
        weights = (y @ y.transpose(1, 2) / 2).softmax(-1)
        return weights @ y

    net = eg.from_torch(nn.Sequential(conv(3), Does(forward)), SHAPE)
    assert net.output.op == "attention"
    assert read_through(net) == [[("layer_norm", 1.0)]]


def test_names_of_modules_stand_for_what_they_return() -> None:
    net = eg.from_torch(nn.Sequential(conv(3), nn.ReLU(), nn.Tanh(), conv()), SHAPE)
    assert [(net[n].name, [f.kind for f in net[n].passed]) for n in ("0", "1", "2")] == [
        ("0", []),
        ("0", ["relu"]),
        ("0", ["relu", "tanh"]),
    ]
    assert len([layer for layer in net.layers if layer.op == "identity"]) == 2


def test_the_same_function_is_the_same_handle() -> None:
    def forward(x: Any, *layers: nn.Module) -> Any:
        return sum(layer(F.relu(x)) for layer in layers)

    net = eg.from_torch(after_a_conv(forward, conv(), conv(), conv()), SHAPE)
    assert [layer.op for layer in net.layers].count("identity") == 1


# --- pools --------------------------------------------------------------------------------


def test_what_an_average_pool_counts() -> None:
    def params(pool: nn.Module) -> Any:
        return dict(eg.from_torch(nn.Sequential(pool), SHAPE).output.params)

    inside = {"count_include_pad": False}
    assert params(nn.AvgPool2d(3, 2, 1)) == {"kernel": 3, "stride": 2, "padding": 1}
    assert params(nn.AvgPool2d(3, 2, 1, count_include_pad=False)).items() >= inside.items()
    assert "count_include_pad" not in params(nn.AvgPool2d(2, count_include_pad=False))


# --- other ways in ------------------------------------------------------------------------


def kinds(net: eg.Network) -> list[list[list[tuple[str, Any]]]]:
    rounded: list[list[list[tuple[str, Any]]]] = []
    for m in net.maps:
        links = read_through(net, m.name)
        rounded.append([[(k, v and round(v, 6)) for k, v in link] for link in links])
    return rounded


class Mixed(nn.Module):
    """Norms with gains, written-out and named activations, a factor, a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 4, 3, padding=1)
        self.norm = gained(nn.BatchNorm2d(4), [2.0] * 4)
        self.next = conv(4, 4, 3, padding=1)
        self.leaky = nn.LeakyReLU(0.125)
        self.scale = nn.Parameter(torch.full((4, 1, 1), 0.25))
        self.last = conv(4, 2)

    def forward(self, x: Any) -> Any:
        x = self.norm(self.stem(x))
        x = x * torch.sigmoid(x)
        y = self.leaky(self.next(x)) * self.scale
        return self.last(F.avg_pool2d(x + y, 3, 2, 1, count_include_pad=False))


MIXED = [
    [],
    [[]],
    [[("batch_norm", 2.0), ("silu", None)]],
    [[("batch_norm", 2.0), ("silu", None)], [("leaky_relu", 0.125), ("scale", 0.25)]],
    [[]],
    [[]],
]


def test_by_export() -> None:
    net = eg.from_torch(Mixed(), SHAPE)
    assert kinds(net) == MIXED
    pool = next(m for m in net.maps if m.op == "avg_pool")
    assert pool.params["count_include_pad"] is False


class Opaque(nn.Module):
    """Keeps a tensor that it made, which torch.export refuses; fx or a run must do."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.kept = inner, None

    def forward(self, x: Any) -> Any:
        if x.sum(dim=0, keepdim=True).shape[0] != 1:
            return x
        made = self.inner(x)
        self.kept = made
        return made


def test_without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no export")

    monkeypatch.setattr(torch.export, "export", fails)
    with pytest.warns(UserWarning, match=r"imported by torch\.fx"):
        assert kinds(eg.from_torch(Mixed(), SHAPE)) == MIXED
    with pytest.warns(UserWarning, match="running it on tensors without numbers"):
        assert kinds(eg.from_torch(Opaque(Mixed()), SHAPE)) == MIXED


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_taken_apart() -> None:
    """The operations that PyTorch takes a program apart into say the same."""
    from erfgraph.importers.torch_graph import ExportedGraph
    from erfgraph.importers.torch_ops import TABLE
    from erfgraph.importers.tracer import Tracer
    from erfgraph.importers.translate import Translator

    program = torch.export.export(Mixed().eval(), (torch.zeros(1, *SHAPE),))
    translator = Translator(Tracer(eg.Network(SHAPE[1:], 3)), TABLE, exact=True)
    ExportedGraph(torch, program.run_decompositions(), translator, None).run()
    assert kinds(translator.finished("apart")) == MIXED


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., eg.Network]:
    pytest.importorskip("onnx")

    def by(module: nn.Module, dynamo: bool, **options: Any) -> eg.Network:
        path = tmp_path / "model.onnx"
        example = (torch.zeros(1, *SHAPE),)
        training = torch.onnx.TrainingMode.PRESERVE
        if dynamo:
            pytest.importorskip("onnxscript")
            torch.onnx.export(module.eval(), example, str(path), dynamo=True, verbose=False)
        else:
            options = {"training": training, "do_constant_folding": False, **options}
            torch.onnx.export(module.eval(), example, str(path), dynamo=False, **options)
        return eg.from_onnx(path)

    return by


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("dynamo", [False, True])
def test_onnx(exported: Callable[..., eg.Network], dynamo: bool) -> None:
    net = exported(Mixed(), dynamo)
    expected = MIXED
    if dynamo:  # which makes one convolution of a norm and what it reads
        expected = [
            [[f for f in link if f[0] != "batch_norm"] for link in links] for links in MIXED
        ]
    assert kinds(net) == expected
    pool = next(m for m in net.maps if m.op == "avg_pool")
    assert pool.params["count_include_pad"] is False


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_norms_and_gelu_as_older_onnx_has_them(exported: Callable[..., eg.Network]) -> None:
    """Before opset 17 a layer norm is a dozen operations, before 20 GELU is five."""
    net = exported(nn.Sequential(conv(3), ConvNeXt()), False, opset_version=13)
    reads = [read_through(net, m.name) for m in net.maps]
    assert reads[3] == [[("layer_norm", 1.0), ("scale", 1.0)]]  # its gain, channel by channel
    assert reads[4] == [[("gelu", None)]]
    assert reads[-1] == [[], [("scale", pytest.approx(1e-2))]]


def test_onnx_pools_count_padding_where_they_say_so() -> None:
    onnx = pytest.importorskip("onnx")
    text = """<ir_version: 10, opset_import: ["" : 21]>
    net (float[1, 3, 8, 8] image) => (float[1, 3, H, W] out)
    {{ out = AveragePool <kernel_shape = [{k}, {k}], {more}> (image) }}"""

    def params(k: int, more: str) -> Any:
        model = onnx.parser.parse_model(text.format(k=k, more=more))
        return eg.from_onnx(model).output.params

    assert params(3, "pads = [1, 1, 1, 1]")["count_include_pad"] is False
    assert "count_include_pad" not in params(3, "pads = [1, 1, 1, 1], count_include_pad = 1")
    assert "count_include_pad" not in params(3, "strides = [1, 1]")
    assert params(3, 'auto_pad = "SAME_UPPER"')["count_include_pad"] is False
    assert "count_include_pad" not in params(2, 'auto_pad = "SAME_UPPER", strides = [2, 2]')


# --- Keras --------------------------------------------------------------------------------


def keras_model(layers: Callable[[Any, Any], Any]) -> Any:
    keras_oracle = pytest.importorskip("keras_oracle")
    keras = keras_oracle.keras
    x = keras.Input((16, 16, 3))
    return keras.Model(x, layers(keras, x))


def test_keras_layers() -> None:
    def layers(keras: Any, x: Any) -> Any:
        made = keras.layers
        x = made.Rescaling(1 / 4, offset=-1)(x)
        x = made.Conv2D(4, 3, activation="relu", name="a")(x)
        x = made.BatchNormalization(gamma_initializer="zeros")(x)
        x = made.Conv2D(4, 3, name="b")(x)
        x = made.Activation("swish")(x)
        x = made.DepthwiseConv2D(3, name="c", activation=made.LeakyReLU(negative_slope=0.5))(x)
        x = made.ReLU(max_value=6)(made.LayerNormalization()(x))
        x = made.AveragePooling2D(3, 1, "same", name="d")(x)
        x = made.AveragePooling2D(2, 2, "same", name="e")(x * keras.ops.sigmoid(x))
        return made.Dense(2, name="f", activation=lambda v: v + 1)(keras.activations.gelu(x))

    net = eg.from_keras(keras_model(layers))
    assert read_through(net, "a") == [[("scale", 0.25)]]
    assert read_through(net, "b") == [[("relu", None), ("batch_norm", 0.0)]]
    assert read_through(net, "c") == [[("silu", None)]]
    assert read_through(net, "d") == [[("leaky_relu", 0.5), ("layer_norm", 1.0), ("relu6", None)]]
    assert read_through(net, "e") == [[("silu", None)]]
    assert read_through(net, "f") == [[("gelu", None)]]
    assert net["d"].params["count_include_pad"] is False
    assert "count_include_pad" not in net["e"].params


def test_what_a_wrong_row_would_say() -> None:
    """The checks above can fail: a row that says nothing is seen."""
    from erfgraph.importers import transparent

    module = nn.Sequential(conv(3), nn.ReLU(), conv())
    net = eg.from_torch(module, SHAPE, ops={"aten.relu": transparent})
    assert read_through(net) == [[]] != read_through(eg.from_torch(module, SHAPE))


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with io.StringIO():
        eg.from_torch(Mixed(), SHAPE)
    assert capsys.readouterr().out == ""
