"""Claims on gradients: path counts and `variance` against PyTorch's autograd."""

from __future__ import annotations

import math

import numpy as np

from erfgraph import sweeps, theory
from erfgraph.gradient.map import GradientMap
from erfgraph.loading import load
from erfgraph.network import FeatureMap, Network
from erfgraph.verification import drawing, outcomes
from erfgraph.verification.chains import COMPUTED
from erfgraph.verification.nouns import AUTOGRAD, Claim, Outcome, Request

EXACT = 2**53  # float64 counts without rounding below

# notation, channels of the input, input: all kinds of layers, borders, branches
COUNTED = (
    ("conv3p1*4", 1, (9,)),
    ("res(conv3p1 conv3p1)*3", 2, (13,)),
    ("conv5s2p2 conv3p1d2 deconv4s2p1 conv3", 2, (24, 20)),
    ("cat(conv1 | conv3p1 | max3s1p1) conv3p1", 3, (9, 9)),
    ("conv3x3x3p1 avg2 res(conv3p1)", 2, (8, 8, 8)),
    ("conv3p1 up2 add(conv3p1 | conv5p2)", 2, (6, 6)),
)
# of convolutions, whose weights can be given
LINEAR = (
    ("conv3p1*4", 3, (11,)),
    ("res(conv3p1 conv3p1)*3", 4, (13,)),
    ("conv5s2p2 res(conv3p2d2) conv3p1", 2, (24, 20)),
    ("cat(conv1 | conv3p1 | ) res(conv3p1) conv1", 3, (9, 9)),
)


def unit_weights(request: Request) -> Outcome:
    """With all weights 1 the gradient is the path count, exactly."""
    cases = []
    for text, channels, shape in COUNTED:
        net = load(text, shape, channels)
        for unit in (None, (0,) * len(shape)):
            counted = sweeps.importance(net, unit=unit, channels="count")
            if counted.total >= EXACT:
                raise ValueError(f"{text}: {counted.total} paths, wanted fewer than 2**53")
            found = drawing.unit_weights(net, unit)
            cases.append((f"{text} at {counted.unit}", counted.values, found))
    return outcomes.all_equal(cases, "maps, == in float64, all channels counted")


def uniform(request: Request) -> Outcome:
    """With all weights 1/fan-in it is `uniform`."""
    return _given("uniform", drawing.fan_in_inverse)


def exact_variance(request: Request) -> Outcome:
    """`variance` is the sum over paths of the products of variances: weights of their size."""
    return _given("variance", drawing.lecun)


def _given(measure: str, weight: drawing.Weight) -> Outcome:
    cases = []
    for net in (*(load(text, shape, channels) for text, channels, shape in LINEAR), _grouped()):
        wanted = drawing.given_weights(net, weight)
        cases.append((str(net.name), wanted, sweeps.importance(net, measure=measure).values))
    return outcomes.all_close(cases, "maps")


def _grouped() -> Network:
    net = Network((10, 9), channels=4, name="grouped and dense")
    x = net.conv(net.input, 3, padding=1, groups=2, channels=6)
    x = net.concat(x, net.conv(x, 3, padding=2, dilation=2, groups=3, channels=9))
    net.conv(net.concat(net.input, x), 3, padding=1, channels=5)
    return net


# --- random weights -------------------------------------------------------------------------


def residual(relu: bool, channels: int = 32) -> tuple[Network, str]:
    """Four blocks of two 3x3 layers over the field's 17 x 17, and how to draw their weights."""
    net = Network((17, 17), channels=channels, name=f"4 blocks of {channels} channels")
    x = net.input
    for _ in range(4):
        y = x
        for _ in range(2):
            y = net.conv(net.identity(y, "relu") if relu else y, 3, padding=1)
        x = net.add(x, y)
    return net, "kaiming_fan_in" if relu else "lecun"


DRAWS = 128


