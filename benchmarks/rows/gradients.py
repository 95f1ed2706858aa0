"""A path map against PyTorch: a gradient sample, and the pass that experts use instead."""

from __future__ import annotations

import erfgraph as eg
from benchmarks import peers
from benchmarks.timing import Row, Work, anew, calls

NETWORK = "resnet50"


def load(size: int) -> eg.Network:
    return eg.load(NETWORK, (size, size))


def path_map(size: int) -> Work:
    net = load(size)
    return Work(
        f"ResNet-50, {size}², path map of the centre unit, float64, network already built",
        calls(lambda: eg.importance(net, exact=False).counts.values),
    )


def whole_image(size: int) -> Work:
    net = load(size)
    return Work(
        f"ResNet-50, {size}², the same placed in an array of the whole image",
        calls(lambda: eg.importance(net, exact=False).values),
    )


def first_map(size: int) -> Work:
    return Work(
        f"ResNet-50, {size}², the first map of a network, float64",
        anew(lambda: load(size), lambda net: eg.importance(net, exact=False).counts.values),
    )


def gradient(size: int) -> Work:
    model = peers.resnet50()
    return Work(
        "one input-gradient sample of the same network in PyTorch",
        calls(lambda: peers.gradient_sample(model, size)),
    )


def one_channel(size: int) -> Work:
    model = peers.one_channel_resnet50()
    return Work(
        "a one-channel, all-ones float64 autograd pass in PyTorch",
        calls(lambda: peers.one_channel_pass(model, size)),
    )


def rows() -> list[Row]:
    return [
        Row(path_map(224), gradient(224), "faster", 300),
        Row(path_map(1024), gradient(1024), "faster", 5000, long=True),
        Row(whole_image(1024), gradient(1024), "faster", long=True),
        Row(path_map(224), one_channel(224), "faster", 12),
        Row(path_map(1024), one_channel(1024), "faster", 40),
        Row(first_map(224), one_channel(224), "faster"),
    ]
