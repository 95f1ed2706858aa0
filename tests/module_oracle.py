"""Path counts of a real PyTorch module by autograd, for checking importers.

The module's own forward runs on a tensor that carries its paths along: every operation acts on
them as its counterpart with unit weights, so that their gradient is the path count. Nothing here
comes from the package. `counted` keeps channels apart, `collapsed` gives every operation one edge
per tap, however many channels there are.

Beside the paths goes which channel and which position each element holds, through the same
reshapes and slices, so that a sum can tell channels from positions in any layout. An operation
that is not in the tables taints its result; that is an error where a tainted result is on the
way to the unit, and none where it only computes a gate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional
serial = itertools.count()


class NotInOracleError(Exception):
    """An operation, or a use of one, whose edges this oracle does not know."""


@dataclass(frozen=True)
class Paths:
    """What a tensor of the module carries along; the arrays have the tensor's own shape."""

    count: torch.Tensor  # float64, linear in the input's paths
    channel: torch.Tensor  # int64, equal where two elements belong to the same channel
    position: torch.Tensor  # int64, equal where they belong to the same position
    collapsed: bool  # then all channels hold equal counts
    lineage: tuple[int, ...]  # the maps that it is an elementwise function of, oldest first
    pooled: bool = False  # made from global pools only
    role: str = ""  # "scores" or "weights" of an attention
    why: str = ""  # why the count is unknown

    def map(self, f: Callable[[torch.Tensor], torch.Tensor], **changes: Any) -> Paths:
        arrays = {k: f(getattr(self, k)) for k in ("count", "channel", "position")}
        return replace(self, **arrays, lineage=(next(serial),), **changes)


class Call(NamedTuple):
    func: Callable[..., Any]
    name: str
    made: torch.Tensor  # what the operation really returned; the first, if several
    parts: int = 0  # how many, if several


# --- which elements are what --------------------------------------------------------------


def varies(index: torch.Tensor, d: int) -> bool:
    return bool((index != index.narrow(d, 0, 1)).any())


def spread_out(x: Paths) -> bool:
    return bool((x.position != x.position.flatten()[0]).any())


def kind(x: Paths, d: int) -> str:
    """Whether axis d runs over positions, channels, both ("mixed") or the batch."""
    last = x.count.ndim - 1
    d %= last + 1
    by_position, by_channel = varies(x.position, d), varies(x.channel, d)
    if by_position or by_channel:
        return ("mixed" if by_channel else "position") if by_position else "channel"
    if d == 0:
        return "batch"
    channels_at = last if last > 1 and varies(x.channel, last) else 1
    return "channel" if d == channels_at else "position"


def relabelled(x: Paths, count: torch.Tensor, axes: dict[int, str], **changes: Any) -> Paths:
    """A new count with, along some axes, a new channel or a new position for each element."""
    index = {"channel": x.channel, "position": x.position}
    for d, along in axes.items():
        if along not in index:
            raise NotInOracleError(f"an axis of {along} that is joined, padded or repeated")
        index = {k: v.narrow(d, 0, 1) for k, v in index.items()}
        steps = torch.arange(count.shape[d]).view(-1, *(1,) * (count.ndim - 1 - d % count.ndim))
        index[along] = index[along] * count.shape[d] + steps
    index = {k: v.expand(count.shape) for k, v in index.items()}
    return replace(x, count=count, **index, **{"lineage": (next(serial),), **changes})


def standard(x: Paths, count: torch.Tensor, **changes: Any) -> Paths:
    """A new map of the layout (batch, channel, *spatial)."""
    zeros = torch.zeros(count.shape, dtype=torch.int64)
    axes = {d: "channel" if d == 1 else "position" for d in range(count.ndim)}
    return relabelled(replace(x, channel=zeros, position=zeros), count, axes, **changes)


def grown(x: Paths, shape: Sequence[int]) -> Paths:
    """Broadcast to a shape."""
    if x.count.shape == shape:
        return x
    x = x.map(lambda t: t.reshape((1,) * (len(shape) - t.ndim) + t.shape))
    axes = {d: kind(x, d) for d, n in enumerate(shape) if n != x.count.shape[d]}
    return relabelled(x, x.count.expand(shape), axes)


