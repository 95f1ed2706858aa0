"""A network as float64 PyTorch operations with all weights one: its gradient is the path count.

Read from the layer records, as `oracles` is. Importing this module needs torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import Position, conv_geometry, each, sides, transparent

from erfgraph.network import Network

torch = pytest.importorskip("torch")
F = torch.nn.functional

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
MODES["circular"] = "circular"


class NotInTorchError(Exception):
    """A layer that has no PyTorch operation with unit weights."""


def flat_pads(pads: list[tuple[int, int]]) -> list[int]:
    """Padding in the order of F.pad: last axis first."""
    return [side for pair in reversed(pads) for side in pair]


def kernel_of(p: dict[str, Any], x: torch.Tensor, transposed: bool = False) -> torch.Tensor:
    """Ones, of the shape (channels made, channels read of a group, *kernel)."""
    mask = p.get("mask")
    ones = np.ones(each(p["kernel"], x.ndim - 2)) if mask is None else np.array(mask)
    n, groups = p.get("channels") or x.shape[1], p.get("groups", 1)
    sides = (x.shape[1], n // groups) if transposed else (n, x.shape[1] // groups)
    return torch.tensor(ones, dtype=torch.float64).repeat(*sides, *(1,) * ones.ndim)


def conv(x: torch.Tensor, p: dict[str, Any], ceil_mode: bool = False) -> torch.Tensor:
    ndim = x.ndim - 2
    shape = tuple(x.shape[2:])
    kernel = each(p["kernel"], ndim)
    p = {"stride": 1, **p, "ceil_mode": ceil_mode}
    stride, dilation, pads, sizes = conv_geometry(shape, kernel, p)
    x = F.pad(x, flat_pads(pads), mode=MODES[p.get("padding_mode", "zeros")])
    if ceil_mode:  # windows that hang over the end
        over = [
            max(0, (m - 1) * s + d * (k - 1) + 1 - n)
            for m, s, d, k, n in zip(sizes, stride, dilation, kernel, x.shape[2:], strict=True)
        ]
        x = F.pad(x, flat_pads([(0, e) for e in over]))
    run = (F.conv1d, F.conv2d, F.conv3d)[ndim - 1]
    groups = p.get("groups", 1)
    return run(x, kernel_of(p, x), stride=stride, dilation=dilation, groups=groups)


def pool(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    p = {"stride": p["kernel"], **p}
    ceil_mode = p.pop("ceil_mode", False)
    plain = isinstance(p.get("padding", 0), int) and p.get("dilation", 1) == 1
    half = min(each(p["kernel"], x.ndim - 2)) // 2
    if plain and x.ndim > 3 and p.get("padding", 0) <= half:  # torch's own, as a sum
        run = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
        args = p["kernel"], p["stride"], p.get("padding", 0), ceil_mode
        return run(x, *args, divisor_override=1)
    return conv(x, {**p, "groups": x.shape[1]}, ceil_mode)


def conv_transpose(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    ndim = x.ndim - 2
    stride = each(p.get("stride", 1), ndim)
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[ndim - 1]
    common = {"stride": stride, "dilation": tuple(each(p.get("dilation", 1), ndim))}
    common["groups"] = p.get("groups", 1)
    padding, extra = p.get("padding", 0), p.get("output_padding", 0)
    if isinstance(padding, str):
        raise NotInTorchError
    pads = sides(padding, ndim)
    if all(before == after for before, after in pads):
        return run(
            x,
            kernel_of(p, x, transposed=True),
            padding=[before for before, _ in pads],
            output_padding=tuple(each(extra, ndim)),
            **common,
        )
    if extra:
        raise NotInTorchError
    return F.pad(run(x, kernel_of(p, x, transposed=True), **common), [-v for v in flat_pads(pads)])


def pad(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    mode = p.get("mode", "zeros")
    if mode == "symmetric":
        raise NotInTorchError
    return F.pad(x, flat_pads(sides(p["padding"], x.ndim - 2)), mode=MODES[mode])


def crop(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    return F.pad(x, [-v for v in flat_pads(sides(p["amount"], x.ndim - 2))])


def slice_(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    bounds = [each(p.get(key), x.ndim - 2) for key in ("start", "stop", "step")]
    for axis, cut in enumerate(map(slice, *bounds), start=2):
        kept = range(x.shape[axis])[cut]  # torch knows no negative steps
        x = x.index_select(axis, torch.tensor(list(kept)))
    return x


def roll(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    return torch.roll(x, each(p["shift"], x.ndim - 2), list(range(2, x.ndim)))


def upsample(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    mode = p.get("mode", "nearest").replace("_", "-")
    if not mode.startswith("nearest") or "coordinates" in p:
        raise NotInTorchError  # its weights are not one, or its grid is another library's
    if p.get("size") is not None:
        return F.interpolate(x, size=tuple(each(p["size"], x.ndim - 2)), mode=mode)
    factors = tuple(map(float, each(p["scale"], x.ndim - 2)))
    return F.interpolate(x, scale_factor=factors, mode=mode)


def pixel_shuffle(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    """With channels collapsed, every position of a block copies the one it comes from."""
    for axis, times in enumerate(each(p["block"], x.ndim - 2), start=2):
        x = x.repeat_interleave(times, axis)
    return x


def pixel_unshuffle(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    return pool(x, {"kernel": p["block"]})


def dense(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    return x.sum(dim=tuple(range(2, x.ndim)), keepdim=True)


def attention(x: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    if p:
        raise NotInTorchError
    return dense(x, p).expand_as(x)


OPERATIONS = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "max_pool": pool,
    "avg_pool": pool,
    "global_pool": dense,
    "linear": dense,
    "attention": attention,
    "pad": pad,
    "crop": crop,
    "slice": slice_,
    "roll": roll,
    "upsample": upsample,
    "channel_pool": lambda x, p: x.clone(),
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}


def collapsed(op: str, p: dict[str, Any]) -> dict[str, Any]:
    """A layer's parameters without what they say of channels."""
    return {key: p[key] for key in p if op == "adaptive_pool" or key not in ("groups", "channels")}


