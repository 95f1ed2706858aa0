"""`Network`: what each layer call takes, refuses and makes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import erfgraph as eg
from erfgraph.description import _binder
from erfgraph.featuremap import LARGEST_AXIS
from erfgraph.network import LAYER_METHODS, Network

Call = tuple[str, dict[str, Any]]
NEEDED: dict[str, dict[str, Any]] = {
    "conv": {"kernel": 3},
    "conv_transpose": {"kernel": 3},
    "max_pool": {"kernel": 2},
    "avg_pool": {"kernel": 2},
    "adaptive_pool": {"size": 2},
    "upsample": {"scale": 2},
    "pad": {"padding": 1},
    "crop": {"amount": 1},
    "roll": {"shift": 1},
    "channel_take": {"order": [1, 0, 3, 2]},
    "channel_shuffle": {"groups": 2},
    "channel_pool": {"channels": 4},
    "pixel_shuffle": {"block": 1},
    "pixel_unshuffle": {"block": 1},
}
UNARY = [op for op in LAYER_METHODS if op not in ("add", "multiply", "concat", "gate")]
PER_AXIS = "wanted an integer >= 1, or 2 of them"
PER_SIDE = "wanted an integer >= 0, or 2 of them or of \\(before, after\\) pairs"
TRUTH = "wanted True or False"

# (method, parameter, values that it refuses, what it wants)
WRONG: list[tuple[str, str, list[Any], str]] = [
    *[
        (op, key, [0, -1, 1.5, "3", None, True, [3], [3, 3, 3], [3, 0], [3, "3"], {}], PER_AXIS)
        for op in ("conv", "conv_transpose", "max_pool", "avg_pool")
        for key in ("kernel", "dilation")
    ],
    ("conv", "stride", [0, -1, 1.5, "3", None, True, [1, 0]], PER_AXIS),
    ("conv_transpose", "stride", [0, -1, 1.5, "3", None, True, [1, 0]], PER_AXIS),
    ("max_pool", "stride", [0, -1, 1.5, "3", True, [1, 0]], PER_AXIS),
    ("avg_pool", "stride", [0, -1, 1.5, "3", True, [1, 0]], PER_AXIS),
    *[
        (
            op,
            "padding",
            [-1, 0.5, None, True, [1], [1, -1], [[1, 2, 3], 1], [[-1, 0], 0]],
            PER_SIDE,
        )
        for op in ("conv", "conv_transpose", "max_pool", "avg_pool", "pad")
    ],
    ("crop", "amount", [-1, 0.5, None, True, [1], [1, -1], "valid"], PER_SIDE),
    ("conv", "padding", ["Same", ""], "wanted 'same', 'same_lower', 'valid', or numbers"),
    ("max_pool", "padding", ["full"], "wanted 'same', 'same_lower', 'valid', or numbers"),
    ("conv_transpose", "padding", ["same_lower"], "wanted one of 'same', 'valid'"),
    ("conv_transpose", "padding", [9, [0, 9]], "wanted an output of at least 1 per axis"),
    *[
        (op, key, [0, -1, 1.5, "3", True, [1]], "wanted an integer >= 1")
        for op in ("conv", "conv_transpose")
        for key in ("groups", "channels")
    ],
    ("linear", "channels", [0, -1, 1.5, "3", True], "wanted an integer >= 1"),
    ("conv", "padding_mode", ["zero", "symmetric", None, 0], "wanted one of 'zeros', 'reflect'"),
    (
        "conv_transpose",
        "padding_mode",
        ["reflect"],
        "wanted one of 'zeros'$|wanted one of 'zeros';",
    ),
    ("conv", "mask", ["x", [0.5], [[1, 2, 0]] * 3, [[1], [1, 1]], {}], "wanted an array of bool"),
    ("conv", "mask", [[[1, 1], [1, 1]], 1, [1, 1, 1]], "wanted the kernel's shape \\(3, 3\\)"),
    ("conv_transpose", "mask", [[True, False]], "wanted the kernel's shape \\(3, 3\\)"),
    ("conv_transpose", "output_padding", [-1, 0.5, None, True], "wanted an integer >= 0, or 2"),
    ("conv_transpose", "output_padding", [1], "wanted less than the stride or dilation on axis 0"),
    ("max_pool", "ceil_mode", [1, 0, None, "false"], TRUTH),
    ("avg_pool", "ceil_mode", [1, 0, None, "false"], TRUTH),
    ("avg_pool", "count_include_pad", [1, 0, None, "false"], TRUTH),
    ("identity", "kind", ["", "ReLU", "swish", 1, ["relu"]], "wanted one of relu, relu6, "),
    ("identity", "value", [0.5], "wanted none where no kind is given"),
    ("adaptive_pool", "size", [0, -1, 1.5, None, True, "3", [1, 0]], PER_AXIS),
    ("attention", "window", [0, -1, 1.5, True, "3", [1, 0]], PER_AXIS),
    ("attention", "dilation", [0, -1, 1.5, "3", [1, 0]], "wanted 1 where attention has no"),
    ("concat", "constant", [-1, 1.5, "1", None, True], "wanted an integer >= 0"),
    *[
        ("channel_slice", key, [1.5, "1", True, [1]], "wanted an integer as in a Python slice, or")
        for key in ("start", "stop", "step")
    ],
    ("channel_slice", "step", [0], "wanted an integer as in a Python slice"),
    ("channel_take", "order", [3, None, [], "01", [4], [0, -1], [0.5], [True]], "from 0 to 3"),
    ("channel_take", "order", [[5] * 99], "got a list of 99, wanted channels from 0 to 3"),
    *[
        (op, key, [0, -1, 1.5, "2", None, True, [2]], "wanted an integer >= 1")
        for op, key in [("channel_shuffle", "groups"), ("channel_pool", "channels")]
    ],
    *[
        (op, "block", [0, -1, 1.5, "2", None, True, [2], [1, 0]], PER_AXIS)
        for op in ("pixel_shuffle", "pixel_unshuffle")
    ],
    ("pixel_shuffle", "block", [LARGEST_AXIS, [1, 1 << 15]], "wanted at most 16384 places"),
    ("pixel_unshuffle", "block", [[3, 4], [8, 1], [7, 16]], "a divisor of every size of \\(7, 8"),
    ("upsample", "scale", [0, -1, True, "x", [2], [2, 0], float("nan"), float("inf")], "positive"),
    ("upsample", "scale", [0.01], "wanted an output of at least 1 per axis, not \\(0, 0\\)"),
    ("upsample", "mode", ["area", "", None], "wanted one of 'nearest', 'linear', 'cubic'"),
    ("upsample", "align_corners", [1, None, "no"], TRUTH),
    ("upsample", "coordinates", ["corner", "", 1], "wanted one of 'asymmetric', 'half_pixel', "),
    ("upsample", "rounding", ["up", "", 1], "wanted one of 'floor', 'ceil', 'half_down', "),
    ("pad", "mode", ["constant", None], "wanted one of 'zeros', .*'symmetric'"),
    ("crop", "amount", [4, [[3, 4], 0]], "wanted at least one position left of \\(7, 8\\)"),
    *[
        ("slice", key, [1.5, "1", True, [1], [1, 1.5]], "wanted an integer, None, or 2 of them")
        for key in ("start", "stop", "step")
    ],
    ("slice", "step", [0, [1, 0]], "wanted anything but 0"),
    ("roll", "shift", [0.5, None, True, "1", [1], [1, None]], "wanted an integer, or 2 of them"),
    *[
        (op, key, [LARGEST_AXIS + 1, 2**62, 10**30, [1, 10**30]], "wanted .*at most")
        for op, key in [
            ("conv", "kernel"),
            ("conv", "stride"),
            ("conv", "dilation"),
            ("conv", "padding"),
            ("conv_transpose", "stride"),
            ("max_pool", "padding"),
            ("adaptive_pool", "size"),
            ("attention", "window"),
            ("upsample", "scale"),
            ("upsample", "size"),
            ("pad", "padding"),
            ("roll", "shift"),
        ]
    ],
]
CASES = [(op, key, value, wanted) for op, key, values, wanted in WRONG for value in values]


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("relu", 0.5, "but 'relu' has no parameter"),
        *[("scale", v, "wanted a finite number") for v in ("1", True, [1], float("nan"))],
    ],
)
def test_a_kind_takes_its_own_value_only(kind: str, value: Any, wanted: str) -> None:
    with pytest.raises(eg.LayerError, match=f"value: got .*{wanted}"):
        made().identity("input", kind, value)


def test_a_kind_sets_a_map_apart_only_to_those_that_read_it() -> None:
    net = made()
    x = net.conv(net.input, 3, name="x")
    y = net.identity(x, "leaky_relu", name="y")
    assert (y.name, y.key, y.index, len(net)) == ("x", "y", x.index, 2)
    assert net["y"] is y
    assert net["x"] is x
    assert net.conv(x, 3).links[0].passed == ()
    halves = net.channel_slice(net.identity(y, "batch_norm", 0.0), 0, 2)
    passed = net.conv(halves, 3).links[0].passed
    assert [(p.kind, p.value) for p in passed] == [("leaky_relu", 0.01), ("batch_norm", 0.0)]


def made(shape: Any = (7, 8), channels: int = 4) -> Network:
    return Network(shape, channels, name="toy")


@pytest.mark.parametrize(("op", "key", "value", "wanted"), CASES)
def test_a_wrong_parameter_names_layer_parameter_and_both_sides(
    op: str, key: str, value: Any, wanted: str
) -> None:
    net = made()
    with pytest.raises(eg.LayerError, match=wanted) as caught:
        getattr(net, op)("input", **NEEDED.get(op, {}) | {key: value}, name="top")
    message = str(caught.value)
    assert message.startswith(f"{op} 'top': {key}: got ")
    assert message.endswith("; reads 'input' of shape (7, 8)")
    assert (len(net), net.layers, "top" in net) == (1, (), False)  # nothing is left behind


def test_every_parameter_has_a_wrong_value() -> None:
    wrong = {(op, key) for op, key, _, _ in CASES}
    for op in LAYER_METHODS:
        keys = getattr(Network, op).__wrapped__.__code__
        names = keys.co_varnames[1 : keys.co_argcount]
        tested = {key for name, key in wrong if name == op}
        # see below for those that depend on another parameter
        assert set(names) - tested <= {"x", "factor", "shift", "size"}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"mode": "linear", "rounding": "floor"}, "rounding: .* none in mode 'linear'"),
        ({"mode": "nearest_exact", "rounding": "floor"}, "none in mode 'nearest_exact'"),
        ({"mode": "nearest_exact", "coordinates": "half_pixel"}, "none beside mode 'nearest_ex"),
        ({"align_corners": True, "coordinates": "half_pixel"}, "none beside align_corners"),
    ],
)
def test_a_grid_is_said_once(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(eg.LayerError, match=problem):
        made().upsample("input", 2, **params)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (
            lambda n: n.conv("input", 9),
            "conv: kernel: spans 9 positions on axis 0, but the padded",
        ),
        (lambda n: n.conv("input", (1, 9)), r"on axis 1, .* has 8 \(input 8, padding 0 \+ 0\)"),
        (lambda n: n.conv("input", 3, groups=3), "conv: groups: 3 does not divide 4 input and 4"),
        (lambda n: n.conv("input", 3, groups=4, channels=6), "4 input and 6 output channels"),
        (
            lambda n: n.conv("input", 3, padding=7, padding_mode="reflect"),
            "conv: padding: 7 on axis 0 is too much for mode 'reflect', which can fill at most 6",
        ),
        (
            lambda n: n.pad("input", 9, "circular"),
            "pad: padding: 9 on axis 0 .* at most 7 from an",
        ),
        (lambda n: n.conv("input", 3, mask=[[0] * 3] * 3), "conv: mask: keeps no tap"),
        (lambda n: n.max_pool("input", 2, padding=((0, 0), (0, 0), (0, 0))), "max_pool: padding"),
        (
            lambda n: n.upsample("input"),
            "upsample: scale: got scale=None and size=None, wanted one",
        ),
        (lambda n: n.upsample("input", 2, size=4), "upsample: scale: got scale=2 and size=4"),
        (lambda n: n.upsample("input", size=0), "upsample: size: got 0, wanted an integer >= 1"),
        (lambda n: n.attention("input", shift=1), "attention: shift: got 1, wanted 0 where"),
        (
            lambda n: n.attention("input", 3, shift=3),
            "shift: got 3, wanted less than the window 3",
        ),
        (
            lambda n: n.attention("input", (4, 3), shift=6, dilation=2),
            "shift: got 6, wanted less than the window 6 on axis 1",
        ),
        (
            lambda n: n.attention("input", 3, dilation=(1, 0)),
            r"dilation: got \(1, 0\), wanted an integer >= 1, or 2 of them",
        ),
        (lambda n: n.attention("input", 3, shift=-1), "shift: got -1, wanted an integer >= 0"),
        (lambda n: n.slice("input", 5, 2), r"slice: stop: nothing is left of \(7, 8\) between 5"),
        (lambda n: n.add(), "add: xs: got no feature map, wanted at least one"),
        (lambda n: n.concat(), "concat: xs: got no feature map"),
        (lambda n: n.multiply(), "multiply: xs: got no feature map"),
        (
            lambda n: n.add("input", n.conv("input", 3, name="c")),
            r"add: xs: spatial shapes differ: \(7, 8\), \(5, 6\); reads 'input' of",
        ),
        (lambda n: n.concat("input", n.conv("input", 3)), "concat: xs: spatial shapes differ"),
        (lambda n: n.multiply("input", n.conv("input", 3)), "multiply: xs: spatial shapes differ"),
        (
            lambda n: n.add("input", n.conv("input", 1, channels=6)),
            r"add: xs: channels differ: \[4, 6\]",
        ),
        (
            lambda n: n.multiply("input", n.conv("input", 1, channels=6)),
            r"multiply: xs: channels differ: \[4, 6\]",
        ),
        (
            lambda n: n.gate("input", n.conv("input", 3)),
            r"gate: factor: shape \(5, 6\) cannot be broadcast to \(7, 8\), wanted 1 or the same",
        ),
        (
            lambda n: n.gate("input", n.conv("input", 1, channels=3)),
            "gate: factor: channels: got 3, wanted 1 or 4; reads 'input'",
        ),
        (
            lambda n: n.channel_slice("input", 3, 1),
            "channel_slice: stop: no channel is left of 4 in 3:1:None; reads 'input'",
        ),
        (
            lambda n: n.channel_shuffle("input", 3),
            "channel_shuffle: groups: 3 does not divide 4 channels",
        ),
        (
            lambda n: n.channel_pool("input", 8),
            "channel_pool: channels: 8 does not divide 4 channels",
        ),
        (
            lambda n: n.pixel_shuffle("input", (3, 2)),
            "pixel_shuffle: block: 6 places in a block do not divide 4 channels",
        ),
        (
            lambda n: n.channel_shuffle(n.conv("input", 1, channels=1 << 23), 2),
            "channel_shuffle: channels: 8388608 of them in an order of their own, at most 4194304",
        ),
        (
            lambda n: n.conv_transpose("input", 1, LARGEST_AXIS),
            "conv_transpose: an axis of the output would have 15032385537 positions",
        ),
    ],
)
def test_what_does_not_fit_together(call: Callable[[Network], Any], problem: str) -> None:
    with pytest.raises(eg.LayerError, match=problem):
        call(made())


def test_calls_that_python_would_refuse_name_the_layer() -> None:
    with pytest.raises(TypeError, match=r"^conv: missing a required argument: 'kernel'$"):
        made().conv("input")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^conv: got an unexpected keyword argument 'kernal'$"):
        made().conv("input", 3, kernal=3)  # type: ignore[call-arg]


# --- what layers read ---


@pytest.mark.parametrize("op", LAYER_METHODS)
def test_maps_of_others_are_refused_everywhere(op: str) -> None:
    net, other = made(), made()
    foreign = other.conv(other.input, 3, name="foreign")
    others = ["input"] if op == "gate" else []
    params = NEEDED.get(op, {})
    with pytest.raises(eg.LayerError, match=f"^{op} 't': x: feature map 'foreign' belongs to ano"):
        getattr(net, op)(*others, foreign, **params, name="t")
    with pytest.raises(eg.LayerError, match=f"^{op}: x: feature map 'input' belongs to another"):
        getattr(net, op)(*others, other.input, **params)
    for nothing in (None, 3, [net.input]):
        with pytest.raises(eg.LayerError, match=f"^{op}: x: got .*, wanted a feature map of this"):
            getattr(net, op)(*others, nothing, **params)
    with pytest.raises(
        eg.NameLookupError, match="unknown layer 'inptu' in network 'toy'; did you"
    ):
        getattr(net, op)(*others, "inptu", **params)
    assert len(net) == 1


def test_unknown_names_are_suggested() -> None:
    net = made()
    net.conv("input", 3, name="stem")
    with pytest.raises(
        eg.NameLookupError,
        match=r"^unknown layer 'sten' in network 'toy'; did you mean 'stem'\? known: input, stem$",
    ):
        net["sten"]
    with pytest.raises(eg.NameLookupError, match=r"unknown layer '\['a'\]'|unknown layer"):
        net[["a"]]  # type: ignore[index]
    long = "q" * 10**6
    with pytest.raises(eg.NameLookupError) as caught:
        net[long]
    assert len(str(caught.value)) < 300


# --- names ---


def test_names_are_taken_once() -> None:
    net = made()
    x = net.conv("input", 3, name="a")
    for call in (lambda: net.conv(x, 1, name="a"), lambda: net.identity(x, name="a")):
        with pytest.raises(
            eg.LayerError, match=r"^(conv|identity) 'a': name: 'a' is taken already"
        ):
            call()
    with pytest.raises(eg.LayerError, match=r"^conv 'input': name: 'input' is taken already"):
        net.conv(x, 1, name="input")
    for name in ("", 3, ["a"], b"a"):
        with pytest.raises(
            eg.LayerError, match=r"name: got .*, wanted a string that is not empty"
        ):
            net.conv(x, 1, name=name)  # type: ignore[arg-type]
    assert [m.name for m in net.maps] == ["input", "a"]


def test_names_that_are_made_avoid_those_that_are_given() -> None:
    net = made((19,))
    for name in (None, "conv2", None, "conv9", None):
        net.conv(net.output, 1, name=name)
    assert [m.name for m in net.maps] == ["input", "conv1", "conv2", "conv3", "conv9", "conv4"]


def test_identity_is_another_name() -> None:
    net = made()
    x = net.conv("input", 3, name="conv")
    assert net.identity(x) is x
    assert net.identity("conv", name="relu") is x
    assert (net["relu"], net["conv"], len(net), len(net.layers)) == (x, x, 2, 3)
    assert net.output is x
    assert list(net.names) == ["input", "conv", "relu"]


def test_a_network_cannot_be_changed_through_what_it_shows() -> None:
    net = made()
    net.names["other"] = net.input  # type: ignore[index]
    assert "other" not in net
    with pytest.raises(AttributeError):
        net.input.name = "x"  # type: ignore[misc]


# --- what is taken ---


@pytest.mark.parametrize("shape", [9, (9,), (9, 8), (9, 8, 7)])
@pytest.mark.parametrize("op", UNARY)
def test_one_two_and_three_axes(op: str, shape: Any) -> None:
    net = Network(shape, channels=4)
    x = getattr(net, op)("input", **NEEDED.get(op, {}))
    assert len(x.shape) == net.ndim == len(np.atleast_1d(shape))
    assert x.channels == 4


@pytest.mark.parametrize(
    ("op", "plain", "numpy"),
    [
        ("conv", {"kernel": 3, "stride": 2}, {"kernel": np.int8(3), "stride": np.uint64(2)}),
        ("conv", {"kernel": [3, 2]}, {"kernel": np.array([3, 2])}),
        ("conv", {"kernel": [3, 2]}, {"kernel": (np.int64(3), 2)}),
        (
            "conv",
            {"kernel": 3, "padding": [[1, 2], [0, 1]]},
            {"kernel": 3, "padding": np.array([[1, 2], [0, 1]])},
        ),
        (
            "conv",
            {"kernel": 3, "groups": 2, "channels": 6},
            {"kernel": 3, "groups": np.int32(2), "channels": np.int16(6)},
        ),
        (
            "conv",
            {"kernel": 2, "mask": [[1, 0], [1, 1]]},
            {"kernel": 2, "mask": np.array([[1, 0], [1, 1]])},
        ),
        (
            "conv",
            {"kernel": 2, "mask": [[True, False], [True, True]]},
            {"kernel": 2, "mask": np.array([[1, 0], [1, 1]], bool)},
        ),
        (
            "max_pool",
            {"kernel": 2, "ceil_mode": True},
            {"kernel": np.int64(2), "ceil_mode": np.True_},
        ),
        ("upsample", {"scale": 1.5}, {"scale": np.float64(1.5)}),
        ("upsample", {"size": [3, 4]}, {"size": np.array([3, 4])}),
        ("roll", {"shift": [-1, 2]}, {"shift": np.array([-1, 2])}),
        ("slice", {"start": [1, 2]}, {"start": np.array([1, 2])}),
    ],
)
def test_numpy_s_numbers_are_numbers(op: str, plain: Any, numpy: Any) -> None:
    nets = [made(), made()]
    for net, params in zip(nets, (plain, numpy), strict=True):
        getattr(net, op)("input", **params)
    assert nets[0].to_dict() == nets[1].to_dict()
    assert nets[0].output.shape == nets[1].output.shape
    assert nets[0].output.links == nets[1].output.links


@pytest.mark.parametrize("shape", [np.int64(9), [9], np.array([9]), (np.uint8(9),)])
def test_shapes_of_numpy_s_numbers(shape: Any) -> None:
    net = Network(shape, channels=np.int64(3))  # type: ignore[arg-type]
    assert (net.input.shape, net.input.channels) == ((9,), 3)
    assert [type(n) for n in (*net.input.shape, net.input.channels)] == [int, int]


@pytest.mark.parametrize(
    "shape", [0, -1, (), (9, 0), (1, 2, 3, 4), "9", None, 9.0, True, (9, "9"), 2**40, 10**30]
)
def test_wrong_input_shapes(shape: Any) -> None:
    with pytest.raises(
        eg.InputError, match=r"^input shape: got .*, wanted 1 to 3 positive integer"
    ):
        Network(shape)


def test_wrong_channels_and_gates() -> None:
    for channels in (0, -1, 1.0, "3", True, None):
        with pytest.raises(eg.InputError, match=r"^channels: got .*, wanted an integer >= 1"):
            Network(9, channels)  # type: ignore[arg-type]
    with pytest.raises(
        eg.InputError, match=r"^gates: got 'on', wanted one of \('transparent', 'fo"
    ):
        Network(9, gates="on")


def test_channels_of_what_layers_make() -> None:
    net = Network(9, channels=4)
    wide = net.conv("input", 1, channels=6, groups=2)
    single = net.conv("input", 1, channels=1)
    assert net.concat(wide, single, wide).channels == 13
    assert net.add("input", single).channels == 4  # a single channel is broadcast
    assert net.multiply(single, wide).channels == 6
    assert net.add(single, single).channels == 1
    assert net.linear(wide, 10).channels == 10
    assert net.gate(wide, net.global_pool(single)) is wide


def test_views_stand_for_channels_of_a_map() -> None:
    net = Network(9, channels=8)
    view = net.channel_slice("input", 6, 1, -2, name="half")  # 6, 4, 2
    assert (view.channels, view.index, view.shape, len(net)) == (3, 0, (9,), 1)
    assert net["half"] is view is net.output
    shuffled = net.channel_shuffle(net.concat("input", "half", constant=1), 3)  # of 12
    assert shuffled.view == (0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)
    nested = net.channel_slice(net.channel_take("half", [2, 0, 0]), 1)
    assert (nested.view, nested.name) == ((6, 6), "channel_slice1")
    assert net.channel_slice(net.channel_slice("input", 1), step=3).view == range(1, 8, 3)
    assert net.results[:3] == ("half", "concat1", "channel_shuffle1")
    with pytest.raises(eg.LayerError, match="'half' belongs to another network"):
        Network(9, channels=8).conv(view, 1)


def joined(link: Any) -> list[tuple[int, int]]:
    """Pairs of (channel read, channel made) of a link's parts, in order."""
    found = []
    for part in link.parts:
        mix = part.mix
        n, m = len(mix.makes) // mix.groups, len(mix.reads) // mix.groups
        for g in range(mix.groups):
            made, read = mix.makes[g * n : (g + 1) * n], mix.reads[g * m : (g + 1) * m]
            found += [(source, out) for out in made for source in read]
    return found


