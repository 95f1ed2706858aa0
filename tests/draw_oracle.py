"""`variance` by brute force: weights drawn again and again, gradients by PyTorch's autograd.

Runs a network from its layer records with weights of any initialisation; elementwise functions
are PyTorch's. Importing this module needs torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracles import Position, each, sides

from erfgraph.featuremap import Layer
from erfgraph.network import Network

torch = pytest.importorskip("torch")
F = torch.nn.functional
fans = torch.nn.init._calculate_fan_in_and_fan_out

VARIANCES = {
    None: lambda fan_in, fan_out: 1 / fan_in,
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
    "kaiming_fan_in": lambda fan_in, fan_out: 2 / fan_in,
    "kaiming_fan_out": lambda fan_in, fan_out: 2 / fan_out,
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "pytorch": lambda fan_in, fan_out: 1 / 3 / fan_in,
}


def weight_shape(layer: Layer, channels: int, shape: Position) -> list[int]:
    """Of a layer's weight, as PyTorch's modules hold it."""
    p = layer.params
    n, groups = p.get("channels") or channels, p.get("groups", 1)
    if layer.op == "linear":
        return [n, channels * math.prod(shape)]
    kernel = each(p["kernel"], len(shape))
    if layer.op == "conv_transpose":
        return [channels, n // groups, *kernel]
    return [n, channels // groups, *kernel]


def variance(rule: str | None, shape: list[int]) -> float:
    """Of a rule, with PyTorch's own fans."""
    if rule is not None and rule.startswith("std="):
        return float(rule[4:]) ** 2
    return VARIANCES[rule](*fans(torch.empty(shape, device="meta")))


# --- elementwise functions -------------------------------------------------------------------


def normalised(x: Any, axes: list[int], gain: float, centred: bool = True) -> Any:
    """Divided by the root of the mean square of what is left of the mean."""
    x = x - x.mean(axes, keepdim=True) if centred else x
    return gain * x / (x.square().mean(axes, keepdim=True) + 1e-12).sqrt()


FUNCTIONS = {
    "relu": lambda x, v: F.relu(x),
    "leaky_relu": lambda x, v: F.leaky_relu(x, v),
    "relu6": lambda x, v: F.relu6(x),
    "gelu": lambda x, v: F.gelu(x),
    "silu": lambda x, v: F.silu(x),
    "tanh": lambda x, v: torch.tanh(x),
    "sigmoid": lambda x, v: torch.sigmoid(x),
    "hardswish": lambda x, v: F.hardswish(x),
    "softplus": lambda x, v: F.softplus(x),
    "scale": lambda x, v: v * x,
    "layer_norm": lambda x, v: normalised(x, [1], v),
    "rms_norm": lambda x, v: normalised(x, [1], v, centred=False),
    "group_norm": lambda x, v: normalised(x, list(range(1, x.ndim)), v),
    "instance_norm": lambda x, v: normalised(x, list(range(2, x.ndim)), v),
}


def passed(x: Any, kind: str | None, value: float | None, batch: bool) -> Any:
    """A map after an elementwise function."""
    if kind is None:
        return x
    if kind == "batch_norm":
        gain = 1.0 if value is None else value
        return normalised(x, [0, *range(2, x.ndim)], gain) if batch else gain * x
    defaults = {"leaky_relu": 0.01}
    return FUNCTIONS[kind](x, defaults.get(kind, 1.0) if value is None else value)


# --- layers ----------------------------------------------------------------------------------


def padded(x: Any, p: dict[str, Any], value: float = 0.0) -> Any:
    pads = [side for pair in reversed(sides(p.get("padding", 0), x.ndim - 2)) for side in pair]
    mode = p.get("padding_mode", "zeros")
    if mode != "zeros":
        return F.pad(x, pads, mode=mode)
    return F.pad(x, pads, value=value)


def conv(x: Any, w: Any, p: dict[str, Any]) -> Any:
    x = padded(x, p)
    if x.ndim == 3 and set(p) <= {"kernel", "padding", "padding_mode", "channels"}:
        k = w.shape[2]  # a product of matrices is faster where many weights are drawn
        shifted = [x[..., t : x.shape[2] - k + 1 + t] for t in range(k)]
        return w.flatten(1) @ torch.stack(shifted, dim=2).flatten(1, 2)
    run = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
    keys = {k: p[k] for k in ("stride", "dilation", "groups") if k in p}
    return run(x, w, **keys)


def conv_transpose(x: Any, w: Any, p: dict[str, Any]) -> Any:
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[x.ndim - 3]
    keys = {k: p[k] for k in ("stride", "padding", "output_padding", "groups") if k in p}
    return run(x, w, **keys)


