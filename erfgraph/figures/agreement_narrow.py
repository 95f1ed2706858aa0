"""How two maps agree, on a page of one narrow column: two panels beside each other in each row."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from erfgraph.figures import agreement as parts
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.given import width_of
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines

# inches, as all lengths
LEFT, RIGHT, PAD, BETWEEN = 0.68, 0.18, 0.1, 0.58
CURVE, LEAST = 1.15, 0.75  # height of a panel of curves, and its least width
ROW, XLABEL = 0.14, 0.46
BAR, BAR_BELOW, LEGEND = 0.13, 0.56, 0.26


def draw_narrow(job: parts._Job, title: str | None) -> AnyFigure:
    """The whole figure, as wide as the page."""
    width = style.page_width(None, parts.NARROW_PAGE)
    wide = (width - grown(LEFT) - RIGHT - grown(BETWEEN)) / 2
    head = parts._heading(job, title, width - 0.3)
    foot = wrapped(parts._summary(job.found), width - 0.3, 7)
    handles = [handle for row in parts._legend_rows(job) for handle in row]
    for handle in handles:
        handle.set_label(style.shortened(str(handle.get_label()), width - 0.6, 7.5))
    legend = grown(LEGEND) + room_for([str(handle.get_label()) for handle in handles], width)
    n = len(job.found.a.shape)
    rows = math.ceil((n + 2) / 2)
    maps = _maps_height(job, wide) if n > 1 else 0.0
    row = grown(ROW) + CURVE + grown(XLABEL)
    high = 2 * PAD + len(head) * line() + maps + rows * row + legend + len(foot) * line()
    least = width + 2 * (LEAST - wide)
    figure = page(None, width, high, (least, high))
    assert isinstance(figure, Figure)  # for the type checker: a new one
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    top = high - PAD - len(head) * line()
    if n > 1:
        _maps(figure, job, top, wide)
    _curves(figure, job, top - maps, wide)
    legend_below(figure, handles, PAD + len(foot) * line() + 0.05)
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    figure.set_label(" ".join(head))
    return figure


def _lefts(wide: float) -> list[float]:
    """Where both columns begin."""
    return [grown(LEFT), grown(LEFT) + wide + grown(BETWEEN)]


def _titles(job: parts._Job, wide: float) -> list[list[str]]:
    summed = parts.SUMMED if len(job.found.a.shape) == 3 else ""
    return [
        wrapped(f"{letter}: {name}{summed}", wide + 2 * (RIGHT - 0.03), 8)
        for letter, name in zip("ab", job.names, strict=True)
    ]


def _sides(job: parts._Job, wide: float) -> tuple[float, float]:
    rows, columns = (stop - start for start, stop in job.view[-2:])
    return single.image_sides((rows, columns), wide, parts.IMAGE)


def _maps_height(job: parts._Job, wide: float) -> float:
    """What both images take with their titles, and the colour bar below them."""
    above = max(map(len, _titles(job, wide))) * line() + 0.13
    return above + _sides(job, wide)[1] + grown(XLABEL) + grown(BAR_BELOW)


def _maps(figure: AnyFigure, job: parts._Job, top: float, wide: float) -> None:
    """Both images and the colour bar below them."""
    w, h = _sides(job, wide)
    titles = _titles(job, wide)
    bottom = top - max(map(len, titles)) * line() - 0.13 - h
    image: Any = None
    maps = (job.found.a, job.found.b)
    for left, imp, lines in zip(_lefts(wide), maps, titles, strict=True):
        axes = place(figure, left + (wide - w) / 2, bottom, w, h)
        image = parts._map_panel(axes, imp, job)
        axes.set_title("\n".join(lines), pad=6, linespacing=1.25)
        axes.set_xlabel(axes.get_xlabel().removesuffix(parts.SUMMED))  # the title says it
        if imp is job.found.b:
            axes.set_ylabel("")
    long = 2 * wide + grown(BETWEEN)
    bar = place(figure, grown(LEFT), bottom - grown(XLABEL) - BAR, long, BAR)
    single.colour_bar(figure, image, bar, job.scale, "share")
    bar.set_xlabel(image.get_label())


def _curves(figure: AnyFigure, job: parts._Job, top: float, wide: float) -> None:
    """The profiles along the axes, then the shares over the distance and the IoU."""
    n = len(job.view)
    row = grown(ROW) + CURVE + grown(XLABEL)
    for i in range(n + 2):
        bottom = top - (i // 2 + 1) * row + grown(XLABEL)
        axes = place(figure, _lefts(wide)[i % 2], bottom, wide, CURVE)
        if i < n:
            parts._axis_panel(axes, job, i)
        elif i == n:
            parts._radial_panel(axes, job)
        else:
            parts._iou_panel(axes, job.found)
        if i < n and i % 2:
            axes.set_ylabel("")
        _narrow(axes, wording.length_unit(job.found.a), iou=i > n)


def _narrow(axes: Axes, unit: str, *, iou: bool) -> None:
    """Fewer numbers, and a label that is as long as the axis at most."""
    if iou:
        axes.xaxis.set_major_locator(LogLocator(numticks=4 if style.letters() <= 1 else 3))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
    label = axes.get_xlabel()
    shorter = "threshold" if iou else f"distance ({unit})"
    axes.set_xlabel(style.fitting(width_of(axes) + 2 * RIGHT, 8, label, shorter))
