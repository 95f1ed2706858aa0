"""How a tensor's dimensions hold a feature map's axes and channels.

Models reshape, permute and flatten; a feature map does not change by that. So each dimension
of a tensor is written as a product of **atoms**, row-major: an atom is one digit of the
position along one axis of the feature map, or of the channel number. ``(14*14, 768)`` tokens
of a 14 x 14 map are ``((y 14)(x 14), (c 768))``; windows of 7 are ``(y 2)(x 2), (y 7)(x 7)``,
where the outer digit of y has stride 7. A dimension of size 1 has no atoms, so the batch, which
is 1, has none. All functions are pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from erfgraph.errors import LayerError

CHANNEL = -1  # the channel number
REPEAT = -2  # copies of the same (a broadcast); its stride is 0
RAGGED = -3  # positions of several maps in a row (a class token before a grid)
KEY = 16  # attention weights: KEY + a is axis a of the map that is attended to


class Atom(NamedTuple):
    """A digit: ``index = ... + digit * stride`` along an axis of the map, digit < size."""

    axis: int  # 0, 1, 2; CHANNEL; REPEAT; KEY + axis
    size: int
    stride: int


Dim = tuple[Atom, ...]
Dims = tuple[Dim, ...]


def whole(axis: int, size: int) -> Dim:
    """A dimension that is one axis."""
    return (Atom(axis, size, 1),) if size > 1 else ()


def channels(size: int, stride: int = 1) -> Dim:
    """A dimension of channels."""
    return (Atom(CHANNEL, size, stride),) if size > 1 else ()


def repeats(size: int) -> Dim:
    """A dimension along which everything is the same."""
    return (Atom(REPEAT, size, 0),) if size > 1 else ()


def size_of(dim: Dim) -> int:
    """How many positions a dimension has."""
    return math.prod(atom.size for atom in dim)


def shape_of(dims: Dims) -> tuple[int, ...]:
    """The tensor's shape."""
    return tuple(size_of(dim) for dim in dims)


def is_channel(atom: Atom) -> bool:
    """Whether an atom counts channels."""
    return atom.axis == CHANNEL


def is_spatial(atom: Atom) -> bool:
    """Whether an atom is a digit of a position."""
    return atom.axis >= 0


def atoms_of(dims: Sequence[Dim]) -> Dim:
    """All atoms, in order."""
    return tuple(atom for dim in dims for atom in dim)


def joined(dim: Dim) -> Dim:
    """The same digits with as few atoms as possible.

    Examples
    --------
    >>> joined((Atom(0, 2, 7), Atom(0, 7, 1), Atom(1, 3, 1)))
    (Atom(axis=0, size=14, stride=1), Atom(axis=1, size=3, stride=1))
    """
    found: list[Atom] = []
    for atom in dim:
        if atom.size == 1:
            continue
        before = found[-1] if found else None
        if before and before.axis == atom.axis and before.stride == atom.size * atom.stride:
            found[-1] = Atom(atom.axis, before.size * atom.size, atom.stride)
        else:
            found.append(atom)
    return tuple(found)


def reshape(dims: Dims, shape: Sequence[int]) -> Dims:
    """The same elements in row-major order under another shape.

    Parameters
    ----------
    dims : Dims
    shape : sequence of int
        At most one of them may be -1.

    Returns
    -------
    Dims

    Raises
    ------
    LayerError
        If a dimension would start or end in the middle of a digit.

    Examples
    --------
    >>> tokens = reshape(((), channels(8), whole(0, 4), whole(1, 4)), (1, 8, 16))
    >>> tokens[2]
    (Atom(axis=0, size=4, stride=1), Atom(axis=1, size=4, stride=1))
    >>> reshape(tokens, (1, 8, 2, 8))[2]
    (Atom(axis=0, size=2, stride=2),)
    """
    total = math.prod(shape_of(dims))
    known = math.prod(n for n in shape if n != -1)
    sizes = [n if n != -1 else total // max(known, 1) for n in shape]
    if math.prod(sizes) != total:
        raise LayerError(f"reshape: {shape_of(dims)} has not as many elements as {tuple(shape)}")
    rest = list(reversed(joined(atoms_of(dims))))
    made = []
    for n in sizes:
        taken: list[Atom] = []
        while n > 1:
            axis, size, stride = rest.pop()
            common = math.gcd(n, size)
            if n % size and (size % n or common != n):
                raise LayerError(
                    f"reshape: {shape_of(dims)} to {tuple(sizes)} tears positions apart "
                    f"(a digit of {size} does not split at {n})"
                )
            if n % size == 0:
                taken.append(Atom(axis, size, stride))
                n //= size
            else:  # the outer digit is taken, the inner one is left
                inner = size // n
                taken.append(Atom(axis, n, stride * inner))
                rest.append(Atom(axis, inner, stride))
                n = 1
        made.append(joined(tuple(taken)))
    return tuple(made)


def permute(dims: Dims, order: Sequence[int]) -> Dims:
    """Dimensions in another order."""
    return tuple(dims[i] for i in order)


def swap(dims: Dims, a: int, b: int) -> Dims:
    """Two dimensions exchanged."""
    order = list(range(len(dims)))
    order[a], order[b] = order[b], order[a]
    return permute(dims, order)


def aligned(dims: Dims, ndim: int) -> Dims:
    """Dimensions of size 1 before, up to a number of dimensions, as broadcasting has it."""
    return ((),) * (ndim - len(dims)) + dims


def row_major(dims: Sequence[Dim]) -> tuple[Dims, int]:
    """The same dimensions with channels renumbered in row-major order, and their number.

    The channel part of a dimension becomes one atom where its atoms are neighbours.
    """
    stride = total = math.prod(a.size for dim in dims for a in dim if is_channel(a))
    made = []
    for dim in dims:
        atoms = []
        for atom in dim:
            if is_channel(atom):
                stride //= atom.size
                atom = Atom(CHANNEL, atom.size, stride)
            atoms.append(atom)
        made.append(joined(tuple(atoms)))
    return tuple(made), total


def channel_order(atoms: Sequence[Atom]) -> range | tuple[int, ...]:
    """Channel numbers in row-major order of some atoms; copies (REPEAT) name them again.

    Examples
    --------
    >>> channel_order([Atom(CHANNEL, 3, 1), Atom(CHANNEL, 2, 3)])
    (0, 3, 1, 4, 2, 5)
    >>> channel_order([Atom(CHANNEL, 6, 1)])
    range(0, 6)
    """
    merged = joined(tuple(atoms))
    if not merged:
        return range(1)
    if len(merged) == 1 and merged[0].stride:
        return range(0, merged[0].size * merged[0].stride, merged[0].stride)
    numbers = [0]
    for _, size, stride in merged:
        numbers = [n + digit * stride for n in numbers for digit in range(size)]
    return tuple(numbers)
