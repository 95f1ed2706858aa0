"""Classes of channels that a sweep need not tell apart, and how a push mixes them.

With every channel a node of its own, what travels on a feature map would be one number per
position and channel. But channels that are read alike hold the same numbers, so a sweep
carries one number per position and *class*: two channels of a map are in one class if,
through every part of every link, they meet equally many channels of each class of every map
that pushes into theirs. One pass in the sweep's order finds the coarsest such classes, from
the channels that the question is about. A dense network has one class per map; so have
depthwise and grouped convolutions; splits and shuffles make a few.

In the order of the sweep a link pushes from the channels that its `Mix` makes to those that
it reads (backward); forward the same holds of the mix reversed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from erfgraph import memory
from erfgraph.channels import Channels, Mix

Join = tuple[int, Mix, np.ndarray | None]  # the other map, the mix, and gains of what it reads

ZERO = -1  # label of channels that hold zeros
FEW = 32  # entries of a mixing up to which they are added one by one


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Which channels of one feature map hold equal numbers.

    Attributes
    ----------
    labels : int64 array, shape (channels,)
        Class of every channel, `ZERO` where nothing arrives.
    first : int64 array, shape (classes,)
        A channel of every class.
    """

    labels: np.ndarray
    first: np.ndarray

    @property
    def number(self) -> int:
        """Number of classes."""
        return len(self.first)

    def sizes(self, view: Channels | None) -> np.ndarray:
        """How many channels of a view (default: of the map) each class holds, int64."""
        labels = self.labels if view is None else self.labels[_index(view)]
        return np.bincount(labels[labels != ZERO], minlength=self.number)


