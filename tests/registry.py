"""One registry of toy networks that every engine runs: all layer methods, all parameters.

Small enough to enumerate: at most 19 positions on an axis in 1-D, 6 in 2-D, 4 in 3-D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from erfgraph.network import FeatureMap, Network

NETWORKS: dict[str, Callable[[], Network]] = {}
Op = tuple[str, tuple[Any, ...], dict[str, Any]]

PLUS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
PIXELCNN = [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
CORNERS = [[1, 0, 1], [0, 0, 0], [1, 0, 1]]  # separable: a product of (0, 2) and (0, 2)


def op(name: str, *args: Any, **params: Any) -> Op:
    """A layer call without the map that it reads."""
    return name, args, params


def run(net: Network, x: FeatureMap, *ops: Op) -> FeatureMap:
    """Stack layers on a map."""
    for name, args, params in ops:
        x = getattr(net, name)(x, *args, **params)
    return x


def stack(name: str, shape: Any, *ops: Op, **options: Any) -> None:
    """Register a chain of layers."""

    def make() -> Network:
        net = Network(shape, name=name, **options)
        run(net, net.input, *ops)
        return net

    NETWORKS[name] = make


def branched(shape: Any, **options: Any) -> Callable[[Callable[[Network], Any]], None]:
    """Register a function that adds layers to a network, under the function's name."""

    def register(grow: Callable[[Network], Any]) -> None:
        def make() -> Network:
            net = Network(shape, name=grow.__name__, **options)
            grow(net)
            return net

        NETWORKS[grow.__name__] = make

    return register


# --- convolutions ---

