"""Small PyTorch modules, one or more for each operation that the importer knows.

`MODULES` holds each by name with the input that it runs on. Where the oracle of modules does
not know an operation, `like` is the same module written in operations that it does know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from module_oracle import leaves

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn
aten = torch.ops.aten

LINE, PLANE, SPACE = (4, 12), (4, 8, 12), (2, 6, 4, 8)


@dataclass(frozen=True)
class Case:
    """A module and its input; `like` is the module that the oracle sees, if another."""

    make: Callable[[], Any]
    shape: tuple[int, ...]
    like: Callable[[], Any] | None = None

    def judged(self) -> Any:
        """The module that the oracle sees."""
        return (self.like or self.make)()


class Does(nn.Module):
    """A forward written as a function of x and the module's layers."""

    def __init__(self, forward: Callable[..., Any], *layers: Any) -> None:
        super().__init__()
        self.layers, self.does = nn.ModuleList(layers), forward

    def forward(self, x: Any) -> Any:
        return self.does(x, *self.layers)


LAYERS = ("Conv", "MaxPool", "AvgPool", "MaxUnpool", "Upsample", "Pixel", "BatchNorm")


def check_shapes(
    module: Any, shape: tuple[int, ...], net: Any, turned: bool = False, every: bool = True
) -> None:
    """Compare every layer's feature map, and the output, with the tensor that it returns.

    Without `every`, a layer may be missing: a model may run one and use nothing of it.
    """
    seen: dict[str, tuple[int, ...]] = {}
    hooks = []
    for path, part in module.named_modules():
        of_torch = type(part).__module__.startswith("torch.nn")
        if path and of_torch and any(word in type(part).__name__ for word in LAYERS):

            def keep(_: Any, __: object, made: object, path: str = path) -> None:
                seen.setdefault(path, tuple(next(leaves(made)).shape))

            hooks.append(part.register_forward_hook(keep))
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    with torch.no_grad():
        made = module.eval()(torch.rand(1, *shape, dtype=dtype))
    for hook in hooks:
        hook.remove()
    *batch, channels = tuple(next(leaves(made)).shape)[:2]
    positions = tuple(next(leaves(made)).shape)[2:]
    assert [*batch, channels] == [1, net.output.channels]
    if positions or max(net.output.shape) > 1:
        assert net.output.shape == (positions[::-1] if turned else positions)
    for path, wanted in seen.items():
        if len(wanted) == len(shape) + 1 and wanted[0] == 1 and not turned:
            name = path if path in net else f"{path}:0"  # of several results, the first
            if name not in net and not every:
                continue
            found = net[name]
            assert (1, found.channels, *found.shape) == wanted, path


MODULES: dict[str, Case] = {}


def add(name: str, shape: tuple[int, ...], module: Any, like: Any = None) -> None:
    """Register a module: a factory, or a forward together with factories of layers."""
    MODULES[name] = Case(factory(module), shape, factory(like) if like is not None else None)


def factory(given: Any) -> Callable[[], Any]:
    """A factory from one, or from a forward and factories of its layers in a tuple."""
    if not isinstance(given, tuple):
        return given  # type: ignore[no-any-return]
    forward, *layers = given
    return lambda: Does(forward, *(layer() for layer in layers))


def chain(*layers: Callable[[], Any]) -> Callable[[], Any]:
    """A factory of a sequence."""
    return lambda: nn.Sequential(*(layer() for layer in layers))


def conv(n: int, before: int, after: int, kernel: Any = 3, **options: Any) -> Callable[[], Any]:
    """A factory of a convolution over n axes that keeps their sizes, if nothing else is said."""
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n - 1]
    options = {"padding": "same"} | options
    return lambda: kind(before, after, kernel, **options)


def conv3(n: int) -> Callable[[], Any]:
    return conv(n, 2 if n == 3 else 4, 4)


def unary(forward: Callable[[Any], Any]) -> tuple[Any, ...]:
    """An operation on a plane between two convolutions."""
    return lambda x, a, b: b(forward(a(x))), conv3(2), conv(2, 4, 3, 1)


IDENTITY = unary(lambda x: x)

# --- convolutions -------------------------------------------------------------------------

for n, shape in ((1, LINE), (2, PLANE), (3, SPACE)):
    c = shape[0]
    add(f"conv{n}d", shape, chain(conv(n, c, 6, 3, padding=0), conv(n, 6, 3, 2, padding=1)))
    add(f"conv{n}d strided", shape, conv(n, c, 3, 3, stride=2, padding=1))
    add(f"conv{n}d dilated", shape, conv(n, c, 3, 2, dilation=3, padding=2))
    add(f"conv{n}d same", shape, conv(n, c, 3, 4))
    add(f"conv{n}d valid", shape, conv(n, c, 3, 3, padding="valid"))
    add(f"conv{n}d grouped", shape, chain(conv(n, c, 4, groups=2), conv(n, 4, 8, 1, groups=4)))
    add(f"conv{n}d depthwise", shape, chain(conv(n, c, 2 * c, groups=c), conv(n, 2 * c, 3, 1)))
    for mode in ("reflect", "replicate", "circular"):
        add(f"conv{n}d {mode}", shape, conv(n, c, 3, 3, padding=1, padding_mode=mode))
    deconv = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[n - 1]
    add(f"conv_transpose{n}d", shape, lambda k=deconv, c=c: k(c, 4, 3, 2, 1, 1, groups=2))
    add(f"conv_transpose{n}d dilated", shape, lambda k=deconv, c=c: k(c, 3, 2, 1, 1, dilation=2))

