"""Grids of importance maps on one scale, and small picture files of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import erfgraph as eg
from erfgraph.figures import paper_style, save_figure
from erfgraph.figures.scaling import make_scale
from erfgraph.figures.style import colour_map, place

LEFT, RIGHT, TOP, BOTTOM = 0.95, 0.85, 0.42, 0.12
GAP, NOTE = 0.1, 0.11  # inches between panels, and below each for a line of its numbers

LINE: Any = {"fill": False, "edgecolor": "#ff3d1f", "linewidth": 0.7}


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes
    ----------
    imp : ImportanceMap
    note : str
        What stands below it.
    side : int
        On how many positions a side it is shown, if these are more than its own.
    squares : sequence of float
        Sides of squares that are drawn around its middle.
    """

    imp: eg.ImportanceMap
    note: str
    side: int = 0
    squares: Sequence[float] = ()

    @property
    def around(self) -> list[tuple[int, int]]:
        """Positions beyond the map on either side of each axis."""
        extra = [max(0, self.side - n) for n in self.imp.shape]
        return [(e // 2, e - e // 2) for e in extra]


def grid_figure(
    rows: Sequence[Sequence[Panel]],
    columns: Sequence[str],
    names: Sequence[str],
    side: float = 1.0,
) -> Figure:
    """Maps in rows and columns, each relative to its own largest value, on one scale.

    Parameters
    ----------
    rows : sequence of sequences of Panel
    columns, names : sequence of str
        Titles of the columns, and names of the rows.
    side : float, optional
        Of one panel, in inches.
    """
    n = len(columns)
    below = 0.08 + NOTE * (1 + max(p.note.count("\n") for row in rows for p in row))
    width = LEFT + n * side + (n - 1) * GAP + RIGHT
    height = TOP + len(rows) * (side + below) + BOTTOM
    scale = make_scale([p.imp for row in rows for p in row], "power", None, None, None)
    with paper_style():
        figure = Figure(figsize=(width, height))
        for i, (row, name) in enumerate(zip(rows, names, strict=True)):
            bottom = height - TOP - i * (side + below) - side
            figure.text(
                0.08 / width, (bottom + side / 2) / height, name, va="center", linespacing=1.3
            )
            for j, panel in enumerate(row):
                axes = place(figure, LEFT + j * (side + GAP), bottom, side, side)
                shown = scale.apply(panel.imp.relative, panel.imp.trf.mask)
                shown = np.pad(shown, panel.around)
                image = axes.imshow(
                    shown, cmap=colour_map("viridis"), norm=scale.norm(), interpolation="nearest"
                )
                middle = shown.shape[0] / 2
                for square in panel.squares:
                    corner = middle - 0.5 - square / 2
                    axes.add_patch(Rectangle((corner, corner), square, square, **LINE))
                axes.set_xticks([])
                axes.set_yticks([])
                axes.set_xlabel(panel.note, fontsize=6.5, labelpad=2, linespacing=1.15)
                if i == 0:
                    axes.set_title(columns[j], pad=4, linespacing=1.15)
        bar = place(figure, width - RIGHT + 0.12, BOTTOM + below, 0.12, 2 * side)
        figure.colorbar(image, cax=bar, label=scale.label("importance"))
    return figure


def save_picture(figure: Figure, path: Path) -> None:
    """Write a PNG, reduced to 256 colours to keep it small."""
    from PIL import Image

    save_figure(figure, path)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
