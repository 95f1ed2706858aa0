"""`Sums`: what a run has gathered so far, and how sure its average is.

Everything is float64. Samples are added one by one, so that a run that goes on from a file ends
with the same bits as one that was never interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from erfgraph import memory
from erfgraph.gradient.statistics import Statistic

MOST_GROUPS = 64
FEWEST_GROUPS = 8
GROUP_BYTES = 1 << 28  # of large maps, fewer groups are kept
HALF_NORMAL = math.sqrt(2 / math.pi)  # mean absolute value of a standard normal number


def n_groups(positions: int) -> int:
    """How many group means are kept of maps of so many positions.

    Examples
    --------
    >>> n_groups(224 * 224), n_groups(1024 * 1024)
    (64, 32)
    """
    return max(FEWEST_GROUPS, min(MOST_GROUPS, GROUP_BYTES // (8 * positions)))


class Sums:
    """Running sums over samples; grows by `add` only.

    Attributes
    ----------
    n : int
        Samples added.
    skipped : int
        Gradients that were not finite, left out of every sum.
    total, squares, cross : float64 arrays of the map's shape
        Sums of the samples, of their squares, and of each sample times its own sum.
    mass, mass_square : float
        Sum of the samples' own sums, and of the squares of these.
    groups : float64 array of shape (groups, *spatial)
        Sums of every 64th sample (fewer groups for large maps).
    kept : list of arrays
        All samples, for the median only.
    """

    def __init__(self, shape: tuple[int, ...], row: Statistic, most: int = 0) -> None:
        positions = math.prod(shape)
        self.row = row
        groups = n_groups(positions)
        held = groups + 3 + (most if row.median else 0)
        advice = "a median keeps every sample; take fewer" if row.median else ""
        memory.require(8 * positions * held, f"sums of maps of shape {shape}", advice)
        self.n = self.skipped = 0
        self.total, self.squares, self.cross = (np.zeros(shape) for _ in range(3))
        self.mass = self.mass_square = 0.0
        self.groups = np.zeros((groups, *shape))
        self.kept: list[np.ndarray] = []

    def add(self, sample: np.ndarray) -> None:
        """Add a sample, a float64 array of the map's shape."""
        mass = float(sample.sum())
        self.total += sample
        self.squares += np.square(sample)
        self.cross += mass * sample
        self.mass += mass
        self.mass_square += mass * mass
        self.groups[self.n % len(self.groups)] += sample
        if self.row.median:
            self.kept.append(sample)
        self.n += 1

    # --- what they say ---

    def values(self) -> np.ndarray:
        """The map: a mean, its size where samples are signed, or a median."""
        if self.row.median:
            return np.asarray(np.median(np.stack(self.kept), axis=0))
        return np.asarray(np.abs(self.total / self.n))

    def standard_error(self) -> np.ndarray:
        """Standard error of every value; NaN for a single sample."""
        if self.n < 2:
            return np.full(self.total.shape, np.nan)
        if self.row.median:
            return self._median_error()
        spread = self.squares - np.square(self.total) / self.n
        return np.sqrt(np.maximum(spread, 0) / (self.n * (self.n - 1)))

    def _median_error(self) -> np.ndarray:
        """Half the distance of the order statistics one standard error around the median.

        Ranks above the median are Binomial(n, 1/2), whatever the samples' distribution.
        """
        ordered = np.sort(np.stack(self.kept), axis=0)
        away = min(math.sqrt(self.n), self.n - 1) / 2

        def at(rank: float) -> np.ndarray:  # between two order statistics, linearly
            low = math.floor(rank)
            high = min(low + 1, self.n - 1)
            return np.asarray(ordered[low] + (rank - low) * (ordered[high] - ordered[low]))

        middle = (self.n - 1) / 2
        return np.asarray((at(middle + away) - at(middle - away)) / 2)

    def relative_error(self) -> float:
        """Expected total-variation distance between the map's shares and their expectation.

        NaN for fewer than two samples, 0 for a map of zeros.

        Notes
        -----
        Half the sum over positions of the expected absolute error, which is sqrt(2/π) times the
        standard error where errors are normal. The share's standard error is that of a ratio
        (delta method): with samples m of sum T and the share p, the variance of m - p T over
        n, by the mean of T. For medians and signed means the error of the scale counts too.
        """
        if self.n < 2:
            return math.nan
        if self.row.median or self.row.signed:
            whole = float(self.values().sum())
            error = float(self.standard_error().sum())
        else:
            whole = self.mass / self.n
            share = self.total / self.mass if self.mass else np.zeros(self.total.shape)
            spread = self.squares - 2 * share * self.cross + share**2 * self.mass_square
            error = float(np.sqrt(np.maximum(spread, 0) / (self.n * (self.n - 1))).sum())
        if not whole:
            return 0.0 if not error else math.inf
        return HALF_NORMAL * error / whole / 2

    def replicates(self) -> np.ndarray:
        """Means (medians) of groups of samples, shape (groups, *spatial), empty groups left out.

        Of signed samples they keep their sign.
        """
        sizes = self.group_sizes()
        if self.row.median:
            every = np.stack(self.kept)
            step = len(self.groups)
            return np.stack([np.median(every[i::step], axis=0) for i in range(len(sizes))])
        return np.asarray(self.groups[: len(sizes)] / sizes.reshape(-1, *(1,) * self.total.ndim))

    def group_sizes(self) -> np.ndarray:
        """Samples of every group that has any, int64."""
        step = len(self.groups)
        return np.array([len(range(i, self.n, step)) for i in range(min(step, self.n))])

    # --- to a file and back ---

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays."""
        scalars = np.array([self.mass, self.mass_square])
        found = {
            "counted": np.array([self.n, self.skipped]),
            "scalars": scalars,
            "total": self.total,
            "squares": self.squares,
            "cross": self.cross,
            "groups": self.groups,
        }
        if self.row.median:
            found["kept"] = np.array(self.kept).reshape(len(self.kept), *self.total.shape)
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.n, self.skipped = (int(v) for v in state["counted"])
        self.mass, self.mass_square = (float(v) for v in state["scalars"])
        for key in ("total", "squares", "cross", "groups"):
            array = np.asarray(state[key])
            if array.dtype != np.float64 or array.shape != getattr(self, key).shape:
                raise ValueError(f"{key}: {array.dtype} of shape {array.shape}")
            setattr(self, key, array.copy())
        if self.row.median:
            self.kept = list(np.asarray(state["kept"]))
