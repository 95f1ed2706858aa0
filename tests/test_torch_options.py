"""`eg.from_torch`: its errors, its options, and what it leaves as it was."""

from __future__ import annotations

import contextlib
import copy
import io
import re
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from module_oracle import collapsed
from modules import Does

import erfgraph as eg
from erfgraph import importers
from erfgraph.errors import InputError, LayerError, NameLookupError, UnknownOperationError

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

SHAPE = (3, 8, 8)


def conv(before: int = 3, after: int = 4, **options: Any) -> nn.Module:
    return nn.Conv2d(before, after, 3, padding=1, **options)


def names(net: eg.Network) -> list[str]:
    return [m.name for m in net.maps]


def does(forward: Callable[..., Any], *layers: nn.Module) -> nn.Module:
    """A conv, then a module `1` with a forward of its own, then a conv."""
    return nn.Sequential(conv(), Does(forward, *layers), conv(4, 4))


# --- what is passed -----------------------------------------------------------------------


def test_what_is_no_module() -> None:
    with pytest.raises(InputError, match=r"^module: got function, wanted a torch\.nn\.Module$"):
        eg.from_torch(lambda x: x, SHAPE)  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(InputError, match=r"^module: got type, wanted"):
        eg.from_torch(nn.ReLU, SHAPE)


SHAPES = {
    "(3,)": "(channels, *spatial) with 1 to 3 spatial axes",
    "3": "(channels, *spatial) with 1 to 3 spatial axes",
    "(1, 3, 8, 8, 8)": "(channels, *spatial) with 1 to 3 spatial axes",
    "'388'": "(channels, *spatial) with 1 to 3 spatial axes",
    "None": "(channels, *spatial) with 1 to 3 spatial axes",
    "(3, 8.5, 8)": "got (8.5, 8), wanted",
    "(0, 8, 8)": "got (0,), wanted",
    "(3, -1, 8)": "got (-1, 8), wanted",
    "(3, 8, True)": "got (8, True), wanted",
}


@pytest.mark.parametrize("given", SHAPES)
def test_a_bad_input_shape(given: str) -> None:
    with pytest.raises(InputError, match=re.escape(SHAPES[given])):
        eg.from_torch(conv(), eval(given))


def test_a_list_is_a_shape() -> None:
    assert eg.from_torch(conv(), [3, 8, 8]).input.shape == (8, 8)


