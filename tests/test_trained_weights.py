"""`weights="abs"` and `"square"` against autograd through modules made linear.

The oracle is the module itself, in float64: its weights replaced by their sizes (or squares),
batch norms by the size of what they multiply by, activations by the identity, max-pools by sums.
What is differentiated is the mean over the unit's channels, summed over those of the input.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modules import Does

import erfgraph as eg
from erfgraph import trained
from erfgraph.errors import FileError, InputError

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

POWERS = {"abs": 1, "square": 2}
SHAPE = (4, 11, 10)
EXACT = 1e-12


class Shuffle(nn.Module):
    """Channels of two groups in turns."""

    def forward(self, x: Any) -> Any:
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


class Open(nn.Sigmoid):
    """A gate's sigmoid."""


def conv(n: int, m: int, kernel: int = 3, **how: Any) -> Any:
    return nn.Conv2d(n, m, kernel, **how)


def residual(x: Any, f: Any, n: Any, act: Any, g: Any, m: Any) -> Any:
    return act(x + m(g(act(n(f(x))))))


MODULES: dict[str, Callable[[], Any]] = {
    "conv, norm, ReLU": lambda: nn.Sequential(
        conv(4, 6, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 3, dilation=2)
    ),
    "a norm at the end": lambda: nn.Sequential(conv(4, 6), nn.BatchNorm2d(6)),
    "norms first": lambda: nn.Sequential(
        nn.BatchNorm2d(4), nn.SiLU(), nn.BatchNorm2d(4), conv(4, 2), nn.Tanh()
    ),
    "reflect padding": lambda: nn.Sequential(
        conv(4, 5, padding=2, kernel=5, padding_mode="reflect"),
        nn.GELU(),
        conv(5, 2, padding=1, padding_mode="reflect", stride=2),
    ),
    "replicate, circular padding": lambda: nn.Sequential(
        conv(4, 5, padding=1, padding_mode="replicate"),
        conv(5, 2, padding=3, dilation=3, padding_mode="circular"),
    ),
    "groups and a shuffle": lambda: nn.Sequential(
        conv(4, 6, 1, groups=2), Shuffle(), conv(6, 6, groups=6, padding=1), conv(6, 4, groups=2)
    ),
    "transposed": lambda: nn.Sequential(
        conv(4, 6, stride=3),
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 3, (2, 3), dilation=2),
    ),
    "one module twice": lambda: Does(
        lambda x, f, n, act: n(f(act(n(f(x))))),
        conv(4, 4, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
    ),
    "residual": lambda: Does(
        residual,
        *(conv(4, 7, padding=1), nn.BatchNorm2d(7), nn.ReLU()),
        *(conv(7, 4, padding=1), nn.BatchNorm2d(4)),
    ),
    "concat": lambda: nn.Sequential(
        Does(lambda x, f, g: torch.cat([f(x), x, g(x)], 1), conv(4, 3, padding=1), conv(4, 2, 1)),
        nn.BatchNorm2d(9),
        nn.ReLU6(),
        conv(9, 3),
    ),
    "split": lambda: Does(
        lambda x, f, g: torch.cat([f(x.chunk(2, 1)[0]), g(x[:, 1:])], 1), conv(2, 3), conv(3, 2)
    ),
    "pools": lambda: nn.Sequential(
        conv(4, 6, padding=1),
        nn.MaxPool2d(3, 2, 1),
        conv(6, 4, padding=1),
        nn.AvgPool2d(2, 1),
        conv(4, 2, 2),
    ),
    "gate": lambda: Does(
        lambda x, f, g, act: f(x * act(g(x.mean((2, 3), keepdim=True)))),
        *(conv(4, 3), conv(4, 4, 1), Open()),
    ),
    "upsampled": lambda: nn.Sequential(
        conv(4, 3, stride=2), nn.Upsample(scale_factor=2), conv(3, 5, padding=1)
    ),
    "pooled head": lambda: nn.Sequential(
        conv(4, 8, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    ),
    "two linear layers": lambda: nn.Sequential(
        conv(4, 6, stride=3), nn.Flatten(), nn.Linear(54, 7), nn.ReLU(), nn.Linear(7, 3)
    ),
}
LINE = nn.Sequential(
    nn.Conv1d(3, 4, 3, stride=2), nn.BatchNorm1d(4), nn.Tanh(), nn.Conv1d(4, 2, 2)
)
SPACE = nn.Sequential(nn.Conv3d(2, 4, (1, 2, 3)), nn.BatchNorm3d(4), nn.Conv3d(4, 2, 2, groups=2))


def drawn(module: Any, seed: int = 3) -> Any:
    """The module in evaluation mode in float64, with weights and statistics as after training."""
    draw = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=draw, dtype=torch.float64))
        for name, b in module.named_buffers():
            if b.is_floating_point():
                low = 0.3 if name.endswith("var") else -1.0
                b.copy_(torch.rand(b.shape, generator=draw, dtype=torch.float64) * 2 + low)
    return module


