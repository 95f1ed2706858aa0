"""Toy networks in which the same numbers meet again: what must be composed before squaring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import erfgraph as eg
from erfgraph.network import Network

NETWORKS: dict[str, Callable[[], Network]] = {}


def on(shape: Any, channels: int = 1) -> Callable[[Callable[[Network], Any]], None]:
    """Register a function that adds layers to a network over an input, under its name."""

    def register(grow: Callable[[Network], Any]) -> None:
        def make() -> Network:
            net = eg.Network(shape, channels, name=grow.__name__)
            grow(net)
            return net

        NETWORKS[grow.__name__] = make

    return register


@on(9)
def map_and_its_average(net: Network) -> None:
    """x + average(x)."""
    x = net.conv(net.input, 3, padding=1)
    net.conv(net.add(x, net.avg_pool(x, 3, 1, 1)), 3, padding=1)


@on(11)
def average_of_average(net: Network) -> None:
    """Two averages in a row are one, of unequal weights."""
    x = net.conv(net.input, 3, padding=1)
    net.conv(net.avg_pool(net.avg_pool(x, 3, 1, 1), 3, 1, 1), 1)


@on(9)
def average_one_tap_average(net: Network) -> None:
    """A layer of one tap between two averages, beside an identity."""
    x = net.conv(net.input, 3, padding=1)
    y = net.conv(net.avg_pool(x, 3, 1, 1), 1)
    net.conv(net.avg_pool(net.add(net.avg_pool(y, 3, 1, 1), y), 3, 1, 1), 1)


@on(9)
def average_there_and_back(net: Network) -> None:
    """Averages of sums of averages, padding counted and not, rounded up."""
    x = net.avg_pool(net.input, 3, 1, 1, count_include_pad=False)
    x = net.avg_pool(net.add(x, net.input, x), 3, 2, 1, ceil_mode=True)
    net.avg_pool(x, 2, 1, 1)


@on(12)
def averages_apart(net: Network) -> None:
    """Windows that do not overlap, and a convolution of one tap between them."""
    net.avg_pool(net.conv(net.avg_pool(net.input, 2), 1), 2)


@on((8, 6))
def averages_apart_wide(net: Network) -> None:
    """The same with a convolution that reaches over the windows."""
    net.avg_pool(net.conv(net.avg_pool(net.input, 2), 3, padding=1), 2)


@on(6, channels=2)
def twice_in_groups(net: Network) -> None:
    """Both copies of a map, each with weights of its own."""
    x = net.conv(net.input, 3, padding=1)
    net.conv(net.concat(x, x), 3, padding=1, groups=2, channels=4)


@on(6, channels=2)
def copies_added(net: Network) -> None:
    """Both copies of a map, and both again crosswise, added to each other."""
    x = net.conv(net.input, 3, padding=1)
    y = net.concat(x, x)
    first, last, crossed = (net.channel_take(y, c) for c in ([0, 1], [2, 3], [1, 2]))
    net.add(first, last, crossed)


@on(6, channels=4)
def shuffled_and_added(net: Network) -> None:
    """Routes that mix channels: shuffled, crossed, and their mean spread over all."""
    x = net.conv(net.input, 3, padding=1)
    y = net.avg_pool(net.channel_shuffle(x, 2), 3, 1, 1)
    net.add(y, net.channel_take(x, [1, 0, 3, 2]), net.channel_pool(x))


@on(7)
def raw_fixed_and_drawn(net: Network) -> None:
    """A map read raw, through an average, through weights, and through both."""
    x = net.conv(net.input, 3, padding=1)
    pooled = net.avg_pool(x, 3, 1, 1)
    net.add(x, pooled, net.conv(x, 3, padding=1), net.conv(pooled, 1))


@on(7)
def mean_added(net: Network) -> None:
    """The mean of a map, broadcast back onto it."""
    x = net.conv(net.input, 3, padding=1)
    net.add(x, net.upsample(net.global_pool(x), size=7))


@on(7)
def context_added(net: Network) -> None:
    """The same through weights of its own."""
    x = net.conv(net.input, 3, padding=1)
    context = net.upsample(net.conv(net.global_pool(x), 1), size=7)
    net.conv(net.add(x, context), 3, padding=1)


@on(7)
def transformer(net: Network) -> None:
    """Attention and a multilayer perceptron, each beside an identity."""
    x = net.conv(net.input, 1, channels=2)
    x = net.add(x, net.conv(net.attention(net.conv(x, 1)), 1))
    net.add(x, net.conv(net.conv(x, 1, channels=3), 1, channels=2))


@on((4, 3))
def windows_added(net: Network) -> None:
    """Averages over windows beside what they average."""
    x = net.conv(net.input, 1, channels=2)
    net.add(x, net.attention(x, 2))


@on((6, 6))
def unet_bilinear(net: Network) -> None:
    """Down by averages, up by interpolation, and a skip."""
    top = net.conv(net.input, 3, padding=1)
    low = net.conv(net.avg_pool(top, 2), 3, padding=1)
    net.conv(net.concat(top, net.upsample(low, 2, "bilinear")), 3, padding=1)


@on(12)
def pyramid(net: Network) -> None:
    """A feature pyramid: lateral layers, nearest upsampling, a sum."""
    a = net.conv(net.input, 3, 2, 1)
    b = net.conv(a, 3, 2, 1)
    net.conv(net.add(net.conv(a, 1), net.upsample(net.conv(b, 1), 2)), 3, padding=1)


@on(8)
def up_and_down(net: Network) -> None:
    """Nearest upsampling undone by an average: once each, not four times a quarter."""
    net.avg_pool(net.upsample(net.conv(net.input, 3, padding=1), 2), 2)


@on(6)
def mirrored(net: Network) -> None:
    """An average over a mirrored border, which holds units twice."""
    net.avg_pool(net.pad(net.conv(net.input, 3, padding=1), 2, "reflect"), 3, 1)


@on(5, channels=8)
def pixels(net: Network) -> None:
    """Shuffled pixels, shifted against each other and averaged."""
    x = net.pixel_shuffle(net.conv(net.input, 3, padding=1), 2)
    net.avg_pool(net.add(x, net.roll(x, 1)), 3, 1, 1)


@on(6, channels=4)
def pixels_there_and_back(net: Network) -> None:
    """An average across what were channels, beside the channels."""
    x = net.avg_pool(net.pixel_shuffle(net.input, 2), 3, 1, 1)
    net.add(net.pixel_unshuffle(x, 2), net.input)


@on(6, channels=2)
def transposed(net: Network) -> None:
    """Up by a transposed convolution, down by an average."""
    x = net.conv_transpose(net.input, 4, 2, 1, channels=3)
    net.conv(net.avg_pool(x, 2), 3, padding=1)


@on(9)
def depthwise(net: Network) -> None:
    """Pointwise, depthwise and dilated, pointwise."""
    x = net.conv(net.input, 1, channels=3)
    net.conv(net.conv(x, 3, padding=2, dilation=2, groups=3), 1)


@on(6, channels=2)
def classifier(net: Network) -> None:
    """A residual block under a global average."""
    x = net.conv(net.conv(net.input, 3, padding=1), 3, padding=1)
    net.global_pool(net.add(x, net.input))


@on((4, 4, 3))
def residual_3d(net: Network) -> None:
    """A block beside its average, in three dimensions."""
    x = net.conv(net.input, (1, 2, 2), channels=2)
    net.add(net.conv(x, (3, 1, 1), padding=(1, 0, 0)), x, net.avg_pool(x, 3, 1, 1))


# --- where the engine's account is an approximation -----------------------------------------

APPROXIMATED: dict[str, Callable[[], Network]] = {}


def approximated(shape: Any, channels: int = 1) -> Callable[[Callable[[Network], Any]], None]:
    """As `on`, for networks whose correlated numbers meet again below drawn weights."""

    def register(grow: Callable[[Network], Any]) -> None:
        on(shape, channels)(grow)
        APPROXIMATED[grow.__name__] = NETWORKS.pop(grow.__name__)

    return register


@approximated(9)
def averages_overlap(net: Network) -> None:
    """Overlapping averages, and convolution of more than one tap between them."""
    net.avg_pool(net.conv(net.avg_pool(net.input, 3, 1, 1), 3, padding=1), 3, 1, 1)


@approximated(6)
def interpolated_twice(net: Network) -> None:
    """A convolution between two interpolations."""
    x = net.conv(net.upsample(net.input, 2, "linear"), 3, padding=1)
    net.upsample(x, 2, "linear")


@approximated(8)
def copied_then_averaged(net: Network) -> None:
    """A convolution between nearest upsampling and an average."""
    net.avg_pool(net.conv(net.upsample(net.input, 2), 3, padding=1), 2)


@approximated(6)
def average_at_a_border(net: Network) -> None:
    """A weight that reads the border's unit several times, below an average."""
    net.avg_pool(net.conv(net.input, 3, padding=2, padding_mode="replicate"), 3, 1)


@approximated(6, channels=2)
def transposed_between(net: Network) -> None:
    """A transposed convolution between two averages."""
    x = net.conv_transpose(net.avg_pool(net.input, 3, 1, 1), 4, 2, 1, channels=3)
    net.avg_pool(x, 3, 1, 1)


@approximated(6)
def map_and_its_largest(net: Network) -> None:
    """x + max(x): what the pool takes is taken twice."""
    net.add(net.input, net.max_pool(net.input, 3, 1, 1))
