"""Closed forms: what path counts must be, from formulas alone.

Nothing here looks at a network, a graph or a sweep; ``erfgraph.verification`` compares those with
these. Integers are Python's and rational numbers ``fractions.Fraction``, so that equal is equal;
lengths are in positions, per axis.
"""

from erfgraph.theory.branches import (
    binomial_share,
    residual_depths,
    residual_mean_square,
    skip_variance,
)
from erfgraph.theory.chains import (
    central_trinomial,
    chain_edges,
    chain_kurtosis,
    chain_paths,
    chain_variance,
    compose,
    gaussian_distance,
    gaussian_side,
)
from erfgraph.theory.fields import (
    Step,
    cosine_kernels,
    dilated_support,
    field,
    transposed_coverage,
)
from erfgraph.theory.fits import Fit, Moments, fit_power, mean_interval, moments, student

__all__ = [
    "Fit",
    "Moments",
    "Step",
    "binomial_share",
    "central_trinomial",
    "chain_edges",
    "chain_kurtosis",
    "chain_paths",
    "chain_variance",
    "compose",
    "cosine_kernels",
    "dilated_support",
    "field",
    "fit_power",
    "gaussian_distance",
    "gaussian_side",
    "mean_interval",
    "moments",
    "residual_depths",
    "residual_mean_square",
    "skip_variance",
    "student",
    "transposed_coverage",
]