def test_which_channels_layers_join() -> None:
    net = Network(8, channels=4)
    conv = net.conv("input", 1, groups=2, channels=2)
    assert joined(conv.links[0]) == [(0, 0), (1, 0), (2, 1), (3, 1)]
    odd = net.channel_slice("input", 3, None, -2)  # 3, 1
    assert joined(net.conv(odd, 1).links[0]) == [(3, 0), (1, 0), (3, 1), (1, 1)]
    assert joined(net.max_pool(odd, 2).links[0]) == [(3, 0), (1, 1)]
    both = net.concat(odd, "input", constant=3)
    assert [joined(link) for link in both.links] == [
        [(3, 0), (1, 1)],
        [(0, 2), (1, 3), (2, 4), (3, 5)],
    ]
    assert both.channels == 9
    single = net.channel_pool(odd)
    assert joined(single.links[0]) == [(3, 0), (1, 0)]
    assert [joined(link) for link in net.add(single, "input").links] == [
        [(0, 0), (0, 1), (0, 2), (0, 3)],
        [(0, 0), (1, 1), (2, 2), (3, 3)],
    ]
    assert joined(net.pixel_shuffle("input", 2).links[0]) == [(0, 0), (2, 1), (1, 0), (3, 1)]
    assert joined(net.pixel_unshuffle(odd, 2).links[0]) == [(3, 0), (1, 2), (3, 1), (1, 3)]


