"""Path counts by torchvision's own forward, for `benchmarks.torchvision_names`.

A `TorchFunctionMode` runs the model on one channel: every convolution with weights 1, a pool as
a sum, a concatenation as a sum, norms and activations as nothing, a gate as nothing, a linear
interpolation with weights 1. So every tensor is a linear map of the input that adds up one term
for every path, and its gradient is the number of paths.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision.models import shufflenetv2

import erfgraph as eg
from erfgraph import zoo

TOLERANCE = 1e-9  # relative; counts pass what a float64 holds exactly


def conv(x: Tensor, weight: Tensor, *rest: Any, **given: Any) -> Tensor:
    given |= dict(zip(("bias", "stride", "padding", "dilation", "groups"), rest, strict=False))
    ones = torch.ones(1, 1, *weight.shape[2:], dtype=x.dtype)
    return torch.conv2d(
        x, ones, None, given.get("stride", 1), given.get("padding", 0), given.get("dilation", 1)
    )


def pool(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, **given: Any
) -> Tensor:
    return F.avg_pool2d(
        x, kernel_size, stride, padding, given.get("ceil_mode", False), divisor_override=1
    )


def average(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any
) -> Tensor:
    return pool(x, kernel_size, stride, padding, ceil_mode=bool(rest and rest[0]))


def resized(x: Tensor, size: Any = None, mode: str = "nearest", **given: Any) -> Tensor:
    for axis, n in ((2, size[0]), (3, size[1])):
        eye = torch.eye(x.shape[axis], dtype=x.dtype)[None]
        weights = F.interpolate(eye, n, mode="linear", align_corners=False)[0]
        x = torch.tensordot(x, (weights > 1e-12).to(x.dtype), ([axis], [0])).movedim(-1, axis)
    return x


def through(x: Tensor, *args: Any, **given: Any) -> Tensor:
    return x


def product(a: Tensor, b: Tensor) -> Tensor:
    """A gate has one position, a layer scale no values."""
    if a.is_meta or b.is_meta:
        return b if a.is_meta else a
    return a if a.numel() > b.numel() else b


REPLACED: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.conv2d: conv,
    F.conv2d: conv,
    F.batch_norm: through,
    F.layer_norm: through,
    F.linear: through,
    **dict.fromkeys((F.relu, F.relu6, F.silu, F.hardswish, F.gelu, F.hardtanh), through),
    **dict.fromkeys((F.hardsigmoid, F.sigmoid, torch.sigmoid, torch.relu), through),
    F.max_pool2d: pool,
    torch.max_pool2d: pool,
    F.avg_pool2d: average,
    F.adaptive_avg_pool2d: lambda x, size: x.sum((2, 3), keepdim=True),
    F.interpolate: resized,
    torch.cat: lambda xs, dim=0: sum(xs),
    Tensor.chunk: lambda x, n, dim=0: (x,) * n,
    Tensor.mul: product,
    Tensor.__mul__: product,
    Tensor.__rmul__: product,
}


class Counting(TorchFunctionMode):
    """Every operation as it joins units, on one channel."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # what a replacement calls is meant as it stands: modes do not nest into themselves
        return REPLACED.get(func, func)(*args, **(kwargs or {}))


class Reached(Exception):  # noqa: N818
    """The module whose result is wanted has run."""


def torchvision_paths(model: nn.Module, module: str | None, shape: tuple[int, ...]) -> np.ndarray:
    """Gradient of the centre unit of what a module returns; by default of ``["out"]``."""
    image = torch.zeros(1, 1, *shape, dtype=torch.float64, requires_grad=True)
    result: list[Tensor] = []

    def stop(_: nn.Module, inputs: object, output: Tensor) -> None:
        result.append(output)
        raise Reached

    handle = model.get_submodule(module).register_forward_hook(stop) if module else None
    unshuffled = mock.patch.object(shufflenetv2, "channel_shuffle", through)
    with Counting(), unshuffled, contextlib.suppress(Reached):
        result.append(model(image)["out"])
    if handle:
        handle.remove()
    out = result[0]
    (paths,) = torch.autograd.grad(out[0, 0, out.shape[2] // 2, out.shape[3] // 2], image)
    return paths[0, 0].numpy()


def differences(model: nn.Module, name: str, shape: tuple[int, ...]) -> tuple[float, list[str]]:
    """Total of the last map's centre unit's paths, as log10, and what differs between the maps."""
    net = zoo.build(name, shape)
    paths = {path for path, _ in model.named_modules()}
    module = next((n for n, m in net.names.items() if m is net.output and n in paths), None)
    theirs = torchvision_paths(model, module, shape)
    ours = eg.importance(net, exact=False)
    off = np.abs(ours.values / ours.values.max() - theirs / theirs.max()).max()
    total = float(np.log10(theirs.sum()))
    more = np.log10(ours.values.sum()) + ours.log10_scale - total
    same = np.array_equal(theirs > 0, ours.values > 0)
    if same and off < TOLERANCE and abs(more) < TOLERANCE:
        return total, []
    return total, [f"paths to {module or 'out'}: {off:.1e} of the peak off, 10**{more:.1e} times"]