add("conv per axis", PLANE, conv(2, 4, 3, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(2, 1)))
add("conv same reflect", PLANE, conv(2, 4, 3, (3, 5), padding_mode="reflect"))
add("conv same, even kernel, circular", PLANE, conv(2, 4, 3, 2, padding_mode="circular"))
add(
    "functional conv",
    PLANE,
    (lambda x, c: F.conv2d(x, c.weight, None, (2, 1), "valid", 1, 2), conv(2, 4, 6, groups=2)),
)
add(
    "functional conv_transpose",
    LINE,
    (
        lambda x, c: F.conv_transpose1d(x, c.weight, c.bias, 2, 1, groups=2, dilation=2),
        lambda: nn.ConvTranspose1d(4, 6, 3, groups=2),
    ),
)
add(
    "convolution",
    PLANE,
    (
        lambda x, c, d: aten.convolution(
            aten._convolution(
                x, c.weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, *[False] * 4
            ),
            d.weight,
            None,
            [2, 2],
            [0, 0],
            [1, 1],
            True,
            [1, 0],
            1,
        ),
        conv(2, 4, 5),
        lambda: nn.ConvTranspose2d(5, 2, 3),
    ),
    chain(conv(2, 4, 5), lambda: nn.ConvTranspose2d(5, 2, 3, 2, output_padding=(1, 0))),
)

# --- pools --------------------------------------------------------------------------------

for n, shape in ((1, LINE), (2, PLANE), (3, SPACE)):
    largest = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[n - 1]
    mean = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[n - 1]
    to_mean = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[n - 1]
    to_max = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[n - 1]
    add(f"max_pool{n}d", shape, lambda k=largest: k(3, 2, 1))
    add(f"max_pool{n}d ceil", shape, lambda k=largest: k(3, 2, ceil_mode=True))
    add(f"max_pool{n}d dilated", shape, lambda k=largest: k(2, 1, 1, dilation=2))
    add(
        f"max_pool{n}d with indices",
        shape,
        (lambda x, p: p(x)[0], lambda k=largest: k(2, return_indices=True)),
    )
    add(f"avg_pool{n}d", shape, lambda k=mean: k(3, 2, 1, count_include_pad=False))
    add(f"avg_pool{n}d ceil", shape, lambda k=mean: k(3, 2, ceil_mode=True))
    add(f"adaptive_avg_pool{n}d", shape, lambda k=to_mean: nn.Sequential(k(3), k(2)))
    add(f"adaptive_max_pool{n}d", shape, lambda k=to_max: k(3))
    add(f"global pool {n}d", shape, lambda k=to_mean, c=shape[0]: nn.Sequential(k(1), k(1)))

add("max_pool per axis", PLANE, lambda: nn.MaxPool2d((1, 3), (1, 2), (0, 1)))
add("adaptive pool of one axis", PLANE, lambda: nn.AdaptiveAvgPool2d((None, 1)))
add("adaptive pool to sizes", PLANE, lambda: nn.AdaptiveMaxPool2d((5, 7)))
add("private adaptive pool", PLANE, (lambda x: aten._adaptive_avg_pool2d(x, [3, 5]),))
MODULES["private adaptive pool"] = Case(
    MODULES["private adaptive pool"].make, PLANE, lambda: nn.AdaptiveAvgPool2d((3, 5))
)
add(
    "private adaptive pool 3d",
    SPACE,
    (lambda x: aten._adaptive_avg_pool3d(x, [3, 2, 2]),),
    lambda: nn.AdaptiveAvgPool3d((3, 2, 2)),
)
add("lp pool", PLANE, lambda: nn.LPPool2d(2, 3, 2), lambda: nn.AvgPool2d(3, 2))
add(
    "functional pools",
    PLANE,
    (lambda x: F.avg_pool2d(F.max_pool2d(x, 3, 1, padding=1), (2, 3), stride=(1, 3)),),
)
for n, shape in ((2, PLANE), (3, SPACE)):
    pool = (nn.MaxPool2d, nn.MaxPool3d)[n - 2]
    back = (nn.MaxUnpool2d, nn.MaxUnpool3d)[n - 2]
    add(
        f"max_unpool{n}d",
        shape,
        (lambda x, p, u: u(*p(x)), lambda k=pool: k(2, return_indices=True), lambda k=back: k(2)),
        chain(lambda k=pool: k(2), lambda: nn.Upsample(scale_factor=2)),
    )

