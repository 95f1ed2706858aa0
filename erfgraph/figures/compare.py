"""`compare_figure`: several maps side by side on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from erfgraph.erf import ERF
from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import panel as panels_of
from erfgraph.figures import profile, style, wording
from erfgraph.figures.given import Given, finished, panel_axes
from erfgraph.figures.panel import Panel, check_erf, draw_panel
from erfgraph.figures.scaling import Scale, make_scale
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.importance_map import ImportanceMap

PER_ROW = 4
SIDE = 1.9  # inches: the longer side of one image
BETWEEN = 0.5
LEFT, RIGHT, GAP = 0.72, 0.12, 0.1
BAR, BAR_TEXT = 0.13, 0.62
XLABEL, LEGEND, PAD = 0.46, 0.26, 0.1
AROUND = LEFT + 2 * GAP + BAR + BAR_TEXT + RIGHT
WIDEST = 99.0  # room for a name that is not wrapped yet
NARROW = 0.9  # the least width of an image, where a paper is narrow
NARROW_PAGE = 4.2  # narrower pages have the colour bar below the images
# from one image to the next there: where only the first has numbers at its left, and else
CLOSE, APART = 0.16, 0.36
NAME = 8.0  # points: of the titles
BAR_BELOW = 0.6  # height of a colour bar below, with its label


@dataclass(frozen=True, slots=True)
class _Frame:
    """What lies around the images of a row, in inches.

    Attributes
    ----------
    beside : float
        At the left and at the right of all images together.
    between : float
        From one image to the next.
    below : bool
        Whether the colour bar lies below the images.
    """

    beside: float
    between: float
    below: bool

    @property
    def over(self) -> float:
        """How much wider than its image a title may be: apart from others, and on the page."""
        return min(self.between - 0.1, 2 * (RIGHT - 0.03) if self.below else math.inf)

    def around(self, columns: int) -> float:
        """All that is not an image."""
        return self.beside + (columns - 1) * self.between

    def side(self, width: float, columns: int) -> float:
        """Longer side of an image where so many stand beside each other."""
        return max(single.SHORT, min(SIDE, (width - self.around(columns)) / columns))


def compare_figure(
    imps: Sequence[ImportanceMap],
    erfs: Sequence[ERF | None] | None = None,
    *,
    scale: str = "linear",
    cmap: Any = style.DEFAULT_CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    floor: float | None = None,
    view: str = "auto",
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw importance maps side by side, on one scale and with one colour bar.

    Maps of one axis stand below each other; of a map of three axes the three planes through
    the peak fill a row. Where all inputs have the same shape, all panels show the same part.

    Parameters
    ----------
    imps : sequence of ImportanceMap
        All with the same number of axes.
    erfs : sequence of ERF, optional
        One a map; default ``imp.erf()`` of each.
    scale, cmap, vmin, vmax, floor, view, figure
        As for `importance_figure`.
    ax : Axes or sequence of Axes, optional
        Draw the maps alone into these axes of your own figure, one a map, or three where maps
        have three axes; no colour bar: ``figure.colorbar(ax[0].images[0], ax=ax)`` makes the
        one for all.
    title : str, optional
        Above all panels; each has its network's name in any case. In given axes that of the
        first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no map, numbers of axes or of fields differ, or as `importance_figure`;
        if `ax` is not what the maps need.
    NameLookupError
        If there is no such scale, view or colour map.

    Examples
    --------
    >>> import erfgraph as eg
    >>> nets = [eg.load(text, input_shape=(9, 9)) for text in ("conv3*3", "conv7")]
    >>> figure = compare_figure([eg.importance(net) for net in nets])
    >>> [axes.images[0].get_clim() for axes in figure.axes if axes.images]
    [(0.0, 1.0), (0.0, 1.0)]
    """
    imps, fields = _checked(imps, erfs)
    style.colour_map(cmap)
    chosen = make_scale(imps, scale, vmin, vmax, floor)
    if ax is not None:
        return _into(ax, figure, imps, fields, chosen, cmap, view, title)
    with style.paper_style():
        if len(imps[0].shape) == 1:
            names = [imp.network or "network" for imp in imps]
            return profile.profile_figure(imps, fields, chosen, view, figure, title, names)
        found = _panels(imps, fields, view)
        frame = _frame(figure, found)
        rows = _rows(figure, imps, fields, found, frame)
        return single._whole(_draw(figure, rows, frame, imps, fields, chosen, cmap, title))