def reduced(x: Paths, dims: Sequence[int], keepdim: bool = False) -> Paths:
    """The sum over some axes; of one channel per position, where channels are collapsed."""
    kinds, dims = [kind(x, d) for d in dims], tuple(dims)
    if not dims:
        return x
    if x.collapsed and kinds.count("mixed") > 1:
        raise NotInOracleError("a sum over axes that mix channels with positions")
    count = x.count
    if x.collapsed:
        count = count * (x.channel == x.channel.amin(dims, keepdim=True))
    made = x.map(lambda t: t.amin(dims, keepdim) if t is not x.count else count.sum(dims, keepdim))
    over_positions = not {"position", "mixed"}.isdisjoint(kinds)
    return replace(made, pooled=(x.pooled or over_positions) and not spread_out(made))


def in_layout(call: Call, x: Paths, n: int) -> None:
    """Ensure the layout (batch, channel, *spatial); a batch may hold windows."""
    if x.count.ndim != n + 2:
        raise NotInOracleError(f"{call.name} without a batch axis")
    kinds = [kind(x, d) for d in range(n + 2)]
    if kinds[0] not in ("batch", "position") or "channel" in kinds[2:] or kinds[1] == "position":
        raise NotInOracleError(f"{call.name} over axes of {', '.join(kinds)}")


# --- one function per operation -----------------------------------------------------------


def elementwise(call: Call, x: Paths, *_: Any, **kw: Any) -> Paths:
    if call.made.shape != x.count.shape:
        raise NotInOracleError(f"{call.name} that changes the shape")
    return x


def softmax(call: Call, x: Paths, dim: int, *_: Any, **kw: Any) -> Paths:
    if x.role == "scores" and dim % x.count.ndim == x.count.ndim - 1:
        return replace(x, role="weights")
    if x.role or kind(x, dim) != "channel":
        raise NotInOracleError(f"{call.name} over positions")
    return x


def structural(call: Call, x: Paths, *args: Any, **kw: Any) -> Paths | tuple[Paths, ...]:
    """Run as it is on the paths, the channels and the positions."""
    said = repr([a.tolist() if isinstance(a, torch.Tensor) else a for a in (*args, kw)])

    def part(i: int) -> Paths:
        def run(t: torch.Tensor) -> torch.Tensor:
            if call.name in RESHAPES:  # a view of what is expanded here may need a copy
                return t.reshape(call.made.shape)
            return call.func(t, *args, **kw)[i] if call.parts else call.func(t, *args, **kw)

        same_view = tuple(hash((call.name, said, i, a)) for a in x.lineage)
        return replace(x.map(run), lineage=same_view)

    if call.parts:
        return tuple(part(i) for i in range(call.parts))
    return standard(x, part(0).count) if call.name == "pixel_shuffle" else part(0)


def expand(call: Call, x: Paths, *_: Any) -> Paths:
    return grown(x, call.made.shape)


def repeat(call: Call, x: Paths, *sizes: Any) -> Paths:
    x = x.map(lambda t: t.reshape((1,) * (call.made.ndim - t.ndim) + t.shape))
    axes = {d: kind(x, d) for d, n in enumerate(call.made.shape) if n != x.count.shape[d]}
    return relabelled(x, x.count.repeat(*sizes), axes)


