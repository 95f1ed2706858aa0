"""`variance` with activations, norms and initialisations, against autograd over drawn weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import draw_oracle as oracle
import numpy as np
import pytest

import erfgraph as eg
from erfgraph import elementwise, moments
from erfgraph.network import FeatureMap, Network

torch = oracle.torch

WIDTH, LENGTH, DRAWS = 48, 10, 200
MOST_TV = 0.008  # of shares, beside sampling
MOST_TOTAL = 0.06  # of totals, corrections of order 1/width included

CASES: dict[str, tuple[Callable[[Network], Any], dict[str, Any], float]] = {}


def case(
    *, total: float = MOST_TOTAL, **options: Any
) -> Callable[[Callable[[Network], Any]], Any]:
    """Register a network, with what `importance` is asked and how far its total may be off."""

    def register(grow: Callable[[Network], Any]) -> Callable[[Network], Any]:
        CASES[grow.__name__] = (grow, options, total)
        return grow

    return register


def stack(
    net: Network, x: FeatureMap, *kinds: Any, kernel: int = 3, width: int = WIDTH
) -> FeatureMap:
    """Convolutions over a circle, so that no border changes a moment, and functions."""
    for kind in kinds:
        if kind == "conv":
            mode = {"padding": kernel // 2, "padding_mode": "circular"} if kernel > 1 else {}
            x = net.conv(x, kernel, channels=width, **mode)
        else:
            x = net.identity(x, *(kind if isinstance(kind, tuple) else (kind,)))
    return x


NORMED = ("conv", "batch_norm", "relu")


# --- activations ---


@case(init="kaiming_fan_in")
def relu_chain(net):
    stack(net, net.input, *["conv", "relu"] * 4, "conv")


@case(init="pytorch")
def relu_last(net):
    """The unit itself is behind an activation."""
    stack(net, net.input, "conv", "relu", "conv", "relu")


@case(init="kaiming_fan_in")
def relu_residual(net):
    """After the sum too, as ResNets have it."""
    x = stack(net, net.input, "conv", "relu")
    for _ in range(2):
        x = net.identity(net.add(x, stack(net, x, "conv", "relu", "conv")), "relu")
    stack(net, x, "conv")


@case(init="kaiming_fan_in")
def relu_in_branches(net):
    """Only branches have activations: without them they would weigh twice as much."""
    x = stack(net, net.input, "conv")
    for _ in range(3):
        x = net.add(x, stack(net, x, "conv", "relu", "conv"))


@case(init="kaiming_fan_in")
def relu_beside_itself(net):
    """x + relu(x): a slope of 2 or 1, 2.5 in mean square."""
    x = stack(net, net.input, "conv")
    stack(net, net.add(x, net.identity(x, "relu")), "conv")


@case(init="lecun")
def gelu_chain(net):
    stack(net, net.input, *["conv", "gelu"] * 3)


@case(init="kaiming_fan_in")
def silu_chain(net):
    stack(net, net.input, *["conv", "silu"] * 3)


@case(init="std=0.2")
def tanh_chain(net):
    stack(net, net.input, *["conv", "tanh"] * 3)


@case(init="kaiming_fan_in")
def leaky_chain(net):
    stack(net, net.input, *["conv", ("leaky_relu", 0.2)] * 3, "conv")


@case(init="kaiming_fan_out")
def three_kinds(net):
    stack(net, net.input, "conv", "hardswish", "conv", "relu6", "conv", "softplus")


@case(init="kaiming_fan_in")
def depthwise(net):
    x = stack(net, net.input, "conv", "relu")
    x = net.conv(x, 3, padding=1, padding_mode="circular", groups=WIDTH)
    net.conv(net.identity(x, "relu"), 1)


# --- scales and gates ---


@case(init="xavier")
def layer_scale(net):
    x = stack(net, net.input, "conv")
    for _ in range(2):
        x = net.add(x, net.identity(stack(net, x, "conv", "gelu", "conv"), "scale", 0.3))


@case(init="pytorch")
def squeeze_and_excitation(net):
    x = stack(net, net.input, "conv", "relu")
    gate = stack(net, net.global_pool(x), "conv", "relu", "conv", "sigmoid", kernel=1)
    stack(net, net.gate(x, gate), "conv")


# --- norms ---


@case(init="kaiming_fan_out", batchnorm="batch")
def batch_norm_chain(net):
    stack(net, net.input, *NORMED * 3, "conv")


@case(init="kaiming_fan_out", batchnorm="batch", total=0.2)
def batch_norm_residual(net):
    x = stack(net, net.input, *NORMED)
    for _ in range(3):
        x = net.identity(net.add(x, stack(net, x, *NORMED, "conv", "batch_norm")), "relu")


@case(init="kaiming_fan_out", batchnorm="batch")
def preactivated(net):
    x = stack(net, net.input, "conv")
    for _ in range(3):
        x = net.add(x, stack(net, x, *["batch_norm", "relu", "conv"] * 2))
    stack(net, x, "batch_norm", "relu")


@case(init="lecun")
def layer_norm(net):
    """Transformers' and ConvNeXt's: a norm at the head of every branch."""
    x = stack(net, net.input, "conv")
    for _ in range(2):
        x = net.add(x, stack(net, x, "layer_norm", "conv"))
        x = net.add(x, stack(net, x, "layer_norm", "conv", "gelu", "conv", kernel=1))


@case(init="std=0.15", batchnorm="batch")
def unequal_branches(net):
    """Channels of three variances side by side, which a batch norm makes equal."""
    x = stack(net, net.input, "conv", "relu")
    y = stack(net, x, "conv", "relu")
    x = net.concat(x, stack(net, y, "conv", width=16), y)
    stack(net, x, "batch_norm", "relu", "conv", "batch_norm", "relu", "conv", kernel=1)


# --- pools ---


@case(init="kaiming_fan_in")
def max_pool(net):
    x = net.max_pool(stack(net, net.input, "conv", "relu"), 3, 1)
    stack(net, x, "conv", "relu", "conv")


@case(init="kaiming_fan_out", batchnorm="batch")
def average_pools(net):
    x = net.avg_pool(stack(net, net.input, *NORMED), 3, 1)
    x = net.avg_pool(stack(net, x, *NORMED, kernel=1), 2, 2)
    stack(net, x, *NORMED, "conv")


# --- what they are checked with ---


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are slower on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(name: str) -> tuple[Network, dict[str, Any]]:
    grow, options, _ = CASES[name]
    net = eg.Network(LENGTH, channels=WIDTH, name=name)
    grow(net)
    return net, dict(options)


DRAWN: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}


def drawn(name: str, scalar: str = "channel") -> tuple[np.ndarray, np.ndarray]:
    """Mean squares over draws, and their standard errors, found once."""
    if (name, scalar) not in DRAWN:
        net, options = made(name)
        batch = options.get("batchnorm") == "batch"
        unit = (net.output.shape[0] // 2,)
        DRAWN[name, scalar] = oracle.mean_squares(
            net,
            unit,
            options["init"],
            DRAWS,
            batch=batch,
            samples=32 if batch else 8,
            scalar=scalar,
        )
    return DRAWN[name, scalar]


def distances(name: str, scalar: str = "channel") -> tuple[float, float]:
    """Total variation between shares, and how far the totals' ratio is from one."""
    net, options = made(name)
    got = eg.importance(net, measure="variance", scalar=scalar, **options).values
    want, _ = drawn(name, scalar)
    share = np.abs(got / got.sum() - want / want.sum()).sum() / 2
    return float(share), abs(float(got.sum() / want.sum()) - 1)


