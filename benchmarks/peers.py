"""What erfgraph is measured against in PyTorch: ResNet-50, and the one-channel trick."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
THREADS = 2


def bottlenecks() -> Iterator[tuple[int, int, int]]:
    """Channels that each of ResNet-50's blocks reads, its width, and its stride."""
    channels = 64
    for stage, (repeats, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
        for i in range(repeats):
            yield channels, width, 2 if stage and not i else 1
            channels = 4 * width


# --- as torchvision builds it -------------------------------------------------------------


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.skip = (
            nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )
            if stride > 1 or channels != 4 * width
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.skip(x))


def resnet50() -> nn.Module:
    """ResNet-50 up to its last feature map, at random initialisation, in evaluation mode."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        *(Bottleneck(*block) for block in bottlenecks()),
    ]
    return nn.Sequential(*layers).eval().requires_grad_(False)


def centre_gradient(model: nn.Module, x: Tensor) -> Tensor:
    """The gradient at the input of the centre unit's sum over channels."""
    y = model(x)
    (gradient,) = torch.autograd.grad(y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum(), x)
    return gradient


def gradient_sample(model: nn.Module, size: int) -> Tensor:
    """One sample of the usual gradient ERF."""
    return centre_gradient(model, torch.randn(1, 3, size, size, requires_grad=True))


# --- the trick: a network of one channel whose weights are 1 has path counts as gradient ----


def ones(kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, kernel // 2, bias=False)


class OneChannelBlock(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(ones(1), ones(3, stride), ones(1))
        moved = stride > 1 or channels != 4 * width
        self.skip = ones(1, stride) if moved else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.skip(x)


def one_channel_resnet50() -> nn.Module:
    """ResNet-50 with one channel, all weights 1, in float64; pools are convolutions too."""
    model = nn.Sequential(
        ones(7, 2), ones(3, 2), *(OneChannelBlock(*block) for block in bottlenecks())
    ).double()
    for weight in model.parameters():
        nn.init.ones_(weight)
    return model.requires_grad_(False)


def one_channel_pass(model: nn.Module, size: int) -> np.ndarray:
    """The centre unit's path counts, shape (size, size)."""
    x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    return centre_gradient(model, x)[0, 0].numpy()
