"""Maps that carry samples, drawn again: intervals of every number, and the sampling noise.

A map of samples is a mean of groups of draws. The bootstrap draws as many groups with
replacement and computes every number again. Noise moves a distance one way only, up: between
a map of samples and what the map tends to it is never zero, and drawing again adds the same
noise once more. So the plain percentiles of a distance lie *above* the distance itself, and
miss the true one: of 60 maps of gamma samples, not one interval of the total variation held it.
What grows in proportion to the noise's variance is therefore reflected at the estimate: the
squares of distances, the correlations and divergences as they are. So is the difference of
sides, as noise raises the largest value and with it the threshold. Differences that noise moves
to both sides keep their percentiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.agreement.numbers import NUMBERS, Row
from erfgraph.agreement.pair import Grid, Pair
from erfgraph.errors import InputError
from erfgraph.importance_map import ImportanceMap

CHUNK = 1 << 21  # numbers of one array of draws

Progress = Callable[[int, int], Any]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Every number of every draw, and distances of the draws from the maps themselves.

    Attributes
    ----------
    numbers : dict of str to float64 array (draws, ...)
    noise_a, noise_b, noise : float
        Expected total variation between a map of samples and its expectation, of a, of b, and
        between the two maps if their expectations were equal; 0 for a map without samples.
    """

    numbers: dict[str, np.ndarray]
    noise_a: float
    noise_b: float
    noise: float


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of a map's samples, and how they make the map.

    Attributes
    ----------
    means : float64 array (groups, *shape) or (groups, units)
    sizes : int64 array (groups,)
        Samples of each.
    median : bool
        Whether the map is the groups' median; else it is the size of their mean.
    """

    means: np.ndarray
    sizes: np.ndarray
    median: bool = False

    def __len__(self) -> int:
        return len(self.means)

    @property
    def linear(self) -> bool:
        """Whether sums over units of the map are means of the groups' sums."""
        return not self.median and bool((self.means >= 0).all())

    def of(self, change: Callable[[np.ndarray], np.ndarray]) -> Groups:
        """The same groups after a change of every map."""
        return Groups(change(self.means), self.sizes, self.median)

    def drawn(self, taken: np.ndarray) -> np.ndarray:
        """What the map would be with each group taken so often: shares, (draws, units).

        Parameters
        ----------
        taken : int64 array (draws, groups)
        """
        if self.median:
            every = [np.median(np.repeat(self.means, n, axis=0), axis=0) for n in taken]
            return _shares(np.stack(every))
        return _shares(np.abs((taken * self.sizes) @ self.means))

    def draws(self, times: int, random: np.random.Generator) -> np.ndarray:
        """Shares of so many draws with replacement, (draws, units)."""
        n = len(self)
        return self.drawn(random.multinomial(n, np.full(n, 1 / n), times))


def groups_of(name: str, imp: ImportanceMap) -> Groups | None:
    """Groups of a map's samples; None if there are not two.

    Raises
    ------
    InputError
        If they do not fit the map.
    """
    given = getattr(imp, "replicates", None)
    if given is None:
        return None
    found = np.asarray(given, dtype=float)
    if found.shape[1:] != imp.shape or not np.isfinite(found).all():
        raise InputError(
            f"{name}: replicates of shape {found.shape}, wanted finite ones of (groups, "
            f"{', '.join(map(str, imp.shape))})"
        )
    sizes = np.asarray(getattr(imp, "replicate_sizes", np.ones(len(found), dtype=np.int64)))
    if sizes.shape != found.shape[:1]:
        raise InputError(f"{name}: got {len(found)} replicates and {sizes.size} sizes of them")
    if len(found) < 2:
        return None
    return Groups(found, sizes, getattr(imp, "statistic", "") == "median")