def forward(net: Network, x: torch.Tensor) -> list[torch.Tensor]:
    """Every feature map of the network for an input of shape (1, 1, *spatial)."""
    made = [x]
    index_of = {"input": 0}
    for layer, name in zip(net.layers, net.results, strict=True):
        inputs = [index_of[name] for name in layer.inputs]
        if transparent(net, layer.op):
            index_of[layer.name or name] = inputs[0]
            continue
        index_of[name] = len(made)
        maps = [made[i] for i in inputs]
        if layer.op in ("add", "concat", "multiply", "gate"):
            made.append(sum(m.expand_as(maps[0]) for m in maps))
        elif layer.op in OPERATIONS:
            made.append(OPERATIONS[layer.op](*maps, collapsed(layer.op, dict(layer.params))))
        else:
            raise NotInTorchError(layer.op)
    return made


def gradient(net: Network, index: int, unit: Position) -> np.ndarray:
    """The gradient of one unit of a map with respect to the input, float64."""
    x = torch.ones(1, 1, *net.input.shape, dtype=torch.float64, requires_grad=True)
    top = forward(net, x)[index]
    assert tuple(top.shape[2:]) == net.maps[index].shape
    if top.requires_grad:
        (found,) = torch.autograd.grad(top[(0, 0, *unit)], x, allow_unused=True)
    else:
        found = None
    return (torch.zeros_like(x) if found is None else found)[0, 0].numpy()


# --- with channels told apart ---------------------------------------------------------------


def spread(p: dict[str, Any], *maps: torch.Tensor) -> torch.Tensor:
    """A sum of maps, one of a single channel broadcast to the others'."""
    total = maps[0]
    for m in maps[1:]:
        total = total + m
    return total


