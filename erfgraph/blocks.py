"""Memory of a compiled sweep: taken, given back and taken again while it is lowered.

A **cell** holds the numbers of one map, or a step towards them, between margins of zeros, so
that taps which read beyond a window read nothing. Replays use the same memory again, so margins
must stay zero: a small block is only ever taken for cells of one geometry, where nothing writes
the margins; a large one serves any cell that fits, which then clears its margins first.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.params import Shape

Margin = tuple[tuple[int, int], ...]  # zeros before and behind, per axis

SMALL_BLOCK = 1 << 15  # bytes


@dataclass(slots=True, eq=False)
class Cell:
    """An array between margins.

    Attributes
    ----------
    padded : array, shape (lanes, *extent with margins)
    core : array, shape (lanes, *extent)
        The part between the margins.
    margin : tuple of (int, int), one per axis
    uses : int
        How often it is still to be read.
    block : array
        The memory in which it lies.
    """

    padded: np.ndarray
    core: np.ndarray
    margin: Margin
    block: np.ndarray
    uses: int = 1


def make_cell(block: np.ndarray, lanes: int, extent: Shape, margin: Margin) -> Cell:
    """A cell at the beginning of a flat block."""
    shape = (lanes, *(lo + n + hi for n, (lo, hi) in zip(extent, margin, strict=True)))
    padded = block[: math.prod(shape)].reshape(shape)
    core = padded
    for axis, (n, (lo, _)) in enumerate(zip(extent, margin, strict=True)):
        if n != shape[axis + 1]:
            core = core[(slice(None),) * (axis + 1) + (slice(lo, lo + n),)]
    return Cell(padded, core, margin, block)


def margins_of(cell: Cell) -> list[np.ndarray]:
    """The margins of a cell, one array for each side that has one."""
    strips = []
    for axis, (lo, hi) in enumerate(cell.margin):
        before = (slice(None),) * (axis + 1)
        if lo:
            strips.append(cell.padded[(*before, slice(0, lo))])
        if hi:
            strips.append(cell.padded[(*before, slice(cell.padded.shape[axis + 1] - hi, None))])
    return strips


class Blocks:
    """The memory of one program.

    Small blocks are kept by the geometry of their cells. Large ones are cut out of one chunk,
    where what is given back joins its free neighbours, so that a sweep takes about as much as
    it holds at one time.

    Parameters
    ----------
    dtype : dtype
    room : int
        How many numbers the chunk is asked for; memory is taken as they are written.
    """

    def __init__(self, dtype: Any, room: int) -> None:
        self.dtype = np.dtype(dtype)
        self.room = room
        self._small_bytes = 0
        self._free: dict[Any, list[np.ndarray]] = defaultdict(list)
        self._chunks: list[Chunk] = []
        self._parts: dict[int, tuple[Chunk, int, int]] = {}  # of large cells, by their identity

    def take(self, lanes: int, extent: Shape, margin: Margin) -> tuple[Cell, list[np.ndarray]]:
        """A cell, and those of its margins that must be cleared in every replay."""
        size = lanes * math.prod(lo + n + hi for n, (lo, hi) in zip(extent, margin, strict=True))
        if size * self.dtype.itemsize > SMALL_BLOCK:
            chunk, start = self._cut(size)
            cell = make_cell(chunk.memory[start:], lanes, extent, margin)
            self._parts[id(cell)] = chunk, start, start + size
            return cell, margins_of(cell)
        free = self._free[lanes, extent, margin]
        block = free.pop() if free else self._new(size)
        return make_cell(block, lanes, extent, margin), []

    def give(self, cell: Cell) -> None:
        """Take a cell's memory back."""
        part = self._parts.pop(id(cell), None)
        if part is None:
            lanes, *extent = cell.core.shape
            self._free[lanes, tuple(extent), cell.margin].append(cell.block)
        else:
            chunk, start, stop = part
            chunk.give(start, stop)

    @property
    def n_bytes(self) -> int:
        """What has been taken."""
        return self._small_bytes + int(self.dtype.itemsize) * sum(c.most for c in self._chunks)

    def _new(self, size: int) -> np.ndarray:
        block = np.zeros(size, self.dtype)
        self._small_bytes += block.nbytes
        return block

    def _cut(self, size: int) -> tuple[Chunk, int]:
        for chunk in self._chunks:
            start = chunk.take(size)
            if start is not None:
                return chunk, start
        made = Chunk(np.zeros(max(size, self.room), self.dtype))
        self._chunks.append(made)
        return made, made.take(size) or 0


class Chunk:
    """Memory of which parts are taken and given back."""

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory
        self.free = [(0, memory.size)]  # in ascending order, no two of them touch
        self.most = 0  # where the part that reached farthest ended

    def take(self, size: int) -> int | None:
        """Where a part of that size begins, if there is one: the first that is large enough."""
        for k, (start, stop) in enumerate(self.free):
            if stop - start >= size:
                self.most = max(self.most, start + size)
                self.free[k : k + 1] = [(start + size, stop)] if stop - start > size else []
                return start
        return None

    def give(self, start: int, stop: int) -> None:
        """Take a part back, and join it with what is free beside it."""
        k = bisect(self.free, (start, stop))
        if k < len(self.free) and self.free[k][0] == stop:
            stop = self.free.pop(k)[1]
        if k and self.free[k - 1][1] == start:
            start = self.free.pop(k - 1)[0]
            k -= 1
        self.free.insert(k, (start, stop))
