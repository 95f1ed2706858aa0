"""Claims on how the effective field grows with depth, and what enlarges it."""

from __future__ import annotations

import itertools

from erfgraph import sweeps, theory
from erfgraph.loading import load
from erfgraph.verification import outcomes
from erfgraph.verification.chains import LUO
from erfgraph.verification.counting import COUNTERS
from erfgraph.verification.nouns import Claim, Outcome, Request

DECADE = (30, 36, 44, 53, 65, 78, 95, 115, 139, 169, 204, 248, 300)  # depths, even in log
WIDTH = 0.02  # of a slope's interval, so that 0.45 and 0.55 lie outside
WHERE = f"3x3 chains of {DECADE[0]} to {DECADE[-1]} layers, 4.55 % of the peak"


def _chain(n: int) -> tuple[float, float]:
    """Side of the ERF of n 3x3 layers, and the share of the field's side that it is."""
    size = (2 * n + 1,) * 2  # the shortest; given, as finding it costs more than the sweep
    erf = sweeps.importance(load(f"conv3x3*{n}", size), exact=False).erf(0.0455)
    return erf.size, erf.size / size[0]


def root(request: Request) -> Outcome:
    """The side grows as the root of depth."""
    fit = theory.fit_power(DECADE, [_chain(n)[0] for n in DECADE])
    return outcomes.exponent(0.5, fit, WIDTH, WHERE)


def share(request: Request) -> Outcome:
    """Its share of the theoretical field shrinks as one over the root."""
    fit = theory.fit_power(DECADE, [_chain(n)[1] for n in DECADE])
    return outcomes.exponent(-0.5, fit, WIDTH, WHERE)


# --- what enlarges it -----------------------------------------------------------------------

SUBSAMPLED = ((2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 1, 2), (2, 2, 1, 1), (3, 1, 2, 1))
DILATED = ((1, 2, 1, 1), (2, 2, 2, 2), (1, 2, 4, 8), (1, 2, 5, 1))


def strided_variances(request: Request) -> Outcome:
    """Subsampling multiplies the steps of all later layers."""
    cases = []
    for strides in SUBSAMPLED:
        text = " ".join(f"conv3s{s}" for s in strides)
        found = theory.moments(COUNTERS[request.how](load(text)).tolist()).variance
        cases.append((text, theory.chain_variance([3] * 4, strides=strides), found))
    return outcomes.all_equal(cases, "exact variances")


def dilated_variances(request: Request) -> Outcome:
    """Dilation multiplies a layer's own step."""
    cases = []
    for dilations in DILATED:
        text = " ".join(f"conv3d{d}" for d in dilations)
        found = theory.moments(COUNTERS[request.how](load(text)).tolist()).variance
        cases.append((text, theory.chain_variance([3] * 4, dilations=dilations), found))
    return outcomes.all_equal(cases, "exact variances")


def _areas(texts: tuple[str, ...]) -> list[int]:
    return [sweeps.importance(load(text)).erf(0.0455).area for text in texts]


def subsampling(request: Request) -> Outcome:
    """The earlier a chain subsamples, the larger its ERF."""
    texts = ("conv3x3*8", *(f"conv3x3*{8 - n} conv3x3s2 conv3x3*{n - 1}" for n in (3, 5, 7)))
    return _ascending(texts)


def dilation(request: Request) -> Outcome:
    """Dilated layers enlarge the ERF."""
    return _ascending(
        (
            "conv3x3*6",
            "conv3x3*4 conv3x3d2*2",
            "conv3x3*2 conv3x3d2*4",
            "conv3x3*2 conv3x3d2*2 conv3x3d4*2",
        )
    )


def _ascending(texts: tuple[str, ...]) -> Outcome:
    found = _areas(texts)
    rises = all(a < b for a, b in itertools.pairwise(found))
    return Outcome("ascending", found, rises, f"areas of the ERF: {'; '.join(texts)}")


CLAIMS = (
    Claim("growth/root", "The side of the ERF grows as √n.", LUO, ("sweep",), root),
    Claim(
        "growth/share",
        "Its share of the theoretical field's side shrinks as 1/√n.",
        LUO,
        ("sweep",),
        share,
    ),
    Claim(
        "growth/strided-variance",
        "A stride multiplies the steps of all layers after it.",
        "computed",
        ("sweep", "explicit graph"),
        strided_variances,
    ),
    Claim(
        "growth/subsampling",
        "Subsampling enlarges the ERF, the earlier the more.",
        LUO,
        ("sweep",),
        subsampling,
    ),
    Claim(
        "growth/dilated-variance",
        "A dilation multiplies the step of its layer.",
        "computed",
        ("sweep", "explicit graph"),
        dilated_variances,
    ),
    Claim("growth/dilation", "Dilation enlarges the ERF.", LUO, ("sweep",), dilation),
)