def conv(
    call: Call, x: Paths, weight: torch.Tensor, bias: Any = None, *args: Any, **kw: Any
) -> Paths:
    in_layout(call, x, weight.ndim - 2)
    absent = (weight == 0).flatten(0, 1).all(0)
    if absent.any() and not absent.all():
        raise NotInOracleError(f"{call.name} with a mask on its taps")
    names = "stride padding dilation groups"
    if "transpose" in call.name:
        names = "stride padding output_padding groups dilation"
    kw |= dict(zip(names.split(), args, strict=False))
    groups = kw.setdefault("groups", 1)
    split = x.map(lambda t: t.unflatten(1, (groups, -1)))
    taps = torch.ones(groups, 1, *weight.shape[2:], dtype=torch.float64)
    count = getattr(F, call.name)(reduced(split, (2,)).count, taps, **kw)
    return standard(x, count.repeat_interleave(call.made.shape[1] // groups, 1))


def along(count: torch.Tensor, d: int, reads: torch.Tensor) -> torch.Tensor:
    """One axis through a matrix (sources, results)."""
    return torch.tensordot(count, reads.to(count), dims=([d], [0])).movedim(-1, d)


def pool(call: Call, x: Paths, *args: Any, **kw: Any) -> Paths:
    """A sum over every tap that lands inside."""
    names = "kernel_size stride padding dilation" if "max" in call.name else AVG_POOL
    kw |= dict(zip(names.split(), args, strict=False))
    n = int(call.name.split("pool")[1][0])
    in_layout(call, x, n)
    stride = kw.get("stride")
    stride = kw["kernel_size"] if stride in (None, [], ()) else stride
    given = kw["kernel_size"], stride, kw.get("padding", 0), kw.get("dilation", 1)
    per_axis = [np.broadcast_to(v, n) for v in given]
    count, covers = x.count, True
    for i, (k, s, p, d) in enumerate(zip(*per_axis, strict=True), start=2):
        sources = np.arange(call.made.shape[i])[:, None] * s - p + np.arange(k) * d
        reads = (sources[None] == np.arange(count.shape[i])[:, None, None]).sum(-1)
        covers = covers and bool((reads == 1).all()) and reads.shape[1] == 1
        count = along(count, i, torch.from_numpy(reads))
    return standard(x, count, pooled=x.pooled or covers)


def adaptive_pool(call: Call, x: Paths, *_: Any, **kw: Any) -> Paths:
    n = int(call.name.split("pool")[1][0])
    in_layout(call, x, n)
    count, wanted = x.count, call.made.shape
    for d in range(2, n + 2):
        size, j = count.shape[d], np.arange(wanted[d])
        starts, stops = j * size // wanted[d], -(-(j + 1) * size // wanted[d])
        i = np.arange(size)[:, None]
        count = along(count, d, torch.from_numpy((i >= starts) & (i < stops)))
    return standard(x, count, pooled=x.pooled or math.prod(wanted[2:]) == 1)


def interpolate(call: Call, x: Paths, *args: Any, **kw: Any) -> Paths:
    kw |= dict(zip(("size", "scale_factor", "mode"), args, strict=False))
    n, mode = x.count.ndim - 2, kw.pop("mode", "nearest")
    in_layout(call, x, n)
    size, scale = kw.pop("size", None), kw.pop("scale_factor", None)
    kw["mode"] = {"linear": "bilinear", "trilinear": "bilinear"}.get(mode, mode)
    count = x.count
    for d in range(2, n + 2):
        probe = torch.eye(count.shape[d], dtype=torch.float64)[:, None, :, None]
        if size is not None:
            weights = F.interpolate(probe, size=(call.made.shape[d], 1), **kw)
        else:
            factor = scale if isinstance(scale, (int, float)) else scale[d - 2]
            weights = F.interpolate(probe, scale_factor=(float(factor), 1.0), **kw)
        # What is zero on paper may come out as 1e-16.
        count = along(count, d, weights[:, 0, :, 0].abs() > 1e-9)
    return standard(x, count)


def pad(
    call: Call, x: Paths, pad: Sequence[int], mode: str = "constant", *_: Any, **kw: Any
) -> Paths:
    axis_of = [x.count.ndim - 1 - i // 2 for i in range(len(pad))]
    axes = {d: kind(x, d) for d, side in zip(axis_of, pad, strict=True) if side}
    alike = [d for d, along in axes.items() if along == "channel" and x.collapsed]
    sides = [0 if d in alike else side for d, side in zip(axis_of, pad, strict=True)]
    count = F.pad(x.count, sides, mode=mode) if any(sides) else x.count
    for d in alike:  # whatever was added is as the other channels are
        to = [call.made.shape[d] if i == d else -1 for i in range(count.ndim)]
        count = count.narrow(d, 0, 1).expand(to)
    return relabelled(x, count, axes)


def reduction(call: Call, x: Paths, *args: Any, **kw: Any) -> Paths:
    after = args[1:] if "norm" in call.name else args
    dim = kw.get("dim", kw.get("axis", after[0] if after else None))
    if isinstance(dim, (bool, float, str)):
        raise NotInOracleError(f"{call.name} with its axes left out")
    dims = range(x.count.ndim) if dim in (None, (), []) else [dim] if isinstance(dim, int) else dim
    return reduced(x, dims, keepdim=call.made.ndim == x.count.ndim)


def linear(call: Call, x: Paths, *_: Any) -> Paths:
    """Over the last axis: features, or positions beside an axis of features."""
    result = "position" if kind(x, -1) == "position" and x.count.ndim > 2 else "channel"
    x = reduced(x, (-1,), keepdim=True)
    return relabelled(x, x.count.expand(call.made.shape), {x.count.ndim - 1: result})


def of_all(*maps: Paths) -> dict[str, Any]:
    """What a result of several maps takes from all of them."""
    why = next((m.why for m in maps if m.why), "")
    return {"why": why, "pooled": all(m.pooled for m in maps), "role": ""}


def cat(call: Call, tensors: Sequence[Any], dim: int = 0, **kw: Any) -> Paths:
    d = kw.get("axis", dim) % call.made.ndim
    maps = [t for t in tensors if isinstance(t, Paths)]
    stacked = call.name == "stack"
    if stacked:
        maps = [m.map(lambda t: t.unsqueeze(d)) for m in maps]
    # An axis of size one tells little where another says more.
    kinds = {kind(m, d) for m in maps if m.count.shape[d] > 1} or {kind(m, d) for m in maps}
    result = "channel" if stacked else kinds.pop() if len(kinds) == 1 else "several kinds"
    if result == "channel" and maps[0].collapsed:
        count = sum(m.count.narrow(d, 0, 1) for m in maps).expand(call.made.shape)
    else:
        count_of = iter(m.count for m in maps)
        counts = [next(count_of) if isinstance(t, Paths) else t.double() * 0 for t in tensors]
        count = torch.cat(counts, d) if not stacked else torch.cat([m.count for m in maps], d)
    return relabelled(maps[0], count, {d: result}, **of_all(*maps))


def gates(gate: Paths, x: Paths) -> bool:
    """Whether a factor is the same at all positions of the map that it scales."""
    return (gate.pooled and not x.pooled) or (spread_out(x) and not spread_out(gate))


def binary(call: Call, a: Any, b: Any, *_: Any, **kw: Any) -> Paths:
    op, shape = call.name, call.made.shape
    if not (isinstance(a, Paths) and isinstance(b, Paths)):
        x, constant = (a, b) if isinstance(a, Paths) else (b, a)
        if x.role and isinstance(constant, torch.Tensor) and (constant.float() < -50).any():
            raise NotInOracleError("attention with a mask")
        return grown(x, shape)
    if op in ("mul", "div") and gates(b, a):
        return grown(a, shape)
    if op == "mul" and gates(a, b):
        return grown(b, shape)
    same = a.count.shape == b.count.shape
    pairs = zip(a.lineage, b.lineage, strict=False)
    shared = tuple(n for n, m in itertools.takewhile(lambda p: same and p[0] == p[1], pairs))
    if shared and op not in ("add", "sub", "rsub"):  # one activation, written out
        if shared not in (a.lineage, b.lineage):
            raise NotInOracleError(f"{op} of two functions of one map")
        return a if shared == a.lineage else b
    if op not in ("add", "mul") and not (op in ("sub", "rsub") and same):
        raise NotInOracleError(f"{op} of two maps")  # such as a norm written out
    sizes = zip(a.count.shape, b.count.shape, strict=False)
    broadcast = [d for d, (n, m) in enumerate(sizes) if n != m]
    if op == "mul" and any("position" in (kind(a, d), kind(b, d)) for d in broadcast):
        raise NotInOracleError("mul by a factor broadcast over some of the axes")
    a, b = sorted((grown(a, shape), grown(b, shape)), key=spread_out, reverse=True)
    return replace(a, count=a.count + b.count, lineage=(*shared, next(serial)), **of_all(a, b))


def extremum(call: Call, x: Any, *args: Any, **kw: Any) -> Paths:
    """`max` and `min`: of two maps, or over axes."""
    of_two = args and isinstance(args[0], (Paths, torch.Tensor))
    return (binary if of_two or not isinstance(x, Paths) else reduction)(call, x, *args, **kw)


def attended(call: Call, weights: Paths, v: Paths) -> Paths:
    """Every position of the window once, channel by channel."""
    # Not by `kind`: a window of one position does not say what its axis is.
    if varies(v.channel, -2) or varies(weights.channel, -2):
        raise NotInOracleError("attention between channels")
    shape = call.made.shape
    count = v.count.sum(-2, keepdim=True).expand(shape)
    channel = v.channel.narrow(-2, 0, 1).expand(shape)
    position = weights.position.narrow(-1, 0, 1).expand(shape)
    return replace(standard(v, count, pooled=False, role=""), channel=channel, position=position)


def matmul(call: Call, a: Any, b: Any) -> Paths:
    if not isinstance(b, Paths):
        return linear(call, a)
    if not isinstance(a, Paths):
        turned = Call(call.func, call.name, call.made.transpose(-1, -2))
        x = linear(turned, b.map(lambda t: t.transpose(-1, -2)))
        return x.map(lambda t: t.transpose(-1, -2))
    if a.role == "weights":
        return attended(call, a, b)
    x = a.map(lambda t: t.narrow(-1, 0, 1).expand(call.made.shape))
    why = of_all(a, b)["why"] or "a product of two maps that is not an attention"
    return replace(x, role="scores", why=why)


def sdpa(call: Call, q: Any, k: Any, v: Any, attn_mask: Any = None, *_: Any, **kw: Any) -> Paths:
    if attn_mask is not None or any(_[1:]) or kw.get("is_causal") or not isinstance(v, Paths):
        raise NotInOracleError("attention with a mask")
    return attended(call, q, v)


# --- the tables ---------------------------------------------------------------------------


def table(function: Callable[..., Any], names: str) -> dict[str, Callable[..., Any]]:
    return dict.fromkeys(names.split(), function)


def per_ndim(function: Callable[..., Any], names: str) -> dict[str, Callable[..., Any]]:
    return {name.replace("#", n): function for name in names.split() for n in "123"}


AVG_POOL = "kernel_size stride padding"
RESHAPES = table(structural, "view reshape flatten unflatten view_as reshape_as")
ONE_MAP = {
    **table(
        elementwise,
        """relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish sigmoid logsigmoid
        log_sigmoid hardswish hardsigmoid hardtanh hardshrink softshrink tanhshrink softplus
        softsign tanh threshold exp expm1 log log1p sqrt rsqrt square pow abs neg reciprocal erf
        sin cos clamp clip clamp_min clamp_max dropout dropout1d dropout2d dropout3d
        feature_dropout alpha_dropout feature_alpha_dropout batch_norm layer_norm group_norm
        instance_norm rms_norm local_response_norm contiguous clone detach to float double
        type_as data rpow rdiv""",
    ),
    **RESHAPES,
    **table(
        structural,
        """permute transpose swapaxes swapdims movedim moveaxis squeeze unsqueeze T mT t chunk
        split split_with_sizes tensor_split unbind narrow select index_select getitem flip roll
        channel_shuffle pixel_shuffle pixel_unshuffle""",
    ),
    **table(reduction, "mean sum amax amin std var norm linalg_vector_norm logsumexp"),
    **per_ndim(conv, "conv#d conv_transpose#d"),
    **per_ndim(pool, "max_pool#d max_pool#d_with_indices avg_pool#d"),
    **per_ndim(adaptive_pool, "adaptive_avg_pool#d adaptive_max_pool#d"),
    **table(softmax, "softmax log_softmax"),
    **table(expand, "expand expand_as"),
    **{f.__name__: f for f in (repeat, interpolate, pad, linear)},
}
SEVERAL_MAPS = {
    **table(binary, "add sub rsub mul div maximum minimum"),
    **table(extremum, "max min"),
    **table(cat, "cat stack"),
    **table(matmul, "matmul bmm"),
    **table(sdpa, "scaled_dot_product_attention"),
}
ALIASES = {
    "concat": "cat",
    "concatenate": "cat",
    "multiply": "mul",
    "subtract": "sub",
    **{f"{r}{op}": op for op in ("add", "mul") for r in ("i", "r")},
    "isub": "sub",
    "itruediv": "div",
    "truediv": "div",
    "true_divide": "div",
}
ABOUT_SHAPE = table(
    len,
    """size dim numel nelement ndimension stride is_contiguous is_floating_point is_complex
    get_device element_size len repr format""",
)
CONSTANTS = table(
    torch.zeros,
    """zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones
    new_empty new_full new_tensor""",
)


# --- running the module -------------------------------------------------------------------


class Tracked(torch.Tensor):
    """A tensor of the module that carries its paths along."""

    paths: Paths
    shared: bool  # another tensor has the same memory

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            return dispatch(func, args, kwargs or {})


def tracked(real: torch.Tensor, paths: Paths, shared: bool = False) -> Tracked:
    made = real.as_subclass(Tracked)
    made.paths, made.shared = paths, shared
    return made


def leaves(tree: Any) -> Iterator[torch.Tensor]:
    """The tensors of a structure, in order."""
    if isinstance(tree, torch.Tensor):
        yield tree
        return
    if is_dataclass(tree) and not isinstance(tree, dict):
        tree = [getattr(tree, f.name) for f in fields(tree)]
    branches = tree.values() if isinstance(tree, dict) else tree
    if isinstance(branches, (list, tuple)) or isinstance(tree, dict):
        for branch in branches:
            yield from leaves(branch)


def swap(tree: Any, change: Callable[[Any], Any], of: type = Tracked) -> Any:
    """The structure with its tensors of one type changed."""
    if isinstance(tree, of):
        return change(tree)
    if isinstance(tree, dict):
        return {k: swap(v, change, of) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)) and not isinstance(tree, torch.Size):
        return type(tree)([swap(t, change, of) for t in tree])
    return tree


def dispatch(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    said = func.__self__.__name__ if func.__name__ == "__get__" else func.__name__
    name = ALIASES.get(said.strip("_"), said.strip("_"))
    in_place = said.endswith("_") != said.endswith("__") or said in IN_PLACE
    given = list(leaves((args, kwargs)))
    for t in given:
        # The module's own tensors are all NaN: what is NaN and not one of them was computed
        # from them where this oracle could not see it, as in a script.
        known = isinstance(t, (Tracked, torch.nn.Parameter)) or not t.is_floating_point()
        if not known and t.isnan().any():
            raise NotInOracleError(f"{said} reads a tensor that was computed out of sight")
    if (in_place and not isinstance(args[0], Tracked)) or kwargs.get("out") is not None:
        raise NotInOracleError(f"{said} writes into a constant")
    plain = swap((args, kwargs), lambda t: t.as_subclass(torch.Tensor))
    with torch.no_grad():
        real = func(*plain[0], **plain[1])
    reals = list(leaves(real))
    if name in CONSTANTS or (not reals and (func.__name__ == "__get__" or name in ABOUT_SHAPE)):
        return real
    if not reals:
        raise NotInOracleError(f"{said}: values leave the tensors")

    maps = [t.paths for t in given if isinstance(t, Tracked)]
    try:
        parts = 0 if isinstance(real, torch.Tensor) else len(reals)
        paths = counterpart(Call(func, name, reals[0], parts), args, kwargs)
    except NotInOracleError as error:
        paths = (tainted(maps, reals[0], str(error)),)
    paths += tuple(tainted(maps, r, f"{said}: its other results") for r in reals[len(paths) :])
    return wrapped(said, in_place, args[0], real, iter(paths), given)


IN_PLACE = ("__iadd__", "__isub__", "__imul__", "__itruediv__")


def counterpart(call: Call, args: Any, kwargs: dict[str, Any]) -> tuple[Paths, ...]:
    """The operation on the paths."""
    if call.name.endswith("_as"):  # the other gives its shape only
        args = (args[0], args[1].as_subclass(torch.Tensor))
    several = sum(isinstance(t, Tracked) for t in leaves((args, kwargs))) > 1
    args, kwargs = swap((args, kwargs), lambda t: t.paths)
    if call.name in ONE_MAP and (several or not isinstance(args[0], Paths)):
        raise NotInOracleError(f"{call.name} with weights computed from the input")
    run = SEVERAL_MAPS.get(call.name) or ONE_MAP.get(call.name)
    if run is None:
        raise NotInOracleError(f"{call.name}: not in the tables")
    with torch.enable_grad():
        made = run(call, *args, **kwargs)
    return made if isinstance(made, tuple) else (made,)


def tainted(maps: list[Paths], made: torch.Tensor, why: str) -> Paths:
    why = next((m.why for m in maps if m.why and not m.role), why)
    zeros = torch.zeros(made.shape, dtype=torch.float64)
    return standard(maps[0], zeros, **{**of_all(*maps), "why": why})


def memory(t: torch.Tensor) -> int:
    return t.untyped_storage().data_ptr()


def wrapped(
    said: str, in_place: bool, first: Any, real: Any, paths: Iterator[Paths], given: list[Any]
) -> Any:
    """The results with their paths; the operand itself where it was changed or returned."""
    if in_place:
        made = next(paths)
        if first.shared and made.count is not first.paths.count:
            raise NotInOracleError(f"{said} writes into memory that another tensor shares")
        first.paths = made
        return first

    def wrap(r: torch.Tensor) -> Tracked:
        made = next(paths)
        same = [t for t in given if isinstance(t, Tracked) and memory(t) == memory(r)]
        for t in same:
            if t.paths is made and t.dtype == r.dtype:
                return t
            t.shared = True
        return tracked(r, made, shared=bool(same))

    return swap(real, wrap, torch.Tensor)


def paths_to(
    module: torch.nn.Module,
    input_shape: Sequence[int],
    layer: str | None,
    unit: Sequence[int] | None,
    exact: bool,
    collapsed: bool,
) -> np.ndarray:
    channels, *spatial = input_shape
    # Values that differ, so that the check of equal channels below sees more than totals.
    leaf = (torch.arange(math.prod(spatial)) % 7 + 1.0).double().view(1, 1, *spatial)
    leaf.requires_grad_()
    start = standard(Paths(leaf, leaf, leaf, collapsed, ()), leaf.expand(1, channels, *spatial))
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    x = tracked(torch.full((1, channels, *spatial), math.nan, dtype=dtype), start)
    seen: list[Paths] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        first = next(leaves(output), None)
        if not isinstance(first, Tracked):
            raise NotInOracleError(f"the output of {layer or 'the module'} holds no path")
        seen.append(first.paths)  # now: the tensor may be added to in place

    hook = module.get_submodule(layer or "").register_forward_hook(keep)
    training = {m: m.training for m in module.modules()}
    try:
        module.eval()(x)
    finally:
        hook.remove()
        for m, flag in training.items():
            m.training = flag
    if len(seen) != 1:
        raise NotInOracleError(f"{layer} runs {len(seen)} times")
    return gradient(seen[0], leaf, unit, exact)


def gradient(
    top: Paths, leaf: torch.Tensor, unit: Sequence[int] | None, exact: bool
) -> np.ndarray:
    if top.why:
        raise NotInOracleError(top.why)
    layout = ["batch", "channel", *["position"] * (top.count.ndim - 2)]
    kinds = [kind(top, d) for d in range(top.count.ndim)]
    if top.count.ndim < 2 or kinds != layout:
        raise NotInOracleError(f"an output with axes of {', '.join(kinds)}")
    if top.collapsed and not torch.allclose(top.count, top.count[:, :1], rtol=1e-9, atol=0):
        raise NotInOracleError("channels that are not alike cannot be collapsed")
    where = tuple(n // 2 for n in top.count.shape[2:]) if unit is None else tuple(unit)
    at_unit = top.count[(0, slice(1 if top.collapsed else None), *where)].sum()
    found = torch.zeros_like(leaf)
    if at_unit.requires_grad:
        (found,) = torch.autograd.grad(at_unit, leaf)
    counts = found[0, 0].numpy()
    if not counts.max() < (2**53 if exact else math.inf):
        raise OverflowError("counts past 2**53 are not exact: take a smaller net")
    if not exact:
        return counts
    assert (counts == counts.round()).all()
    return counts.astype(np.int64)


def counted(
    module: torch.nn.Module,
    input_shape: Sequence[int],
    layer: str | None = None,
    unit: Sequence[int] | None = None,
    exact: bool = True,
) -> np.ndarray:
    """Paths from each input position, in any channel, to all channels of a unit.

    `input_shape` is (channels, *spatial). `layer` is the dotted path of a submodule, by default
    the module itself; the first tensor that it returns counts. `unit` is a position there, by
    default size // 2 per axis. int64; raises OverflowError from 2**53 on, unless exact=False:
    then float64, right to about 12 digits, since nothing is ever subtracted.
    """
    return paths_to(module, input_shape, layer, unit, exact, collapsed=False)


def collapsed(
    module: torch.nn.Module,
    input_shape: Sequence[int],
    layer: str | None = None,
    unit: Sequence[int] | None = None,
    exact: bool = True,
) -> np.ndarray:
    """As `counted`, with one edge per tap, whatever the numbers of channels."""
    return paths_to(module, input_shape, layer, unit, exact, collapsed=True)