# --- the oracle -------------------------------------------------------------------------------


class Summed(nn.Module):
    """A pool that sums, each position times a factor."""

    def __init__(self, pool: Any, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.how = {
            "kernel_size": pool.kernel_size,
            "stride": pool.stride,
            "padding": pool.padding,
        }

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, **self.how, divisor_override=1) * self.factor


class Pooled(nn.Module):
    """The mean over all positions with its weights to a power."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power

    def forward(self, x: Any) -> Any:
        return x.sum((2, 3), keepdim=True) / (x.shape[2] * x.shape[3]) ** self.power


ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Tanh)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def replaced(part: Any, power: int) -> Any:
    """What stands for one layer."""
    if isinstance(part, ACTIVATIONS):
        return nn.Identity()
    if isinstance(part, Open):
        return Does(torch.ones_like)
    if isinstance(part, nn.MaxPool2d):
        return Summed(part, 1.0)
    if isinstance(part, nn.AvgPool2d):
        return Summed(part, float(part.kernel_size**-2) ** power)
    if isinstance(part, nn.AdaptiveAvgPool2d):
        return Pooled(power)
    if isinstance(part, NORMS):
        times = part.weight / (part.running_var + part.eps).sqrt()
        part.weight.copy_(times.abs() ** power)
        part.running_var.fill_(1.0)
        part.running_mean.zero_()
        part.eps = 0.0
    elif hasattr(part, "weight"):
        part.weight.copy_(part.weight.abs() ** power)
    if getattr(part, "bias", None) is not None:
        part.bias.zero_()
    return part


def linear(module: Any, power: int) -> Any:
    """The module made linear, all weights positive; a layer that is used twice stays one."""
    made = copy.deepcopy(module)
    done: dict[int, Any] = {}

    def walk(part: Any) -> None:
        for name, child in part.named_children():
            if id(child) not in done:
                walk(child)
                done[id(child)] = replaced(child, power)
            part._modules[name] = done[id(child)]

    with torch.no_grad():
        walk(made)
    return made


def gradients(module: Any, x: Any, unit: tuple[int, ...]) -> np.ndarray:
    """Of every channel of a unit: shape (channels, input channels, *spatial)."""
    x = x.clone().requires_grad_()
    made = module(x)
    place = (0, slice(None), *unit[: made.ndim - 2])
    found = [torch.autograd.grad(o, x, retain_graph=True)[0][0] for o in made[place]]
    return np.asarray(torch.stack(found).numpy())


def expected(module: Any, shape: tuple[int, ...], unit: tuple[int, ...], power: int) -> np.ndarray:
    x = torch.zeros(1, *shape, dtype=torch.float64)
    return np.asarray(gradients(linear(module, power), x, unit).mean(0).sum(0))


def values_of(found: eg.ImportanceMap) -> np.ndarray:
    return np.asarray(found.values, dtype=float) * 10.0**found.log10_scale


def check(module: Any, net: eg.Network, shape: tuple[int, ...], weights: str) -> None:
    for unit in {tuple(n // 2 for n in net.output.shape), (0,) * len(net.output.shape)}:
        found = values_of(eg.importance(net, unit=unit, weights=weights))
        wanted = expected(module, shape, unit, POWERS[weights])
        assert wanted.max() > 0
        np.testing.assert_allclose(found, wanted, rtol=EXACT, atol=EXACT * wanted.max())


# --- equal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", POWERS)
@pytest.mark.parametrize("name", MODULES)
def test_as_autograd_says(name: str, weights: str) -> None:
    module = drawn(MODULES[name]())
    check(module, eg.from_torch(module, SHAPE), SHAPE, weights)


@pytest.mark.parametrize("weights", POWERS)
def test_one_and_three_axes(weights: str) -> None:
    for module, shape in ((LINE, (3, 17)), (SPACE, (2, 3, 5, 6))):
        drawn(module)
        check(module, eg.from_torch(module, shape), shape, weights)


@pytest.mark.parametrize("weights", POWERS)
def test_a_unit_in_the_middle(weights: str) -> None:
    """Of a norm's own result, and of the map it reads: what is above does not count."""
    module = drawn(MODULES["conv, norm, ReLU"]())
    net = eg.from_torch(module, SHAPE)
    for layer, n in (("0", 1), ("1", 2)):
        found = values_of(eg.importance(net, layer, (2, 2), weights=weights))
        wanted = expected(module[:n], SHAPE, (2, 2), POWERS[weights])
        np.testing.assert_allclose(found, wanted, rtol=EXACT, atol=EXACT * wanted.max())