def max_pool(x: Any, p: dict[str, Any]) -> Any:
    run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.ndim - 3]
    return run(padded(x, p, -math.inf), p["kernel"], p.get("stride"))


def avg_pool(x: Any, p: dict[str, Any]) -> Any:
    run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.ndim - 3]
    keys = {k: p[k] for k in ("ceil_mode", "count_include_pad") if k in p}
    return run(x, p["kernel"], p.get("stride"), p.get("padding", 0), **keys)


def upsample(x: Any, p: dict[str, Any]) -> Any:
    mode = p.get("mode", "nearest")
    mode = {"linear": ("linear", "bilinear", "trilinear")[x.ndim - 3], "cubic": "bicubic"}.get(
        mode, mode
    )
    scale = None if p.get("scale") is None else float(p["scale"])
    corners = None if mode.startswith("nearest") else p.get("align_corners", False)
    return F.interpolate(x, p.get("size"), scale, mode, corners)


FIXED = {
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "upsample": upsample,
    "global_pool": lambda x, p: x.mean(list(range(2, x.ndim)), keepdim=True),
    "adaptive_pool": lambda x, p: (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)[x.ndim - 3](
        x, p["size"]
    ),
    "attention": lambda x, p: x.mean(list(range(2, x.ndim)), keepdim=True).expand_as(x),
    "channel_slice": lambda x, p: x[:, slice(p.get("start"), p.get("stop"), p.get("step"))],
}


def forward(net: Network, x: Any, weights: dict[int, Any], batch: bool = False) -> dict[str, Any]:
    """Every result by its name, for inputs of shape (samples, channels, *spatial)."""
    made = {"input": x}
    for i, (layer, name) in enumerate(zip(net.layers, net.results, strict=True)):
        maps, p = [made[key] for key in layer.inputs], dict(layer.params)
        if layer.op == "identity":
            found = passed(maps[0], p.get("kind"), p.get("value"), batch)
        elif layer.op == "conv":
            found = conv(maps[0], weights[i], p)
        elif layer.op == "conv_transpose":
            found = conv_transpose(maps[0], weights[i], p)
        elif layer.op == "linear":
            flat = F.linear(maps[0].flatten(1), weights[i])
            found = flat.reshape(*flat.shape, *(1,) * (x.ndim - 2))
        elif layer.op == "add":
            found = sum(maps[1:], maps[0])
        elif layer.op == "concat":
            found = torch.cat(maps, dim=1)
        elif layer.op in ("multiply", "gate"):
            found = math.prod(maps[1:], start=maps[0])
        else:
            found = FIXED[layer.op](maps[0], p)
        made[layer.name or name] = found
    return made


def mean_squares(
    net: Network,
    unit: Position,
    rule: str | None,
    draws: int,
    *,
    batch: bool = False,
    samples: int = 8,
    looked_at: int = 8,
    scalar: str = "sum",
    chunk: int = 50,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over draws of the squared gradient, and its standard error.

    Summed over the input's channels; of the sum of the unit's channels, over their number, or
    (``scalar="channel"``) of each alone, on average: of a sum with random signs. Inputs are
    white noise, `samples` a draw; of the first `looked_at` the gradient is taken.
    """
    rng = torch.Generator().manual_seed(0)
    shapes = {
        i: weight_shape(layer, *_read(net, layer))
        for i, layer in enumerate(net.layers)
        if layer.op in ("conv", "conv_transpose", "linear")
    }
    n = net.output.channels

    def value(x: Any, weights: dict[int, Any], signs: Any) -> Any:
        made = forward(net, x, weights, batch)
        return (made[net.results[-1]][(slice(looked_at), slice(None), *unit)] * signs).sum()

    run = torch.func.vmap(torch.func.grad(value))
    found = []
    for _ in range(draws // chunk):
        weights = {
            i: math.sqrt(variance(rule, s)) * torch.randn(chunk, *s, generator=rng)
            for i, s in shapes.items()
        }
        x = torch.randn(chunk, samples, net.input.channels, *net.input.shape, generator=rng)
        signs = torch.ones(chunk, looked_at, n)
        if scalar == "channel":
            signs = torch.randint(0, 2, signs.shape, generator=rng) * 2.0 - 1
        g = run(x, weights, signs / math.sqrt(n))[:, :looked_at]
        found.append(g.square().sum(2).mean(1).double().numpy())
    squares = np.concatenate(found)
    return squares.mean(0), squares.std(0, ddof=1) / math.sqrt(len(squares))


def _read(net: Network, layer: Layer) -> tuple[int, Position]:
    m = net[layer.inputs[0]]
    return m.channels, m.shape
