"""What is averaged over gradients: one row a statistic.

Each reduces the channels of the input first, so that a sample is one number per position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from erfgraph.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic of gradients.

    Attributes
    ----------
    of : callable
        Gradients of shape (n, channels, *spatial), float64, to samples (n, *spatial).
    says : str
        What it is, in words.
    relu_output : bool
        Whether the unit's channels pass a ReLU before they are summed.
    median : bool
        Whether the middle of the samples is taken in place of their mean.
    signed : bool
        Whether samples may be negative; the map then holds the size of their mean.
    """

    of: Callable[[np.ndarray], np.ndarray]
    says: str
    relu_output: bool = False
    median: bool = False
    signed: bool = False


def _squares(g: np.ndarray) -> np.ndarray:
    return np.asarray(np.square(g).sum(axis=1))


def _sizes(g: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(g).sum(axis=1))


def _sums(g: np.ndarray) -> np.ndarray:
    return np.asarray(g.sum(axis=1))


def _positive(g: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(g, 0).sum(axis=1))


STATISTICS: dict[str, Statistic] = {
    "mean_square": Statistic(_squares, "mean of the squared gradient"),
    "mean_abs": Statistic(_sizes, "mean of the absolute gradient"),
    "mean": Statistic(_sums, "absolute value of the mean gradient", signed=True),
    "median": Statistic(_sizes, "median of the absolute gradient", median=True),
    "mean_relu": Statistic(
        _positive, "mean of the ReLU'd gradient of the ReLU'd unit", relu_output=True
    ),
}


def statistic_of(name: str) -> Statistic:
    """The row of a name.

    Raises
    ------
    NameLookupError
        If there is no such statistic.

    Examples
    --------
    >>> statistic_of("median").says
    'median of the absolute gradient'
    """
    if not isinstance(name, str) or name not in STATISTICS:
        raise unknown_name("statistic", str(name), STATISTICS)
    return STATISTICS[name]