ONNX = ["conv, norm, ReLU", "reflect padding", "groups and a shuffle", "transposed", "residual"]
ONNX += ["concat", "pools", "two linear layers"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ONNX)
def test_through_onnx(name: str, tmp_path: Path) -> None:
    """The exporter folds norms into convolutions, and writes layers in other operations."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    module = drawn(MODULES[name]())
    path = tmp_path / "model.onnx"
    example = (torch.zeros(1, *SHAPE, dtype=torch.float64),)
    torch.onnx.export(module, example, str(path), dynamo=True, verbose=False)
    net = eg.from_onnx(path)
    for weights in POWERS:
        check(module, net, SHAPE, weights)


def test_the_checks_fail_where_a_weight_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    module = drawn(MODULES["residual"]())
    net = eg.from_torch(module, SHAPE)
    with monkeypatch.context() as patch:
        patch.setattr(trained, "_passed_scale", lambda *given: None)  # norms forgotten
        with pytest.raises(AssertionError):
            check(module, net, SHAPE, "abs")
    with monkeypatch.context() as patch:
        patch.setitem(trained.POWERS, "square", 1)
        with pytest.raises(AssertionError):
            check(module, net, SHAPE, "square")
    name = next(iter(net.weights))
    net.weights[name] = lambda read=net.weights[name]: read() * (1 + 1e-9)
    with pytest.raises(AssertionError):
        check(module, net, SHAPE, "abs")


# --- what it is good for ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["conv, norm, ReLU", "residual", "pools", "two linear layers"])
def test_bound_of_the_gradient(name: str) -> None:
    """Mean over the unit's channels of sums of sizes over the input's: never more than the map."""
    module = drawn(MODULES[name]())
    net = eg.from_torch(module, SHAPE)
    unit = tuple(n // 2 for n in net.output.shape)
    most = values_of(eg.importance(net, unit=unit, weights="abs"))
    draw = torch.Generator().manual_seed(1)
    largest = 0.0
    for _ in range(20):
        x = 3 * torch.randn(1, *SHAPE, generator=draw, dtype=torch.float64)
        sizes = np.abs(gradients(module, x, unit)).mean(0).sum(0)
        assert (sizes <= most * (1 + 1e-12)).all()
        largest = max(largest, float((sizes[most > 0] / most[most > 0]).max()))
    assert largest > 0.05  # no bound for its own sake


def test_bound_is_reached_where_no_sign_differs() -> None:
    module = drawn(MODULES["conv, norm, ReLU"]())
    with torch.no_grad():
        for p in module.parameters():
            p.abs_()
        module[1].running_mean.fill_(-1.0)
    net = eg.from_torch(module, SHAPE)
    unit = tuple(n // 2 for n in net.output.shape)
    most = values_of(eg.importance(net, unit=unit, weights="abs"))
    found = gradients(module, torch.ones(1, *SHAPE, dtype=torch.float64), unit)
    np.testing.assert_allclose(np.abs(found).mean(0).sum(0), most, rtol=EXACT)


@pytest.mark.parametrize("weights", POWERS)
@pytest.mark.parametrize("log2", [400, -400])
def test_numbers_beyond_float64(weights: str, log2: int) -> None:
    """Three layers, each 2**400 times as large: shares stay, the scale says how much."""
    module = nn.Sequential(*(conv(4, 4, padding=1, bias=False) for _ in range(3)))
    drawn(module)
    plain = eg.importance(eg.from_torch(module, SHAPE), weights=weights)
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(2.0**log2)
    if weights == "square":
        with torch.no_grad():  # a square itself must fit
            for p in module.parameters():
                p.div_(2.0 ** (log2 // 4))
        log2 = 2 * (log2 - log2 // 4)
    found = eg.importance(eg.from_torch(module, SHAPE), weights=weights)
    np.testing.assert_allclose(found.share, plain.share, rtol=EXACT)
    assert found.trf.area == plain.trf.area
    gained = np.log10(found.total) + found.log10_scale - np.log10(plain.total)
    assert gained == pytest.approx(3 * log2 * np.log10(2), abs=1e-9)


def test_pruned_weights() -> None:
    """Zeros lead nowhere: a field of pruned taps is smaller than that of the architecture."""
    module = drawn(nn.Sequential(conv(4, 4, 5), conv(4, 2)))
    with torch.no_grad():
        module[0].weight[..., 0] = 0
        module[0].weight[..., 4] = 0
    net = eg.from_torch(module, SHAPE)
    assert eg.importance(net).trf.size == (7, 7)
    assert eg.importance(net, weights="abs").trf.size == (7, 5)
    with torch.no_grad():
        module[1].weight.zero_()
    nothing = eg.importance(net, weights="square")
    assert nothing.total == 0
    assert not nothing.share.any()


# --- refused ----------------------------------------------------------------------------------


def test_without_weights() -> None:
    with pytest.raises(InputError, match=r"weights: conv 'layer4\.1\.conv2' has none; import"):
        eg.importance(eg.load("resnet18"), weights="abs")


def test_some_without_weights() -> None:
    net = eg.from_torch(drawn(MODULES["conv, norm, ReLU"]()), SHAPE)
    net.conv(net.output, 1, name="added")
    with pytest.raises(InputError, match="weights: conv 'added' has none"):
        eg.importance(net, weights="square")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(value: float) -> None:
    module = drawn(MODULES["residual"]())
    with torch.no_grad():
        module.layers[3].weight[1, 2, 0, 0] = value
    net = eg.from_torch(module, SHAPE)
    with pytest.raises(InputError, match=r"weights: conv 'layers\.3': some are NaN or infinite"):
        eg.importance(net, weights="abs")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_norms_that_are_no_numbers(value: float) -> None:
    module = drawn(MODULES["residual"]())
    with torch.no_grad():
        module.layers[1].weight[3] = value
    net = eg.from_torch(module, SHAPE)
    with pytest.raises(InputError, match=r"weights: batch_norm 'layers\.1': some are NaN"):
        eg.importance(net, weights="abs")


def test_squares_that_overflow() -> None:
    module = drawn(nn.Sequential(conv(4, 2, bias=False)))
    with torch.no_grad():
        module[0].weight.mul_(1e200)
    net = eg.from_torch(module, SHAPE)
    assert np.isfinite(eg.importance(net, weights="abs").share).all()
    with pytest.raises(InputError, match=r"weights: conv '0': squares.* float64"):
        eg.importance(net, weights="square")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_file_that_vanished(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    module = drawn(nn.Sequential(nn.Flatten(), nn.Linear(440, 400)))
    path = tmp_path / "model.onnx"
    torch.onnx.export(
        module, (torch.zeros(1, *SHAPE, dtype=torch.float64),), str(path), dynamo=False
    )
    net = eg.from_onnx(path)
    path.unlink()
    with pytest.raises(FileError, match=r"model\.onnx"):
        eg.importance(net, weights="abs")


@pytest.mark.parametrize("given", ["ABS", 1, "", ["abs"], None.__class__])
def test_names(given: Any) -> None:
    net = eg.from_torch(drawn(MODULES["split"]()), SHAPE)
    with pytest.raises(InputError, match="wanted 'abs' or 'square'"):
        eg.importance(net, weights=given)


# --- a real trained network, and the probe of the benchmark -----------------------------------


def test_a_trained_detector() -> None:
    """Its first layers' weights as the file has them, its map as the explicit sum says."""
    pytest.importorskip("rapidocr_onnxruntime")
    onnx = pytest.importorskip("onnx")
    from benchmarks.trained_probe import detector_path

    path = detector_path()
    net = eg.from_onnx(path, (64, 64))
    first = net.maps[1]
    weights = net.weights[first.index]()
    held = {t.name: t for t in onnx.load(path).graph.initializer}
    known = [onnx.numpy_helper.to_array(t) for t in held.values()]
    known += [
        onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in onnx.load(path).graph.node
        if node.op_type == "Constant"
    ]
    assert any(k.shape == weights.shape and (k == weights).all() for k in known)
    for name, power in POWERS.items():
        found = eg.importance(net, first, (9, 9), weights=name)
        sizes = (np.abs(weights.astype(float)) ** power).mean(0).sum(0)
        window = values_of(found)[17:20, 17:20]
        np.testing.assert_allclose(window, sizes, rtol=EXACT)


