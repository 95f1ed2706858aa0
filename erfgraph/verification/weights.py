"""Claims on `uniform` and `variance`: what weights make of path counts, against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from erfgraph import sweeps, theory
from erfgraph.loading import load
from erfgraph.network import FeatureMap, Network
from erfgraph.verification import outcomes
from erfgraph.verification.chains import COMPUTED
from erfgraph.verification.nouns import Claim, Outcome, Request

HE = "He et al. 2015"

# chains without branches: text, channels of the input, input, unit (near borders, too). A padded
# max-pool is left out: at the border it has fewer positions to take one of
CHAINS: tuple[tuple[str, int, tuple[int, ...], tuple[int, ...]], ...] = (
    ("conv3p1*6", 1, (13,), (1,)),
    ("conv3p1*6", 3, (13,), (6,)),
    ("conv5s2p2 conv3p1d2 conv2 conv3x1p1x0*2", 4, (19, 17), (0, 3)),
    ("conv3p1 max2 conv3p1 max2 conv3p1", 2, (24, 24), (5, 0)),
    ("conv7s2p3 max3s2 conv3p1*4", 3, (48, 48), (0, 10)),
    ("conv3p1 deconv4s2p1 conv3p1", 2, (9,), (17,)),
)


def _of(net: Network, measure: str, **options: Any) -> np.ndarray:
    return sweeps.importance(net, measure=measure, **options).values


def _chain_shares(measure: str) -> Outcome:
    cases = []
    for text, channels, shape, unit in CHAINS:
        net = load(text, shape, channels)
        paths = sweeps.importance(net, unit=unit)
        found = sweeps.importance(net, unit=unit, measure=measure)
        cases.append((f"{text} at {unit}", paths.share, found.share))
    return outcomes.all_close(cases, "shares, units at the border as well")


def chain_uniform(request: Request) -> Outcome:
    """In a chain `uniform` is the path count up to one factor."""
    return _chain_shares("uniform")


def chain_variance(request: Request) -> Outcome:
    """In a chain `variance` is the path count up to one factor."""
    return _chain_shares("variance")


def factor(request: Request) -> Outcome:
    """Of convolutions, the factor is one over the taps, whatever channels and groups."""
    cases = []
    for groups in (1, 2, 4):
        net = Network((15,), channels=4)
        x = net.conv(net.input, 3, padding=1, channels=8, groups=groups)
        x = net.conv(x, 5, padding=2, channels=12, groups=groups)
        net.conv(x, 3, padding=1, dilation=2, groups=groups)
        wanted = _of(net, "paths") / 45
        cases += [(f"{m}, {groups} groups", wanted, _of(net, m)) for m in ("uniform", "variance")]
    return outcomes.all_close(cases, "path count over 3·5·3 taps")


# --- branches -------------------------------------------------------------------------------


def _residual(
    n: int, layers: int = 1, relu: bool = False, channels: int = 4, size: int | None = None
) -> Network:
    """n blocks of the identity plus a branch of 3-tap layers, on one axis."""
    net = Network((size or 2 * n * layers + 1,), channels=channels)
    x = net.input
    for _ in range(n):
        y = x
        for _ in range(layers):
            y = net.identity(y, "relu") if relu else y
            y = net.conv(y, 3, padding=1)
        x = net.add(x, y)
    return net


def residual(request: Request) -> Outcome:
    """Branches of gain 1 weigh a third a tap, the identity 1."""
    cases = []
    for n, layers in ((1, 1), (4, 1), (12, 1), (3, 2), (5, 2)):
        wanted = [float(v) for v in theory.residual_mean_square(n, Fraction(1), layers=layers)]
        net = _residual(n, layers)
        cases += [
            (f"{m}, {n} blocks of {layers}", wanted, _of(net, m)) for m in ("uniform", "variance")
        ]
    return outcomes.all_close(cases, "maps, (1 + (x⁻¹ + 1 + x)/3)ⁿ and its kin")


def not_paths(request: Request) -> Outcome:
    """There the raw path count is another map: the identity would weigh as much as a tap."""
    found = []
    for n in (4, 12):
        net = _residual(n, 2)
        paths, variance = (sweeps.importance(net, measure=m) for m in ("paths", "variance"))
        found.append(float(np.abs(paths.share - variance.share).sum() / 2))
    least = [
        float(np.abs(_share(_counted(n, 2)) - _share(_weighed(n, 2))).sum() / 2) for n in (4, 12)
    ]
    made = outcomes.all_close([("4 and 12 blocks", least, found)], "total variation")
    text = [round(v, 3) for v in found]
    return Outcome(
        f"{[round(v, 3) for v in least]}, above 0.1",
        text,
        made.passed and min(found) > 0.1,
        "total variation between path count and variance; blocks of two 3-tap layers",
    )


def _counted(n: int, layers: int) -> list[int]:
    branch = theory.compose([[1] * 3] * layers)
    branch[len(branch) // 2] += 1
    return theory.compose([branch] * n)


def _weighed(n: int, layers: int) -> list[Any]:
    return theory.residual_mean_square(n, Fraction(1), layers=layers)


def _share(values: list[Any]) -> np.ndarray:
    found = np.array(values, dtype=float)
    return np.asarray(found / found.sum())


def dense(request: Request) -> Outcome:
    """Concatenated channels are unequal: those that a layer made carry its taps, too."""
    net = Network((3,), channels=2)
    grown = net.conv(net.input, 3, padding=1, channels=6)
    net.conv(net.concat(net.input, grown), 1, channels=5)
    # of 8 channels with variance 1/8, two are the input's, six have taps of variance 1/6
    wanted = np.array([0, 2 / 8, 0]) + np.full(3, 6 / 8 / 6 * 2)
    return outcomes.all_close(
        [("variance", wanted, _of(net, "variance"))], "a dense block of growth 6 on 2 channels"
    )


# --- activations, initialisations -----------------------------------------------------------

GAINS: dict[str, Fraction] = {  # fan-in times the variance, in a net of equal widths
    "lecun": Fraction(1),
    "xavier": Fraction(1),
    "kaiming_fan_in": Fraction(2),
    "pytorch": Fraction(1, 3),
}


def initialisations(request: Request) -> Outcome:
    """The gain of a branch is fan-in times variance, halved by a ReLU."""
    cases = []
    for rule, gain in GAINS.items():
        for relu in (False, True):
            passed = gain / 2 if relu else gain
            wanted = [float(v) for v in theory.residual_mean_square(3, passed, layers=2)]
            name = f"{rule}{' with ReLU' if relu else ''}"
            cases.append((name, wanted, _of(_residual(3, 2, relu), "variance", init=rule)))
    return outcomes.all_close(cases, "maps of three residual blocks")


def relu(request: Request) -> Outcome:
    """He's initialisation undoes what ReLU halves: the map is that of the linear network."""
    cases = []
    for n, layers in ((4, 1), (4, 2)):
        linear = _of(_residual(n, layers), "variance", init="lecun")
        found = _of(_residual(n, layers, relu=True), "variance", init="kaiming_fan_in")
        cases.append((f"{n} blocks of {layers}", linear, found))
    return outcomes.all_close(cases, "maps with ReLU and variance 2/fan-in, and without ReLU")


