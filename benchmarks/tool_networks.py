"""The networks that every tool for receptive fields is asked about, in plain PyTorch.

They are written as their authors write them: modules for what is a module, `+` and `torch.cat` for
what joins branches. `base` is the number of channels of the first layer; receptive fields do not
depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

VGG = (1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M")


def vgg16(base: int = 64) -> nn.Module:
    """VGG-16's feature extractor."""
    layers, channels = list[nn.Module](), 3
    for width in VGG:
        if isinstance(width, int):
            layers += [nn.Conv2d(channels, width * base, 3, padding=1), nn.ReLU()]
            channels = width * base
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


# --- residual networks, as torchvision has them -------------------------------------------


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, downsample: nn.Module | None):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + skip)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, downsample: nn.Module | None):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + skip)


def stage(
    block: type[BasicBlock | Bottleneck], channels: int, width: int, stride: int, repeats: int
) -> nn.Sequential:
    out, blocks = block.expansion * width, list[nn.Module]()
    for i in range(repeats):
        step, given = (1, out) if i else (stride, channels)
        moved = (
            nn.Sequential(nn.Conv2d(given, out, 1, step, bias=False), nn.BatchNorm2d(out))
            if step > 1 or given != out
            else None
        )
        blocks.append(block(given, width, step, moved))
    return nn.Sequential(*blocks)


def resnet(block: type[BasicBlock | Bottleneck], repeats: tuple[int, ...], base: int) -> nn.Module:
    """A residual network up to its last feature map."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, base, 7, 2, 3, bias=False),
        nn.BatchNorm2d(base),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = base
    for i, n in enumerate(repeats):
        layers.append(stage(block, channels, base << i, 2 if i else 1, n))
        channels = block.expansion * (base << i)
    return nn.Sequential(*layers)


def resnet18(base: int = 64) -> nn.Module:
    return resnet(BasicBlock, (2, 2, 2, 2), base)


def resnet50(base: int = 64) -> nn.Module:
    return resnet(Bottleneck, (3, 4, 6, 3), base)


# --- other shapes -------------------------------------------------------------------------


def twice(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Three levels; pooled by max pools, brought up by 2 × 2 transposed convolutions."""

    def __init__(self, base: int = 16) -> None:
        super().__init__()
        self.down1, self.down2 = twice(3, base), twice(base, 2 * base)
        self.pool = nn.MaxPool2d(2)
        self.bottom = twice(2 * base, 4 * base)
        self.up2 = nn.ConvTranspose2d(4 * base, 2 * base, 2, 2)
        self.join2 = twice(4 * base, 2 * base)
        self.up1 = nn.ConvTranspose2d(2 * base, base, 2, 2)
        self.join1 = twice(2 * base, base)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        coarse = self.down2(self.pool(fine))
        x = self.bottom(self.pool(coarse))
        x = self.join2(torch.cat([self.up2(x), coarse], 1))
        return self.join1(torch.cat([self.up1(x), fine], 1))


def dilated(base: int = 16) -> nn.Module:
    """3 × 3 convolutions of dilation 1, 2 and 5."""
    return nn.Sequential(
        nn.Conv2d(3, base, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(base, base, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(base, base, 3, padding=5, dilation=5),
    )


def transposed(base: int = 16) -> nn.Module:
    """Down by a convolution of stride 2, up by a transposed one."""
    return nn.Sequential(
        nn.Conv2d(3, base, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(base, base, 4, 2, 1)
    )


def oblong(base: int = 16) -> nn.Module:
    """Kernels that are wider than high, one of them of two digits."""
    return nn.Sequential(
        nn.Conv2d(3, base, (3, 11), padding=(1, 5)),
        nn.ReLU(),
        nn.Conv2d(base, base, (1, 5), padding=(0, 2)),
    )


class TwoStems(nn.Module):
    """Patches of four pixels beside 3 × 3 convolutions, added: the centres differ by 1.5."""

    def __init__(self, base: int = 16) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2d(3, base, 2, 2), nn.Conv2d(base, base, 2, 2))
        self.overlapping = nn.Sequential(
            nn.Conv2d(3, base, 3, 2, 1), nn.ReLU(), nn.Conv2d(base, base, 1, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.patches(x) + self.overlapping(x)


# --- cases --------------------------------------------------------------------------------


WHOLE = "Whole networks"
SMALL = "What is often missed"


@dataclass(frozen=True)
class Case:
    """A network, the side of the square input on which it is asked, and the table it stands in."""

    name: str
    build: Callable[..., nn.Module]
    side: int
    theme: str


CASES = (
    Case("VGG-16", vgg16, 288, WHOLE),
    Case("ResNet-18", resnet18, 640, WHOLE),
    Case("ResNet-50", resnet50, 640, WHOLE),
    Case("ResNet-50, 224²", resnet50, 224, WHOLE),
    Case("U-Net", UNet, 128, WHOLE),
    Case("dilations 1, 2, 5", dilated, 64, SMALL),
    Case("3 × 11, 1 × 5", oblong, 64, SMALL),
    Case("transposed", transposed, 64, SMALL),
    Case("two stems", TwoStems, 64, SMALL),
)


def made(case: Case, **options: int) -> nn.Module:
    """The case's network at random initialisation, in evaluation mode."""
    torch.manual_seed(0)
    return case.build(**options).eval()
