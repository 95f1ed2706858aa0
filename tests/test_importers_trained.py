"""Trained weights of imported models, against autograd through the models.

With weights and gains that are positive, and nothing in between that is not linear, the sum over
paths of the products of weights is the gradient.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modules import Does

import erfgraph as eg
from erfgraph.errors import FileError, InputError

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

SHAPE = (4, 8, 9)


def positive(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, all its numbers drawn from 0.5 to 1.5, in float64."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in (*module.parameters(), *module.buffers()):
            if p.is_floating_point():
                p.copy_(torch.rand(p.shape, generator=draw) + 0.5)
    return module.double().eval()


def gradient(
    module: Callable[[Any], Any], shape: tuple[int, ...], unit: tuple[int, ...]
) -> np.ndarray:
    """Of the mean over a unit's channels, summed over the input's channels."""
    x = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
    made = module(x)
    place = (0, slice(None), *unit[: made.ndim - 2])
    made[place].mean().backward()
    assert x.grad is not None
    found: np.ndarray = x.grad[0].sum(0).numpy()
    return found


def check(module: Callable[[Any], Any], net: eg.Network, shape: tuple[int, ...] = SHAPE) -> None:
    for unit in {tuple(n // 2 for n in net.output.shape), (0,) * len(net.output.shape)}:
        found = eg.importance(net, unit=unit, weights="abs")
        values = np.asarray(found.values, dtype=float) * 10.0 ** (found.log10_scale or 0)
        expected = gradient(module, shape, unit)
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-9 * expected.max())


class Holds(nn.Module):
    """A forward that is given a parameter."""

    def __init__(self, forward: Callable[[Any, Any], Any], *shape: int) -> None:
        super().__init__()
        self.forward_, self.held = forward, nn.Parameter(torch.zeros(shape))

    def forward(self, x: Any) -> Any:
        return self.forward_(x, self.held)


def shuffled(x: Any) -> Any:
    """Channels of two groups in turns."""
    b, c, h, w = x.shape
    return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


def last(forward: Callable[..., Any], *layers: nn.Module) -> nn.Module:
    """Layers that have their channels last."""
    return Does(lambda x, *ls: forward(x.permute(0, 2, 3, 1), *ls).permute(0, 3, 1, 2), *layers)


MODULES: dict[str, nn.Module] = {
    "conv": nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    "conv in groups": nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "depthwise": nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 5, 1)),
    "transposed": nn.ConvTranspose2d(4, 6, (3, 4), stride=2, padding=1, groups=2),
    "conv after a shuffle": nn.Sequential(Does(shuffled), nn.Conv2d(4, 6, 3, groups=2)),
    "conv of a slice": nn.Sequential(Does(lambda x: x[:, 1:3]), nn.Conv2d(2, 3, 3)),
    "linear of all": nn.Sequential(nn.Flatten(), nn.Linear(288, 7)),
    "linear of all, channels last": nn.Sequential(
        Does(lambda x: x.permute(0, 2, 3, 1).flatten(1)), nn.Linear(288, 7)
    ),
    "linear, channels last": last(lambda x, f: f(x), nn.Linear(4, 6)),
    "tokens": nn.Sequential(
        Does(lambda x: x.flatten(2).transpose(1, 2)),
        nn.Linear(4, 6),
        Does(lambda x: x.transpose(1, 2).view(1, 6, 8, 9)),
    ),
    "patches by reshaping": nn.Sequential(
        Does(lambda x: x.view(1, 4, 4, 2, 3, 3).permute(0, 2, 4, 3, 5, 1).reshape(1, 4, 3, 24)),
        nn.Linear(24, 5),
        Does(lambda x: x.permute(0, 3, 1, 2)),
    ),
    "matrix products": Holds(lambda x, w: (x.permute(0, 2, 3, 1) @ w).permute(0, 3, 1, 2), 4, 6),
    "einsum": Holds(lambda x, w: torch.einsum("bchw,co->bohw", x, w), 4, 6),
    "einsum, turned": Holds(lambda x, w: torch.einsum("oc,bchw->bohw", w, x), 6, 4),
    "axes the other way round": nn.Sequential(
        Does(lambda x: x.transpose(2, 3)),
        nn.Conv2d(4, 3, (2, 3)),
        Does(lambda x: x.transpose(2, 3)),
    ),
    "batch norm": nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, eps=0.1), nn.Conv2d(6, 2, 1)
    ),
    "batch norm without gain": nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False), nn.Conv2d(6, 2, 1)
    ),
    "batch norm after a shuffle": nn.Sequential(
        nn.Conv2d(4, 6, 1), Does(shuffled), nn.BatchNorm2d(6), nn.Conv2d(6, 2, 3)
    ),
    "two batch norms of one map": nn.Sequential(
        nn.Conv2d(4, 6, 1),
        Does(
            lambda x, a, b, c, d: c(a(x)) + d(b(x)),
            nn.BatchNorm2d(6, affine=False),
            nn.BatchNorm2d(6, affine=False),
            nn.Conv2d(6, 2, 1),
            nn.Conv2d(6, 2, 1),
        ),
    ),
    "layer scale": nn.Sequential(
        nn.Conv2d(4, 6, 1), Holds(lambda x, g: x * g.view(-1, 1, 1), 6), nn.Conv2d(6, 2, 3)
    ),
    "layer scale, channels last": nn.Sequential(
        nn.Conv2d(4, 6, 1),
        last(lambda x, f: f(x), Holds(lambda x, g: x / g, 6)),
        nn.Conv2d(6, 2, 3),
    ),
    "a residual block": Does(
        lambda x, f, n, g: x + g(n(f(x))),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 4, 3, padding=1),
    ),
    "halves": Does(
        lambda x, f, g: torch.cat([f(x[:, :2]), g(x[:, 2:])], 1),
        nn.Conv2d(2, 3, 3),
        nn.Conv2d(2, 1, 3),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_torch(name: str) -> None:
    module = positive(MODULES[name])
    check(module, eg.from_torch(module, SHAPE))


def test_one_axis_and_an_axis_that_there_is_not() -> None:
    module = positive(
        nn.Sequential(nn.Conv1d(3, 4, 3, stride=2), nn.BatchNorm1d(4), nn.Conv1d(4, 2, 1))
    )
    check(module, eg.from_torch(module, (3, 11)), (3, 11))
    module = positive(
        nn.Sequential(
            Does(lambda x: x[:, :, None]),
            nn.Conv2d(3, 4, 3, padding=1),
            Does(lambda x: x[:, :, 0]),
        )
    )
    check(module, eg.from_torch(module, (3, 11)), (3, 11))


def test_numbers_are_read_when_they_are_asked_for() -> None:
    module = positive(nn.Sequential(nn.Conv2d(4, 2, 3)))
    net = eg.from_torch(module, SHAPE)
    with torch.no_grad():
        module[0].weight.mul_(2)
    check(module, net)


def test_mixed_tokens_keep_no_weight() -> None:
    """Each position that such a layer makes has weights of its own, which no map tells apart."""
    module = nn.Sequential(Does(lambda x: x.flatten(2)), nn.Linear(72, 72))
    net = eg.from_torch(module, SHAPE)
    assert net.weights == {}
    with pytest.raises(InputError, match="has none"):
        eg.importance(net, weights="abs")


def test_without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no export")

    monkeypatch.setattr(torch.export, "export", fails)
    module = positive(MODULES["a residual block"])
    with pytest.warns(UserWarning, match=r"torch\.fx|without numbers"):
        net = eg.from_torch(module, SHAPE)
    check(module, net)


# --- Keras --------------------------------------------------------------------------------


def test_keras() -> None:
    keras = pytest.importorskip("keras_oracle").keras
    made, wide = keras.layers, {"dtype": "float64"}
    x = y = keras.Input((8, 9, 4), **wide)
    for layer in (
        made.Conv2D(6, (3, 2), padding="same", groups=2, **wide),
        made.BatchNormalization(**wide),
        made.DepthwiseConv2D(3, depth_multiplier=2, **wide),
        made.Conv2DTranspose(3, (3, 4), strides=2, **wide),
        made.SeparableConv2D(4, 3, **wide),
        made.Dense(5, **wide),
    ):
        y = layer(y)
    model = keras.Model(x, y)
    draw = np.random.default_rng(7)
    for weight in model.weights:
        weight.assign(draw.uniform(0.5, 1.5, tuple(weight.shape)))
    net = eg.from_keras(model)

    def forward(given: Any) -> Any:
        return model(given.permute(0, 2, 3, 1), training=False).permute(0, 3, 1, 2)

    check(forward, net)


# --- ONNX ---------------------------------------------------------------------------------


def exported(module: nn.Module, path: Path, dynamo: bool = False, **options: Any) -> Path:
    pytest.importorskip("onnx")
    example = (torch.zeros(1, *SHAPE, dtype=torch.float64),)
    if dynamo:
        pytest.importorskip("onnxscript")
        torch.onnx.export(module, example, str(path), dynamo=True, verbose=False, **options)
    else:
        torch.onnx.export(module, example, str(path), dynamo=False, **options)
    return path


ONNX = [
    "conv in groups",
    "transposed",
    "linear of all",
    "linear, channels last",
    "matrix products",
    "batch norm after a shuffle",
    "layer scale",
    "a residual block",
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ONNX)
def test_onnx(name: str, tmp_path: Path) -> None:
    module = positive(MODULES[name])
    check(module, eg.from_onnx(exported(module, tmp_path / "model.onnx")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("beside", [False, True])
def test_large_weights_are_read_from_the_file(beside: bool, tmp_path: Path) -> None:
    module = positive(nn.Sequential(nn.Flatten(), nn.Linear(288, 400), nn.Linear(400, 3)))
    path = exported(module, tmp_path / "model.onnx", dynamo=True, external_data=beside)
    assert (tmp_path / "model.onnx.data").exists() == beside
    net = eg.from_onnx(path)
    check(module, net)
    if beside:
        again = eg.from_onnx(path)
        (tmp_path / "model.onnx.data").unlink()
        with pytest.raises(FileError, match=r"model\.onnx: tensor '.*weight'"):
            eg.importance(again, weights="abs")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_file_that_has_changed(tmp_path: Path) -> None:
    module = positive(nn.Sequential(nn.Flatten(), nn.Linear(288, 400)))
    path = exported(module, tmp_path / "model.onnx")
    net = eg.from_onnx(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(FileError, match="the file has changed since the network was imported"):
        eg.importance(net, weights="abs")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_model_in_memory(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    module = positive(nn.Sequential(nn.Flatten(), nn.Linear(288, 400)))
    path = exported(module, tmp_path / "model.onnx")
    check(module, eg.from_onnx(onnx.load(path)))


def test_a_wrong_layout_is_seen() -> None:
    module = positive(nn.Conv2d(4, 4, 3))
    net = eg.from_torch(module, SHAPE)
    read = net.weights[net.output.index]
    net.weights[net.output.index] = lambda: read().transpose(0, 1, 3, 2)
    with pytest.raises(AssertionError):
        check(module, net)
