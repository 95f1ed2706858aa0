"""Hypothesis strategies: random small networks of every kind of layer, nested branches too."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

import erfgraph as eg
from erfgraph.network import FeatureMap, Network

patient = settings(deadline=None)  # a busy machine is no failure
MOST_UNITS = 60  # of one feature map
OPS = (
    *("conv", "conv", "conv", "conv_transpose", "max_pool", "pad", "crop", "slice"),
    *("roll", "upsample", "adaptive_pool", "attention", "global_pool", "identity"),
    *("pixel_unshuffle", "pixel_shuffle"),
)
MODES = ("zeros", "zeros", "reflect", "replicate", "circular")


def per_axis(values: st.SearchStrategy[int], ndim: int) -> st.SearchStrategy[Any]:
    """One value for all axes or one per axis."""
    return values | st.tuples(*[values] * ndim)


def per_side(most: int, ndim: int) -> st.SearchStrategy[Any]:
    """One value, one per axis, or (before, after) per axis."""
    side = st.integers(0, most)
    return per_axis(side, ndim) | st.tuples(*[st.tuples(side, side)] * ndim)


@st.composite
def masks(draw: st.DrawFn, kernel: tuple[int, ...]) -> Any:
    """None, or an array of booleans that keeps a tap or more."""
    if draw(st.integers(0, 3)):
        return None
    n = math.prod(kernel)
    kept = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any))
    for size in reversed(kernel[1:]):
        kept = [kept[i : i + size] for i in range(0, len(kept), size)]
    return kept


@st.composite
def layer_calls(draw: st.DrawFn, ndim: int) -> tuple[str, dict[str, Any]]:
    """One layer on one map; it may not fit."""
    small, step = st.integers(1, 3), per_axis(st.integers(1, 2), ndim)
    op = draw(st.sampled_from(OPS))
    if op == "conv":
        kernel = draw(st.tuples(*[small] * ndim))
        params = {"kernel": kernel, "stride": draw(step), "mask": draw(masks(kernel))}
        params["padding"] = draw(per_side(2, ndim) | st.sampled_from(["same", "valid"]))
        params |= {"dilation": draw(step), "padding_mode": draw(st.sampled_from(MODES))}
    elif op == "conv_transpose":
        kernel = draw(st.tuples(*[small] * ndim))
        params = {"kernel": kernel, "stride": draw(step), "mask": draw(masks(kernel))}
        params |= {"padding": draw(per_side(1, ndim)), "dilation": draw(step)}
        params["output_padding"] = draw(st.integers(0, 1))
    elif op == "max_pool":
        params = {"kernel": draw(per_axis(small, ndim)), "stride": draw(step)}
        params |= {"padding": draw(per_side(1, ndim)), "ceil_mode": draw(st.booleans())}
    elif op == "pad":
        mode = draw(st.sampled_from([*MODES, "symmetric"]))
        params = {"padding": draw(per_side(2, ndim)), "mode": mode}
    elif op == "crop":
        params = {"amount": draw(per_side(2, ndim))}
    elif op == "slice":
        end = per_axis(st.none() | st.integers(-4, 4), ndim)
        params = {"start": draw(end), "stop": draw(end)}
        params["step"] = draw(per_axis(st.sampled_from([1, 2, -1, -2]), ndim))
    elif op == "roll":
        params = {"shift": draw(per_axis(st.integers(-3, 3), ndim))}
    elif op == "upsample":
        params = {"mode": draw(st.sampled_from(["nearest", "linear", "cubic"]))}
        params["scale"] = draw(st.sampled_from([2, 1.5, 0.5, 3]))
        params["align_corners"] = draw(st.booleans())
    elif op == "adaptive_pool":
        params = {"size": draw(per_axis(st.integers(1, 4), ndim))}
    elif op == "attention":
        params = {"window": draw(st.none() | per_axis(small, ndim))}
        if params["window"] is not None:
            params["dilation"] = draw(step)
    elif op in ("pixel_shuffle", "pixel_unshuffle"):
        params = {"block": draw(step)}
    else:
        params = {}
    return op, params


def _call(net: Network, op: str, x: FeatureMap, params: dict[str, Any]) -> FeatureMap:
    """Add a layer if it fits and stays small, else none."""
    trial = eg.Network(x.shape, x.channels)
    try:
        if math.prod(getattr(trial, op)("input", **params).shape) > MOST_UNITS:
            return x
    except eg.LayerError:
        return x
    return getattr(net, op)(x, **params)


@st.composite
def _same_size(draw: st.DrawFn, net: Network, x: FeatureMap, depth: int) -> FeatureMap:
    """A branch that keeps the size: convolutions, rolls, attention, branches."""
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["conv", "wide", "roll", "attention", "branch", "cut"]))
        if kind == "branch" and depth:
            x = draw(_branches(net, x, depth - 1))
        elif kind == "roll":
            x = net.roll(x, draw(st.integers(-2, 2)))
        elif kind == "attention":
            x = net.attention(x, draw(st.integers(1, 3)))
        elif kind == "cut":  # holes, and units that nothing reads
            side = draw(st.integers(0, 1))
            params = {"amount": ((side, 1 - side),) * len(x.shape)}
            if (cut := _call(net, "crop", x, params)) is not x:
                x = net.pad(cut, ((side, 1 - side),) * len(x.shape))
        else:
            kernel = draw(st.tuples(*[st.integers(1, 3)] * len(x.shape)))
            dilation = draw(st.integers(1, 2)) if kind == "wide" else 1
            params = {"kernel": kernel, "dilation": dilation, "padding": "same"}
            params["padding_mode"] = draw(st.sampled_from(MODES))
            x = _call(net, "conv", x, params | {"mask": draw(masks(kernel))})
    return x


@st.composite
def _branches(draw: st.DrawFn, net: Network, x: FeatureMap, depth: int) -> FeatureMap:
    """Two or three branches from one map, merged."""
    made = [draw(_same_size(net, x, depth)) for _ in range(draw(st.integers(2, 3)))]
    kind = draw(st.sampled_from(["add", "concat", "multiply", "gate"]))
    if kind == "gate":
        factor = net.adaptive_pool(made[1], draw(st.sampled_from([1, x.shape])))
        return net.gate(made[0], factor)
    if kind == "concat":
        return net.conv(net.concat(*made), 1, channels=x.channels)
    return getattr(net, kind)(*made)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A network of one to five layers or branches."""
    ndim = draw(st.sampled_from([1, 1, 2, 2, 3]))
    longest = (11, 5, 3)[ndim - 1]
    shape = draw(st.tuples(*[st.integers(1, longest)] * ndim))
    net = eg.Network(shape, gates=draw(st.sampled_from(["transparent", "follow"])))
    x = net.conv(net.input, 1) if draw(st.booleans()) else net.identity(net.input)
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.integers(0, 2)):
            op, params = draw(layer_calls(ndim))
            x = _call(net, op, x, params)
        else:
            x = draw(_branches(net, x, 2))
    net.identity(x)  # what was made last need not be what is asked about
    return net


