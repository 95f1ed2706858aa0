"""What is right: fields read off gradients that cannot vanish, one unit after the other.

With every weight positive, no nonlinearity and averages for maxima, the gradient of a unit is
positive exactly where a path leads to it. In float64 and with few channels nothing underflows.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.tool_networks import Case, made

COLUMNS = 1024  # of the input on which fields are read, so that they lie inside
ROWS = 32  # fewer do: rows and columns do not mix
PERIOD = 4  # units after which fields repeat, in all cases


def positive(module: nn.Module) -> nn.Module:
    """A copy whose gradients are positive wherever a path leads."""
    module = copy.deepcopy(module)
    for name, child in list(module.named_modules()):
        if isinstance(child, nn.ReLU | nn.BatchNorm2d):
            replace(module, name, nn.Identity())
        elif isinstance(child, nn.MaxPool2d):
            replace(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
        elif isinstance(child, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(child.weight, 1 / child.weight[0].numel())
            if child.bias is not None:
                nn.init.zeros_(child.bias)
    return module


def replace(module: nn.Module, name: str, child: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, child)


def extent(y: Tensor, x: Tensor, unit: int) -> tuple[int, int]:
    """First and last column of `x` that the units of column `unit` of `y` see."""
    (gradient,) = torch.autograd.grad(y[0, :, :, unit].sum(), x, retain_graph=True)
    columns = (gradient[0] > 0).any(0).any(0).nonzero()
    return int(columns.min()), int(columns.max())


@dataclass(frozen=True)
class Truth:
    """What may be said of a map; fields of different units may differ in size and offset."""

    sizes: frozenset[float]
    stride: float
    starts: frozenset[float]


def truth(case: Case) -> Truth:
    """By one backward pass a unit, over a period of units in the middle."""
    module = positive(made(case, base=1)).double()
    x = torch.zeros(1, 3, ROWS, COLUMNS, dtype=torch.float64, requires_grad=True)
    y = module(x)
    first = y.shape[-1] // 2 // PERIOD * PERIOD
    units = range(first, first + PERIOD + 1)
    seen = [extent(y, x, unit) for unit in units]
    stride = (seen[-1][0] - seen[0][0]) / PERIOD
    starts = [
        (low + high) / 2 - stride * unit for unit, (low, high) in zip(units, seen, strict=True)
    ]
    sizes = [high - low + 1 for low, high in seen]
    if min(seen)[0] == 0 or max(high for _, high in seen) == COLUMNS - 1:
        raise ValueError(f"fields of {case.name} do not lie inside {COLUMNS} columns")
    return Truth(frozenset(sizes), stride, frozenset(starts))
