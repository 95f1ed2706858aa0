"""`Counts`: the importances of one feature map on its window, whatever their number type.

Reading them (total, peak, thresholds, shares) is exact for integers of any width; this is
the only place that asks whether numbers are int64, float64 or `Wide`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from erfgraph import wide
from erfgraph.wide import Wide

LARGEST_INT64 = (1 << 63) - 1
FLOAT_BITS = 900  # counts below 2**900 are kept unscaled in float64
FLOAT_STEP = 512  # scales change by whole powers of 2**512, so seldom
_LOW = (1 << 32) - 1


def exact_fraction(threshold: float) -> Fraction:
    """The number that the user wrote: 0.1 is one tenth, not the double nearest to it."""
    return Fraction(repr(float(threshold)))


def float_scale(bound: int) -> int:
    """Power of two by which counts up to a bound are divided to be kept in float64."""
    excess = bound.bit_length() - FLOAT_BITS
    return -(-excess // FLOAT_STEP) * FLOAT_STEP if excess > 0 else 0


@dataclass(frozen=True, eq=False)
class Counts:
    """Numbers of one feature map on a window.

    Attributes
    ----------
    values : int64 array, float64 array or Wide, of the window's shape
    scale : int
        Power of two by which the true values were divided (float64 only).
    support : bool array
        Where the true values are not zero.
    """

    values: np.ndarray | Wide
    scale: int = 0
    nonzero: np.ndarray | None = None  # given where rounding to float64 may have lost it

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the window."""
        return self.values.shape

    @property
    def exact(self) -> bool:
        """Whether these are integers."""
        return isinstance(self.values, Wide) or self.values.dtype.kind in "iu"

    @property
    def support(self) -> np.ndarray:
        """Where the true values are not zero, bool, shape of the window."""
        if self.nonzero is not None:
            return self.nonzero
        if isinstance(self.values, Wide):
            return self.values.at_least(1)
        return np.asarray(self.values != 0)

    def transposed(self, axes: tuple[int, ...]) -> Counts:
        """The same numbers, axis i being what was axis ``axes[i]``; they share memory."""
        if isinstance(self.values, Wide):
            lanes = self.values.limbs.transpose(0, *(axis + 1 for axis in axes))
            return Counts(Wide(lanes))
        support = None if self.nonzero is None else self.nonzero.transpose(axes)
        return Counts(self.values.transpose(axes), self.scale, support)

    def array(self) -> np.ndarray:
        """The values as int64, as Python ints in an object array, or as float64."""
        return self.values.to_objects() if isinstance(self.values, Wide) else self.values

    def rounded(self) -> Counts:
        """The same in float64, scaled where a value would not fit."""
        scale = float_scale(int(self.peak()[1]))
        return Counts(self.divided(1 << scale), scale, self.support if scale else None)

    def total(self) -> int | float:
        """The sum of all values."""
        if isinstance(self.values, Wide):
            return self.values.total()
        if not self.exact:
            return float(self.values.sum())
        # in two halves: each value fits int64, their sum need not
        high, low = int((self.values >> 32).sum()), int((self.values & _LOW).sum())
        return (high << 32) + low

    def peak(self) -> tuple[tuple[int, ...], int | float]:
        """Position in the window and value of the largest, the first in raster order."""
        if isinstance(self.values, Wide):
            position = self.values.argmax()
            return position, self.values.item(position)
        position = tuple(int(i) for i in np.unravel_index(int(np.argmax(self.values)), self.shape))
        return position, self.values[position].item()

    def divided(self, divisor: float) -> np.ndarray:
        """The values divided by a positive number, float64."""
        if isinstance(self.values, Wide):
            return self.values.over(int(divisor))
        return self.values / divisor

    def at_least(self, share: float) -> np.ndarray:
        """Where a value is at least a share of the largest, bool."""
        _, largest = self.peak()
        if isinstance(self.values, np.ndarray) and not self.exact:
            return np.asarray(self.values >= share * largest)
        cut = math.ceil(exact_fraction(share) * int(largest))
        return self._from(cut)

    def more_than(self, limit: float) -> np.ndarray:
        """Where a value is larger than a number of counts, bool."""
        if limit == 0:
            return self.support  # which rounding does not lose
        if not self.exact:
            return np.asarray(self.array() > math.ldexp(limit, -self.scale))
        return self._from(math.floor(exact_fraction(limit)) + 1)

    def _from(self, cut: int) -> np.ndarray:
        if isinstance(self.values, Wide):
            return self.values.at_least(cut)
        if cut > LARGEST_INT64:
            return np.zeros(self.shape, dtype=bool)
        return np.asarray(self.values >= cut)

    def smallest_set(self, share: float, distance: np.ndarray) -> np.ndarray:
        """The smallest set of units that holds a share of the total, bool.

        Of units of equal value the nearer is taken, then the first in raster order.

        Parameters
        ----------
        share : float
        distance : array of the window's shape
        """
        mask = np.zeros(math.prod(self.shape), dtype=bool)
        total = self.total()
        if not total:
            return mask.reshape(self.shape)
        near = -distance.ravel()  # ascending sort, read from the end
        backwards = -np.arange(mask.size)
        if isinstance(self.values, Wide):
            keys = self.values.limbs.reshape(len(self.values.limbs), -1)
            order = np.lexsort((backwards, near, *keys))[::-1]
        else:
            order = np.lexsort((backwards, near, self.values.ravel()))[::-1]
        if not self.exact:
            held = np.cumsum(self.array().ravel()[order])
            n = int(np.searchsorted(held, share * held[-1])) + 1
        else:
            flat = self.array().ravel()[order]
            held = np.cumsum(flat if total <= LARGEST_INT64 else flat.astype(object))
            n = int(np.searchsorted(held, math.ceil(exact_fraction(share) * int(total)))) + 1
        mask[order[:n]] = True
        return mask.reshape(self.shape)

    def sums_by(self, labels: np.ndarray) -> list[int] | list[float]:
        """The sum of the values of each label.

        Parameters
        ----------
        labels : array of the window's shape
            Whole numbers from 0.

        Returns
        -------
        list
            One number per label, exact for integers.
        """
        n = int(labels.max(initial=-1)) + 1
        flat = labels.ravel()
        if not self.exact:
            weights = self.array().ravel()
            return [float(v) for v in np.bincount(flat, weights, minlength=n)]
        if isinstance(self.values, Wide):
            parts = self.values.limbs.reshape(len(self.values.limbs), -1)
        else:
            parts = np.stack([self.values.ravel() & _LOW, self.values.ravel() >> 32])
        sums = [0] * n
        for j, part in enumerate(parts):
            found = np.zeros(n, dtype=np.int64)
            np.add.at(found, flat, part)
            sums = [s + (f << (wide.BITS * j)) for s, f in zip(sums, found.tolist(), strict=True)]
        return sums

    def equals(self, other: Counts) -> bool:
        """Whether all values are the same, exactly."""
        if self.shape != other.shape or self.scale != other.scale or self.exact != other.exact:
            return False
        return bool(np.array_equal(self.array(), other.array()))