# --- resizing -----------------------------------------------------------------------------

RESIZED = {
    "nearest": {"scale_factor": 2},
    "nearest to a size": {"size": (13, 5)},
    "nearest by fractions": {"scale_factor": (1.5, 0.5)},
    "nearest-exact": {"scale_factor": 1.5, "mode": "nearest-exact"},
    "nearest-exact to a size": {"size": (5, 17), "mode": "nearest-exact"},
    "bilinear": {"scale_factor": 2, "mode": "bilinear"},
    "bilinear to a size": {"size": (5, 20), "mode": "bilinear"},
    "bilinear of corners": {"size": (15, 23), "mode": "bilinear", "align_corners": True},
    "bilinear by a fraction": {"scale_factor": 1.3, "mode": "bilinear"},
    "scale recomputed": {
        "scale_factor": 1.3,
        "mode": "bilinear",
        "recompute_scale_factor": True,
    },
    "bicubic": {"scale_factor": 2, "mode": "bicubic"},
    "bicubic of corners": {"size": (9, 13), "mode": "bicubic", "align_corners": True},
    "bilinear antialiased": {"scale_factor": 2, "mode": "bilinear", "antialias": True},
    "bicubic antialiased": {"scale_factor": 2, "mode": "bicubic", "antialias": True},
    "area": {"size": (4, 6), "mode": "area"},
}
for said, options in RESIZED.items():
    like = {key: value for key, value in options.items() if key != "antialias"}
    if options.get("mode") == "area":
        other: Any = (lambda x: F.adaptive_avg_pool2d(x, (4, 6)),)
    else:
        other = (lambda x, o=like: F.interpolate(x, **o),)
    add(f"resize {said}", PLANE, (lambda x, o=options: F.interpolate(x, **o),), other)
for n, shape, mode in ((1, LINE, "linear"), (3, SPACE, "trilinear")):
    for options in ({"scale_factor": 2}, {"scale_factor": 2, "mode": mode}):
        said = options.get("mode", "nearest")
        add(f"resize {n}d {said}", shape, (lambda x, o=options: F.interpolate(x, **o),))
    exact = {"size": [7] * n, "mode": "nearest-exact"}
    add(f"resize {n}d exact", shape, (lambda x, o=exact: F.interpolate(x, **o),))
add("upsample module", PLANE, lambda: nn.Upsample(scale_factor=(2.0, 3.0)))
add("upsampling bilinear", PLANE, lambda: nn.UpsamplingBilinear2d(scale_factor=2))

# --- padding ------------------------------------------------------------------------------

PADDED = {
    "zeros": (PLANE, (1, 2, 0, 3), "constant"),
    "one axis": (PLANE, (2, 1), "constant"),
    "cropped": (PLANE, (-1, 2, -2, -1), "constant"),
    "channels": (PLANE, (0, 0, 0, 0, 1, 2), "constant"),
    "reflect": (PLANE, (1, 2, 3, 0), "reflect"),
    "replicate": (PLANE, (4, 2, 1, 3), "replicate"),
    "circular": (PLANE, (1, 2, 3, 4), "circular"),
    "reflect 1d": (LINE, (3, 1), "reflect"),
    "replicate 1d": (LINE, (0, 5), "replicate"),
    "circular 1d": (LINE, (3, 2), "circular"),
    "reflect 3d": (SPACE, (1, 2, 3, 0, 1, 1), "reflect"),
    "replicate 3d": (SPACE, (1, 2, 3, 0, 1, 1), "replicate"),
    "circular 3d": (SPACE, (1, 2, 3, 0, 1, 1), "circular"),
}
for said, (shape, sides, mode) in PADDED.items():
    n = len(shape) - 1
    add(
        f"pad {said}",
        shape,
        (lambda x, c, s=sides, m=mode: F.pad(c(x), s, m), conv3(n)),
    )
add(
    "pad modules",
    PLANE,
    chain(lambda: nn.ZeroPad2d(2), lambda: nn.ConstantPad2d((1, 0, -1, 0), 3)),
)
add(
    "pad directly",
    LINE,
    (lambda x: aten.constant_pad_nd(x, [2, 1]),),
    lambda: nn.ZeroPad1d((2, 1)),
)

# --- moving elements ----------------------------------------------------------------------


def between(forward: Callable[[Any], Any], channels: int = 4) -> tuple[Any, ...]:
    """Moves of a plane's elements between two convolutions."""
    return lambda x, a, b: b(forward(a(x))), conv3(2), conv(2, channels, 3)