def error_of(module: nn.Module, shape: tuple[int, ...] = SHAPE, **options: Any) -> str:
    """The message of an error of the input, which is one line."""
    with pytest.raises(InputError) as caught:
        eg.from_torch(module, shape, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text == text.strip()
    return text


def fails(x: Any) -> Any:
    raise KeyError("a problem\nof its own")


def test_errors_of_the_module_itself() -> None:
    assert error_of(conv(), (1, 8, 8)) == (
        "Conv2d on an input of shape (1, 1, 8, 8): RuntimeError: Given groups=1, weight of size "
        "[4, 3, 3, 3], expected input[1, 1, 8, 8] to have 3 channels, but got 1 channels instead"
    )
    text = error_of(nn.Sequential(nn.Conv2d(3, 3, 9)))
    assert "Kernel size can't be greater than actual input size" in text
    text = error_of(Does(fails))
    assert text == "Does on an input of shape (1, 3, 8, 8): KeyError: 'a problem\\nof its own'"
    assert "UninitializedParameter" in error_of(nn.LazyConv2d(4, 3))
    assert "TypeError" in error_of(Does(lambda x, c: c(x, x), conv()))


DEPENDS_ON_VALUES: dict[str, tuple[Callable[..., Any], str]] = {
    "control flow": (lambda x: x if x.sum() > 0 else 2 * x, "control flow depends on the values"),
    "a number": (lambda x: x[:, :, : int(x.sum())], "control flow depends on the values"),
    "nonzero": (lambda x: x.nonzero(), "aten.nonzero"),
    "a mask": (lambda x: x[x > 0], "result's shape depends on the values of the input"),
}


@pytest.mark.parametrize("name", DEPENDS_ON_VALUES)
def test_what_depends_on_values_is_no_one_network(name: str) -> None:
    forward, text = DEPENDS_ON_VALUES[name]
    assert text in error_of(nn.Sequential(conv(), Does(forward)))


def test_control_flow_on_shapes_is_none() -> None:
    module = does(lambda x: x if x.shape[-1] > 4 else x.nonzero())
    assert names(eg.from_torch(module, SHAPE)) == ["input", "0", "2"]


UNKNOWN: dict[str, tuple[Callable[..., Any], str]] = {
    "sort": (lambda x: x.sort(-1)[0], "aten.sort"),
    "cumsum": (lambda x: x.cumsum(1), "aten.cumsum"),
    "topk": (lambda x: x.topk(2, 1)[0], "aten.topk"),
    "fft": (lambda x: torch.fft.rfft2(x).abs(), "aten.fft_rfft2"),
    "grid_sample": (
        lambda x: F.grid_sample(x, torch.zeros(1, 8, 8, 2), align_corners=False),
        "aten.grid_sampler",
    ),
    "complex": (
        lambda x: torch.view_as_complex(torch.stack([x, x], -1)).abs(),
        "aten.view_as_complex",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_operation_is_named(name: str) -> None:
    forward, op = UNKNOWN[name]
    with pytest.raises(UnknownOperationError) as caught:
        eg.from_torch(does(forward), SHAPE)
    text = str(caught.value)
    assert text.startswith(f"unknown operation {op!r} at '1")
    assert "stop_at= ends the import before it, ops= declares what it connects" in text
    assert f"ops={{{op!r}: erfgraph.importers.transparent}}" in text
    assert "supported: aten.__and__" in text
    assert "aten.conv2d" in text
    assert "\n" not in text


def test_the_nearest_operations_are_suggested() -> None:
    with pytest.raises(UnknownOperationError, match=r"did you mean aten\.sum or"):
        eg.from_torch(does(UNKNOWN["cumsum"][0]), SHAPE)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_are_refused_at_once(kind: Any) -> None:
    module = Does(lambda x, r: r(x.transpose(1, 2))[0], kind(4, 4, batch_first=True))
    text = error_of(nn.Sequential(nn.Conv1d(3, 4, 1), module), (3, 200))
    assert re.match(r"unknown operation 'aten\.(lstm|gru|rnn_tanh)' at '1\.layers\.0'", text)


def test_what_makes_no_feature_map() -> None:
    for module in (nn.ReLU(), Does(lambda x: None)):
        assert error_of(module).endswith("makes no feature map of its input")


@pytest.mark.parametrize(
    "forward",
    [lambda x: torch.zeros(1, 3, 8, 8), lambda x: F.pad(x, (-8, 8)), lambda x: torch.ones_like(x)],
)
def test_what_returns_a_constant(forward: Callable[..., Any]) -> None:
    text = error_of(nn.Sequential(conv(), Does(forward)))
    assert text == "what the model returns does not depend on its input"


# --- stop_at, layer -----------------------------------------------------------------------


def test_stopping() -> None:
    module = does(UNKNOWN["sort"][0])
    for stop in ("aten.sort", "1", ["2", "1"], ("aten.sort", "aten.topk")):
        assert names(eg.from_torch(module, SHAPE, stop_at=stop)) == ["input", "0"]
    assert "makes no feature map" in error_of(module, stop_at="0")
    nested = nn.Sequential(conv(), nn.Sequential(conv(4, 4), conv(4, 4)), conv(4, 2))
    assert names(eg.from_torch(nested, SHAPE, stop_at="1.1")) == ["input", "0", "1.0"]
    assert names(eg.from_torch(nested, SHAPE, stop_at="1")) == ["input", "0"]


def test_a_branch_that_is_stopped() -> None:
    module = Does(lambda x, a, b, c: (c(b(a(x))), a(x)), conv(), conv(4, 4), conv(4, 4))
    net = eg.from_torch(module, SHAPE, stop_at="layers.2")
    assert names(net) == ["input", "layers.0", "layers.1", "layers.0_1"]


def test_a_place_to_stop_that_there_is_not() -> None:
    module = nn.ModuleDict({"head": conv()})
    module.forward = lambda x: module["head"](x)  # type: ignore[method-assign]
    with pytest.raises(NameLookupError, match=r"^unknown stop_at 'haed'; did you mean 'head'\?"):
        eg.from_torch(module, SHAPE, stop_at="haed")
    with pytest.raises(NameLookupError, match=r"^unknown stop_at 'head\.conv'"):
        eg.from_torch(module, SHAPE, stop_at="head.conv")
    assert names(eg.from_torch(module, SHAPE, stop_at="aten.sort")) == ["input", "head"]


def test_ending_with_a_layer() -> None:
    inner = nn.Sequential(conv(4, 5), nn.ReLU(), conv(5, 6))
    module = nn.Sequential(conv(), inner, Does(UNKNOWN["sort"][0]))
    for layer, channels in {"0": 4, "1.0": 5, "1.1": 5, "1": 6, "1.2": 6}.items():
        net = eg.from_torch(module, SHAPE, layer=layer)
        assert net.output.channels == channels
        assert net[layer] == net.output
        expected = collapsed(module[:2], SHAPE, layer=layer)
        np.testing.assert_array_equal(eg.importance(net).values, expected)
    with pytest.raises(
        NameLookupError, match=r"^unknown layer '1\.5'; did you mean .* known: 0, 1"
    ):
        eg.from_torch(module, SHAPE, layer="1.5")
    unused = Does(lambda x, a, b: a(x), conv(), conv())
    assert error_of(unused, layer="layers.1") == "layer: 'layers.1' does not run on this input"
    assert error_of(unused, layer="layers") == "layer: 'layers' does not run on this input"


# --- rows of one's own --------------------------------------------------------------------


def summed(net: eg.Network, x: Any, *args: Any) -> Any:
    """A running sum along x."""
    return net.conv(x, (1, 15), padding=((0, 0), (14, 0)), groups=x.channels, channels=x.channels)


def test_a_declared_layer() -> None:
    module = does(lambda x: x.cumsum(3))
    net = eg.from_torch(module, SHAPE, ops={"aten.cumsum": importers.layer(summed)})
    assert net["1"].op == "conv"
    found = eg.importance(net, layer="1", unit=(4, 5)).values
    expected = np.zeros((8, 8), dtype=int)
    expected[3:6, :7] = [2, 3, 3, 3, 3, 2, 1]  # reads 0 to 5, each of three
    np.testing.assert_array_equal(found, expected)


def test_a_declared_activation_of_several_results() -> None:
    net = eg.from_torch(does(UNKNOWN["sort"][0]), SHAPE, ops={"aten.sort": importers.transparent})
    assert names(net) == ["input", "0", "2"]
    np.testing.assert_array_equal(
        eg.importance(net).values, collapsed(nn.Sequential(conv(), conv(4, 4)), SHAPE)
    )


def test_a_declared_merge() -> None:
    module = Does(lambda x, a, b: torch.complex(a(x), b(x)).abs(), conv(), conv())
    net = eg.from_torch(module, SHAPE, ops={"aten.complex": importers.merge("add")})
    assert names(net) == ["input", "layers.0", "layers.1", "complex"]
    assert eg.importance(net).total == 18


def test_a_row_by_hand() -> None:
    seen: list[Any] = []

    def flips(c: importers.Call, x: importers.Traced, dims: Any) -> Any:
        seen.append((c.op, c.shape, x.shape, dims))
        return importers.transparent(c, x)

    module = does(lambda x: x.rot90(2, (2, 3)))
    with pytest.raises(UnknownOperationError, match=r"aten\.rot90"):
        eg.from_torch(does(lambda x: x.rot90(1, (2, 3)).sort(2)[0]), SHAPE)
    net = eg.from_torch(module, SHAPE, ops={"aten.flip": flips})
    assert names(net) == ["input", "0", "2"]
    assert {shape for _, shape, *_ in seen} == {(1, 4, 8, 8)}


def test_rows_that_are_wrong() -> None:
    module = does(lambda x: x.cumsum(3))

    def with_row(row: Any) -> str:
        return error_of(module, ops={"aten.cumsum": row})

    assert with_row(3) == "ops['aten.cumsum']: got 3, wanted a row (see erfgraph.importers)"
    assert "aten.cumsum at '1': its row made a tensor of shape (1, 4, 6, 6)" in with_row(
        importers.layer(lambda net, x, *args: net.conv(x, 3))
    )
    assert "its row returned None, wanted a feature map" in with_row(
        importers.layer(lambda net, x, *args: None)  # type: ignore[arg-type, return-value]
    )
    text = with_row(lambda c, x: x)
    assert text.startswith("aten.cumsum at '1': cannot be translated as it stands (TypeError: ")
    text = error_of(
        does(lambda x: x + x.aminmax(dim=1, keepdim=True)[0]),
        ops={"aten.aminmax": importers.layer(lambda net, x, **k: net.conv(x, 1, channels=1))},
    )
    assert "its row made one result, wanted 2" in text


# --- operations of one's own --------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def library() -> Iterator[None]:
    """Operations of one's own: of one it is known what shape it makes."""

    def blur(x: torch.Tensor, size: int) -> torch.Tensor:
        return F.avg_pool2d(x, size, 1, size // 2)

    def thin(x: torch.Tensor) -> torch.Tensor:
        return x[..., ::2].clone()

    with torch.library._scoped_library("erfgraph_tests", "DEF") as made:
        made.define("blur(Tensor x, int size) -> Tensor")
        made.define("thin(Tensor x) -> Tensor")
        made.impl("blur", blur, "CPU")
        made.impl("thin", thin, "CPU")
        made.impl("thin", lambda x: x.new_empty(*x.shape[:-1], x.shape[-1] // 2), "Meta")
        yield


def blurred() -> nn.Module:
    return does(lambda x: torch.ops.erfgraph_tests.blur(x, 3))


BLUR = "erfgraph_tests.blur"


def as_conv(net: eg.Network, x: Any, size: int) -> Any:
    return net.conv(x, size, padding=size // 2, groups=x.channels, channels=x.channels)


def test_an_operation_that_says_its_shape() -> None:
    module = does(lambda x: torch.ops.erfgraph_tests.thin(x))
    text = error_of(module)
    assert text.startswith("unknown operation 'erfgraph_tests.thin' at '1'; stop_at=")
    row = importers.layer(lambda net, x: net.slice(x, step=(1, 2)))
    net = eg.from_torch(module, SHAPE, ops={"erfgraph_tests.thin": row})
    assert net["1"].shape == net.output.shape == (8, 4)


def test_an_operation_that_does_not() -> None:
    text = error_of(blurred())
    assert text.startswith(f"unknown operation {BLUR!r} at '1")
    rows = {BLUR: importers.layer(as_conv)}
    with pytest.warns(UserWarning, match="^Sequential: imported by") as caught:
        net = eg.from_torch(blurred(), SHAPE, ops=rows)
    (warning,) = caught
    assert str(warning.message).startswith(
        "Sequential: imported by torch.fx, as torch.export failed: Sequential on an input of "
        "shape (1, 3, 8, 8): "
    )
    assert warning.filename == __file__
    expected = collapsed(nn.Sequential(conv(), conv(4, 4), conv(4, 4)), SHAPE)
    np.testing.assert_array_equal(eg.importance(net).values, expected)


@pytest.mark.filterwarnings("ignore:Sequential. imported by:UserWarning")
def test_stopping_at_an_operation_that_cannot_run() -> None:
    for stop in (BLUR, "1"):
        assert names(eg.from_torch(blurred(), SHAPE, stop_at=stop)) == ["input", "0"]


@pytest.mark.filterwarnings("ignore:Sequential. imported by:UserWarning")
def test_ending_with_a_layer_before_it() -> None:
    for layer in ("0", "1"):
        net = eg.from_torch(blurred(), SHAPE, layer=layer, ops={BLUR: importers.transparent})
        assert net.output == net["0"]
    module = nn.Sequential(nn.Sequential(conv(), nn.ReLU()), blurred()[1])
    assert eg.from_torch(module, SHAPE, layer="0").output.channels == 4
    text = error_of(blurred(), layer="2", ops={BLUR: importers.layer(lambda net, x, n: None)})
    assert "its row returned None" in text


@pytest.mark.filterwarnings("ignore:Keeps. imported by:UserWarning")
def test_a_module_that_keeps_what_its_forward_made() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = conv(), conv(4, 4)
            self.made: list[torch.Tensor] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.made = [self.conv(x)]
            return self.last(torch.relu(self.made[0])) + torch.ops.erfgraph_tests.blur(
                self.made[0], 3
            )

    net = eg.from_torch(Keeps(), SHAPE, ops={BLUR: importers.layer(as_conv)})
    assert eg.importance(net).total == 2 * 81
    assert net["last"].op == "conv"


# --- what stays as it was -----------------------------------------------------------------


class Trains(nn.Module):
    """With every kind of state that a module may have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = conv(), nn.BatchNorm2d(4)
        self.frozen, self.drop = conv(4, 4), nn.Dropout(0.5)
        self.frozen.weight.requires_grad_(False)
        self.weighted = nn.utils.parametrizations.spectral_norm(conv(4, 4))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("a forward that prints")
        if self.training:
            self.steps += 1
        return self.drop(self.weighted(self.frozen(self.norm(self.conv(x)))))


def test_state_and_modes_stay() -> None:
    module = Trains()
    module.frozen.eval()
    before = copy.deepcopy(module.state_dict())
    modes = {name: m.training for name, m in module.named_modules()}
    grads = {name: p.requires_grad for name, p in module.named_parameters()}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        eg.from_torch(module, SHAPE)
    assert out.getvalue() == ""
    after = module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert {name: m.training for name, m in module.named_modules()} == modes
    assert {name: p.requires_grad for name, p in module.named_parameters()} == grads
    assert all(p.grad is None for p in module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert torch.is_grad_enabled()


def test_modes_stay_after_an_error() -> None:
    module = nn.Sequential(conv(), nn.Dropout(), Does(fails))
    module[1].eval()
    with pytest.raises(InputError):
        eg.from_torch(module, SHAPE)
    assert [m.training for m in module] == [True, False, True]


@pytest.mark.parametrize("where", ["cpu", "meta"])
def test_no_warning_for_what_is_well(where: str) -> None:
    module = nn.Sequential(conv(), nn.BatchNorm2d(4), conv(4, 4)).to(where)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert names(eg.from_torch(module, SHAPE)) == ["input", "0", "2"]


def test_weights_are_not_read() -> None:
    module = nn.Sequential(conv(), conv(4, 4, groups=2))
    for p in module.parameters():
        p.data.fill_(float("nan"))
    net = eg.from_torch(module, SHAPE)
    assert eg.importance(net, channels="count").total == 81 * 3 * 4 * 2


def test_nothing_of_the_size_of_the_input_is_made() -> None:
    module = nn.Sequential(conv(64, 64), conv(64, 64), nn.Upsample(scale_factor=2))
    eg.from_torch(module, (64, 8, 8))  # what is imported and cached at first
    tracemalloc.start()
    net = eg.from_torch(module, (64, 4096, 4096))  # 4 GiB a tensor
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**26
    assert net.output.shape == (8192, 8192)


def test_five_hundred_layers() -> None:
    module = nn.Sequential(*(nn.Conv1d(2, 2, 3, padding=1) for _ in range(500)))
    net = eg.from_torch(module, (2, 9))
    assert len(net.maps) == 501


def test_inside_other_modes() -> None:
    module = nn.Sequential(conv(), conv(4, 4))
    for mode in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu")):
        with mode:
            assert names(eg.from_torch(module, SHAPE)) == ["input", "0", "1"]


@pytest.mark.parametrize("gates", ["transparent", "follow"])
def test_gates(gates: str) -> None:
    module = Does(lambda x, c: c(x) * x.mean((2, 3), keepdim=True).mean(1, True).sigmoid(), conv())
    net = eg.from_torch(module, SHAPE, gates=gates)
    assert eg.importance(net).total == (9 if gates == "transparent" else 9 + 64)


def test_the_name() -> None:
    assert eg.from_torch(conv(), SHAPE).name == "Conv2d"
    assert eg.from_torch(conv(), SHAPE, name="first").name == "first"


def test_errors_are_of_the_input() -> None:
    assert issubclass(UnknownOperationError, LayerError)