def _checked(
    imps: Sequence[ImportanceMap], erfs: Sequence[ERF | None] | None
) -> tuple[list[ImportanceMap], list[ERF]]:
    imps = list(imps)
    given = [None] * len(imps) if erfs is None else list(erfs)
    if not imps:
        raise InputError("imps: got none, wanted at least one ImportanceMap")
    if len(given) != len(imps):
        raise InputError(f"erfs: got {len(given)}, wanted one for each of {len(imps)} maps")
    fields = [check_erf(imp, erf) for imp, erf in zip(imps, given, strict=True)]
    axes = sorted({len(imp.shape) for imp in imps})
    if len(axes) > 1:
        raise InputError(f"imps: got maps of {axes} axes, wanted the same number for all")
    return imps, fields


def _into(
    ax: Given,
    figure: AnyFigure | None,
    imps: list[ImportanceMap],
    erfs: list[ERF],
    scale: Scale,
    cmap: Any,
    view: str,
    title: str | None,
) -> Figure:
    """The maps alone in axes of the caller's."""
    if len(imps[0].shape) == 1:
        axes = panel_axes(ax, [imp.network or "network" for imp in imps], figure)
        return profile.draw_profiles(axes, imps, erfs, scale, view, title)
    found = _panels(imps, erfs, view)
    names = [
        "\n".join([*_name(imp, imps, WIDEST), panel.title]).strip()
        for imp, shown in zip(imps, found, strict=True)
        for panel in shown
    ]
    axes = panel_axes(ax, [name.replace("\n", ", ") for name in names], figure)
    flat = [panel for shown in found for panel in shown]
    label = scale.label(wording.counted_by_all(imps))
    for each, panel in zip(axes, flat, strict=True):
        draw_panel(each, panel, scale, cmap, label, square=True)
    return finished(axes, title, single.legend_handles(axes, flat, scale), names)


def _panels(imps: list[ImportanceMap], erfs: list[ERF], view: str) -> list[list[Panel]]:
    """The panels of every map; where inputs agree, all show the same part."""
    found = [panels_of.panels(imp, erf, view) for imp, erf in zip(imps, erfs, strict=True)]
    if len({imp.shape for imp in imps}) == 1:
        for i in range(len(found[0])):
            views = [shown[i].view for shown in found]
            union = tuple(
                (min(v[a][0] for v in views), max(v[a][1] for v in views)) for a in (0, 1)
            )
            for shown in found:
                shown[i] = shown[i].with_view(union)
    return found


def _frame(figure: AnyFigure | None, found: list[list[Panel]]) -> _Frame:
    """On a narrow page the bar lies below, and panels that show the same share their numbers."""
    narrow = figure is None and style.page_width(None, math.inf) < NARROW_PAGE
    if not narrow or len(found) == 1 or len(found[0]) == 3:
        return _Frame(grown(AROUND), BETWEEN, below=False)
    same = len({(shown[0].view, shown[0].labels) for shown in found}) == 1
    return _Frame(grown(LEFT) + RIGHT, CLOSE if same else APART, below=True)


def _rows(
    figure: AnyFigure | None,
    imps: list[ImportanceMap],
    erfs: list[ERF],
    found: list[list[Panel]],
    frame: _Frame,
) -> list[list[tuple[list[str], Panel]]]:
    """Panels in rows, each with its title's lines."""
    three = len(found[0]) == 3
    step = frame.between
    most = 3 if three else style.per_row(PER_ROW, frame.beside - step, step + NARROW)
    per_row = 3 if three else math.ceil(len(found) / math.ceil(len(found) / most))
    room = frame.side(style.page_width(figure, math.inf), per_row) + frame.over
    titles = [_title(imp, erf, imps, room) for imp, erf in zip(imps, erfs, strict=True)]
    if three:
        return [
            [([*lines, p.title] if i == 1 else [p.title], p) for i, p in enumerate(shown)]
            for lines, shown in zip(titles, found, strict=True)
        ]
    cells = [(lines, shown[0]) for lines, shown in zip(titles, found, strict=True)]
    return [cells[i : i + per_row] for i in range(0, len(cells), per_row)]


def _title(imp: ImportanceMap, erf: ERF, imps: list[ImportanceMap], room: float) -> list[str]:
    share = wording.percent(erf.share_of_trf)
    found = f"ERF {erf.size:.1f} {wording.length_unit(imp)}, {share} of TRF"
    return [*_name(imp, imps, room), *wrapped(found, room, NAME)]


