"""The numbers of a comparison: one function each, one table row each.

Every function takes a `Pair` and gives one number a draw, float64 (draws,); those per axis
give (draws, axes), the curve (draws, thresholds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from erfgraph.agreement.pair import Pair

ROUNDING = 1e-12  # relative difference below which two values are the same

# how a number answers to noise, which decides how its interval is made (see `bootstrap`)
Response = Literal["square", "linear", "shifted", "signed"]


@dataclass(frozen=True)
class Row:
    """One number.

    Attributes
    ----------
    of : callable
        From a pair to the number of each draw.
    title : str
        For tables.
    best, worst : float
        What equal maps have, and the farthest from it that there can be.
    response : {"square", "linear", "shifted", "signed"}
        Whether noise of size s moves it away from `best` by about s (``"square"``: its square
        grows like the noise's) or by about s² (``"linear"``), always to one side of wherever
        it is (``"shifted"``), or to both sides alike (``"signed"``).
    """

    of: Callable[[Pair], np.ndarray]
    title: str
    best: float
    worst: float
    response: Response


def total_variation(pair: Pair) -> np.ndarray:
    """Half the sum of the absolute differences: the mass that would have to move."""
    return _total(np.abs(pair.a - pair.b)) / 2


def relative_l2(pair: Pair) -> np.ndarray:
    """Euclidean norm of the difference over that of b."""
    return np.asarray(np.sqrt(_total((pair.a - pair.b) ** 2) / _total(pair.b**2)))


def pearson(pair: Pair) -> np.ndarray:
    """Pearson's correlation over the units that either map reaches."""
    return _correlation(pair.a, pair.b)


def spearman(pair: Pair) -> np.ndarray:
    """Correlation of the ranks over the units that either map reaches; ties share a rank."""
    return _correlation(_ranks(pair.a), _ranks(pair.b))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis; values that differ by rounding alone are ties.

    Units that mirror each other hold the same but for the order in which it was summed.
    """
    from scipy.stats import rankdata

    order = np.argsort(values, axis=-1)
    ascending = np.take_along_axis(values, order, axis=-1)
    higher = np.zeros(values.shape, dtype=bool)
    higher[..., 1:] = np.diff(ascending, axis=-1) > ROUNDING * ascending[..., 1:]
    steps = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(steps, order, np.cumsum(higher, axis=-1), axis=-1)
    return np.asarray(rankdata(steps, axis=-1))


def kl_a_b(pair: Pair) -> np.ndarray:
    """Kullback-Leibler divergence of a from b, sum of a ln(a/b), in nats."""
    from scipy.special import rel_entr

    return _total(rel_entr(pair.a, pair.b))


def kl_b_a(pair: Pair) -> np.ndarray:
    """Kullback-Leibler divergence of b from a, in nats."""
    from scipy.special import rel_entr

    return _total(rel_entr(pair.b, pair.a))


def iou_curve(pair: Pair) -> np.ndarray:
    """Intersection over union of the two ERFs (rule ``"peak"``) at every threshold."""
    _, _, both, either = pair.areas
    return np.asarray(both / either)  # the largest unit passes every threshold


def iou(pair: Pair) -> np.ndarray:
    """Intersection over union of the two ERFs at the default threshold."""
    return np.asarray(iou_curve(pair)[:, pair.grid.default])


def iou_mean(pair: Pair) -> np.ndarray:
    """Area under the curve of IoU over the logarithm of the threshold, over its length."""
    return mean_over_log(iou_curve(pair), pair.grid.thresholds)


def side_difference(pair: Pair) -> np.ndarray:
    """Equivalent side (area ** (1 / axes)) of a's ERF less that of b's, default threshold."""
    a, b, _, _ = pair.areas
    power = 1 / pair.grid.n_axes
    at = pair.grid.default
    sides = np.power(a[:, at], power) - np.power(b[:, at], power)
    return np.asarray(sides, dtype=float)


def std_difference(pair: Pair) -> np.ndarray:
    """Standard deviation of a less that of b, per axis."""
    at = pair.grid.coordinates
    return np.asarray(_spread(pair.a, at) - _spread(pair.b, at))


def centre_distance(pair: Pair) -> np.ndarray:
    """Euclidean distance between the centres of mass."""
    centre_a, centre_b = (x @ pair.grid.coordinates.T for x in (pair.a, pair.b))
    return np.asarray(np.sqrt(((centre_a - centre_b) ** 2).sum(axis=-1)))


def mean_over_log(curve: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Mean of curves over the logarithm of ascending thresholds, by the trapezium rule."""
    x = np.log(thresholds)
    heights = (curve[..., 1:] + curve[..., :-1]) / 2
    return np.asarray(heights @ np.diff(x) / (x[-1] - x[0]))


def _total(x: np.ndarray) -> np.ndarray:
    return np.asarray(x.sum(axis=-1))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row; NaN where one is constant."""
    a, b = (x - x.mean(axis=-1, keepdims=True) for x in (a, b))
    norms = np.sqrt(_total(a * a) * _total(b * b))
    products = _total(a * b)
    found = np.divide(products, norms, out=np.full(products.shape, np.nan), where=norms > 0)
    return np.asarray(np.clip(found, -1.0, 1.0))


def _spread(share: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Standard deviation of each draw per axis, float64 (draws, axes)."""
    middle = coordinates.mean(axis=-1, keepdims=True)
    x = (coordinates - middle).T  # near the mean, so that its square cancels little
    mean = share @ x
    return np.asarray(np.sqrt(np.maximum(share @ x**2 - mean**2, 0.0)))


NUMBERS: dict[str, Row] = {
    "total_variation": Row(total_variation, "total variation", 0.0, 1.0, "square"),
    "relative_l2": Row(relative_l2, "relative L2", 0.0, np.inf, "square"),
    "pearson": Row(pearson, "Pearson correlation", 1.0, -1.0, "linear"),
    "spearman": Row(spearman, "Spearman correlation", 1.0, -1.0, "linear"),
    "kl_a_b": Row(kl_a_b, "KL(a‖b), nats", 0.0, np.inf, "linear"),
    "kl_b_a": Row(kl_b_a, "KL(b‖a), nats", 0.0, np.inf, "linear"),
    "iou": Row(iou, "IoU of the ERFs", 1.0, 0.0, "square"),
    "iou_mean": Row(iou_mean, "mean IoU, all thresholds", 1.0, 0.0, "square"),
    "side_difference": Row(side_difference, "ERF side, a − b", 0.0, np.inf, "shifted"),
    "std_difference": Row(std_difference, "standard deviation, a − b", 0.0, np.inf, "signed"),
    "centre_distance": Row(centre_distance, "distance of centres", 0.0, np.inf, "square"),
    "curve": Row(iou_curve, "IoU", 1.0, 0.0, "square"),
}