def cat(p: dict[str, Any], *maps: torch.Tensor) -> torch.Tensor:
    fixed = torch.ones(1, p.get("constant", 0), *maps[0].shape[2:], dtype=torch.float64)
    return torch.cat([*maps, fixed], dim=1)


def linear(p: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    n = p.get("channels") or x.shape[1]
    flat = x.flatten(1)
    made = F.linear(flat, torch.ones(n, flat.shape[1], dtype=torch.float64))
    return made.reshape(1, n, *(1,) * (x.ndim - 2))


def channel_pool(p: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(1, (p.get("channels", 1), -1)).sum(2)


def blocks(x: torch.Tensor, p: dict[str, Any]) -> tuple[list[int], bool]:
    """Sides of a block, and whether torch has an operation for it."""
    block = each(p["block"], x.ndim - 2)
    return block, x.ndim == 4 and len(set(block)) == 1


def shuffle_pixels(p: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    block, known = blocks(x, p)
    if known:
        return F.pixel_shuffle(x, block[0])
    n = len(block)
    x = x[0].unflatten(0, (-1, *block))  # channel, block, position
    order = [0, *(axis for a in range(n) for axis in (1 + n + a, 1 + a))]
    x = x.permute(order)
    for axis in range(1, n + 1):
        x = x.flatten(axis, axis + 1)
    return x[None]


def unshuffle_pixels(p: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    block, known = blocks(x, p)
    if known:
        return F.pixel_unshuffle(x, block[0])
    n = len(block)
    x = x[0]
    for axis in range(n, 0, -1):
        x = x.unflatten(axis, (-1, block[axis - 1]))
    order = [0, *(2 + 2 * a for a in range(n)), *(1 + 2 * a for a in range(n))]
    return x.permute(order).flatten(0, n)[None]


def shuffle_channels(p: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    if x.ndim == 4:
        return F.channel_shuffle(x, p["groups"])
    return x.unflatten(1, (p["groups"], -1)).transpose(1, 2).flatten(1, 2)


def slice_channels(p: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    kept = range(x.shape[1])[slice(*(p.get(key) for key in ("start", "stop", "step")))]
    if p.get("step", 1) in (1, None):
        return x.split([kept.start, len(kept), x.shape[1] - kept.stop], dim=1)[1]
    return x[:, list(kept)]


CHANNEL_OPERATIONS = {
    "add": spread,
    "multiply": spread,
    "gate": spread,
    "concat": cat,
    "linear": linear,
    "channel_pool": channel_pool,
    "pixel_shuffle": shuffle_pixels,
    "pixel_unshuffle": unshuffle_pixels,
    "channel_shuffle": shuffle_channels,
    "channel_slice": slice_channels,
    "channel_take": lambda p, x: x[:, list(p["order"])],
}


def channel_gradient(net: Network, unit: Position) -> np.ndarray:
    """The gradient of the sum over a unit's channels, summed over the input's; float64."""
    shape = (1, net.input.channels, *net.input.shape)
    made = {"input": torch.ones(shape, dtype=torch.float64, requires_grad=True)}
    for layer, name in zip(net.layers, net.results, strict=True):
        maps, p = [made[x] for x in layer.inputs], dict(layer.params)
        if layer.op == "identity" or (layer.op == "gate" and net.gates == "transparent"):
            found = maps[0]
        elif layer.op in CHANNEL_OPERATIONS:
            found = CHANNEL_OPERATIONS[layer.op](p, *maps)
        elif layer.op in OPERATIONS:
            found = OPERATIONS[layer.op](maps[0], p)
        else:
            raise NotInTorchError(layer.op)
        made[layer.name or name] = found
    top, x = made[net.results[-1]], made["input"]
    if not top.requires_grad:
        return np.zeros(net.input.shape)
    (found,) = torch.autograd.grad(top[(0, slice(None), *unit)].sum(), x, allow_unused=True)
    return (torch.zeros_like(x) if found is None else found)[0].sum(0).numpy()
