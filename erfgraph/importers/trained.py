"""Trained numbers of layers: which array a weight is, once the layer is in a network.

Nothing is read while a model is imported; a network keeps functions that read, in
`Description.weights` and `Description.scales`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from erfgraph.importers.layout import Atom, channel_order, is_channel, is_spatial
from erfgraph.importers.values import Constant, Numbers, Traced


def numbers_of(weight: Any) -> Numbers | None:
    """Gives the numbers of a constant, if they are at hand or in a file; else None."""
    return (weight.stored or weight.read) if isinstance(weight, Constant) else None


def then(numbers: Numbers | None, change: Callable[[np.ndarray], np.ndarray]) -> Numbers | None:
    """The numbers, changed when they are read."""
    if numbers is None:
        return None
    read = numbers
    return lambda: change(np.asarray(read()))


def of_window(
    numbers: Numbers | None,
    axes: Sequence[int | None],
    ndim: int,
    groups: int,
    taps: Sequence[int],
) -> Numbers | None:
    """A convolution's weight for the network's axes.

    Parameters
    ----------
    numbers : callable, optional
        Gives it as PyTorch has it, ``(out, in / groups, *kernel)``, or of a transposed
        convolution ``(in, out / groups, *kernel)``.
    axes : sequence of int or None
        The network's axis of each dimension of the kernel; None for one of a single position.
    ndim : int
        Number of the network's axes.
    groups : int
        How often the same weight stands side by side, for channels in batch dimensions.
    taps : sequence of int
        Of each dimension of the kernel, the tap that is read where there is no axis.
    """

    def change(weight: np.ndarray) -> np.ndarray:
        for d in reversed(range(len(axes))):
            if axes[d] is None:
                weight = weight.take(taps[d], axis=d + 2)
        kept = [a for a in axes if a is not None]
        sizes = [1] * ndim
        for d, axis in enumerate(kept):
            sizes[axis] = weight.shape[d + 2]
        order = sorted(range(len(kept)), key=kept.__getitem__)
        weight = weight.transpose(0, 1, *(d + 2 for d in order))
        return _tiled(weight.reshape(*weight.shape[:2], *sizes), groups)

    return then(numbers, change)


def of_sum(
    numbers: Numbers | None, atoms: Sequence[Atom], kernel: Sequence[int], groups: int
) -> Numbers | None:
    """A linear layer's weight for channels and positions.

    Parameters
    ----------
    numbers : callable, optional
        Gives it as ``(features, inputs)``.
    atoms : sequence of Atom
        What its inputs are, in order: channels, copies of them, and digits of positions.
    kernel : sequence of int
        How many positions it reads on every axis.
    groups : int
        As for `of_window`.
    """
    mixed = [i for i, a in enumerate(atoms) if a.axis < 0]
    digits = [i for i, a in enumerate(atoms) if is_spatial(a)]
    digits.sort(key=lambda i: (atoms[i].axis, -atoms[i].stride))

    def change(weight: np.ndarray) -> np.ndarray:
        split = weight.reshape(len(weight), *(a.size for a in atoms))
        order = (0, *(i + 1 for i in mixed), *(i + 1 for i in digits))
        inputs = math.prod(atoms[i].size for i in mixed)
        return _tiled(split.transpose(order).reshape(len(weight), inputs, *kernel), groups)

    return then(numbers, change)


def _tiled(weight: np.ndarray, groups: int) -> np.ndarray:
    return np.tile(weight, (groups, *[1] * (weight.ndim - 1))) if groups > 1 else weight


def by_channel(v: Traced, d: int, numbers: Numbers | None) -> Numbers | None:
    """One number per index of a dimension, in the order of the channels of the map.

    None where the dimension is not all channels of the map, once each.
    """
    atoms = v.dims[d % v.ndim]
    if numbers is None or not all(map(is_channel, atoms)):
        return None
    order = np.array(channel_order(atoms))
    total = len(order) if v.late else v.map.channels
    if sorted(order.tolist()) != list(range(total)):
        return None

    def change(given: np.ndarray) -> np.ndarray:
        found = np.empty(len(order))
        found[order] = np.asarray(given, dtype=np.float64).ravel()
        return found

    return then(numbers, change)


def gain(v: Traced, d: int, weight: Any) -> Numbers | None:
    """The gain of a norm by channel."""
    return by_channel(v, d, numbers_of(weight))


def batch_gain(v: Traced, weight: Any, variance: Any, epsilon: Any, d: int = 1) -> Numbers | None:
    """What a batch norm multiplies each channel by, with the variances it has seen."""
    spread, factor = numbers_of(variance), numbers_of(weight)
    if spread is None or (weight is not None and factor is None):
        return None
    seen = spread

    def read() -> Any:
        scale = 1 / np.sqrt(np.asarray(seen(), dtype=np.float64) + float(epsilon))
        return scale if factor is None else scale * np.asarray(factor(), dtype=np.float64)

    return by_channel(v, d, read)


def factor(v: Traced, constant: Any, divides: bool) -> Numbers | None:
    """A constant that multiplies or divides each channel by a number of its own."""
    numbers = numbers_of(constant)
    if numbers is None or v.keys is not None:
        return None
    shape = constant.shape
    own = [d for d in range(-len(shape), 0) if shape[d] > 1]
    if len(own) != 1 or -own[0] > v.ndim:
        return None
    return by_channel(v, own[0], then(numbers, np.reciprocal) if divides else numbers)