MOVED: dict[str, tuple[Callable[[Any], Any], int]] = {
    "slice": (lambda x: x[:, :, 1:-2, 3:], 4),
    "slice by steps": (lambda x: x[..., ::2, 1::3], 4),
    "slice of channels": (lambda x: x[:, 1:3], 2),
    "slice of channels by steps": (lambda x: x[:, ::2], 2),
    "narrow": (lambda x: x.narrow(2, 3, 4).narrow(1, -3, 2), 2),
    "select": (lambda x: torch.select(x, 2, -1).unsqueeze(2), 4),
    "index of an axis": (lambda x: x[:, :, 3, None], 4),
    "flip": (lambda x: torch.flip(x, (2,)).flip(-1, 1), 4),
    "roll": (lambda x: torch.roll(x, (1, -2), (2, 3)), 4),
    "roll of channels": (lambda x: x.roll(1, 1), 4),
    "chunk": (lambda x: torch.cat([torch.relu(part) for part in x.chunk(3, 1)], 1), 4),
    "split": (lambda x: x.split(3, dim=1)[1], 1),
    "split by sizes": (lambda x: torch.split(x, [1, 3], 1)[1], 3),
    "tensor_split": (lambda x: torch.tensor_split(x, 3, 1)[0], 2),
    "split of positions": (lambda x: sum(x.split(4, 3)), 4),
    "unbind": (lambda x: torch.cat([row.unsqueeze(2) for row in x.unbind(2)[::-1]], 2), 4),
    "stack": (lambda x: torch.stack([x, torch.relu(x)], 2).flatten(1, 2), 8),
    "cat of channels": (lambda x: torch.cat((x, x.relu()), 1), 8),
    "cat of positions": (lambda x: torch.cat((x[..., 6:], x[..., :6]), -1), 4),
    "cat with constants": (lambda x: torch.cat([torch.ones(1, 2, 8, 12), x], 1), 6),
    "permute": (lambda x: x.permute(0, 1, 3, 2), 4),
    "transpose": (lambda x: torch.transpose(x, 2, 3).contiguous(), 4),
    "swapaxes": (lambda x: x.swapaxes(2, 3).swapdims(-1, -2), 4),
    "movedim": (lambda x: x.movedim(1, -1).movedim((3, 1), (1, 2)), 4),
    "moveaxis": (lambda x: torch.moveaxis(x, 2, 3), 4),
    "matrix transposes": (lambda x: x.mT.adjoint().mT, 4),
    "squeeze": (lambda x: x.unsqueeze(0).squeeze(0).unsqueeze(-1).squeeze(-1), 4),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1), 8),
    "tile": (lambda x: x.tile(2, 1, 1), 8),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), 8),
    "repeat_interleave of positions": (lambda x: x.repeat_interleave(3, dim=2), 4),
    "expand": (lambda x: x.mean(1, keepdim=True).expand(-1, 5, -1, -1), 5),
    "expand_as": (lambda x: x[:, :1].expand_as(x), 4),
    "broadcast_to": (lambda x: torch.broadcast_to(x[:, 1:2], (1, 3, 8, 12)), 3),
    "flatten": (lambda x: x.flatten(2).unflatten(2, (8, 12)), 4),
    "view_as": (lambda x: x.reshape(1, 4, -1).view_as(x), 4),
    "reshape_as": (lambda x: x.view(1, 2, 2, 96).reshape_as(x), 4),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), 1),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), 16),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), 4),
    "index_select": (lambda x: x.index_select(1, torch.tensor([2, 0])), 2),
    "index_select of positions": (lambda x: torch.index_select(x, 3, torch.arange(9, 1, -2)), 4),
    "index by a list": (lambda x: x[:, [3, 1, 0]], 3),
    "vsplit": (lambda x: torch.vsplit(x[0], 2)[1][None], 2),
    "hsplit": (lambda x: torch.hsplit(x, 2)[1], 2),
    "dsplit": (lambda x: torch.dsplit(x, 2)[1], 4),
    "cat of rows": (lambda x: torch.cat([x[:, :, 5:6], x[:, :, :1]], 2), 4),
}
EQUAL_MOVES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "tensor_split": (lambda x: x[:, :2], 2),
    "matrix transposes": (lambda x: x.transpose(2, 3), 4),
    "tile": (lambda x: x.repeat(1, 2, 1, 1), 8),
    "repeat_interleave": (lambda x: x.repeat(1, 2, 1, 1), 8),
    "repeat_interleave of positions": (lambda x: F.interpolate(x, scale_factor=(3.0, 1.0)), 4),
    "broadcast_to": (lambda x: x[:, 1:2].expand(-1, 3, -1, -1), 3),
    "vsplit": (lambda x: x[:, 2:], 2),
    "hsplit": (lambda x: x[:, 2:], 2),
    "unbind": (lambda x: x.flip(2), 4),
    "dsplit": (lambda x: x[:, :, 4:], 4),
    "chunk": (lambda x: x, 4),
}
for said, (forward, channels) in MOVED.items():
    like_moves = EQUAL_MOVES.get(said)
    add(said, PLANE, between(forward, channels), like_moves and between(*like_moves))