def chain_mean_square(request: Request) -> Outcome:
    """In a chain the mean-square gradient is proportional to the path count."""
    found = []
    for text, shape in (("conv3p1*5", (11, 11)), ("conv3p1*2 max2 conv3p1*2", (16, 16))):
        net = load(text, shape, 32)
        sampled = drawing.drawn(net, DRAWS, request.seed, "lecun")
        found.append(drawing.within_noise(sweeps.importance(net).share, sampled, text))
    return drawing.all_within(found)


def chain_absolute(request: Request) -> Outcome:
    """The mean absolute gradient is proportional to the root of the path count."""
    net = load("conv3p1*4", (9, 9), 64)
    root = np.sqrt(sweeps.importance(net).share)
    sampled = drawing.drawn(net, DRAWS, request.seed, "lecun", "mean_abs")
    near = drawing.within_noise(root / root.sum(), sampled, "conv3p1*4, 64 channels")
    far = drawing.variation(sampled.share, sweeps.importance(net).share)
    passed = near.passed and far > 10 * drawing.NOISE * sampled.relative_error
    return Outcome(
        near.expected, near.found, passed, f"{near.detail}; from the count itself {far:.3f}"
    )


def mean_square_linear(request: Request) -> Outcome:
    """`variance` is the mean-square gradient of a linear residual net."""
    return _mean_square(request, relu=False)


def mean_square_relu(request: Request) -> Outcome:
    """And of one with ReLUs and He's initialisation."""
    return _mean_square(request, relu=True)


def _mean_square(request: Request, relu: bool) -> Outcome:
    net, init = residual(relu)
    sampled = drawing.drawn(net, DRAWS, request.seed, init)
    variance = sweeps.importance(net, measure="variance", init=init)
    made = drawing.within_noise(variance.share, sampled, net.name or "")
    correlation = float(np.corrcoef(sampled.share.ravel(), variance.share.ravel())[0, 1])
    return Outcome(
        f"{made.expected}, correlation above 0.99",
        f"{made.found}, correlation {correlation:.4f}",
        made.passed and correlation > 0.99,
        made.detail,
    )


