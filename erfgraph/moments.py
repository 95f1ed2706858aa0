"""Moments of activations, by mean field: what norms divide by and activations pass.

At initialisation a channel of a wide layer is a sum of many independent terms, so nearly
Gaussian: over channels and draws of the weights, and over samples and positions. Three
numbers per channel suffice (Poole et al. 2016, Schoenholz et al. 2017): the mean over draws,
the variance of the channel's own mean over draws, and its variance over samples and
positions. The last is what a batch norm divides by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from erfgraph.elementwise import KINDS
from erfgraph.featuremap import Pass

WIDTH = 8.0  # standard deviations to each side over which a Gaussian is integrated
NODES = 2000  # cells of that integral; an even number, so that ReLU turns at an edge
OUTER = 48  # nodes of the integral over the means of channels
SMALLEST = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What the channels of a map hold, each a float64 array of shape (channels,).

    Attributes
    ----------
    mean : array
        Mean over draws, samples and positions.
    shared : array
        Variance, over draws, of the mean over samples and positions.
    own : array
        Variance over samples and positions.
    """

    mean: np.ndarray
    shared: np.ndarray
    own: np.ndarray

    @property
    def square(self) -> np.ndarray:
        """Mean square, shape (channels,)."""
        return np.asarray(self.mean_square + self.own)

    @property
    def mean_square(self) -> np.ndarray:
        """Mean square of a channel's mean, shape (channels,)."""
        return np.asarray(self.mean**2 + self.shared)

    def scaled(self, factor: np.ndarray | float) -> Moments:
        """Of the numbers times a factor per channel."""
        return Moments(self.mean * factor, self.shared * factor**2, self.own * factor**2)

    def taken(self, channels: np.ndarray) -> Moments:
        """Of some channels."""
        return Moments(self.mean[channels], self.shared[channels], self.own[channels])


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """What a gradient is multiplied by on its way back through an elementwise function.

    Attributes
    ----------
    mean, square : array, shape (channels,)
        The factor's mean and mean square.
    drawn : bool
        Whether the factor differs from unit to unit, as an activation's derivative does.
    """

    mean: np.ndarray
    square: np.ndarray
    drawn: bool


def white(channels: int) -> Moments:
    """Independent numbers of mean 0 and variance 1."""
    return Moments(np.zeros(channels), np.zeros(channels), np.ones(channels))


def passed(m: Moments, by: Pass, batch: bool) -> tuple[Moments, Gain]:
    """Moments after an elementwise function, and what it multiplies gradients by.

    Parameters
    ----------
    m : Moments
    by : Pass
    batch : bool
        Whether batch norms normalise by the batch; else they only multiply by their gain.
    """
    kind = KINDS[by.kind]
    if kind.function is not None:
        return _activated(m, by)
    value = 1.0 if by.value is None else by.value
    if kind.over is None or (kind.over == "batch" and not batch):
        after = m.scaled(value)
        factor = np.full(len(m.mean), value)
    else:
        spread = m.own if kind.over != "channels" else _over_channels(m, kind.centred)
        factor = value / np.sqrt(np.maximum(spread, SMALLEST))
        after = m.scaled(factor)
        if kind.over != "channels":  # a channel's own mean is subtracted
            nothing = np.zeros(len(factor))
            after = Moments(nothing, nothing, after.own)
        elif kind.centred:
            after = Moments(after.mean - after.mean.mean(), after.shared, after.own)
    return after, Gain(factor, factor**2, drawn=False)


def _over_channels(m: Moments, centred: bool) -> np.ndarray:
    """What a norm over channels divides by, squared; the same for all channels."""
    square = float(m.square.mean())
    if centred:
        square -= float(m.mean.mean()) ** 2
    return np.full(len(m.mean), square)


def _activated(m: Moments, by: Pass) -> tuple[Moments, Gain]:
    states = np.stack([m.mean, m.shared, m.own], axis=1)
    if (states == states[0]).all():  # mostly, and quicker to see
        different, which = states[:1], np.zeros(len(states), dtype=np.int64)
    else:
        different, which = np.unique(states, axis=0, return_inverse=True)
    found = np.array([_integrals(by, *map(float, state)) for state in different])
    mean, shared, own, slope, square = found[which.ravel()].T
    return Moments(mean, shared, own), Gain(slope, square, drawn=True)