@st.composite
def units(draw: st.DrawFn, net: Network) -> tuple[FeatureMap, tuple[int, ...]]:
    """A feature map and a position of it, mostly of the last map."""
    index = draw(st.just(len(net.maps) - 1) | st.integers(0, len(net.maps) - 1))
    m = net.maps[index]
    return m, tuple(draw(st.integers(0, n - 1)) for n in m.shape)


# --- networks whose channels matter ---------------------------------------------------------

CHANNEL_OPS = (
    *("conv", "conv", "conv", "depthwise", "shuffle", "slice", "take", "pool", "pixel_shuffle"),
    *("pixel_unshuffle", "add", "concat", "concat", "multiply", "gate", "max_pool", "linear"),
)
MOST_NODES = 240  # of one feature map


def _factor(draw: st.DrawFn, n: int) -> int:
    return draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0]))


def _channel_call(
    draw: st.DrawFn, op: str, x: FeatureMap, made: list[FeatureMap]
) -> tuple[str, list[FeatureMap], dict[str, Any]]:
    """One layer that moves or mixes channels: its method, inputs and parameters."""
    n, ndim = x.channels, len(x.shape)
    alike = [m for m in made if m.shape == x.shape]
    if op == "conv":
        groups = _factor(draw, n)
        params = {"kernel": draw(st.integers(1, 3)), "padding": "same", "groups": groups}
        return "conv", [x], params | {"channels": groups * draw(st.integers(1, 3))}
    if op == "depthwise":
        params = {"kernel": 2, "padding": "same", "groups": n}
        return "conv", [x], params | {"channels": n * draw(st.integers(1, 2))}
    if op == "shuffle":
        return "channel_shuffle", [x], {"groups": _factor(draw, n)}
    if op == "slice":
        end = st.none() | st.integers(-n, n)
        step = draw(st.sampled_from([1, 1, 2, -1, -2]))
        return "channel_slice", [x], {"start": draw(end), "stop": draw(end), "step": step}
    if op == "take":
        order = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=6))
        return "channel_take", [x], {"order": order}
    if op == "pool":
        return "channel_pool", [x], {"channels": _factor(draw, n)}
    if op in ("pixel_shuffle", "pixel_unshuffle"):
        return op, [x], {"block": draw(per_axis(st.integers(1, 2), ndim))}
    if op in ("add", "multiply", "concat"):
        fits = [m for m in alike if op == "concat" or m.channels in (1, n)]
        inputs = [x, *draw(st.lists(st.sampled_from(fits), min_size=1, max_size=2))]
        return op, inputs, {"constant": draw(st.integers(0, 1))} if op == "concat" else {}
    if op == "gate":
        return op, [x, draw(st.sampled_from([m for m in alike if m.channels in (1, n)]))], {}
    return op, [x], {"kernel": 2, "stride": 1} if op == "max_pool" else {"channels": 3}


@st.composite
def channel_networks(draw: st.DrawFn) -> Network:
    """A network of several channels: groups, splits, shuffles, branches that share views."""
    ndim = draw(st.sampled_from([1, 1, 2]))
    shape = draw(st.tuples(*[st.integers(1, (6, 4)[ndim - 1])] * ndim))
    gates = draw(st.sampled_from(["transparent", "follow"]))
    net = eg.Network(shape, channels=draw(st.integers(1, 6)), gates=gates)
    made = [net.input]
    for _ in range(draw(st.integers(2, 9))):
        x = draw(st.sampled_from(made[-2:]))
        op = draw(st.sampled_from(CHANNEL_OPS))
        method, inputs, params = _channel_call(draw, op, x, made)
        trial = eg.Network(x.shape, gates=gates)
        try:
            tried = [trial.conv("input", 1, channels=m.channels) for m in inputs]
            found = getattr(trial, method)(*tried, **params)
        except eg.LayerError:
            continue
        if math.prod(found.shape) * found.channels <= MOST_NODES:
            made.append(getattr(net, method)(*inputs, **params))
    if not net.layers:
        net.identity(net.input)
    return net