class OnnxMadeLinear:
    """A detector's ONNX file run node by node in float64, made linear as the modules are.

    What is no number that weights pass on is ``None``: gates, and the clipped half of a hard
    swish written out (``x * clip(x + 3, 0, 6) / 6``), which is one activation.
    """

    def __init__(self, path: Path, power: int) -> None:
        import onnx

        self.onnx, self.power = onnx, power
        self.graph = onnx.load(path).graph
        self.held = {t.name: self.tensor(t) for t in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.held[node.output[0]] = self.tensor(node.attribute[0].t)

    def tensor(self, t: Any) -> Any:
        found = torch.from_numpy(self.onnx.numpy_helper.to_array(t).copy())
        return found.double() if found.is_floating_point() else found

    def size(self, name: str) -> Any:
        return self.held[name].abs() ** self.power

    def __call__(self, x: Any) -> Any:
        made: dict[str, Any] = {self.graph.input[0].name: x}
        for node in self.graph.node:
            if node.op_type == "Constant":
                continue
            how = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
            given = [made.get(name) for name in node.input]
            held = [name for name in node.input if name in self.held]
            seen = [g for g in given if g is not None]
            made[node.output[0]] = self.node(node, how, given[0], seen, held)
        return made[self.graph.node[-1].input[0]]

    def node(self, node: Any, how: Any, x: Any, seen: Any, held: list[str]) -> Any:
        op = node.op_type
        if op in ("Clip", "HardSigmoid") or not seen:
            return None
        if op in ("Relu", "Div", "Sigmoid"):  # a division by 6 ends each hard swish
            return x
        if op in ("Conv", "ConvTranspose"):
            run = F.conv2d if op == "Conv" else F.conv_transpose2d
            y0, x0, y1, x1 = how.get("pads", (0, 0, 0, 0))
            assert (y0, x0) == (y1, x1)
            how = {"stride": how["strides"], "padding": (y0, x0), "groups": how.get("group", 1)}
            return run(x, self.size(node.input[1]), **how)
        if op == "BatchNormalization":
            gain, spread = self.held[node.input[1]], self.held[node.input[4]]
            times = gain / (spread + how.get("epsilon", 1e-5)).sqrt()
            return x * (times.abs() ** self.power)[:, None, None]
        if op == "Mul":
            return seen[0] * self.size(held[0]) if held else seen[0]
        if op == "Add":
            return sum(seen)
        if op == "Concat":
            return torch.cat(seen, 1)
        if op == "GlobalAveragePool":
            return None  # a gate's beginning
        assert op == "Resize", op
        scale = tuple(self.held[node.input[2]][2:].tolist())
        assert how["mode"] == b"nearest"
        return F.interpolate(x, scale_factor=scale, mode="nearest")


@pytest.mark.parametrize("weights", POWERS)
def test_the_whole_map_of_a_trained_detector(weights: str) -> None:
    """Sixty-two trained convolutions, their scales and branches, against autograd."""
    pytest.importorskip("rapidocr_onnxruntime")
    pytest.importorskip("onnx")
    from benchmarks.trained_probe import detector_path

    path, shape, unit = detector_path(), (3, 64, 96), (30, 45)
    module = OnnxMadeLinear(path, POWERS[weights])
    wanted = gradients(module, torch.zeros(1, *shape, dtype=torch.float64), unit).mean(0).sum(0)
    found = values_of(eg.importance(eg.from_onnx(path, shape[1:]), unit=unit, weights=weights))
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12 * wanted.max())


def test_probe_of_a_linear_map() -> None:
    """On what is linear, the mean over signs is the sum of squared derivatives of the block."""
    from benchmarks.trained_probe import Probe, block_squares

    draw = np.random.default_rng(0)
    image = draw.standard_normal((3, 8, 8)).astype(np.float32)
    slopes = draw.standard_normal((2, 2, 3, 8, 8))

    def run(images: np.ndarray) -> np.ndarray:
        return np.einsum("ncyx,abcyx->nab", images.astype(float), slopes)

    units = [(0, 0), (1, 0)]
    draws = 1000
    found = block_squares(run, image, units, Probe(4, 0.01, draws), draw)
    wanted = (slopes[:, 0] ** 2).reshape(2, 3, 2, 4, 2, 4).sum((1, 3, 5))
    assert found.shape == wanted.shape == (2, 2, 2)
    error = np.abs(found / wanted - 1).max()
    assert error < 4 * np.sqrt(2 / draws)
