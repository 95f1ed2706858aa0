"""Legends below the axes, in as many columns as fit the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from erfgraph.figures import style
from erfgraph.figures.style import AnyFigure

ROW = 0.165  # inches from one row to the next
FONT = 7.5  # points
HANDLE, PAD, BETWEEN = 2.2, 0.8, 1.6  # over the font size


def columns_of(labels: Sequence[str], width: float) -> int:
    """How many columns of a legend fit a width in inches; at least one."""
    fitting = [n for n in range(2, len(labels) + 1) if _width(labels, n) <= width]
    if not fitting:
        return 1
    # the fewest with as few rows: columns as long as each other
    rows = math.ceil(len(labels) / max(fitting))
    return min(n for n in fitting if math.ceil(len(labels) / n) == rows)


def _width(labels: Sequence[str], columns: int) -> float:
    """Inches that a legend takes in width."""
    font = FONT * style.letters() / 72
    sizes = [(HANDLE + PAD) * font + style.text_width(text, FONT) for text in labels]
    # matplotlib fills column after column, the first ones with one more
    rows, longer = divmod(len(sizes), columns)
    ends = [i * rows + min(i, longer) for i in range(columns + 1)]
    wide = sum(max(sizes[a:b]) for a, b in pairwise(ends))
    return wide + (columns - 1) * BETWEEN * font + 0.1


def room_for(labels: Sequence[str], width: float) -> float:
    """Inches that the rows after the first take."""
    rows = math.ceil(len(labels) / columns_of(labels, width)) if labels else 1
    return (rows - 1) * ROW * style.letters()


def legend_below(
    figure: AnyFigure, handles: Sequence[Any], bottom: float, centre: float = 0.5
) -> None:
    """A legend whose lower edge stands so many inches above the bottom of the page.

    Parameters
    ----------
    figure : Figure or SubFigure
    handles : sequence of Artist
    bottom : float
    centre : float
        Share of the page's width where the middle stands, if it fits there.
    """
    width, high = style.size_of(figure)
    if not handles:
        return
    labels = [str(handle.get_label()) for handle in handles]
    columns = columns_of(labels, 2 * width * min(centre, 1 - centre))
    if columns < len(labels):
        centre, columns = 0.5, columns_of(labels, width)
    figure.legend(
        handles=list(handles),
        loc="lower center",
        bbox_to_anchor=(centre, bottom / high),
        ncols=columns,
        fontsize=FONT * style.letters(),
        handlelength=HANDLE,
        handletextpad=PAD,
        columnspacing=BETWEEN,
        labelspacing=0.35,
        borderaxespad=0,
        borderpad=0.2,
    )