@dataclass(frozen=True, eq=False)
class Mixing:
    """What the classes of one map hand to those of another, through one part of a link.

    Attributes
    ----------
    into, source, times : arrays
        Entries of a matrix of shape (n_into, n_source): a channel of class ``into[k]`` meets
        ``times[k]`` channels of class ``source[k]``. int64; of weights, times is float64.
    n_into, n_source : int
        Numbers of classes.
    """

    into: np.ndarray
    source: np.ndarray
    times: np.ndarray
    n_into: int
    n_source: int

    @property
    def plain(self) -> bool:
        """Whether every class is handed on to one of the same number, once."""
        return (
            self.n_into == self.n_source == len(self.times)
            and bool((self.times == 1).all())
            and bool((self.into == self.source).all())
        )

    @cached_property
    def collects(self) -> Any:
        """The most channels that one channel meets: an integer, of weights a float."""
        return _number(np.bincount(self.into, self.times, self.n_into).max(), self.times)

    @cached_property
    def hands(self) -> Any:
        """The most numbers, one per class, into which one number goes."""
        return _number(np.bincount(self.source, self.times, self.n_source).max(), self.times)

    @cached_property
    def _matrix(self) -> Any:
        from scipy.sparse import csr_array

        shape = (self.n_into, self.n_source)
        return csr_array((self.times, (self.into, self.source)), shape=shape)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Mix lanes: shape (limbs * n_source, *window) to (limbs * n_into, *window)."""
        if self.n_into == self.n_source == 1:
            return values if values.dtype == bool else values * self.times[0]
        window = values.shape[1:]
        held = values.reshape(-1, self.n_source, *window)
        mixed = np.zeros((len(held), self.n_into, *window), values.dtype)
        if len(self.times) <= FEW:
            entries = zip(
                self.into.tolist(), self.source.tolist(), self.times.tolist(), strict=True
            )
            for into, source, times in entries:
                part = held[:, source]
                mixed[:, into] += part if times == 1 or values.dtype == bool else times * part
        else:
            for limb, out in zip(held, mixed, strict=True):
                numbers = limb.reshape(self.n_source, -1)
                if values.dtype == bool:
                    out |= (self._matrix @ numbers.astype(np.int64) > 0).reshape(out.shape)
                else:
                    out += (self._matrix @ numbers).reshape(out.shape)
        return mixed.reshape(-1, *window)


def _number(value: Any, like: np.ndarray) -> Any:
    return float(value) if like.dtype.kind == "f" else int(value)


# --- classes --------------------------------------------------------------------------------


def classify(
    order: Iterable[int],
    pushes: Mapping[int, Sequence[Join]],
    channels: Sequence[int],
    start: int,
    asked: Channels,
) -> dict[int, Classes]:
    """The coarsest classes that a sweep needs, for every map.

    Parameters
    ----------
    order : iterable of int
        Maps in the order in which they are complete; `start` comes first.
    pushes : mapping of int to sequence of (target, Mix, gains)
        What every map pushes: from the channels that the mix makes to those that it reads,
        times a gain for every one that is read (None: all alike).
    channels : sequence of int
        Of all maps.
    start : int
    asked : range or tuple of int
        Channels of the start map that the sweep starts on; one that stands twice starts
        with 2.

    Returns
    -------
    dict of int to Classes

    Raises
    ------
    SizeError
        If there are more channels than labels fit into memory.

    Examples
    --------
    A map of four channels, of which a depthwise layer reads the first two, and two dense
    groups of two all: the halves are told apart.

    >>> from erfgraph.channels import Mix, dense
    >>> pushes = {2: [(0, Mix(range(2), range(2), 2), None), (0, dense(4, 2, 2), None)]}
    >>> classify([2, 0], pushes, [4, 0, 2], 2, range(2))[0].labels
    array([1, 1, 0, 0])
    """
    order = list(order)
    memory.require(16 * sum(channels[i] for i in order), "the channels of this sweep")
    incoming: dict[int, list[Join]] = {i: [] for i in order}
    found: dict[int, Classes] = {}
    for index in order:
        if index == start:
            found[index] = _asked(channels[index], asked)
        else:
            found[index] = _refined(channels[index], found, incoming[index])
        for target, mix, gains in pushes.get(index, ()):
            incoming[target].append((index, mix, gains))
    return found


def _asked(n: int, asked: Channels) -> Classes:
    """Classes by how often a channel is asked about, most often once."""
    held = np.zeros(n, dtype=np.int64)
    np.add.at(held, _index(asked), 1)
    return _numbered(held, held > 0)


def _refined(n: int, known: Mapping[int, Classes], incoming: Sequence[Join]) -> Classes:
    """Classes of a map from those of the maps that push into it."""
    labels = np.zeros(n, dtype=np.int64)
    alive = np.zeros(n, dtype=bool)
    for source, mix, gains in incoming:
        for met in _what_channels_meet(n, mix, known[source].labels, gains):
            alive |= met != ZERO
            if (met[0] != met).any():
                keys = labels * (met.max() + 2) + (met + 1)
                labels = np.unique(keys, return_inverse=True)[1]
    return _numbered(labels, alive)


def _numbered(labels: np.ndarray, alive: np.ndarray) -> Classes:
    """Labels counted from 0 where channels hold anything, `ZERO` elsewhere."""
    where = np.flatnonzero(alive)
    _, first, inverse = np.unique(labels[where], return_index=True, return_inverse=True)
    counted = np.full(len(labels), ZERO, dtype=np.int64)
    counted[where] = inverse
    return Classes(counted, where[first])


def _what_channels_meet(
    n: int, mix: Mix, labels: np.ndarray, gains: np.ndarray | None = None
) -> list[np.ndarray]:
    """For each channel of a map, a number that stands for the classes that it meets.

    One array of shape (n,), `ZERO` where a channel meets none; several where the mix holds a
    channel more than once.
    """
    met = np.repeat(_what_groups_hold(mix, labels), len(mix.reads) // mix.groups)
    if gains is not None:  # channels that weigh differently differ
        different, which = np.unique(gains, return_inverse=True)
        met = np.where(met == ZERO, ZERO, met * len(different) + which)
    if isinstance(mix.reads, range):
        found = np.full(n, ZERO, dtype=np.int64)
        found[_index(mix.reads)] = met
        return [found]
    reads = np.array(mix.reads)
    order = np.lexsort((met, reads))
    reads, met = reads[order], met[order]
    starts = np.flatnonzero(np.diff(reads, prepend=-1))
    rank = np.arange(len(reads)) - np.repeat(starts, np.diff(starts, append=len(reads)))
    several = []
    for r in range(int(rank.max()) + 1):
        found = np.full(n, ZERO, dtype=np.int64)
        found[reads[rank == r]] = met[rank == r]
        several.append(found)
    return several


def _what_groups_hold(mix: Mix, labels: np.ndarray) -> np.ndarray:
    """For each group, a number that stands for the classes of its channels; `ZERO` for none."""
    held: np.ndarray = labels[_index(mix.makes)].reshape(mix.groups, -1)
    if held.shape[1] == 1:
        return held[:, 0]
    low, high = held.min(), held.max()
    if low == high or mix.groups == 1:
        return np.full(mix.groups, ZERO if high == ZERO else 0)
    held = np.sort(held, axis=1)  # equal rows are now equal multisets
    numbers: np.ndarray = np.unique(held, axis=0, return_inverse=True)[1].ravel()
    numbers[held[:, -1] == ZERO] = ZERO
    return numbers


# --- what a push does ---------------------------------------------------------------------


def mixing(
    mix: Mix,
    into: Classes,
    source: Classes,
    weight: float = 1.0,
    gains: np.ndarray | None = None,
) -> Mixing | None:
    """How a push mixes classes; None if it hands nothing on.

    Parameters
    ----------
    mix : Mix
        From the channels that it makes to those that it reads.
    into, source : Classes
        Of the map that is pushed to, and of the one that pushes.
    weight : float, optional
        Of everything.
    gains : array, shape (len(mix.reads),), optional
        Of every channel that is read.
    """
    class_of = np.full(len(into.labels), ZERO, dtype=np.int64)
    class_of[into.first] = np.arange(into.number)
    of_reads = class_of[_index(mix.reads)]
    at = np.flatnonzero(of_reads != ZERO)  # reads of the channels that stand for their class
    held = source.labels[_index(mix.makes)].reshape(mix.groups, -1)
    memory.require(24 * len(at) * held.shape[1], "the classes of this sweep's channels")
    met = held[at // (len(mix.reads) // mix.groups)]
    keys = of_reads[at][:, None] * source.number + met
    times: np.ndarray
    entries, times = np.unique(keys[met != ZERO], return_counts=True)
    if not len(entries):
        return None
    if gains is not None:  # ways of one entry may weigh differently: they add
        each = np.broadcast_to(gains[at][:, None], met.shape)[met != ZERO]
        found = np.searchsorted(entries, keys[met != ZERO])
        times = weight * np.bincount(found, each, len(entries))
    elif weight != 1.0:
        times = weight * times
    rows, columns = np.divmod(entries, source.number)
    return Mixing(rows, columns, times, into.number, source.number)


def _index(channels: Channels) -> Any:
    """Channels as an index of an array: a slice where they are a range."""
    if not isinstance(channels, range):
        return np.array(channels, dtype=np.int64)
    stop = channels.stop if channels.stop >= 0 else None
    return slice(channels.start, stop, channels.step)
