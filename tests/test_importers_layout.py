"""The algebra of dimensions against NumPy: atoms say exactly where every element came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erfgraph.errors import LayerError
from erfgraph.importers import layout
from erfgraph.importers.layout import CHANNEL, REPEAT, Atom, Dims, channels, repeats, whole


@dataclass
class Tensor:
    """A tensor twice: as dimensions, and as arrays of which unit each element is."""

    dims: Dims
    where: dict[int, np.ndarray]  # per axis of the map (and CHANNEL), each element's index

    def reshape(self, shape: Sequence[int]) -> Tensor:
        moved = {axis: index.reshape(shape) for axis, index in self.where.items()}
        return Tensor(layout.reshape(self.dims, shape), moved)

    def permute(self, order: Sequence[int]) -> Tensor:
        moved = {axis: index.transpose(order) for axis, index in self.where.items()}
        return Tensor(layout.permute(self.dims, order), moved)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.where[CHANNEL].shape


def map_of(n_channels: int, spatial: Sequence[int], copies: int = 1) -> Tensor:
    """(copies, channels, *spatial), as a model would get it after an expand."""
    dims = (repeats(copies), channels(n_channels))
    dims += tuple(whole(axis, n) for axis, n in enumerate(spatial))
    _, channel, *positions = np.indices((copies, n_channels, *spatial))
    return Tensor(dims, {CHANNEL: channel, **dict(enumerate(positions))})


def read(dims: Dims, axis: int) -> np.ndarray:
    """What the atoms say of an axis: an index for every element."""
    found = np.zeros(layout.shape_of(dims), dtype=np.int64)
    for d, dim in enumerate(dims):
        along = np.zeros(1, dtype=np.int64)
        for atom in dim:
            stride = atom.stride if atom.axis == axis else 0
            along = (along[:, None] + np.arange(atom.size) * stride).ravel()
        found += along.reshape(-1, *[1] * (len(dims) - d - 1))
    return found


def check(x: Tensor) -> None:
    assert layout.shape_of(x.dims) == x.shape
    for axis, index in x.where.items():
        np.testing.assert_array_equal(read(x.dims, axis), index)
    for dim in x.dims:
        assert layout.joined(dim) == dim
        assert all(atom.size > 1 for atom in dim)


def is_product(index: np.ndarray) -> bool:
    """Whether an index is a sum of one function per dimension, as atoms have it."""
    origin = index[(0,) * index.ndim]
    total = np.full(index.shape, origin)
    for d in range(index.ndim):
        line = index[tuple(slice(None) if i == d else 0 for i in range(index.ndim))]
        total = total + (line - origin).reshape(-1, *[1] * (index.ndim - d - 1))
    return bool((total == index).all())


sizes = st.sampled_from([1, 2, 3, 4, 6, 8, 12])


@st.composite
def starts(draw: st.DrawFn) -> Tensor:
    spatial = draw(st.lists(sizes, min_size=1, max_size=3))
    return map_of(draw(sizes), spatial, draw(st.sampled_from([1, 1, 2])))


def factorised(draw: st.DrawFn, n: int) -> list[int]:
    """Numbers whose product is n, in some order."""
    parts = []
    while n > 1:
        divisors = [k for k in range(2, n + 1) if n % k == 0]
        parts.append(draw(st.sampled_from(divisors)))
        n //= parts[-1]
    return parts + [1] * draw(st.integers(not parts, 1))


def step(draw: st.DrawFn, x: Tensor) -> tuple[str, list[int]]:
    """A reshape or permutation, most often such as models have."""
    kind = draw(st.sampled_from(["permute", "split", "merge", "any"]))
    shape = list(x.shape)
    if kind == "permute":
        return kind, draw(st.permutations(range(len(shape))))
    at = draw(st.integers(0, len(shape) - 1))
    if kind == "split":
        return "reshape", [*shape[:at], *factorised(draw, shape[at]), *shape[at + 1 :]]
    if kind == "merge":
        return "reshape", [*shape[:at], math.prod(shape[at : at + 2]), *shape[at + 2 :]]
    return "reshape", factorised(draw, math.prod(shape))


@given(st.data(), starts())
def test_any_sequence_of_moves_against_numpy(data: st.DataObject, x: Tensor) -> None:
    check(x)
    for _ in range(data.draw(st.integers(1, 6))):
        kind, values = data.draw(st.composite(step)(x))
        if kind == "permute":
            x = x.permute(values)
        else:
            torn = not all(is_product(i.reshape(values)) for i in x.where.values())
            if torn:
                with pytest.raises(LayerError, match="tears positions apart"):
                    x.reshape(values)
                return
            x = x.reshape(values)
        check(x)


@given(st.data(), starts())
def test_channels_in_row_major_order(data: st.DataObject, x: Tensor) -> None:
    for _ in range(data.draw(st.integers(0, 4))):
        kind, values = data.draw(st.composite(step)(x))
        try:
            x = x.permute(values) if kind == "permute" else x.reshape(values)
        except LayerError:
            break
    # without copies: those name channels again
    dims = tuple(tuple(a for a in dim if a.axis != REPEAT) for dim in x.dims)
    before, at_origin = read(dims, CHANNEL), np.ones(layout.shape_of(dims), dtype=bool)
    for axis in x.where:
        if axis != CHANNEL:
            at_origin &= read(dims, axis) == 0
    order = before[at_origin]  # in the order in which the tensor's elements stand
    found, n = layout.row_major(dims)
    assert n == len(order)
    assert list(layout.channel_order(layout.atoms_of([c_only(d) for d in dims]))) == list(order)
    np.testing.assert_array_equal(order[read(found, CHANNEL)], before)
    np.testing.assert_array_equal(read(found, CHANNEL)[at_origin], np.arange(n))
    for axis in x.where:
        if axis != CHANNEL:
            np.testing.assert_array_equal(read(found, axis), read(dims, axis))


def c_only(dim: layout.Dim) -> layout.Dim:
    return tuple(a for a in dim if layout.is_channel(a))


def test_a_digit_that_is_torn() -> None:
    x = map_of(1, (4, 6))
    with pytest.raises(LayerError) as error:
        x.reshape((1, 1, 3, 8))
    assert str(error.value) == (
        "reshape: (1, 1, 4, 6) to (1, 1, 3, 8) tears positions apart "
        "(a digit of 4 does not split at 3)"
    )


def test_a_number_of_elements_that_is_another() -> None:
    with pytest.raises(LayerError, match=r"\(1, 2, 4\) has not as many elements as \(3, -1\)"):
        layout.reshape(map_of(2, (4,)).dims, (3, -1))


def test_the_size_that_is_left_out() -> None:
    dims = map_of(8, (4, 6)).dims
    assert layout.reshape(dims, (1, -1, 24)) == layout.reshape(dims, (1, 8, 24))
    assert layout.reshape(dims, (-1,)) == layout.reshape(dims, (192,))


def test_windows_there_and_back() -> None:
    x = map_of(3, (8, 6)).permute((0, 2, 3, 1)).reshape((1, 4, 2, 3, 2, 3))
    windows = x.permute((0, 1, 3, 2, 4, 5)).reshape((12, 4, 3))
    check(windows)
    assert windows.dims[0] == (Atom(0, 4, 2), Atom(1, 3, 2))
    assert windows.dims[1] == (Atom(0, 2, 1), Atom(1, 2, 1))
    back = windows.reshape((1, 4, 3, 2, 2, 3)).permute((0, 1, 3, 2, 4, 5)).reshape((1, 8, 6, 3))
    assert back.dims == ((), whole(0, 8), whole(1, 6), channels(3))


def test_digits_that_stand_apart_are_joined_again() -> None:
    x = map_of(1, (12,)).reshape((3, 4))
    check(x.reshape((2, 6)))
    check(x.reshape((4, 3)))


def test_copies_have_no_index() -> None:
    x = map_of(2, (3,), copies=4)
    assert layout.channel_order(layout.atoms_of(x.dims[:2])) == (0, 1) * 4
    check(x.reshape((2, 2, 6)))


def test_alignment_as_broadcasting_has_it() -> None:
    assert layout.aligned((whole(0, 5),), 3) == ((), (), whole(0, 5))
    assert layout.swap((whole(0, 5), ()), 0, 1) == ((), whole(0, 5))


def test_the_check_can_fail() -> None:
    x = map_of(2, (4, 6))
    with pytest.raises(AssertionError):
        check(Tensor(layout.permute(x.dims, (0, 1, 3, 2)), x.where))
    assert not is_product(np.arange(12).reshape(3, 4) // 3)