def _name(imp: ImportanceMap, imps: list[ImportanceMap], room: float) -> list[str]:
    """What tells a map apart, in lines that fit a width."""
    lines = wrapped(imp.network or "network", room, NAME)
    if len({(i.layer, i.unit, wording.counted(i)) for i in imps}) > 1:
        lines += wrapped(f"{imp.layer} {wording.position(imp.unit)}", room, NAME)
    if len({wording.counted(i) for i in imps}) > 1:
        lines += wrapped(wording.counted(imp), room, NAME)
    return lines


def _draw(
    figure: AnyFigure | None,
    rows: list[list[tuple[list[str], Panel]]],
    frame: _Frame,
    imps: list[ImportanceMap],
    erfs: list[ERF],
    scale: Scale,
    cmap: Any,
    title: str | None,
) -> AnyFigure:
    columns = max(len(row) for row in rows)
    around = frame.around(columns)
    width = style.page_width(figure, around + columns * SIDE)
    head = wrapped(title, width - 0.3, 9, bold=True) if title else []
    foot = _foot(imps, erfs, width - 0.3)
    usual = frame.side(width, columns)
    tall = [_height(row, usual) for row in rows]
    over = [max(len(lines) for lines, _ in row) * line() + 0.08 for row in rows]
    shown = [p for row in rows for _, p in row]
    legend = grown(LEGEND) + single.legend_room(shown, scale, width)
    fixed = PAD + len(foot) * line() + legend + sum(over) + len(rows) * grown(XLABEL)
    fixed += PAD + len(head) * line() + (grown(BAR_BELOW) if frame.below else 0.0)
    smallest = (around + columns * single.SHORT, fixed + len(rows) * single.SHORT)
    figure = page(figure, width, fixed + sum(tall), smallest)
    full, high = style.size_of(figure)
    side = min((full - around) / columns, usual * (high - fixed) / sum(tall))
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    top = high - PAD - len(head) * line()
    first, image = top, None
    for row, above in zip(rows, over, strict=True):
        height = _height(row, side)
        top -= above + height
        unit = [side / max(p.sides) for _, p in row]
        for i, (lines, panel) in enumerate(row):
            w, h = (max(0.3, n * unit[i]) for n in reversed(panel.sides))
            left = grown(LEFT) + i * (side + frame.between) + (side - w) / 2
            axes = place(figure, left, top + (height - h) / 2, w, h)
            image = draw_panel(axes, panel, scale, cmap)
            axes.set_title("\n".join(lines), pad=4, linespacing=1.25)
            if i and panel.labels[0] == row[0][1].labels[0]:
                axes.set_ylabel("")
            if frame.below:
                _few_numbers(axes, first=i == 0 or frame.between != CLOSE)
        top -= grown(XLABEL)
    low = top + grown(XLABEL)
    if frame.below:
        bar = place(figure, grown(LEFT), top - BAR, full - grown(LEFT) - RIGHT, BAR)
    else:
        bar = place(figure, full - RIGHT - grown(BAR_TEXT) - BAR, low, BAR, first - over[0] - low)
    single.colour_bar(figure, image, bar, scale, wording.counted_by_all(imps))
    single.legend(figure, shown, scale, 0.5, PAD + len(foot) * line())
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    if isinstance(figure, Figure):
        figure.set_label(title or " | ".join(imp.network or "network" for imp in imps))
    return figure


def _few_numbers(axes: Axes, *, first: bool) -> None:
    """As many numbers as fit beside a small image; only the first has some at its left."""
    for axis in (axes.xaxis, axes.yaxis):
        style.positions(axis, 3)
    axes.tick_params(labelleft=first)


def _height(row: list[tuple[list[str], Panel]], side: float) -> float:
    """Height of the tallest image of a row whose longer sides are all `side`."""
    return max(max(0.3, p.sides[0] * side / max(p.sides)) for _, p in row)


def _foot(imps: list[ImportanceMap], erfs: list[ERF], width: float) -> list[str]:
    """What the panels have in common, in words."""
    first = imps[0]
    parts = []
    if len({(i.layer, i.unit, wording.counted(i)) for i in imps}) == 1:
        parts.append(wording.where(first))
    elif len({wording.counted(i) for i in imps}) == 1:
        parts.append(wording.counted(first))
    if len({(e.rule, e.threshold) for e in erfs}) == 1:
        parts.append(f"ERF: {wording.rule(erfs[0])}")
    return wrapped("; ".join(parts), width, 7) if parts else []