# --- fixed weights --------------------------------------------------------------------------

THIRD = [1 / 3] * 3


def _squares(kernel: list[Any]) -> np.ndarray:
    return np.array(kernel, dtype=float) ** 2


FIXED: dict[str, tuple[tuple[int, ...], Callable[[], np.ndarray]]] = {
    "max3x3": ((3, 3), lambda: np.full((3, 3), 1 / 9)),
    "avg3x3": ((3, 3), lambda: np.full((3, 3), 1 / 81)),
    "max3*2": ((9,), lambda: np.full(9, 1 / 9)),
    "avg3s1*2": ((5,), lambda: _squares(theory.compose([THIRD, THIRD]))),
    "conv3 avg3s1*2": (
        (7,),
        lambda: np.array(theory.compose([THIRD, list(_squares(theory.compose([THIRD, THIRD])))])),
    ),
    "res(avg3s1p1)": ((3,), lambda: _squares([1 / 3, 4 / 3, 1 / 3])),
    "conv3 add( | )": ((3,), lambda: np.full(3, 4 / 3)),
}


def fixed(request: Request) -> Outcome:
    """Max-pools pass one of k², averages 1/k² of each, and averages in a row are composed."""
    cases = (
        (text, wanted(), _of(load(text, shape, 2), "variance"))
        for text, (shape, wanted) in FIXED.items()
    )
    return outcomes.all_close(cases, "maps")