add("index twice", LINE, (lambda x, c: c(x)[:, torch.tensor([1, 1, 2])], conv3(1)))
add(
    "unfold method",
    LINE,
    (lambda x, c: c(x.unfold(2, 3, 3).mean(-1)), conv3(1)),
    (lambda x, c: c(F.avg_pool1d(x, 3)), conv3(1)),
)
add(
    "pixels by hand",
    PLANE,
    between(
        lambda x: x.view(1, 1, 2, 2, 8, 12).permute(0, 1, 4, 2, 5, 3).reshape(1, 1, 16, 24), 1
    ),
    between(lambda x: F.pixel_shuffle(x, 2), 1),
)
add(
    "space to depth by hand",
    PLANE,
    between(lambda x: torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1), 16),
)
add(
    "pixel modules",
    PLANE,
    chain(lambda: nn.PixelUnshuffle(4), conv(2, 64, 8), lambda: nn.PixelShuffle(2)),
)
add(
    "shuffle by hand",
    PLANE,
    between(lambda x: x.view(1, 2, 2, 8, 12).transpose(1, 2).flatten(1, 2)),
)
add(
    "shuffle module",
    PLANE,
    (lambda x, s, c: c(s(x))[:, :2], lambda: nn.ChannelShuffle(2), conv3(2)),
)
for n, shape in ((1, LINE), (2, PLANE)):
    add(
        f"halves {n}d",
        shape,
        (
            lambda x, a, b: torch.cat([a(x[:, :2]), b(x[:, 2:])], 1),
            conv(n, 2, 2),
            conv(n, 2, 3, 5),
        ),
    )
add(
    "im2col of overlapping patches",
    PLANE,
    (lambda x, c: c(F.unfold(x, 3, padding=1, stride=2).view(1, 36, 4, 6)), conv(2, 36, 3, 1)),
    chain(conv(2, 4, 36, 3, stride=2, padding=1, groups=4), conv(2, 36, 3, 1)),
)
add(
    "im2col of patches",
    PLANE,
    (lambda x, c: c(F.unfold(x, 2, stride=2).view(1, 16, 4, 6)), conv(2, 16, 3)),
    (lambda x, c: c(F.pixel_unshuffle(x, 2)), conv(2, 16, 3)),
)
add(
    "col2im of overlapping patches",
    PLANE,
    (
        lambda x, c: F.fold(c(x).flatten(2), (17, 25), 3, stride=2),
        conv(2, 4, 36),
    ),
    chain(conv(2, 4, 36), lambda: nn.ConvTranspose2d(36, 4, 3, 2, groups=4)),
)
add(
    "col2im of patches",
    PLANE,
    (lambda x, c: F.fold(c(x).flatten(2), (16, 24), 2, stride=2), conv(2, 4, 8)),
    (lambda x, c: F.pixel_shuffle(c(x), 2), conv(2, 4, 8)),
)

# --- where maps meet ----------------------------------------------------------------------


def meeting(forward: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
    """Two maps of different fields that meet."""
    return lambda x, a, b, c: c(forward(a(x), b(x))), conv3(2), conv(2, 4, 4, 5), conv(2, 4, 2, 1)


MET: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "add in place": lambda a, b: a.add_(b, alpha=2),
    "radd": lambda a, b: 1 + torch.add(a, b) + 2,
    "sub": lambda a, b: a - b,
    "sub in place": lambda a, b: a.sub_(b),
    "rsub": lambda a, b: torch.rsub(a, b),
    "product": lambda a, b: a * b,
    "product in place": lambda a, b: a.mul_(b),
    "sum of halves": lambda a, b: (a + b) / 2,
    "gate of positions": lambda a, b: a * torch.sigmoid(b.mean(1, keepdim=True)),
    "cat and add": lambda a, b: torch.cat([a, b], 1).view(1, 2, 4, 8, 12).sum(1),
}
for said, meet in MET.items():
    add(said, PLANE, meeting(meet))


