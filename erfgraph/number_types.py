"""How numbers travel through a sweep: their type, their lanes, and what they need on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Numbers:
    """How numbers travel: their type, and what a map's numbers need before they go on.

    The base class suits booleans, int64 and float64 whose range is known to suffice.
    """

    dtype: Any

    @property
    def scaled(self) -> bool:
        """Whether a map is scaled, so that rounding may lose where paths lead at all."""
        return False

    def lanes(self, index: int) -> int:
        """Lanes of a map's array per class of channels."""
        return 1

    def settle(self, index: int) -> Callable[[np.ndarray], Any] | None:
        """What makes a map's complete numbers fit to be pushed on, in place; None: nothing."""
        return None

    def scale(self, index: int) -> int:
        """Binary logarithm of what a map's numbers have been divided by."""
        return 0

    def shift(self, source: int, target: int) -> int:
        """Binary logarithm of what a map's numbers are multiplied by on their way to another."""
        return 0


@dataclass(frozen=True, eq=False)
class Batch(Numbers):
    """Several sweeps side by side; within a limb, each has its classes of channels."""

    of: Numbers
    number: int

    def lanes(self, index: int) -> int:
        """Lanes of all sweeps."""
        return self.number * self.of.lanes(index)

    def settle(self, index: int) -> Callable[[np.ndarray], Any] | None:
        """As of each sweep: limbs are the outermost lanes."""
        return self.of.settle(index)

    def scale(self, index: int) -> int:
        """As of each sweep."""
        return self.of.scale(index)

    def shift(self, source: int, target: int) -> int:
        """As of each sweep."""
        return self.of.shift(source, target)


def batch_of(numbers: Numbers, number: int) -> Batch:
    """Number so many sweeps of one kind side by side."""
    return Batch(numbers.dtype, numbers, number)


BOOL, INT64, FLOAT64 = Numbers(bool), Numbers(np.int64), Numbers(np.float64)
