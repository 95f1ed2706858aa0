"""Claims on plain chains: their counts, moments and shape."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import reduce

import numpy as np

from erfgraph import sweeps, theory
from erfgraph.loading import load
from erfgraph.verification import outcomes
from erfgraph.verification.counting import COUNTERS
from erfgraph.verification.nouns import Claim, Outcome, Request

THREE_WAYS = ("sweep", "explicit graph", "enumeration")
COMPUTED = "computed"
LUO = "Luo et al. 2016"
SIDES = {5: 8.31, 10: 11.70, 20: 16.16}  # of 3x3 chains at 4.55 % of the peak


def notation(kernels: tuple[int, ...], axes: int = 1) -> str:
    """A chain of plain layers."""
    return " ".join("conv" + "x".join([str(k)] * axes) for k in kernels)


def three_sevens(request: Request) -> Outcome:
    """37 paths from the centre through three 7-tap layers."""
    values = COUNTERS[request.how](load("conv7*3"))
    return outcomes.equal(37, int(values.max()), "conv7*3; of 343 paths")


def threes_and_fives(request: Request) -> Outcome:
    """37 paths through kernels 3, 3, 5, 5."""
    values = COUNTERS[request.how](load("conv3 conv3 conv5 conv5"))
    return outcomes.equal(37, int(values.max()), "conv3 conv3 conv5 conv5; of 225 paths")


def five_threes(request: Request) -> Outcome:
    """37 edges on the paths of five 3-tap layers."""
    values = COUNTERS[request.how](load("conv3*5"), measure="edges")
    return outcomes.equal(37, int(values.max()), "conv3*5, edges on paths from the centre")


def edge_counts(request: Request) -> Outcome:
    """The closed form of the edges on paths from the centre."""
    cases = (
        (
            f"conv{k}*{n}",
            theory.chain_edges(n, k),
            int(COUNTERS[request.how](load(f"conv{k}*{n}"), measure="edges").max()),
        )
        for k, n in itertools.product((3, 5), (1, 2, 3, 4))
    )
    return outcomes.all_equal(cases, "chains")


def trinomials(request: Request) -> Outcome:
    """Central trinomial coefficients, one axis."""
    found = [int(COUNTERS[request.how](load(f"conv3*{n}")).max()) for n in range(1, 6)]
    return outcomes.equal([theory.central_trinomial(n) for n in range(1, 6)], found, "conv3*n")


def trinomial_squares(request: Request) -> Outcome:
    """Their squares, two axes."""
    found = [int(COUNTERS[request.how](load(f"conv3x3*{n}")).max()) for n in range(1, 6)]
    wanted = [theory.central_trinomial(n) ** 2 for n in range(1, 6)]
    return outcomes.equal(wanted, found, "conv3x3*n")


CONVOLVED = ((2,) * 7, (3,) * 9, (4,) * 5, (7,) * 4, (3, 5, 2, 7), (1, 6, 1), (3,) * 45)


def convolutions(request: Request) -> Outcome:
    """The whole map is the n-fold convolution, beyond 64 bits as well."""
    cases = (
        (notation(k), theory.chain_paths(k), COUNTERS[request.how](load(notation(k))))
        for k in CONVOLVED
        if len(k) < 40 or request.how == "sweep"
    )
    return outcomes.all_equal(cases, "maps")


def outer_products(request: Request) -> Outcome:
    """On several axes the map is the outer product of the axes'."""
    cases = []
    for axes, kernels in ((2, (3,) * 6), (2, (2, 5, 3)), (3, (3,) * 4)):
        line = np.array(theory.chain_paths(kernels))
        wanted = reduce(np.multiply.outer, [line] * axes)
        found = COUNTERS[request.how](load(notation(kernels, axes)))
        cases.append((notation(kernels, axes), wanted, found))
    return outcomes.all_equal(cases, "maps")


DEPTHS = tuple(itertools.product((2, 3, 5, 7), (1, 4, 12, 30)))


def variances(request: Request) -> Outcome:
    """Variance n(k² - 1)/12, in rational numbers."""
    cases = (
        (
            f"conv{k}*{n}",
            theory.chain_variance([k] * n),
            theory.moments(COUNTERS[request.how](load(f"conv{k}*{n}")).tolist()).variance,
        )
        for k, n in DEPTHS
    )
    return outcomes.all_equal(cases, "exact variances")


def kurtoses(request: Request) -> Outcome:
    """Excess kurtosis -1.5/n, in rational numbers."""
    cases = (
        (
            f"conv3*{n}",
            Fraction(-3, 2 * n),
            theory.moments(COUNTERS[request.how](load(f"conv3*{n}")).tolist()).kurtosis,
        )
        for n in (1, 2, 5, 20, 50)
    )
    return outcomes.all_equal(cases, "exact kurtoses")