def repeatedly(*ops: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
    """A map that meets another in one operation after another, each as an addition."""

    def forward(a: Any, b: Any) -> Any:
        for op in ops:
            a = op(a, b).to(b.dtype)
        return a

    return meeting(forward)


AS_ADDED: dict[str, list[Callable[[Any, Any], Any]]] = {
    "sums": [torch.logaddexp, torch.hypot, torch.subtract, torch.rsub],
    "products": [
        torch.multiply,
        torch.div,
        torch.divide,
        torch.true_divide,
        torch.floor_divide,
        torch.remainder,
        torch.fmod,
        torch.pow,
        torch.float_power,
        torch.atan2,
        torch.xlogy,
        torch.heaviside,
        torch.fmax,
        torch.fmin,
        torch.maximum,
        torch.minimum,
        torch.max,
        torch.min,
    ],
    "comparisons": [
        torch.eq,
        torch.ne,
        torch.lt,
        torch.le,
        torch.gt,
        torch.ge,
        torch.not_equal,
        torch.less,
        torch.less_equal,
        torch.greater,
        torch.greater_equal,
        torch.logical_and,
        torch.logical_or,
        torch.logical_xor,
    ],
    "bits": [
        lambda a, b: torch.bitwise_and(a > 0, b > 0),
        lambda a, b: torch.bitwise_or(a > 0, b > 0),
        lambda a, b: torch.bitwise_xor(a > 0, b > 0),
        lambda a, b: (a > 0) & (b > 0),
        lambda a, b: (a > 0) | (b > 0),
    ],
    "mixtures": [
        lambda a, b: torch.lerp(a, b, 0.3),
        lambda a, b: torch.addcmul(a, b, torch.ones(())),
        lambda a, b: torch.addcdiv(a, b, torch.full((), 2.0)),
        lambda a, b: torch.where(torch.ones(8, 12) > 0, a, b),
    ],
}
for said, ops in AS_ADDED.items():
    count = len(ops)
    add(said, PLANE, repeatedly(*ops), repeatedly(*[torch.add] * count))
add(
    "product added",
    PLANE,
    meeting(lambda a, b: torch.addcmul(a, a, b)),
    meeting(lambda a, b: a + (a + b)),
)
add("where of one map", PLANE, unary(lambda x: torch.where(x > 0, x, 0.1 * x)), IDENTITY)
add(
    "where by another map",
    PLANE,
    meeting(lambda a, b: torch.where(b > 0, a, torch.zeros(()))),
    meeting(torch.add),
)
add("clamp by itself", PLANE, unary(lambda x: torch.maximum(x, 0.2 * x)), IDENTITY)
add("twice", PLANE, unary(lambda x: x + x))
add("thrice", PLANE, unary(lambda x: x + x.relu() + x.sigmoid()))
add("difference", LINE, (lambda x: torch.diff(x),), (lambda x: x[..., 1:] + x[..., :-1],))
add("crop and add", LINE, (lambda x, c: c(x) + x[..., 1:-1], conv(1, 4, 4, padding=0)))


def in_two_calls(x: Any, shared: Any) -> Any:
    return shared(torch.relu(shared(x)))


add("one layer twice", PLANE, (in_two_calls, conv3(2)))


class Dense(nn.Module):
    """Every layer reads all that were made before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4 + 2 * i, 2, 3, padding=1) for i in range(3))

    def forward(self, x: Any) -> Any:
        made: Sequence[Any] = [x]
        for layer in self.layers:
            made = [*made, torch.relu(layer(torch.cat(made, 1)))]
        return torch.cat(made, 1)


add("densely connected", PLANE, Dense)

# --- every elementwise operation ----------------------------------------------------------


def words(text: str) -> list[str]:
    return text.split()


def one_after_another(*ops: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Operations that all hand their tensor on, between two convolutions."""

    def forward(x: Any) -> Any:
        for op in ops:
            x = op(x).float()
        return x

    return unary(forward)


# frac and tanhshrink are not among them: they are x less a function of x, which reads x twice
NAMED = words(
    """
abs absolute acos acosh angle asin asinh atan atanh ceil conj cos cosh deg2rad detach digamma erf
erfc erfinv exp exp2 expm1 fix floor i0 isfinite isinf isnan lgamma log log10 log1p log2
logical_not logit nan_to_num neg negative positive rad2deg reciprocal relu resolve_conj
resolve_neg round rsqrt selu sgn sigmoid sign signbit sin sinc sinh sqrt square tan tanh tril
triu trunc
"""
)
FUNCTIONAL = words(
    """
alpha_dropout celu dropout elu feature_alpha_dropout gelu hardshrink hardsigmoid hardswish
hardtanh leaky_relu logsigmoid mish relu6 rrelu selu silu softplus softshrink softsign
"""
)
add("named functions", PLANE, one_after_another(*(getattr(torch, n) for n in NAMED)), IDENTITY)
add("activations", PLANE, one_after_another(*(getattr(F, n) for n in FUNCTIONAL)), IDENTITY)
add(
    "functions with options",
    PLANE,
    one_after_another(
        lambda x: x.clamp(-1, 1).clamp_max(2).clamp_min(-2).clip(0, 1),
        lambda x: F.threshold(x, 0.1, 0),
        lambda x: F.softmax(x, 1),
        lambda x: F.log_softmax(x, 1),
        lambda x: F.prelu(x, torch.ones(1)),
        lambda x: x.masked_fill(torch.ones(8, 12) > 0, 0),
        lambda x: x.masked_fill(x > 0, 0),
        lambda x: torch.copysign(x, torch.ones(())),
        lambda x: x.type_as(torch.ones((), dtype=torch.float64)),
        lambda x: x.to(torch.float16),
        lambda x: x.clone().contiguous(),
        lambda x: torch.bitwise_not(x > 0),
        lambda x: x.bernoulli(0.5),
        lambda x: F.rms_norm(x, (12,)),
        lambda x: torch.renorm(x, 2, 1, 3.0),
        lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255),
        lambda x: torch.fake_quantize_per_channel_affine(
            x, torch.ones(4), torch.zeros(4, dtype=torch.int32), 1, 0, 255
        ),
        lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8).dequantize(),
        lambda x: F.feature_alpha_dropout(F.dropout2d(x)),
        lambda x: torch.special.expit(torch.special.erf(x)),
    ),
    IDENTITY,
)
add(
    "shapes that constants take",
    PLANE,
    unary(
        lambda x: (
            x
            + torch.zeros_like(x)
            + torch.ones_like(x)
            + torch.full_like(x, 2)
            + torch.empty_like(x)
            + torch.rand_like(x)
            + torch.randn_like(x)
            + torch.randint_like(x, 3)
            + x.new_zeros(8, 12)
            + x.new_ones(12)
            + x.new_full((1,), 2)
            + x.new_empty(8, 1)
            + x.new_empty_strided((8, 12), (12, 1)).fill_(1)
            + torch.zeros(12).zero_()
        )
    ),
    IDENTITY,
)