stack("conv7_three", 19, *[op("conv", 7)] * 3)
stack("conv_plain", 11, op("conv", 3, padding=1), op("conv", 3, padding=1), op("conv", 2))
stack("conv_stride_1d", 11, op("conv", 3, stride=2, padding=1), op("conv", 3, stride=3))
stack("conv_stride_wider", 11, op("conv", 2, stride=3), op("conv", 2))  # units never read
stack("conv_dilation", 11, op("conv", 3, dilation=2, padding=2), op("conv", 3, dilation=3))
stack(
    "conv_per_axis",
    (6, 5),
    op("conv", (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    op("conv", (2, 3), padding=(0, 1)),
)
stack("conv_sides", (5, 4), op("conv", 3, padding=((2, 0), (1, 3))), op("conv", (2, 3)))
stack("conv_same", (5, 6), op("conv", (2, 4), padding="same"), op("conv", 3, padding="same"))
stack(
    "conv_same_strided",
    11,
    op("conv", 4, stride=2, padding="same"),
    op("conv", 3, stride=4, padding="same", dilation=2),
)
stack(
    "conv_same_lower",
    (6, 5),
    op("conv", (4, 2), padding="same_lower"),
    op("conv", 3, stride=2, padding="same_lower"),
)
stack("conv_valid", 9, op("conv", 3, padding="valid"), op("max_pool", 2, padding="valid"))
stack("conv_reflect", (5, 4), *[op("conv", 3, padding=1, padding_mode="reflect")] * 2)
stack("conv_reflect_tightest", 4, op("conv", 7, padding=3, padding_mode="reflect"))
stack("conv_replicate", (4, 4), *[op("conv", 3, padding=2, padding_mode="replicate")] * 2)
stack("conv_replicate_single", 1, op("conv", 5, padding=3, padding_mode="replicate"))
stack("conv_circular", 7, *[op("conv", 3, padding=1, padding_mode="circular")] * 3)
stack(
    "conv_circular_tightest",
    (3, 3),
    op("conv", (5, 7), padding=((2, 2), (3, 3)), padding_mode="circular"),
)
stack(
    "conv_modes_strided",
    10,
    op("conv", 3, stride=2, dilation=2, padding=(3,), padding_mode="reflect"),
    op("conv", 3, stride=2, padding=((2, 1),), padding_mode="circular"),
)
stack("conv_groups", 7, op("conv", 3, groups=2, channels=6), op("conv", 3, groups=3), channels=4)
stack(
    "conv_depthwise",  # a channel multiplier of 2, then pointwise
    7,
    op("conv", 3, groups=3, channels=6),
    op("conv", 1, channels=2),
    channels=3,
)
stack("conv_3d", (4, 4, 3), op("conv", 3, padding=1), op("conv", 2))
stack(
    "conv_3d_per_axis",
    (4, 3, 4),
    op("conv", (1, 3, 3), stride=(1, 1, 2), padding=((0, 0), (1, 1), (0, 1))),
    op("conv", (3, 1, 1), padding=(1, 0, 0), padding_mode="circular"),
)

# --- masks ---

stack("mask_pixelcnn", (5, 5), *[op("conv", 3, padding=1, mask=PIXELCNN)] * 2)
stack("mask_plus", (6, 6), op("conv", 3, padding=1, mask=PLUS), op("conv", 3, mask=PLUS))
stack("mask_separable", (6, 6), op("conv", 3, mask=CORNERS), op("conv", 3, mask=CORNERS))
stack("mask_1d", 9, op("conv", 4, mask=[1, 0, 0, 1]), op("conv", 3, mask=[True, False, True]))
stack(
    "mask_reflect",  # products of the mask that reach one edge twice near the border
    (4, 4),
    *[op("conv", 3, padding=1, mask=PLUS, padding_mode="reflect")] * 2,
)
stack(
    "mask_replicate_strided",
    (5, 4),
    op("conv", 3, stride=(2, 1), padding=2, mask=PLUS, padding_mode="replicate"),
    op("conv", 2),
)
stack("mask_3d", (3, 3, 3), op("conv", 2, padding=1, mask=[[[1, 0], [0, 1]], [[1, 1], [0, 0]]]))
stack("mask_transposed", (4, 3), op("conv_transpose", 3, stride=2, mask=PLUS))

# --- transposed convolutions ---

stack("tconv_checkerboard", 5, op("conv_transpose", 3, stride=2), op("conv", 3))
stack(
    "tconv_output_padding",
    (3, 4),
    op("conv_transpose", 3, stride=(2, 3), padding=1, output_padding=(1, 2)),
)
stack("tconv_dilation", 5, op("conv_transpose", 3, stride=2, dilation=3, padding=((2, 1),)))
stack(
    "tconv_same",
    (3, 4),
    op("conv_transpose", 3, stride=2, padding="same"),
    op("conv_transpose", (1, 2), stride=(2, 1), padding="same"),  # a stride that leaves gaps
)
stack("tconv_valid", 4, op("conv_transpose", 2, stride=3, padding="valid"), op("conv", 4))
stack("tconv_groups", 4, op("conv_transpose", 3, groups=2, channels=6), channels=4)
stack("tconv_3d", (2, 3, 2), op("conv_transpose", 2, stride=(2, 1, 2)), op("conv", 2))

# --- pools ---

stack("pool_max", (6, 6), op("conv", 3, padding=1), op("max_pool", 2), op("conv", 2))
stack("pool_ceil", 11, op("max_pool", 3, 2, ceil_mode=True), op("avg_pool", 2, ceil_mode=True))
stack(
    "pool_ceil_padded",
    (6, 5),
    op("max_pool", (3, 2), (2, 3), padding=(1, 1), ceil_mode=True),
    op("avg_pool", 2, 1),
)
stack("pool_ceil_short", (1, 3), op("max_pool", 2, ceil_mode=True))  # windows hang over the end
stack(
    "pool_dilated",
    (6, 5),
    op("max_pool", 2, 1, dilation=(3, 2)),
    op("avg_pool", 2, 1, dilation=2),
)
stack("pool_same", (5, 5), op("max_pool", 3, 2, padding="same"), op("avg_pool", 3, 1, "same"))
stack("pool_3d", (4, 4, 4), op("max_pool", 2), op("avg_pool", (1, 2, 2), 1))
stack("pool_adaptive", (5, 6), op("adaptive_pool", (3, 4)), op("conv", 2))
stack("pool_adaptive_up", 4, op("adaptive_pool", 7), op("adaptive_pool", 7), op("conv", 3))
stack("pool_global", (3, 4), op("conv", 3, padding=1), op("global_pool"))

# --- copies ---

stack("pad_zeros", (4, 3), op("pad", ((1, 2), (0, 3))), op("conv", 3), op("conv", 2))
stack("pad_reflect_tightest", 4, op("pad", 3, "reflect"), op("conv", 4))
stack("pad_replicate", (3, 3), op("pad", 2, "replicate"), op("conv", 3))
stack("pad_circular", (3, 4), op("pad", ((3, 1), (0, 4)), mode="circular"), op("conv", 3))
stack("pad_symmetric", 4, op("pad", ((4, 3),), "symmetric"), op("conv", 3), op("conv", 3))
stack("crop", (6, 5), op("conv", 3, padding=1), op("crop", ((1, 0), (0, 2))), op("conv", 3))
stack(
    "slice_steps",
    (6, 6),
    op("slice", start=(None, 1), step=(-2, 3)),
    op("conv", 2),
)
stack("slice_reversed_one", 6, op("conv", 3), op("slice", 2, 1, -1), op("conv", 1))
stack("slice_cut", 9, op("conv", 3, padding=1), op("slice", 8, 7, -1), op("upsample", size=9))
stack("slice_negative_bounds", 9, op("slice", -1, -8, -3), op("conv", 2))
stack("roll", (4, 5), op("conv", 2), op("roll", (1, -2)), op("conv", 2), op("roll", 7))

# --- resampling ---

stack("up_nearest", (3, 2), op("conv", 1), op("upsample", (2, 3)), op("conv", 3))
stack("up_nearest_fraction", 6, op("upsample", 1.5), op("conv", 2), op("upsample", 0.5))
stack("up_size", (4, 3), op("upsample", size=(7, 5)), op("conv", 3, stride=2))
stack("up_linear", (3, 4), op("upsample", 2, "bilinear"), op("conv", 3))
stack("up_linear_aligned", 5, op("upsample", size=9, mode="linear", align_corners=True))
stack("up_linear_down", 9, op("upsample", 0.5, "linear"), op("upsample", 2.5, "linear"))
stack("up_cubic", (4, 3), op("upsample", 2, "cubic"), op("conv", 2, stride=2))
stack("up_cubic_aligned", 6, op("upsample", size=11, mode="cubic", align_corners=True))
stack("up_nearest_exact", (5, 4), op("upsample", (1.5, 2), "nearest_exact"), op("conv", 2))
stack("up_nearest_exact_down", 7, op("upsample", size=3, mode="nearest_exact"), op("conv", 2))
stack(
    "up_nearest_ceil",
    (5, 3),
    op("upsample", size=(7, 4), coordinates="asymmetric", rounding="ceil"),
    op("upsample", 0.5, coordinates="half_pixel", rounding="floor"),
)
stack(
    "up_nearest_half_down",
    (6, 3),
    op("upsample", 1.5, coordinates="half_pixel", rounding="half_down"),
    op("upsample", size=5, coordinates="align_corners", rounding="half_up"),
)
stack("up_linear_asymmetric", 5, op("upsample", 1.5, "linear", coordinates="asymmetric"))
stack("up_linear_symmetric", 7, op("upsample", 0.7, "linear", coordinates="half_pixel_symmetric"))
stack("up_cubic_symmetric", 5, op("upsample", 1.5, "cubic", coordinates="half_pixel_symmetric"))
stack("up_3d", (2, 2, 3), op("upsample", 2, "trilinear"), op("avg_pool", 2))

# --- dense ---

stack("linear", (3, 4), op("max_pool", 2, 1), op("linear", 10), op("linear"), channels=2)
stack("attention", (3, 3), op("conv", 3, padding=1), op("attention"), op("conv", 2))
stack(
    "attention_shifted",
    (6, 5),
    op("conv", 2),
    op("attention", 3),
    op("attention", (3, 2), (1, 1)),
)
stack(
    "attention_dilated",
    (6, 5),
    op("attention", 2, dilation=(3, 2)),
    op("attention", (2, 3), shift=(3, 1), dilation=(2, 1)),
    op("conv", 2),
)
stack("attention_dilated_1d", 11, op("attention", 2, 4, 3), op("attention", 3, 0, 9))

# --- channels ---

stack(
    "channel_views",  # a view of a view of a view, in every order
    (3, 4),
    op("conv", 1, channels=8),
    op("channel_slice", 7, 0, -1),
    op("channel_shuffle", 1),
    op("channel_slice", step=2),
    op("channel_take", [2, 0, 2, 3]),
    op("channel_shuffle", 2),
    op("conv", 2, groups=2, channels=2),
    op("channel_slice", -1),
)
stack("channel_pool", (3, 4), op("channel_pool"), op("conv", 2, channels=6), channels=3)
stack("channel_pool_groups", 5, op("conv", 2), op("channel_pool", 2), op("conv", 2), channels=6)
stack(
    "pixel_shuffle_1d",
    4,
    op("conv", 3, padding=1, channels=6),
    op("pixel_shuffle", 3),
    op("conv", 3),
    op("pixel_unshuffle", 2),
    op("conv", 2, groups=2),
    channels=2,
)
stack(
    "pixel_shuffle",
    (3, 2),
    op("conv", 2, padding=1, channels=12),
    op("pixel_shuffle", (2, 3)),
    op("conv", 3, stride=2, groups=2, channels=4),
)
stack("pixel_unshuffle", (4, 6), op("pixel_unshuffle", (2, 3)), op("conv", 2, channels=2))
stack("pixel_there_and_back", (4, 4), op("pixel_unshuffle", 2), op("pixel_shuffle", 2))
stack(
    "pixel_shuffle_3d",
    (2, 1, 2),
    op("conv", 1, channels=16),
    op("pixel_shuffle", 2),
    op("pixel_unshuffle", (1, 2, 1)),
    op("conv", (2, 1, 2), groups=2),
    channels=2,
)

# --- merges ---


@branched(7)
def add_same(net: Network) -> None:
    """x + x: two edges."""
    x = net.conv(net.input, 3)
    x = net.add(x, x)
    net.conv(net.add(x, x, x), 3)


@branched((4, 4))
def concat_same(net: Network) -> None:
    """The channels of x twice."""
    x = net.concat(net.input, net.input)
    net.conv(net.concat(x, net.conv(x, 3, padding=1)), 2)


@branched((4, 3), channels=2)
def concat_constant(net: Network) -> None:
    """Channels of coordinates beside those of the input, then told apart again."""
    x = net.concat(net.input, constant=2)
    x = net.conv(x, 3, padding=1, groups=4, channels=4)
    net.concat(net.conv(x, 2), net.conv(net.channel_slice(x, 1, 3), 2), constant=1)


@branched(6)
def multiply(net: Network) -> None:
    """x² and a product of two maps."""
    x = net.multiply(net.input, net.input)
    net.multiply(x, net.conv(x, 3, padding=1), net.roll(x, 1))


def _squeeze(net: Network) -> None:
    x = net.conv(net.input, 3, padding=1)
    x = net.gate(x, net.conv(net.global_pool(x), 1), name="gated")
    net.conv(x, 2)


@branched((4, 4))
def gate_transparent(net: Network) -> None:
    """Squeeze-and-excitation whose gate only scales."""
    _squeeze(net)


@branched((4, 4), gates="follow")
def gate_follow(net: Network) -> None:
    """The same with paths through the gate."""
    _squeeze(net)


@branched((4, 3), gates="follow")
def gate_per_row(net: Network) -> None:
    """Gates that vary along one axis, and one of the map's own size."""
    rows = net.adaptive_pool(net.input, (4, 1))
    net.gate(net.gate(net.input, rows), net.conv(net.input, 3, padding=1))


# --- architectures ---


@branched(11)
def residual(net: Network) -> None:
    """Blocks of an identity and two convolutions."""
    x = net.input
    for _ in range(3):
        branch = net.identity(net.conv(x, 3, padding=1))
        x = net.identity(net.add(x, net.conv(branch, 3, padding=1)))


@branched((6, 6))
def residual_strided(net: Network) -> None:
    """A projection beside a strided branch: misaligned fields."""
    branch = net.conv(net.input, 3, stride=2, padding=1)
    x = net.add(net.conv(branch, 3, padding=1), net.conv(net.input, 1, stride=2))
    net.add(x, net.conv(x, 3, padding=1))


@branched((6, 6))
def unet(net: Network) -> None:
    """Down, up, and a skip; the upper branch is not aligned."""
    top = net.conv(net.input, 3, padding=1)
    low = net.conv(net.max_pool(top, 2), 3, padding=1)
    up = net.upsample(low, 2, "bilinear")
    net.conv(net.concat(top, up), 3, padding=1)


@branched((6, 6))
def inception(net: Network) -> None:
    """1x5 beside 5x1: cones of which neither holds the other."""
    x = net.add(
        net.conv(net.input, (1, 5), padding=(0, 2)), net.conv(net.input, (5, 1), padding=(2, 0))
    )
    net.add(net.conv(x, (1, 3), padding=(0, 1)), net.conv(x, (3, 1), padding=(1, 0)))


@branched(9)
def densenet(net: Network) -> None:
    """Every layer reads all before it."""
    maps = [net.input]
    for _ in range(4):
        maps.append(net.conv(net.concat(*maps), 3, padding=1))


@branched(9)
def aspp(net: Network) -> None:
    """Dilations side by side, holes and a global branch."""
    x = net.input
    branches = [net.conv(x, 3, padding=d, dilation=d) for d in (1, 2, 4)]
    pooled = net.upsample(net.global_pool(x), size=9)
    net.conv(net.concat(*branches, pooled), 1)


@branched((5, 5))
def dead_branch(net: Network) -> None:
    """Units that read nothing, maps that nothing reads, a branch cut off by a crop."""
    net.conv(net.input, 3, name="unread")
    far = net.pad(net.crop(net.input, ((0, 3), (0, 3))), ((3, 0), (3, 0)))
    net.add(far, net.conv(net.input, 1))


@branched((4, 3, 3))
def residual_3d(net: Network) -> None:
    """A factorised 3-D block."""
    spatial = net.conv(net.input, (1, 3, 3), padding=(0, 1, 1))
    x = net.add(net.input, net.conv(spatial, (3, 1, 1), padding=(1, 0, 0)))
    net.avg_pool(x, (2, 1, 1))


@branched((6, 6))
def swin(net: Network) -> None:
    """Windows and shifted windows by rolling, then patch merging."""
    x = net.conv(net.input, 1)
    x = net.add(x, net.attention(x, 3))
    rolled = net.roll(x, -1)
    x = net.add(x, net.roll(net.attention(rolled, 3), 1))
    net.concat(*[net.slice(x, start=s, step=2) for s in [(0, 0), (0, 1), (1, 0), (1, 1)]])


@branched((5, 4), channels=4)
def shufflenet(net: Network) -> None:
    """Units of ShuffleNetV2: half of the channels pass, the other half are convolved."""
    x = net.conv(net.input, 1, channels=4)
    for i in range(2):
        passed = net.channel_slice(x, stop=2)
        y = net.conv(net.channel_slice(x, 2, name=f"half{i}"), 1)
        y = net.conv(net.conv(y, 3, padding=1, groups=2), 1)
        x = net.channel_shuffle(net.concat(passed, y), 2, name=f"shuffled{i}")
    net.conv(x, 2, groups=2, channels=2)


@branched((4, 4), channels=6)
def grouped_shuffled(net: Network) -> None:
    """ShuffleNet: a shuffle lets the groups of one convolution meet in the next."""
    y = net.channel_shuffle(net.conv(net.input, 1, groups=3), 3)
    y = net.conv(net.conv(y, 3, padding=1, groups=6), 1, groups=3)
    net.add(net.input, y)


@branched(9, channels=2)
def views_read_by_many(net: Network) -> None:
    """Views that several layers read, added to each other and to single channels."""
    x = net.conv(net.input, 3, padding=1, channels=6)
    first, middle, last = (net.channel_slice(x, i, i + 2) for i in (0, 2, 4))
    y = net.add(first, net.conv(middle, 3, padding=1), net.channel_take(x, [5]))
    net.multiply(y, net.concat(net.channel_slice(first, 1), net.channel_slice(last, stop=1)))
    net.concat(net.output, middle, net.channel_take(middle, [1, 1, 0]))
    net.channel_slice(net.conv(net.output, 3), stop=1)


@branched(8, channels=4)
def res2net(net: Network) -> None:
    """Every quarter of the channels is convolved with what the one before made."""
    quarters = [net.channel_slice(net.input, i, i + 1) for i in range(4)]
    y = net.conv(quarters[1], 3, padding=1)
    made = [quarters[0], y]
    for quarter in quarters[2:]:
        y = net.conv(net.add(y, quarter), 3, padding=1)
        made.append(y)
    net.conv(net.concat(*made), 1, channels=2)


@branched((5, 4), channels=4)
def preactivated(net: Network) -> None:
    """A block whose branch reads its input through a norm and an activation, its skip as it is."""
    x = net.conv(net.input, 3, padding=1)
    y = net.identity(net.identity(x, "batch_norm", 0.5), "leaky_relu", name="act")
    y = net.conv(net.channel_slice(y, 1), 3, padding=1, channels=4)
    pooled = net.avg_pool(net.identity(y, "relu"), 3, 1, 1, count_include_pad=False)
    net.identity(net.add(x, y, pooled, net["act"]), "relu")


@branched((4, 4), channels=4, gates="follow")
def gates_of_channels(net: Network) -> None:
    """Gates of one channel, of all channels, and of a view."""
    x = net.conv(net.input, 3, padding=1, groups=4)
    x = net.gate(x, net.channel_pool(x))
    x = net.gate(x, net.conv(net.global_pool(x), 1, groups=2))
    net.gate(x, net.channel_slice(net.linear(x, 6), 2))