def sides(request: Request) -> Outcome:
    """Sides of the ERF of 3x3 chains at two sigma."""
    found = {n: sweeps.importance(load(f"conv3x3*{n}")).erf(0.0455).size for n in SIDES}
    return outcomes.equal(
        list(SIDES.values()),
        [round(side, 2) for side in found.values()],
        f"conv3x3*n for n = {', '.join(map(str, SIDES))}, threshold 4.55 % of the peak",
    )


def isotropies(request: Request) -> Outcome:
    """Chains become round."""
    depths = (1, 2, 4, 8, 16, 32, 64)
    found = [sweeps.importance(load(f"conv3x3*{n}"), exact=False).isotropy for n in depths]
    rises = all(a < b for a, b in itertools.pairwise(found))
    return Outcome(
        "rises, to above 0.999",
        f"{'rises' if rises else 'does not rise'}, {found[0]:.4f} to {found[-1]:.4f}",
        rises and found[0] < 0.95 and 1 - found[-1] < 0.001,
        f"with every doubling, conv3x3*n for n = {', '.join(map(str, depths))}",
    )


def gaussians(request: Request) -> Outcome:
    """The distance to the Gaussian of the same variance falls as 1/n, as the kurtosis does."""
    depths = (64, 128, 256, 512)
    wanted = [theory.gaussian_distance(float(theory.chain_kurtosis(n))) for n in depths]
    off = [abs(_from_gaussian(n) / w - 1) * n for n, w in zip(depths, wanted, strict=True)]
    return outcomes.at_most(
        1.0,
        max(off),
        "n times the relative difference of the total variation to the Gaussian of variance "
        f"2n/3 from |kurtosis|/48 E|He4|; the series' next term is of order 1/n; n = {depths}",
    )


def _from_gaussian(n: int) -> float:
    share = sweeps.importance(load(f"conv3*{n}"), exact=False).share
    bell = np.exp(
        -((np.arange(len(share)) - n) ** 2) / (2 * float(theory.chain_variance([3] * n)))
    )
    return float(np.abs(share - bell / bell.sum()).sum() / 2)


CLAIMS = (
    Claim(
        "chains/three-sevens",
        "Three layers of 7 taps have 37 paths from the centre.",
        COMPUTED,
        THREE_WAYS,
        three_sevens,
    ),
    Claim(
        "chains/threes-and-fives",
        "So have kernels 3, 3, 5, 5.",
        COMPUTED,
        THREE_WAYS,
        threes_and_fives,
    ),
    Claim(
        "chains/five-threes-edges",
        "Five layers of 3 taps have 37 edges on paths from the centre.",
        COMPUTED,
        THREE_WAYS,
        five_threes,
    ),
    Claim(
        "chains/edges",
        "Edges on paths from the centre are a sum over the widening and narrowing cone.",
        COMPUTED,
        THREE_WAYS,
        edge_counts,
    ),
    Claim(
        "chains/trinomials",
        "Chains of 3 taps have central trinomial coefficients: 1, 3, 7, 19, 51.",
        COMPUTED,
        THREE_WAYS,
        trinomials,
    ),
    Claim(
        "chains/trinomial-squares",
        "In two axes their squares.",
        COMPUTED,
        ("sweep", "explicit graph"),
        trinomial_squares,
    ),
    Claim(
        "chains/convolution",
        "A chain's path map is the n-fold convolution of its kernels of ones.",
        COMPUTED,
        ("sweep", "explicit graph"),
        convolutions,
    ),
    Claim(
        "chains/outer-product",
        "In D axes it is the outer product of the axes' maps.",
        COMPUTED,
        ("sweep", "explicit graph"),
        outer_products,
    ),
    Claim(
        "chains/variance",
        "Its variance is n(k² - 1)/12 per axis.",
        COMPUTED,
        ("sweep", "explicit graph"),
        variances,
    ),
    Claim(
        "chains/kurtosis",
        "Its excess kurtosis is -1.5/n for k = 3.",
        COMPUTED,
        ("sweep", "explicit graph"),
        kurtoses,
    ),
    Claim(
        "chains/gaussian",
        "It tends to a Gaussian; the distance is that of its kurtosis and falls as 1/n.",
        LUO,
        ("sweep",),
        gaussians,
    ),
    Claim(
        "chains/isotropy",
        "And so to isotropy.",
        LUO,
        ("sweep",),
        isotropies,
    ),
    Claim(
        "chains/sides",
        "The ERF of 3x3 chains has sides 8.31, 11.70, 16.16 at n = 5, 10, 20.",
        COMPUTED,
        ("sweep",),
        sides,
    ),
)