@lru_cache(maxsize=4096)
def _integrals(by: Pass, mean: float, shared: float, own: float) -> tuple[float, ...]:
    """Moments after an activation of a Gaussian, and the mean and mean square of its slope."""
    function = _function(by)
    edges, weights = gaussian()
    x = mean + math.sqrt(shared + own) * edges
    y = function(x)
    middle = (y[1:] + y[:-1]) / 2
    first, second = float(weights @ middle), float(weights @ middle**2)
    # the slope between two nodes; of a constant input, that of a narrow Gaussian
    if shared + own <= SMALLEST:
        x = mean + 1e-6 * edges
        y = function(x)
    slopes = np.diff(y) / np.diff(x)
    steep, square = float(weights @ slopes), float(weights @ slopes**2)
    of_channel = 0.0
    if shared > SMALLEST:
        t, outer = np.polynomial.hermite_e.hermegauss(OUTER)
        outer = outer / outer.sum()
        inner = function(mean + math.sqrt(shared) * t[:, None] + math.sqrt(own) * edges)
        means = ((inner[:, 1:] + inner[:, :-1]) / 2) @ weights
        of_channel = max(0.0, float(outer @ means**2) - first**2)
    return first, of_channel, max(0.0, second - first**2 - of_channel), steep, square


@lru_cache(maxsize=4096)
def together(
    below: Pass, before: tuple[float, float], others: tuple[float, float], above: Pass
) -> float:
    """How much likelier two activations on one way pass a gradient together than apart.

    Parameters
    ----------
    below : Pass
        The activation f whose result f(z), z Gaussian, is one addend.
    before, others : (mean, variance)
        Of z, and of the other addends, r.
    above : Pass
        The activation g of the sum.

    Returns
    -------
    float
        E[f'(z)² g'(f(z) + r)²] / (E[f'(z)²] E[g'(f(z) + r)²]). A ReLU that is open makes the sum
        larger, so that the ReLU after it is open more often than not.
    """
    edges, weights = gaussian(NODES // 4)
    lower, upper = _function(below), _function(above)
    z = before[0] + math.sqrt(before[1]) * edges
    passed_below = lower(z)
    slope = (np.diff(passed_below) / np.diff(z)) ** 2
    r = others[0] + math.sqrt(others[1]) * edges
    middle = (passed_below[1:] + passed_below[:-1]) / 2
    sums = middle[:, None] + r
    opened = (np.diff(upper(sums), axis=1) / np.diff(r)) ** 2 @ weights
    apart = float(weights @ slope) * float(weights @ opened)
    return float(weights @ (slope * opened)) / apart if apart > SMALLEST else 1.0


def _function(by: Pass) -> Callable[[np.ndarray], np.ndarray]:
    function, value = KINDS[by.kind].function, by.value
    assert function is not None
    return lambda x: function(x, 0.0 if value is None else value)


@lru_cache(maxsize=64)
def gaussian(nodes: int = NODES, of: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Edges of equal cells, and the probability that a standard normal number lies in each.

    Of several such numbers (`of`), the largest.
    """
    from scipy.special import ndtr

    edges = np.linspace(-WIDTH, WIDTH, nodes + 1)
    weights = np.diff(ndtr(edges) ** of)
    return edges, weights / weights.sum()


def largest(m: Moments, n: int) -> Moments:
    """Of the largest of n independent numbers: what a max pool makes."""
    mean, variance = _largest_of(n)
    return Moments(m.mean + mean * np.sqrt(m.own), m.shared, m.own * variance)


@lru_cache(maxsize=256)
def _largest_of(n: int) -> tuple[float, float]:
    """Mean and variance of the largest of n standard normal numbers."""
    edges, weights = gaussian(of=n)
    middle = (edges[1:] + edges[:-1]) / 2
    mean = float(weights @ middle)
    return mean, float(weights @ middle**2) - mean**2


def product(a: Moments, b: Moments) -> Moments:
    """Of the products of independent numbers."""
    mean = a.mean * b.mean
    means = a.mean_square * b.mean_square
    return Moments(mean, means - mean**2, a.square * b.square - means)
