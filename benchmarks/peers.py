"""What erfgraph is measured against: ResNet-50 in PyTorch, as torchvision builds it."""

from __future__ import annotations

import torch
from torch import nn

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)


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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.branch(x) + self.skip(x))


def resnet50() -> nn.Module:
    """ResNet-50 up to its last feature map, at random initialisation, in evaluation mode."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for stage, (repeats, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
        for i in range(repeats):
            layers.append(Bottleneck(channels, width, 2 if stage and not i else 1))
            channels = 4 * width
    return nn.Sequential(*layers).eval()


def gradient_sample(model: nn.Module, size: int) -> torch.Tensor:
    """One sample of the usual gradient ERF: the input gradient of the centre unit."""
    x = torch.randn(1, 3, size, size, requires_grad=True)
    y = model(x)
    middle = y.shape[-1] // 2
    (gradient,) = torch.autograd.grad(y[0, :, middle, middle].sum(), x)
    return gradient