def batchnorm(request: Request) -> Outcome:
    """Batch norm in training mode: the branch of block b passes 1/(b + 1) of the identity's."""
    n, size = 6, 41
    net = Network((size,), channels=8)

    def normed(x: FeatureMap) -> FeatureMap:
        # circular, so that no border lessens a mean square
        made = net.conv(x, 3, padding=1, padding_mode="circular")
        return net.identity(made, "batch_norm")

    x = normed(net.input)
    for _ in range(n):
        x = net.add(x, normed(x))
    kernels = [THIRD, *([[1 / 3 / b, 1 + 1 / 3 / b, 1 / 3 / b] for b in range(1, n + 1)])]
    line = theory.compose(kernels)
    wanted = np.zeros(size)
    start = size // 2 - len(line) // 2
    wanted[start : start + len(line)] = line
    found = _of(net, "variance", init="kaiming_fan_in", batchnorm="batch")
    return outcomes.all_close(
        [(f"{n} blocks", wanted, found)],
        "∏ (1 + (x⁻¹ + 1 + x)/(3b)), b the stream's mean square before a block; norms add 1e-5 "
        "to a variance of at least 1",
        (n + 1) * 1e-5,
    )


CLAIMS = (
    Claim(
        "weights/chain-uniform",
        "In a chain the gradient with weights 1/fan-in is the path count up to one factor, "
        "borders included.",
        COMPUTED,
        ("sweep",),
        chain_uniform,
    ),
    Claim(
        "weights/chain-variance",
        "So is the mean-square gradient of a chain with random weights.",
        COMPUTED,
        ("sweep",),
        chain_variance,
    ),
    Claim(
        "weights/factor",
        "The factor is one over the taps, whatever channels and groups.",
        COMPUTED,
        ("sweep",),
        factor,
    ),
    Claim(
        "weights/residual",
        "A branch of gain 1 weighs as much as the identity, spread over its taps.",
        COMPUTED,
        ("sweep",),
        residual,
    ),
    Claim(
        "weights/not-paths",
        "In a residual net the raw path count is another map than the mean square.",
        COMPUTED,
        ("sweep",),
        not_paths,
    ),
    Claim(
        "weights/concatenation",
        "Concatenated channels are unequal: each carries the variances of its own way.",
        COMPUTED,
        ("sweep",),
        dense,
    ),
    Claim(
        "weights/initialisation",
        "A layer's gain is its fan-in times the variance, halved by a ReLU.",
        HE,
        ("sweep",),
        initialisations,
    ),
    Claim(
        "weights/relu",
        "He's initialisation undoes ReLU's halving: the shape stays.",
        HE,
        ("sweep",),
        relu,
    ),
    Claim(
        "weights/fixed",
        "Max-pools pass 1/k² each; averages 1/k⁴ each, composed before they are squared.",
        COMPUTED,
        ("sweep",),
        fixed,
    ),
    Claim(
        "weights/batch-norm",
        "With batch norms in training mode deeper branches count less: block b passes 1/b.",
        COMPUTED,
        ("sweep",),
        batchnorm,
    ),
)
