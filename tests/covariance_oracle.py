"""An exact account of `variance` on wide networks: covariances of gradients, pushed backward.

With all channels of a map alike, what a sweep needs of the gradient of a map is, per channel,
its second moment between any two positions, a matrix. Every layer moves it in closed form,
correlations included: a convolution adds up shifted copies, one a tap; a fixed layer A turns K
into Aᵀ K A. No weights are enumerated, so networks may be deep and wide; maps must be small.
"""

from __future__ import annotations

import numpy as np
from oracles import RULES, Position, positions
from weight_oracle import DRAWN, fixed_weights, reads_made

from erfgraph.featuremap import FeatureMap
from erfgraph.network import Network

COPIED = ("add", "concat", "crop", "slice", "roll", "pad")


def second_moments(
    net: Network, unit: Position, layer: str | None = None, of: str = "input"
) -> np.ndarray:
    """What `variance` should say of a map, where every layer treats all channels alike.

    A map may have one reader with fixed weights besides those with drawn ones, or several
    whose readers have drawn weights of their own (branches of a concatenation).
    """
    top = net[layer or net.results[-1]]
    rated = net[of]
    held: dict[int, np.ndarray] = {}
    start = np.zeros(top.shape)
    start[unit] = 1 / top.channels
    held[top.index] = np.diag(start.ravel())
    for m in reversed(net.maps[rated.index + 1 : top.index + 1]):
        k = held.pop(m.index, None)
        if k is None:
            continue
        for link in m.links:
            read = net.maps[link.src]
            if read.index >= rated.index:
                found = pushed(m, read, k)
                held[read.index] = held.get(read.index, 0) + found
    return read_off(held[rated.index], rated)


def read_off(k: np.ndarray, m: FeatureMap) -> np.ndarray:
    """Mean squares, summed over channels."""
    return m.channels * np.diag(k).reshape(m.shape)


def pushed(m: FeatureMap, read: FeatureMap, k: np.ndarray) -> np.ndarray:
    """Second moments of what a layer hands to a map that it reads."""
    params = dict(m.params)
    if m.op in DRAWN:
        assert params.get("groups", 1) == 1
        variance = m.channels / reads_made(m.op, read.shape, read.channels, params)
        total = np.zeros((np.prod(read.shape),) * 2)
        for outs, sources in taps(m, read):
            total[np.ix_(sources, sources)] += variance * k[np.ix_(outs, outs)]
        return total
    a = matrix(m, read)
    if m.op != "max_pool":
        return a.T @ k @ a
    # of one window one position is taken, of two each by itself
    a = a / a.sum(axis=1, keepdims=True)
    own = np.diag(k).copy()
    apart = k - np.diag(own)
    return a.T @ apart @ a + np.diag(a.T @ own)


def taps(m: FeatureMap, read: FeatureMap) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every tap: the units that read through it, and what each reads."""
    found: dict[object, tuple[list[int], list[int]]] = {}
    units_read = DRAWN[m.op](read.shape, dict(m.params))
    for unit in positions(m.shape):
        for tap, x in units_read(unit):
            outs, sources = found.setdefault(tap, ([], []))
            outs.append(number(unit, m.shape))
            sources.append(number(x, read.shape))
    assert all(len(set(sources)) == len(sources) for _, sources in found.values())
    return [(np.array(outs), np.array(sources)) for outs, sources in found.values()]


def matrix(m: FeatureMap, read: FeatureMap) -> np.ndarray:
    """A layer with fixed weights, shape (units made, units read)."""
    params = dict(m.params)
    if m.op in COPIED and len(m.links) > 1:
        return np.eye(np.prod(m.shape))
    reads = RULES[m.op]([read.shape], params)[1]
    weight = fixed_weights(m.op, read.shape, params)
    a = np.zeros((np.prod(m.shape), np.prod(read.shape)))
    for unit in positions(m.shape):
        for _, x in reads(unit):
            a[number(unit, m.shape), number(x, read.shape)] += weight(unit, x)
    return a


def number(position: Position, shape: Position) -> int:
    """Where a position stands in raster order."""
    return int(np.ravel_multi_index(position, shape))