def sampling(name: str, scalar: str = "channel") -> float:
    """The standard error of the mean squares, over their size."""
    want, error = drawn(name, scalar)
    return float(error.sum() / want.sum())


@pytest.mark.parametrize("name", CASES)
def test_mean_squares_of_a_channel(name):
    share, total = distances(name)
    noise = sampling(name)
    assert share < MOST_TV + 0.4 * noise
    assert total < CASES[name][2] + 3 * noise


@pytest.mark.parametrize(
    "name", ["relu_last", "relu_residual", "gelu_chain", "preactivated", "squeeze_and_excitation"]
)
def test_mean_squares_of_the_sum(name):
    assert distances(name, "sum")[0] < MOST_TV + 0.4 * sampling(name, "sum")


@pytest.mark.parametrize("scalar", ["channel", "sum"])
@pytest.mark.parametrize("name", CASES)
def test_importances_are_those_of_each_map(name, scalar):
    net, options = made(name)
    keys = {"measure": "variance", "scalar": scalar, **options}
    for key, m in eg.importances(net, **keys).items():
        one = eg.importance(net, of=key, **keys)
        assert np.allclose(m.values, one.values, rtol=1e-10, atol=1e-16), key
        assert np.isfinite(m.values).all()


def test_an_activation_between_averages():
    """Slopes of several positions meet in one sum and are not independent: an approximation."""
    net = eg.Network(13, channels=WIDTH)
    x = net.avg_pool(stack(net, net.input, "conv"), 3, 1)
    net.conv(net.avg_pool(net.identity(x, "relu"), 3, 1), 1)
    got = eg.importance(net, measure="variance", init="kaiming_fan_in", scalar="channel").values
    unit = (net.output.shape[0] // 2,)
    want, _ = oracle.mean_squares(net, unit, "kaiming_fan_in", DRAWS, scalar="channel")
    assert np.abs(got / got.sum() - want / want.sum()).sum() / 2 < 0.03


def test_branches_that_start_at_zero():
    """Only the identities remain of a residual network, whatever its branches hold."""
    net = eg.Network((9, 9), channels=8)
    x = net.identity(net.conv(net.input, 3, padding=1), "relu")
    for _ in range(2):
        y = net.identity(net.identity(net.conv(x, 3, padding=1), "batch_norm"), "relu")
        y = net.identity(net.conv(y, 3, padding=1), "batch_norm")
        x = net.identity(net.add(x, y), "relu")
    stem = eg.Network((9, 9), channels=8)
    stem.conv(stem.input, 3, padding=1)
    keys = {"measure": "variance", "init": "kaiming_fan_out", "scalar": "channel"}
    zero = eg.importance(net, zero_residual=True, **keys)
    assert zero.trf.bbox == ((3, 6), (3, 6))
    assert np.allclose(zero.share, eg.importance(stem, **keys).share, rtol=1e-12)
    assert eg.importance(net, **keys).trf.size == (9, 9)


@pytest.mark.parametrize(
    "rule", ["lecun", "kaiming_fan_in", "kaiming_fan_out", "xavier", "pytorch"]
)
def test_fans_are_pytorch_s(rule):
    """Of layers of every shape: in a linear network the total is a product of variances."""
    net = eg.Network((6, 6), channels=4)
    x = net.conv(net.input, (3, 2), groups=2, channels=6)
    x = net.conv_transpose(x, 2, 2, channels=3)
    net.linear(x, 5)
    shapes = [[6, 2, 3, 2], [6, 3, 2, 2], [5, 3 * 8 * 10]]
    got = eg.importance(net, measure="variance", init=rule)
    reads = 3 * 8 * 10 * 6 * 2 * 3 * 2  # paths from one output channel
    want = reads * np.prod([oracle.variance(rule, s) for s in shapes])
    assert got.total == pytest.approx(want, rel=1e-12)


# --- the tests can fail ---


def forget():
    moments._integrals.cache_clear()


def test_a_wrong_gain_is_noticed(monkeypatch):
    """A ReLU that passes all of the mean square makes branches too heavy."""
    limit = MOST_TV + 0.4 * sampling("relu_in_branches")
    assert distances("relu_in_branches")[0] < limit
    monkeypatch.setitem(elementwise.KINDS, "relu", elementwise.Kind(lambda x, _: x))
    forget()
    try:
        assert distances("relu_in_branches")[0] > 2 * limit
    finally:
        forget()