def not_paths(request: Request) -> Outcome:
    """Raw path counts are not the mean-square gradient of a residual net."""
    net, init = residual(relu=True)
    sampled = drawing.drawn(net, DRAWS // 2, request.seed, init)
    paths = sweeps.importance(net).share
    variance = sweeps.importance(net, measure="variance", init=init).share
    off, on = (drawing.variation(sampled.share, share) for share in (paths, variance))
    noise = sampled.relative_error
    return Outcome(
        f"paths above {10 * noise:.4f}, variance at most {drawing.NOISE * noise:.4f}",
        f"paths {off:.4f}, variance {on:.4f}",
        off > 10 * noise and on <= drawing.NOISE * noise,
        f"total variation to the mean square; 10 and {drawing.NOISE:g} × noise {noise:.4f} of "
        f"{sampled.samples} draws",
    )


# --- convergence ----------------------------------------------------------------------------

RUNS, LENGTHS = 10, (1, 2, 4, 8, 16, 32)  # independent runs of 64 draws; draws averaged
SURE = 0.999  # of the interval, so that one seed in a thousand fails where the claim holds
SLOPE_WIDTH = 0.2  # of the interval: far from 0, to which the slope of a wrong weighting tends


def convergence_linear(request: Request) -> Outcome:
    """The relative L2 distance falls as one over the root of the draws."""
    return _convergence(request, relu=False)


def convergence_relu(request: Request) -> Outcome:
    """With ReLUs, too."""
    return _convergence(request, relu=True)


def _convergence(request: Request, relu: bool) -> Outcome:
    net, init = residual(relu)
    variance = sweeps.importance(net, measure="variance", init=init).values
    slopes, last = [], []
    for run in range(RUNS):
        sampled = drawing.drawn(net, 64, drawing.seed_of(request.seed, run), init)
        distances = [_distance(sampled, variance, n, net.output.channels) for n in LENGTHS]
        slopes.append(theory.fit_power(LENGTHS, distances).slope)
        last.append(distances[-1])
    return outcomes.exponent(
        -0.5,
        theory.mean_interval(slopes, SURE),
        SLOPE_WIDTH,
        f"relative L2 distance of values, not shares, to variance, over {LENGTHS} draws, "
        f"{last[0]:.3f} at the end; mean of {RUNS} runs of 64 draws",
        SURE,
    )


def _distance(sampled: GradientMap, variance: np.ndarray, n: int, channels: int) -> float:
    """Root mean square of the relative L2 distance of averages of n draws."""
    draws = sampled.replicates / channels  # of the unit's sum over channels, as those add up
    means = draws.reshape(-1, n, *variance.shape).mean(axis=1)
    off = ((means - variance) ** 2).reshape(len(means), -1).sum(axis=1)
    return math.sqrt(float(off.mean()) / float((variance**2).sum()))


# --- batch norm -----------------------------------------------------------------------------

MEAN_FIELD = 0.08  # total variation that the mean field of batch statistics may be off


def batchnorm(request: Request) -> Outcome:
    """With batch norms in training mode `variance` is near, and path counts are not."""
    net = Network((19, 19), channels=32, name="4 blocks with batch norms")

    def normed(x: FeatureMap) -> FeatureMap:
        return net.identity(net.conv(x, 3, padding=1), "batch_norm")

    x = net.identity(normed(net.input), "relu")
    for _ in range(4):
        x = net.identity(net.add(x, normed(net.identity(normed(x), "relu"))), "relu")
    init = "kaiming_fan_in"
    sampled = drawing.drawn(net, 32, request.seed, init, batchnorm="batch")
    variance = sweeps.importance(net, measure="variance", init=init, batchnorm="batch")
    off = drawing.variation(sampled.share, variance.share)
    paths = drawing.variation(sampled.share, sweeps.importance(net).share)
    return Outcome(
        f"at most {MEAN_FIELD}, paths above it",
        f"{off:.4f}, paths {paths:.4f}",
        off <= MEAN_FIELD < paths,
        f"total variation to the mean square in training mode, noise {sampled.relative_error:.4f} "
        f"of {sampled.samples} draws; the mean field is an approximation",
    )


def _claim(name: str, text: str, run: drawing.Run) -> Claim:
    return Claim(f"gradients/{name}", text, COMPUTED, (AUTOGRAD,), run)


CLAIMS = (
    _claim(
        "unit-weights",
        "With all weights 1 the gradient is the path count, exactly.",
        unit_weights,
    ),
    _claim("uniform", "With all weights 1/fan-in the gradient is `uniform`.", uniform),
    _claim(
        "path-variances",
        "`variance` is the sum over paths of the products of their weights' variances.",
        exact_variance,
    ),
    _claim(
        "chain-mean-square",
        "In a chain the mean-square gradient is proportional to the path count.",
        chain_mean_square,
    ),
    _claim(
        "chain-absolute",
        "The mean absolute gradient of a wide chain is proportional to its root.",
        chain_absolute,
    ),
    _claim(
        "mean-square",
        "`variance` is the mean-square gradient of a residual net.",
        mean_square_linear,
    ),
    _claim("mean-square-relu", "And of one with ReLUs.", mean_square_relu),
    _claim(
        "convergence",
        "The distance falls as one over the root of the draws.",
        convergence_linear,
    ),
    _claim("convergence-relu", "With ReLUs, too.", convergence_relu),
    _claim(
        "not-paths",
        "Raw path counts are not the mean-square gradient of a residual net.",
        not_paths,
    ),
    _claim(
        "batch-norm",
        "With batch norms in training mode a mean field of their factors is near.",
        batchnorm,
    ),
)
