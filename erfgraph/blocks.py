"""Memory of a compiled sweep: taken, given back and taken again while it is lowered.

A **cell** holds the numbers of one map, or a step towards them, between margins of zeros, so
that taps which read beyond a window read nothing. Replays use the same memory again, so margins
must stay zero: a small block is only ever taken for cells of one geometry, where nothing writes
the margins; a large one serves any cell that fits, which then clears its margins first.
"""

from __future__ import annotations

import math
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
    """The blocks of one program."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.n_bytes = 0
        self._free: dict[Any, list[np.ndarray]] = defaultdict(list)

    def take(self, lanes: int, extent: Shape, margin: Margin) -> tuple[Cell, list[np.ndarray]]:
        """A cell, and those of its margins that must be cleared in every replay."""
        size = lanes * math.prod(lo + n + hi for n, (lo, hi) in zip(extent, margin, strict=True))
        small = size * self.dtype.itemsize <= SMALL_BLOCK
        key: Any = (lanes, extent, margin)
        if not small:  # few sizes, so that windows which grow layer by layer find a block
            step = 1 << max(size.bit_length() - 3, 0)
            key = size = -(-size // step) * step
        if self._free[key]:
            block = self._free[key].pop()
        else:
            block = np.zeros(size, self.dtype)
            self.n_bytes += block.nbytes
        cell = make_cell(block, lanes, extent, margin)
        return cell, [] if small else margins_of(cell)

    def give(self, cell: Cell) -> None:
        """Take a cell's memory back."""
        small = cell.block.nbytes <= SMALL_BLOCK
        lanes, *extent = cell.core.shape
        key = (lanes, tuple(extent), cell.margin) if small else cell.block.size
        self._free[key].append(cell.block)