def test_what_it_shows() -> None:
    net = made()
    assert repr(net) == "<Network 'toy': input 7x8, 1 feature maps>"
    assert net.output is net.input
    assert net.to_dict() == {"name": "toy", "input": [7, 8], "channels": 4, "layers": []}
    assert (net.ndim, len(net), "input" in net) == (2, 1, True)


# --- how calls are bound ------------------------------------------------------------------


@st.composite
def calls(draw: st.DrawFn) -> tuple[Any, list[int], dict[str, int]]:
    """A layer method and arguments that may or may not fit it."""
    method = inspect.unwrap(getattr(Network, draw(st.sampled_from(LAYER_METHODS))))
    known = list(inspect.signature(method).parameters)
    names = st.sampled_from([*known, "xs", "bogus"])
    positional = draw(st.lists(st.integers(), max_size=len(known) + 1))
    return method, positional, draw(st.dictionaries(names, st.integers(), max_size=6))


@settings(max_examples=400, deadline=timedelta(seconds=10))
@given(calls())
def test_arguments_are_bound_as_python_binds_them(call: Any) -> None:
    method, args, kwargs = call
    try:
        wanted = inspect.signature(method).bind(None, *args, **kwargs)
    except TypeError as error:
        with pytest.raises(TypeError, match=f"^{re.escape(str(error))}$"):
            _binder(method)(None, args, kwargs)
        return
    xs, by_name = _binder(method)(None, args, kwargs)
    expected = {key: v for key, v in wanted.arguments.items() if key != "self"}
    assert list(xs) == list(expected.pop("xs", ()))
    assert list(by_name.items()) == list(expected.items())
