"""Axes that a network treats alike: a unit's map, mirrored at the diagonal, is another unit's.

Where every layer between two maps reads along y as it reads along x, the map of unit (a, b) is
the transpose of that of unit (b, a).
"""

from __future__ import annotations

from collections import Counter

from erfgraph.layers import Terms
from erfgraph.params import Shape
from erfgraph.view import View, remembered

Axes = tuple[int, ...]


def like_axes(seen: View) -> tuple[Axes, ...]:
    """The groups of axes that can be exchanged with each other, each in ascending order."""
    return remembered(seen.plans, "like axes", lambda: _like_axes(seen))


def _like_axes(seen: View) -> tuple[Axes, ...]:
    every = {s.terms for i in seen.order for s in seen.pushes[i]}
    groups: list[Axes] = []
    for axis in range(len(seen.shapes[0])):
        for k, group in enumerate(groups):
            if all(_unchanged(terms, group[0], axis) for terms in every):
                groups[k] = (*group, axis)
                break
        else:
            groups.append((axis,))
    return tuple(groups)


def _unchanged(terms: Terms, i: int, j: int) -> bool:
    """Whether two axes can be exchanged in a sum of products of axis maps."""
    if all(term[i] == term[j] for term in terms):
        return True
    exchanged = []
    for term in terms:
        other = list(term)
        other[i], other[j] = term[j], term[i]
        exchanged.append(tuple(other))
    return Counter(exchanged) == Counter(terms)


def ordered(unit: Shape, groups: tuple[Axes, ...]) -> tuple[Shape, Axes]:
    """The unit of which this one is a mirror image, its like coordinates in ascending order.

    Returns
    -------
    unit : tuple of int
    axes : tuple of int
        For every axis of the unit asked for, that of the other which it is.
    """
    other, axes = list(unit), list(range(len(unit)))
    for group in groups:
        by_size = sorted(group, key=lambda axis: unit[axis])
        for to, axis in zip(group, by_size, strict=True):
            other[to] = unit[axis]
            axes[axis] = to
    return tuple(other), tuple(axes)
