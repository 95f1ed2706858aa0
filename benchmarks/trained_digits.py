"""A small residual network that learns within minutes to read digits on a cluttered ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.trained_images import digit_images

SIDE = 64
LAYER = "last"


@dataclass(frozen=True)
class Training:
    """How much is learnt: steps of so many images."""

    steps: int = 300
    batch: int = 64
    seed: int = 0


def make_network(seed: int) -> Any:
    """The network as PyTorch initialises it; its submodule ``"last"`` makes 64 maps of 16x16."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
            self.conv2, self.norm2 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)

        def forward(self, x: Any) -> Any:
            y = self.norm1(self.conv1(x)).relu()
            return (x + self.norm2(self.conv2(y))).relu()

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = nn.Conv2d(1, 16, 5, padding=2, bias=False), nn.BatchNorm2d(16)
            self.pool = nn.MaxPool2d(2)
            self.block1, self.wider = Block(16), nn.Conv2d(16, 32, 1)
            self.block2, self.block3 = Block(32), Block(32)
            self.last = nn.Conv2d(32, 64, 3, padding=1)
            self.head = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.norm(self.stem(x)).relu())
            x = self.wider(self.pool(self.block1(x)))
            x = self.last(self.block3(self.block2(x)))
            return self.head(x.relu().mean((2, 3)))

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Reader().eval()


def train(module: Any, training: Training) -> tuple[float, float]:
    """Train a network where it is.

    Returns
    -------
    loss, accuracy : float
        Mean loss of the last 20 steps, and the share of 512 other pictures that it reads.
    """
    import torch

    random = np.random.default_rng(training.seed)
    steps = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.OneCycleLR(steps, 1e-2, total_steps=training.steps)
    losses = []
    module.train()
    for _ in range(training.steps):
        images, digits = map(torch.from_numpy, digit_images(training.batch, SIDE, random))
        loss = torch.nn.functional.cross_entropy(module(images), digits)
        steps.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        steps.step()
        rates.step()
        losses.append(float(loss.detach()))
    module.eval()
    images, digits = map(torch.from_numpy, digit_images(512, SIDE, random))
    with torch.no_grad():
        read = module(images).argmax(1)
    return float(np.mean(losses[-20:])), float((read == digits).float().mean())
