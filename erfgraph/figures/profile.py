"""Maps of one axis: bars with their counts, or filled steps, one row a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from erfgraph.erf import ERF
from erfgraph.figures import style, wording
from erfgraph.figures.given import finished
from erfgraph.figures.panel import view_of
from erfgraph.figures.scaling import Scale, relative_window
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.importance_map import ImportanceMap

MOST_BARS = 40
LARGEST_ON_A_BAR = 9999
APART = 1.0  # points from one count to the next
WIDTH, HEIGHT = 6.4, 1.9  # inches: of the page, and of one row's axes
LEFT, RIGHT, PAD = 0.72, 0.2, 0.1
XLABEL, LEGEND, BETWEEN = 0.46, 0.3, 0.16
ERF_GROUND = "#ffd9cc"  # a pale ERF_COLOUR


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of true positions, (start, stop) each."""
    turns = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in turns.reshape(-1, 2)]


def draw_profile(
    axes: Axes, imp: ImportanceMap, erf: ERF, scale: Scale, view: tuple[int, int]
) -> None:
    """Importance as heights, the effective field as a coloured ground, TRF ends dashed."""
    start = imp.offset[0]
    relative, support = relative_window(imp), imp.counts.support
    heights = scale.apply(relative, support)
    positions = np.arange(start, start + len(heights))
    for a, b in runs(erf.mask):
        axes.axvspan(a - 0.5, b - 0.5, color=ERF_GROUND, zorder=0, linewidth=0)
    # on a logarithmic scale the smallest must still have a height
    bottom = scale.vmin - (0.05 * (scale.vmax - scale.vmin) if scale.kind == "log" else 0)
    few = view[1] - view[0] <= MOST_BARS
    filled = np.nan_to_num(heights, nan=bottom)
    if few:
        axes.bar(positions, filled - bottom, 0.8, bottom=bottom, color=style.PROFILE_COLOUR)
    else:
        edges = np.arange(start, start + len(heights) + 1) - 0.5
        axes.stairs(filled, edges, baseline=bottom, fill=True, color=style.PROFILE_COLOUR)
    box = imp.trf.bbox
    for end in box[0] if box else ():
        axes.axvline(end - 0.5, color=style.DARK, lw=1.0, ls=style.TRF_DASHES, clip_on=False)
    axes.set_xlim(view[0] - 0.5, view[1] - 0.5)
    labelled = few and _label_bars(axes, imp, positions, filled)
    room = (scale.vmax - bottom) * (0.14 if labelled else 0.05)
    axes.set_ylim(bottom, scale.vmax + room)
    style.positions(axes.xaxis, 10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(wording.axis_label(0, imp))
    axes.set_ylabel(scale.label(wording.counted(imp)))


def _label_bars(
    axes: Axes, imp: ImportanceMap, positions: np.ndarray, heights: np.ndarray
) -> bool:
    """Write the counts on the bars where they are small integers; whether it was done."""
    values = imp.counts.array()
    if not imp.exact or not imp.peak.value or imp.peak.value > LARGEST_ON_A_BAR:
        return False
    room = axes.get_window_extent().width / axes.figure.dpi * 72 / np.ptp(axes.get_xlim())
    longest = 0.7 * len(str(imp.peak.value)) * style.letters()  # bold, over the font size
    sizes = (7.5, 6.0, 5.0) if style.letters() <= 1 else (7.5, 7.0)
    fitting = [size for size in sizes if longest * size + APART <= room]
    if not fitting:
        return False
    size = fitting[0]
    for x, height, value in zip(positions, heights, values, strict=True):
        if value:
            best = bool(value == imp.peak.value)
            axes.annotate(
                str(value),
                (x, height),
                (0, 1.5),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=size * style.letters(),
                fontweight="bold" if best else "normal",
            )
    return True


def shared_views(imps: Sequence[ImportanceMap], view: str) -> list[tuple[int, int]]:
    """The part of each map that is shown: one for all where their inputs agree."""
    views = [view_of(imp, view)[0] for imp in imps]
    if len({imp.shape for imp in imps}) == 1:
        views = [(min(a for a, _ in views), max(b for _, b in views))] * len(views)
    return views


def draw_profiles(
    axes: Sequence[Axes],
    imps: Sequence[ImportanceMap],
    erfs: Sequence[ERF],
    scale: Scale,
    view: str,
    title: str | None,
) -> Figure:
    """Profiles in axes that are given, one a map, named where there are several."""
    for each, imp, erf, shown in zip(axes, imps, erfs, shared_views(imps, view), strict=True):
        draw_profile(each, imp, erf, scale, shown)
    names = [imp.network or "network" for imp in imps]
    return finished(axes, title, legend_handles(imps, erfs), names)


def profile_figure(
    imps: Sequence[ImportanceMap],
    erfs: Sequence[ERF],
    scale: Scale,
    view: str,
    figure: AnyFigure | None,
    title: str | None,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Profiles below each other on one scale, and on one axis where their inputs agree."""
    views = shared_views(imps, view)
    width = style.page_width(figure, WIDTH)
    heads = [
        wrapped(text, width - 0.3, 9, bold=True)
        for text in titles or [title if title is not None else wording.heading(imps[0])[0]]
    ]
    subheads = _subheads(imps, title, titles, width)
    feet = [
        [
            *wrapped(wording.erf_line(i, e), width - 0.3, 7),
            *wrapped(wording.trf_line(i), width - 0.3, 7),
        ]
        for i, e in zip(imps, erfs, strict=True)
    ]
    over = titles and title
    above = [(len(h) + len(s)) * line() + 0.12 for h, s in zip(heads, subheads, strict=True)]
    below = [grown(XLABEL) + len(f) * line() + 0.08 for f in feet]
    n = len(imps)
    fixed = (
        sum(above)
        + sum(below)
        + grown(LEGEND)
        + PAD
        + (n - 1) * BETWEEN
        + (2 * line() if over else 0)
    )
    figure = page(figure, width, fixed + n * HEIGHT, (3.0, fixed + n * 0.6))
    full, high = style.size_of(figure)
    height = (high - fixed) / n
    top = high - PAD
    if over:
        write_lines(figure, [str(title)], top, 9, fontweight="bold")
        top -= 2 * line()
    for i, imp in enumerate(imps):
        write_lines(figure, heads[i], top, 9, fontweight="bold")
        write_lines(figure, subheads[i], top - len(heads[i]) * line(), 7.5)
        top -= above[i] + height
        axes = place(figure, grown(LEFT), top, full - grown(LEFT) - RIGHT, height)
        draw_profile(axes, imp, erfs[i], scale, views[i])
        top -= below[i]
        write_lines(figure, feet[i], top + 0.05 + len(feet[i]) * line(), 7, color="#333333")
        top -= BETWEEN
    _legend(figure, legend_handles(imps, erfs))
    whole = figure if isinstance(figure, Figure) else figure.figure
    assert isinstance(whole, Figure)  # for the type checker
    whole.set_label(" ".join(title.split()) if title else " | ".join(" ".join(h) for h in heads))
    return whole


def _subheads(
    imps: Sequence[ImportanceMap],
    title: str | None,
    titles: Sequence[str] | None,
    width: float,
) -> list[list[str]]:
    if titles is None and title is not None:
        return [[] for _ in imps]
    return [wrapped(wording.where(imp), width - 0.3, 7.5) for imp in imps]


def legend_handles(imps: Sequence[ImportanceMap], erfs: Sequence[ERF]) -> list[Any]:
    """What a legend of profiles has to explain."""
    handles: list[Any] = []
    if any(imp.trf.bbox for imp in imps):
        handles.append(
            Line2D([], [], color=style.DARK, linestyle=style.TRF_DASHES, label="ends of the TRF")
        )
    if any(erf.area for erf in erfs):
        handles.append(Patch(color=ERF_GROUND, label="ERF"))
    return handles


def _legend(figure: AnyFigure, handles: Sequence[Any]) -> None:
    _, high = style.size_of(figure)
    if handles:
        figure.legend(
            handles=list(handles),
            loc="lower center",
            bbox_to_anchor=(0.5, 0.06 / high),
            ncols=len(handles),
            borderaxespad=0,
            borderpad=0.2,
        )