def pooled(*ops: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Statistics over both axes, as a map of one position."""
    return (
        (lambda x, a, b: sum(b(op(a(x)).view(1, 4, 1, 1)) for op in ops)),
        conv3(2),
        conv(2, 4, 3, 1),
    )


STATISTICS: list[Callable[[Any], Any]] = [
    lambda x: x.mean((2, 3)),
    lambda x: x.sum((-2, -1), keepdim=True),
    lambda x: x.nansum((2, 3)),
    lambda x: x.nanmean((2, 3)),
    lambda x: x.var((2, 3)),
    lambda x: x.std((2, 3), unbiased=False),
    lambda x: torch.std_mean(x, (2, 3))[0],
    lambda x: torch.var_mean(x, (2, 3))[1],
    lambda x: x.norm(dim=(2, 3)),
    lambda x: torch.linalg.norm(x, dim=(2, 3)),
    lambda x: torch.linalg.vector_norm(x, 1, (2, 3)),
    lambda x: x.logsumexp((2, 3)),
    lambda x: x.flatten(2).prod(2),
    lambda x: (x.flatten(2) > 0).any(-1).float(),
    lambda x: (x.flatten(2) > 0).all(-1).float(),
    lambda x: x.amax((2, 3)),
    lambda x: x.amin(dim=(2, 3), keepdim=True),
    lambda x: x.flatten(2).max(2)[0],
    lambda x: x.flatten(2).min(dim=-1).values,
    lambda x: torch.aminmax(x.flatten(2), dim=2).max,
]
add("statistics", PLANE, pooled(*STATISTICS), pooled(*[STATISTICS[0]] * len(STATISTICS)))
add(
    "one number",
    PLANE,
    (lambda x, a: a(x.sum().view(1, 1)), lambda: nn.Linear(1, 3)),
    (
        lambda x, a: a(F.adaptive_avg_pool2d(x.sum(1, keepdim=True), 1).flatten(1)),
        lambda: nn.Linear(1, 3),
    ),
)


# --- operations that are written by other names, or that others are taken apart into --------

ones, zeros = torch.ones(4), torch.zeros(4)
add(
    "private elementwise operations",
    PLANE,
    one_after_another(
        lambda x: aten._softmax(x, 1, False),
        lambda x: aten._log_softmax(x, 1, False),
        lambda x: aten._prelu_kernel(x, torch.ones(1, 1, 1, 1)),
        lambda x: aten._fused_rms_norm(x, [12], None, 1e-5)[0],
        lambda x: aten.native_layer_norm(x, [12], None, None, 1e-5)[0],
        lambda x: aten.native_group_norm(x, ones, zeros, 1, 4, 96, 2, 1e-5)[0],
        lambda x: aten.native_batch_norm(x, ones, zeros, zeros, ones, False, 0.1, 1e-5)[0],
        lambda x: aten._native_batch_norm_legit(
            x, ones, zeros, zeros.clone(), ones.clone(), False, 0.1, 1e-5
        )[0],
        lambda x: aten._native_batch_norm_legit_no_training(
            x, ones, zeros, zeros, ones, 0.1, 1e-5
        )[0],
        lambda x: aten.native_dropout(x, 0.5, False)[0],
        lambda x: aten.absolute(aten.negative(aten.positive(x))),
        lambda x: aten.fix(aten.sgn(aten.sinc(x))),
        lambda x: aten.logit(aten.nan_to_num(aten.deg2rad(x))),
        lambda x: aten.alias(aten.detach(x)),
        lambda x: aten.lift_fresh(aten.lift_fresh_copy(x)),
        lambda x: aten.resolve_conj(aten.resolve_neg(aten.conj(x))),
        lambda x: aten.tril(aten.triu(x)),
        lambda x: aten.tanh_backward(x, torch.ones(())),
        lambda x: aten.isfinite(x),
        lambda x: aten.copy(torch.zeros(1, 4, 8, 12), x),
        lambda x: x + aten.fill(x, 1.0) + aten.zero(x),
        lambda x: x + aten.empty_permuted([4, 8, 12], [0, 1, 2]),
    ),
    IDENTITY,
)
add("frac", PLANE, unary(aten.frac), IDENTITY)
add(
    "private sum",
    PLANE,
    meeting(lambda a, b: aten._add_relu(a, b)),
    meeting(torch.add),
)
add(
    "private moves",
    PLANE,
    between(
        lambda x: aten.expand_copy(
            aten.view_copy(
                aten._unsafe_view(
                    aten.permute_copy(
                        aten._reshape_alias(x, [1, 2, 2, 96], [384, 192, 96, 1]), [0, 2, 1, 3]
                    ),
                    [1, 4, 96],
                ),
                [1, 4, 8, 12],
            ),
            [1, 4, 8, 12],
        )
    ),
    between(lambda x: F.channel_shuffle(x, 2)),
)
add(
    "native shuffle",
    PLANE,
    between(lambda x: aten.native_channel_shuffle(x, 2)),
    between(lambda x: F.channel_shuffle(x, 2)),
)
add(
    "unsafe parts",
    PLANE,
    between(
        lambda x: torch.concat(
            [
                aten.unsafe_chunk(x, 2, 1)[0],
                aten.unsafe_split(x, 3, 1)[1],
                aten.concatenate(
                    [part.relu() for part in x.unsafe_split_with_sizes([1, 3], 1)], 1
                ),
            ],
            1,
        ),
        7,
    ),
    between(lambda x: torch.cat([x[:, :2], x[:, 3:], x.relu()], 1), 7),
)
add(
    "scattered",
    PLANE,
    between(
        lambda x: torch.select_scatter(
            torch.slice_scatter(x, x[:, 1:].relu(), 1, 0, 3), x[:, 0], 1, -1
        )
    ),
    between(lambda x: torch.cat([torch.cat([x[:, 1:].relu(), x[:, 3:]], 1)[:, :3], x[:, :1]], 1)),
)
for n, shape in ((1, LINE), (2, PLANE), (3, SPACE)):
    for mode, op in (("reflect", "reflection"), ("replicate", "replication")):
        sides = [1, 2] * n
        add(
            f"{op}_pad{n}d",
            shape,
            (lambda x, f=f"{op}_pad{n}d", s=sides: getattr(aten, f)(x, s),),
            (lambda x, m=mode, s=sides: F.pad(x, s, m),),
        )
add(
    "circular pad by its own name",
    PLANE,
    (lambda x: aten._pad_circular(x, [1, 2, 3, 0]),),
    (lambda x: F.pad(x, (1, 2, 3, 0), "circular"),),
)
add(
    "products of matrices and vectors",
    LINE,
    (
        lambda x, a, b, c: torch.mv(
            torch.addmm(torch.zeros(12), torch.mm(x[0].t(), a.weight.T).T, b.weight).T,
            c.weight[0],
        )[None, None],
        lambda: nn.Linear(4, 3),
        lambda: nn.Linear(12, 12),
        lambda: nn.Linear(3, 1),
    ),
    (
        lambda x, a, b, c: c(b(a(x.transpose(1, 2)).transpose(1, 2)).transpose(1, 2)).transpose(
            1, 2
        ),
        lambda: nn.Linear(4, 3),
        lambda: nn.Linear(12, 12),
        lambda: nn.Linear(3, 1),
    ),
)
add(
    "a product added to a vector",
    LINE,
    (
        lambda x, a: torch.addmv(torch.zeros(12), x[0].T, a.weight[0])[None, None],
        lambda: nn.Linear(4, 1),
    ),
    conv(1, 4, 1, 1),
)
add(
    "a product of vectors",
    LINE,
    (
        lambda x, a: torch.dot(x[0].mean(0), a.weight[0]).view(1, 1),
        lambda: nn.Linear(12, 1),
    ),
    (lambda x, a: a(x.sum(1)), lambda: nn.Linear(12, 1)),
)
FUSED = "_scaled_dot_product_flash_attention_for_cpu"
add(
    "attention by other names",
    LINE,
    (
        lambda x, c: (
            sum(
                op(x, x, c(x))[0]
                for op in (
                    lambda q, k, v: getattr(aten, FUSED)(
                        *(t.view(1, 2, 2, 12).transpose(2, 3) for t in (q, k, v))
                    ),
                    lambda q, k, v: aten._scaled_dot_product_attention_math(
                        *(t.view(1, 2, 2, 12).transpose(2, 3) for t in (q, k, v))
                    ),
                )
            )
            .transpose(2, 3)
            .reshape(1, 4, 12)
        ),
        conv3(1),
    ),
    (lambda x, c: (lambda v: v + v)(c(x).mean(2, keepdim=True)).expand(1, 4, 12), conv3(1)),
)
add(
    "a product of channels",
    PLANE,
    (
        lambda x, a, b: F.cosine_similarity(a(x), b(x), 1).unsqueeze(1),
        conv3(2),
        conv(2, 4, 4, 5),
    ),
    (lambda x, a, b: (a(x) + b(x)).sum(1, keepdim=True), conv3(2), conv(2, 4, 4, 5)),
)
