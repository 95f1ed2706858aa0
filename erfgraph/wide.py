"""Exact integers of any width as lanes of int64: value = sum of limb[j] * 2**(32*j).

Every step of a sweep is linear, so it acts on each limb by itself; carries are needed only
when a bound says that a limb might pass 2**63. Against arrays of Python integers this keeps
the sweep vectorised.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, repeat
from typing import Any

import numpy as np

BITS = 32
MASK = (1 << BITS) - 1
LIMB_LIMIT = (1 << 63) - 1


def limbs_for(bound: int) -> int:
    """How many limbs hold every integer up to the bound."""
    return max(1, -(-bound.bit_length() // BITS))


def carry(limbs: np.ndarray) -> None:
    """Bring every limb below 2**32, in place; the values stay the same."""
    over = np.empty_like(limbs[0])
    for low, high in pairwise(limbs):
        np.right_shift(low, BITS, out=over)
        np.bitwise_and(low, MASK, out=low)
        np.add(high, over, out=high)


def outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The outer product of carried limbs, not carried: (n, *shape) and (m, *other) to (n+m, …).

    Halves of 16 bits of one factor keep each product below 2**48.
    """
    product = np.zeros((len(a) + len(b), *a.shape[1:], *b.shape[1:]), dtype=np.int64)
    half = BITS // 2
    for j, limb in enumerate(b):
        low, high = limb & (MASK >> half), limb >> half
        for i, other in enumerate(a):
            product[i + j] += np.multiply.outer(other, low)
            upper = np.multiply.outer(other, high)
            product[i + j + 1] += upper >> half
            upper &= MASK >> half
            upper <<= half
            product[i + j] += upper
    return product


def narrow(limbs: np.ndarray) -> np.ndarray | Wide:
    """Integers from limbs, which are carried: int64 if even the largest fits, else wide."""
    carry(limbs)
    while len(limbs) > 1 and not limbs[-1].any():
        limbs = limbs[:-1]
    if len(limbs) == 1:
        return np.asarray(limbs[0])
    if len(limbs) == 2 and limbs[1].max() < 1 << 31:
        return np.asarray(limbs[0] + (limbs[1] << BITS))
    return Wide(limbs)


@dataclass(frozen=True, eq=False)
class Wide:
    """An array of exact non-negative integers.

    Attributes
    ----------
    limbs : int64 array, shape (n_limbs, *shape)
        Each below 2**32 (see `carry`), least significant first.
    """

    limbs: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of integers."""
        return self.limbs.shape[1:]

    def to_objects(self) -> np.ndarray:
        """The integers as Python ints in an object array."""
        words = np.ascontiguousarray(np.moveaxis(self.limbs, 0, -1).astype("<u4"))
        # as byte strings, which numpy ends at their last byte that is not zero: no loss here
        texts = words.view(f"S{4 * len(self.limbs)}").ravel().tolist()
        result = np.empty(len(texts), dtype=object)
        integer: Callable[[bytes, str], int] = int.from_bytes  # type: ignore[assignment]
        result[:] = list(map(integer, texts, repeat("little")))
        return result.reshape(self.shape)

    def item(self, position: tuple[int, ...]) -> int:
        """One integer."""
        index: Any = (slice(None), *position)
        limbs = self.limbs[index].tolist()
        return sum(limb << (BITS * j) for j, limb in enumerate(limbs))

    def total(self) -> int:
        """The sum of all integers."""
        if self.limbs[0].size >= 1 << 31:  # a limb's sum would pass 2**63
            return sum(part.total() for part in map(Wide, np.array_split(self.limbs, 64, axis=1)))
        sums = self.limbs.sum(axis=tuple(range(1, self.limbs.ndim))).tolist()
        return sum(s << (BITS * j) for j, s in enumerate(sums))

    def argmax(self) -> tuple[int, ...]:
        """Position of the largest integer, the first in raster order."""
        candidates = np.arange(math.prod(self.shape))
        for limb in self.limbs[::-1].reshape(len(self.limbs), -1):
            found = limb[candidates]
            candidates = candidates[found == found.max()]
        return tuple(int(i) for i in np.unravel_index(candidates[0], self.shape))

    def at_least(self, cut: int) -> np.ndarray:
        """Where the integers are at least the cut, bool, shape of the array."""
        n = len(self.limbs)
        if cut >> (BITS * n):
            return np.zeros(self.shape, dtype=bool)
        larger = np.zeros(self.shape, dtype=bool)
        equal = np.ones(self.shape, dtype=bool)
        for j in range(n - 1, -1, -1):
            digit = (cut >> (BITS * j)) & MASK
            larger |= equal & (self.limbs[j] > digit)
            equal &= self.limbs[j] == digit
            if not equal.any():  # decided everywhere
                return larger
        return larger | equal

    def over(self, divisor: int) -> np.ndarray:
        """The integers divided by an integer, float64, correct to a few last places.

        Quotients beyond the doubles become the largest double.
        """
        result = np.zeros(self.shape)
        for j, limb in enumerate(self.limbs):
            # as a fraction first: neither power nor divisor need fit a double
            weight = Fraction(1 << (BITS * j), divisor)
            if weight >= 1 << 1023:
                result[limb > 0] = np.inf
            elif weight > Fraction(1, 1 << 1000):
                with np.errstate(over="ignore"):
                    result += limb * float(weight)
        return np.minimum(result, np.finfo(np.float64).max)


def widened(values: np.ndarray | Wide) -> Wide:
    """Non-negative int64 integers as limbs."""
    if isinstance(values, Wide):
        return values
    return Wide(np.stack([values & MASK, values >> BITS]))


def from_objects(integers: np.ndarray, n_limbs: int) -> Wide:
    """Non-negative Python ints of an object array as limbs."""
    size = 4 * n_limbs
    text = b"".join([integer.to_bytes(size, "little") for integer in integers.ravel().tolist()])
    words = np.frombuffer(text, dtype="<u4").reshape(*integers.shape, n_limbs)
    return Wide(np.ascontiguousarray(np.moveaxis(words, -1, 0)).astype(np.int64))
