"""Which channels of one feature map the channels of another read.

Units are positions; channels ride along. A link between two maps says for its channels what
axis maps say for positions, as a `Mix`: some channels of the source, in some order, cut into
groups of equal size, each group joined all to all with a group of the channels that are made.
A dense convolution is one group, a depthwise one or a pool has a group per channel. Nothing
here knows of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from erfgraph.errors import LayerError

Channels: TypeAlias = range | tuple[int, ...]  # indices of channels, in order
MOST_CHANNELS = 1 << 22  # of a map whose channels are listed one by one


@dataclass(frozen=True, slots=True)
class Mix:
    """Channels read and made, all to all within groups.

    Attributes
    ----------
    reads : range or tuple of int
        Channels of the source; a channel that stands twice is read twice.
    makes : range or tuple of int
        Channels of the output, none twice. With ``n = len(makes) // groups`` and
        ``m = len(reads) // groups``, each of ``makes[g*n : (g+1)*n]`` reads each of
        ``reads[g*m : (g+1)*m]``.
    groups : int
    """

    reads: Channels
    makes: Channels
    groups: int = 1

    def reversed(self) -> Mix:
        """The same pairs, seen from the other end."""
        return Mix(self.makes, self.reads, self.groups)


def each(n: int) -> Mix:
    """Every output channel reads the source channel of its own number."""
    return Mix(range(n), range(n), n)


def dense(n_in: int, n_out: int, groups: int = 1) -> Mix:
    """Every output channel of a group reads every source channel of that group."""
    return Mix(range(n_in), range(n_out), groups)


def spread(n_in: int, n_out: int) -> Mix:
    """Channel by channel, or one channel broadcast to all."""
    return each(n_out) if n_in == n_out else dense(n_in, n_out)


def listed(channels: Channels) -> np.ndarray:
    """Channels as an int64 array."""
    if isinstance(channels, range):
        return np.arange(channels.start, channels.stop, channels.step)
    return np.array(channels, dtype=np.int64)


def pick(channels: Channels, index: Channels) -> Channels:
    """``[channels[i] for i in index]``, kept a range where both are.

    Examples
    --------
    >>> pick(range(10, 20), range(0, 10, 3))
    range(10, 20, 3)
    >>> pick(range(10, 20), range(9, 3, -2))
    range(19, 14, -2)
    >>> pick((4, 7, 9), (2, 0))
    (9, 4)
    """
    if isinstance(index, range):
        if index == range(len(channels)):
            return channels
        if isinstance(channels, range):
            step = channels.step * index.step
            stop = channels[index[-1]] + (1 if step > 0 else -1)
            return range(channels[index[0]], stop, step)
    check_listed(len(index))
    return tuple(channels[i] for i in index)


def through(mix: Mix, view: Channels | None) -> Mix:
    """A mix that reads a view of a map, as one that reads the map itself."""
    return mix if view is None else Mix(pick(view, mix.reads), mix.makes, mix.groups)


def shuffled(n: int, groups: int) -> Channels:
    """Order in which a channel shuffle takes its channels: a transposed (groups, n/groups).

    Examples
    --------
    >>> shuffled(6, 2)
    (0, 3, 1, 4, 2, 5)
    """
    check_listed(n)
    return tuple(np.arange(n).reshape(groups, -1).T.ravel().tolist())


def check_listed(n: int) -> None:
    """Refuse to list more channels than any network has.

    Raises
    ------
    LayerError
    """
    if n > MOST_CHANNELS:
        raise LayerError(
            f"channels: {n} of them in an order of their own, at most {MOST_CHANNELS}"
        )
