"""Claims on skips and sub-paths."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

from erfgraph import scale_spectrum, sweeps, theory
from erfgraph.loading import load
from erfgraph.verification import outcomes
from erfgraph.verification.chains import COMPUTED, LUO
from erfgraph.verification.counting import COUNTERS, walked
from erfgraph.verification.nouns import Claim, Outcome, Request

VEIT = "Veit et al. 2016"
BLOCKS = (1, 3, 10, 25)


def skip_variances(request: Request) -> Outcome:
    """Variance n/2 with skips against 2n/3 without."""
    cases = []
    for n in BLOCKS:
        shape = (2 * n + 1,)
        for text, wanted in (
            (f"res(conv3p1)*{n}", theory.skip_variance(n)),
            (f"conv3p1*{n}", Fraction(2 * n, 3)),
        ):
            values = COUNTERS[request.how](load(text, shape)).tolist()
            cases.append((text, wanted, theory.moments(values).variance))
    return outcomes.all_equal(cases, "exact variances, n/2 and 2n/3")


def skip_areas(request: Request) -> Outcome:
    """Skips shrink the ERF."""
    depths = (4, 8, 16, 32)
    found = []
    for n in depths:
        shape = (2 * n + 1,) * 2
        pair = [load(f"{text}*{n}", shape) for text in ("conv3x3p1", "res(conv3x3p1)")]
        found.append([sweeps.importance(net).erf(0.0455).area for net in pair])
    return Outcome(
        "smaller with skips",
        found,
        all(skips < plain for plain, skips in found),
        f"areas of the ERF of conv3x3p1*n and res(conv3x3p1)*n, n = {depths}",
    )


def subpath_sum(request: Request) -> Outcome:
    """A residual net is the sum over its sub-paths."""
    cases = []
    for n in (2, 4, 6):
        size = 4 * n + 1
        whole = np.zeros(size, dtype=object)
        for depth, ways in enumerate(theory.residual_depths(n)):
            line = theory.chain_paths([3] * (2 * depth))
            start = (size - len(line)) // 2
            whole[start : start + len(line)] += ways * np.array(line, dtype=object)
        text = f"res(conv3p1 conv3p1)*{n}"
        cases.append((text, whole, COUNTERS[request.how](load(text, (size,)))))
    return outcomes.all_equal(cases, "maps")


def binomials(request: Request) -> Outcome:
    """2^n sub-paths, their lengths binomial."""
    cases = [
        (
            f"n = {n}",
            theory.residual_depths(n),
            list(scale_spectrum.spectrum(load(f"res(conv3p1)*{n}"), by="depth").subpaths),
        )
        for n in (1, 5, 54)
    ]
    total = ("2^54 in all", 2**54, sum(cases[-1][2]))
    return outcomes.all_equal([*cases, total], "sub-paths by depth of res(conv3p1)*n")


def enumerated_binomials(request: Request) -> Outcome:
    """The same on the graph, on one position: 1-tap layers in place of the blocks."""
    cases = []
    for n in (1, 4, 9):
        net = load(f"res(conv1)*{n}", (1,))
        passed = [0] * (n + 1)
        for path, times in walked(net):
            passed[sum(unit.layer.startswith("conv") for unit in path)] += times
        cases.append((f"n = {n}", theory.residual_depths(n), passed))
    return outcomes.all_equal(cases, "paths by the number of convolutions on them, res(conv1)*n")


def veit(request: Request) -> Outcome:
    """More than 95 % of the sub-paths of 54 blocks pass 19 to 35."""
    found = scale_spectrum.spectrum(load("res(conv3p1)*54"), by="depth")
    share = sum(found.share_of_subpaths[19:36])
    wanted = float(theory.binomial_share(54, 19, 35))
    return Outcome(
        f"{wanted:.4f}, above 0.95",
        round(share, 4),
        share > 0.95 and abs(share - wanted) <= outcomes.ROUNDING,
        "share of the 2^54 sub-paths of 54 blocks that pass 19 to 35 of them",
    )


def weighted(request: Request) -> Outcome:
    """Counted in position paths, long sub-paths weigh more."""
    cases = []
    for text, taps in (("conv3p1", 3), ("conv3x3p1", 9)):
        found = scale_spectrum.spectrum(load(f"res({text})*54"), by="depth")
        cases.append((f"{text}, {taps} a block", theory.residual_depths(54, taps), found.paths))
    return outcomes.all_equal(cases, "position paths by depth, C(54, k) taps^k")


def longer(request: Request) -> Outcome:
    """The mean length is n/2 by sub-paths, 9n/10 by position paths of 3x3 layers."""
    found = scale_spectrum.spectrum(load("res(conv3x3p1)*54"), by="depth")
    means = [found.mean(weight)[0] for weight in ("subpaths", "paths")]
    return outcomes.equal([27.0, 48.6], means, "mean blocks passed of 54, res(conv3x3p1)*54")


def narrower(request: Request) -> Outcome:
    """The more skips, the smaller the variance."""
    texts = (
        "conv3p1*12",
        "conv3p1*8 res(conv3p1)*4",
        "conv3p1*4 res(conv3p1)*8",
        "res(conv3p1)*12",
    )
    found = [
        theory.moments(sweeps.importance(load(text, (25,))).values.tolist()).variance
        for text in texts
    ]
    wanted = [Fraction(2 * (12 - n), 3) + theory.skip_variance(n) for n in (0, 4, 8, 12)]
    falls = all(a > b for a, b in itertools.pairwise(found))
    made = outcomes.equal(wanted, found, f"exact variances of {'; '.join(texts)}")
    return Outcome(made.expected, made.found, made.passed and falls, made.detail)


CLAIMS = (
    Claim(
        "branches/skip-variance",
        "Identity + 3-tap blocks have variance n/2 against 2n/3 without the identity.",
        LUO,
        ("sweep", "explicit graph"),
        skip_variances,
    ),
    Claim(
        "branches/skips-mixed",
        "Every plain layer adds 2/3 to the variance, every one with a skip 1/2.",
        COMPUTED,
        ("sweep",),
        narrower,
    ),
    Claim("branches/skips-shrink", "Skips shrink the ERF.", LUO, ("sweep",), skip_areas),
    Claim(
        "branches/sub-path-sum",
        "A residual net is the sum over its sub-paths, C(n, k) of k blocks.",
        VEIT,
        ("sweep", "explicit graph"),
        subpath_sum,
    ),
    Claim(
        "branches/binomial",
        "Of n blocks there are 2ⁿ sub-paths, their lengths Binomial(n, ½).",
        VEIT,
        ("closed form",),
        binomials,
    ),
    Claim(
        "branches/binomial-walked",
        "So they are where every path is walked.",
        VEIT,
        ("enumeration",),
        enumerated_binomials,
    ),
    Claim(
        "branches/veit",
        "More than 95 % of the sub-paths of 54 blocks pass 19 to 35 of them.",
        VEIT,
        ("closed form",),
        veit,
    ),
    Claim(
        "branches/position-paths",
        "Position paths weigh a sub-path of k 3×3 layers 9ᵏ times.",
        COMPUTED,
        ("closed form",),
        weighted,
    ),
    Claim(
        "branches/longer",
        "So their mean length is 9n/10 in place of n/2.",
        COMPUTED,
        ("closed form",),
        longer,
    ),
)