def redraw(
    grid: Grid,
    pair: Pair,
    groups: tuple[Groups | None, Groups | None],
    times: int,
    seed: int,
    progress: Progress | None = None,
) -> Drawn:
    """Draw the groups of each map again, with replacement, and compute all numbers.

    Parameters
    ----------
    grid : Grid
    pair : Pair
        The maps themselves.
    groups : pair of Groups or None
        None for a map without samples, which stays as it is. At least one is given.
    times : int
    seed : int
    progress : callable, optional
        Called with (done, all) draws.
    """
    random = np.random.default_rng(seed)
    sides = [
        _Side(share, levels, None if g is None else g.of(grid.take))
        for share, levels, g in zip(
            (pair.a, pair.b), (pair.levels_a, pair.levels_b), groups, strict=True
        )
    ]
    numbers: dict[str, list[np.ndarray]] = {name: [] for name in NUMBERS}
    noises = np.zeros(3)
    for done, k in _chunks(times, max(1, CHUNK // grid.coordinates.shape[1])):
        (a, levels_a, off_a), (b, levels_b, off_b) = (s.drawn(grid, k, random) for s in sides)
        made = Pair(grid, a, b, levels_a, levels_b)
        for name, row in NUMBERS.items():
            numbers[name].append(row.of(made))
        for i, off in enumerate((off_a, off_b, off_a - off_b)):
            noises[i] += np.abs(off).sum(axis=-1).mean() / 2 * k / times
        if progress is not None:
            progress(done, times)
    found = {name: np.concatenate(parts) for name, parts in numbers.items()}
    return Drawn(found, *(float(x) for x in noises))


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the two maps on the grid's units, with its groups if it has some."""

    share: np.ndarray
    levels: np.ndarray
    groups: Groups | None

    def drawn(
        self, grid: Grid, times: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shares and levels of the draws, and how far they are off."""
        if self.groups is None:
            return self.share, self.levels, np.zeros((1, 1))
        n = len(self.groups)
        shares = self.groups.draws(times, random)
        off = shares - self.groups.drawn(np.ones((1, n), dtype=np.int64))
        # a mean of n groups has n / (n - 1) of the variance that drawing them again shows
        return shares, grid.levels(shares), np.sqrt(n / (n - 1)) * off


def limits(
    row: Row, value: np.ndarray, draws: np.ndarray, confidence: float, how: str
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limit of a number; NaN where a draw is not finite.

    Parameters
    ----------
    row : Row
    value : float64 array (...)
        The number of the maps themselves.
    draws : float64 array (draws, ...)
    confidence : float
    how : {"reflected", "percentile"}
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    good = np.isfinite(draws).all(axis=0) & np.isfinite(value)
    safe = np.where(good, draws, 0.0)
    if how == "percentile" or row.response == "signed":
        low, high = np.quantile(safe, tails, axis=0)
    elif row.response == "shifted":
        low, high = 2 * value - np.quantile(safe, tails[::-1], axis=0)
    else:
        power = 2 if row.response == "square" else 1
        away, sign = np.abs(safe - row.best) ** power, 1.0 if row.best == 0 else -1.0
        near, far = np.quantile(away, tails, axis=0)
        centre = np.abs(np.where(good, value, row.best) - row.best) ** power
        farthest = abs(row.worst - row.best)
        inner, outer = (
            np.minimum(np.maximum(2 * centre - x, 0.0) ** (1 / power), farthest)
            for x in (far, near)
        )
        low, high = row.best + sign * inner, row.best + sign * outer
        low, high = np.minimum(low, high), np.maximum(low, high)
    return np.where(good, low, np.nan), np.where(good, high, np.nan)


def _chunks(n: int, most: int) -> Iterator[tuple[int, int]]:
    """How many are done after each chunk, and its length."""
    for start in range(0, n, most):
        stop = min(start + most, n)
        yield stop, stop - start


def _shares(values: np.ndarray) -> np.ndarray:
    total = values.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(values, total, out=np.zeros_like(values), where=total > 0))
