"""`importance_figure`: one importance map with its fields and profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from erfgraph.erf import ERF
from erfgraph.errors import InputError
from erfgraph.figures import panel as panels_of
from erfgraph.figures import profile, style, wording
from erfgraph.figures.given import Given, finished, panel_axes
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.overlay import Overlay, draw_overlay, make_overlay
from erfgraph.figures.panel import Panel, check_erf, draw_panel
from erfgraph.figures.scaling import Scale, make_scale
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.importance_map import ImportanceMap

# inches
LEFT, RIGHT, GAP = 0.8, 0.12, 0.1
SIDE = 0.66  # thickness of the side panels
BAR, BAR_TEXT = 0.13, 0.62
XLABEL, LEGEND, PAD = 0.45, 0.27, 0.1
LONG, SHORT = 3.4, 0.7  # sides of the image
GAPS_CLOSED = "gaps up to 00 px closed"
FOLDED = 4.6  # on narrower pages three planes do not stand beside each other
CLOSE_LEFT, CLOSE = 0.62, 0.5  # at the left, and from one plane to the next, there
USUAL, ROOMY = 5.4, 4.0  # width of a page, and from where on it has room for side panels


def importance_figure(
    imp: ImportanceMap,
    erf: ERF | None = None,
    *,
    scale: str = "linear",
    cmap: Any = style.DEFAULT_CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    floor: float | None = None,
    view: str = "auto",
    marginals: bool | None = None,
    thresholds: Sequence[float] | None = None,
    image: Any = None,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw an importance map with its theoretical and effective receptive fields.

    Two axes: an image, and where there is room the sums of columns and rows beside it. One
    axis: bars. Three axes: the three planes through the peak.

    Parameters
    ----------
    imp : ImportanceMap
    erf : ERF, optional
        Default ``imp.erf()``.
    scale : {"linear", "log", "power"}, optional
        What is drawn of the importance over the largest: itself, its decimal logarithm, its
        square root.
    cmap : str or Colormap, optional
        ``"RdYlGn"`` is the red, yellow and green of some papers, which not everyone can tell
        apart. On maps with reds like its own the outline of the field is black.
    vmin, vmax : float, optional
        Limits of the scale, in what is drawn.
    floor : float, optional
        Smallest importance over the largest that ``"log"`` tells apart; default the smallest
        there is, but at least 1e-6, or less where `vmin` is.
    view : {"auto", "field", "input"}, optional
        Show the theoretical field's surroundings, the whole input, or the former only where
        the field is less than half as long as the input on every axis.
    marginals : bool, optional
        Draw the sums of columns and rows beside the image of two axes; default where the page
        is at least four inches wide.
    thresholds : sequence of float, optional
        One to six, by the rule of `erf`: a contour of the effective field at each, with a
        legend. Two axes only.
    image : array of shape (rows, columns) or (rows, columns, 3 or 4), optional
        A photograph to draw the map over, stretched over the input: uint8, or floats from 0 to
        1. The less important, the more of it shows through. Two axes only.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes, or three of them for a map of three axes, optional
        Draw the map alone into these axes of your own figure: its image (or bars), fields and
        legend, without heading, numbers, side panels and colour bar. For a bar see the example.
    title : str, optional
        Default: network, layer, unit and measure; in given axes none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If `erf` belongs to another map, limits are out of range, the figure is too small, or
        `ax` is given together with `figure` or `marginals`, or is not what the map needs.
    NameLookupError
        If there is no such scale, view or colour map.

    Examples
    --------
    >>> import erfgraph as eg
    >>> imp = eg.importance(eg.load("conv3*3", input_shape=(9, 9)))
    >>> figure = importance_figure(imp)
    >>> figure.axes[0].images[0].get_array().shape
    (7, 7)

    Two scales beside each other in a figure of your own, each with a colour bar that says what
    its colours are:

    >>> import matplotlib.pyplot as plt
    >>> figure, both = plt.subplots(1, 2, layout="constrained")
    >>> for ax, scale in zip(both, ("linear", "log"), strict=True):
    ...     _ = importance_figure(imp, scale=scale, ax=ax, title=scale)
    ...     image = ax.images[0]
    ...     bar = figure.colorbar(image, ax=ax, label=image.get_label())
    >>> bar.ax.get_ylabel()
    'log₁₀(paths / largest)'
    >>> plt.close(figure)
    """
    erf = check_erf(imp, erf)
    style.colour_map(cmap)
    chosen = make_scale([imp], scale, vmin, vmax, floor)
    over = make_overlay(imp, erf, thresholds, image)
    if ax is not None:
        if marginals:
            raise InputError("marginals: are not drawn in given axes (ax)")
        return _into(ax, figure, imp, erf, chosen, cmap, view, title, over)
    with style.paper_style():
        if len(imp.shape) == 1:
            return profile.profile_figure([imp], [erf], chosen, view, figure, title)
        shown = panels_of.panels(imp, erf, view)
        if len(shown) == 3:
            return _whole(_planes(figure, imp, erf, shown, chosen, cmap, title))
        return _whole(_image(figure, imp, erf, shown, chosen, cmap, title, marginals, over))


def _whole(figure: AnyFigure) -> Figure:
    """The figure that a sub-figure belongs to."""
    whole = figure.figure if not isinstance(figure, Figure) else figure
    assert isinstance(whole, Figure)  # for the type checker: only figures hold sub-figures
    return whole


def heading_lines(imp: ImportanceMap, title: str | None, width: float) -> list[str]:
    """The title, wrapped: the first part bold, so kept apart."""
    first, second = wording.heading(imp) if title is None else (title, "")
    lines = wrapped(first, width, 9, bold=True)
    return lines + (wrapped(second, width, 7.5) if second else [])


def foot_lines(imp: ImportanceMap, erfs: Sequence[ERF], width: float) -> list[str]:
    """Sizes of the fields in words, wrapped."""
    return [
        *(line for erf in erfs for line in wrapped(wording.erf_line(imp, erf), width, 7)),
        *wrapped(wording.trf_line(imp), width, 7),
    ]


def _frame(
    figure: AnyFigure, imp: ImportanceMap, head: list[str], foot: list[str], title: str | None
) -> None:
    """Heading at the top, sizes at the bottom."""
    width, high = style.size_of(figure)
    bold = len(
        wrapped(title if title is not None else wording.heading(imp)[0], width - 0.3, 9, bold=True)
    )
    write_lines(figure, head[:bold], high - PAD, 9, fontweight="bold")
    write_lines(figure, head[bold:], high - PAD - bold * line(), 7.5)
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    if isinstance(figure, Figure):
        figure.set_label(" ".join(head))


def image_sides(sides: tuple[int, int], width: float, high: float) -> tuple[float, float]:
    """Width and height in inches of an image of so many rows and columns, within limits."""
    rows, columns = sides
    unit = min(width / columns, high / rows)
    return max(SHORT, columns * unit), max(SHORT, rows * unit)


def _image(
    figure: AnyFigure | None,
    imp: ImportanceMap,
    erf: ERF,
    shown: list[Panel],
    scale: Scale,
    cmap: Any,
    title: str | None,
    marginals: bool | None,
    over: Overlay,
) -> AnyFigure:
    """Image, side panels above and to the right, colour bar, legend, text."""
    (panel,) = shown
    if marginals is None:
        marginals = style.page_width(figure, USUAL) >= ROOMY
    side = GAP + SIDE if marginals else 0.0
    before = grown(LEFT) if marginals else LEFT  # without them there is room
    beside = before + side + GAP + (GAP if marginals else 0) + BAR + grown(BAR_TEXT) + RIGHT
    w, h = image_sides(panel.sides, LONG, LONG)
    width = style.page_width(figure, max(USUAL, beside + w))
    w, h = image_sides(panel.sides, max(SHORT, min(LONG, width - beside)), LONG)
    head = heading_lines(imp, title, width - 0.3)
    foot = foot_lines(imp, over.contours or (erf,), width - 0.3)
    below = (
        PAD
        + len(foot) * line()
        + grown(LEGEND)
        + legend_room(shown, scale, width, over)
        + grown(XLABEL)
    )
    above = side + GAP + len(head) * line() + PAD
    figure = page(figure, width, below + h + above, (beside + SHORT, below + SHORT + above))
    full, high = style.size_of(figure)
    w, h = image_sides(panel.sides, min(LONG, full - beside), high - below - above)
    left = before + (full - beside - w) / 2
    main = place(figure, left, below, w, h)
    image = draw_panel(main, panel, scale, cmap)
    draw_overlay(main, image, imp, over)
    if marginals:
        top = place(figure, left, below + h + GAP, w, SIDE, sharex=main)
        right = place(figure, left + w + GAP, below, SIDE, h, sharey=main)
        _side_panels(imp, panel, top, right)
    bar = place(figure, left + beside - before - RIGHT - BAR - grown(BAR_TEXT) + w, below, BAR, h)
    colour_bar(figure, image, bar, scale, wording.counted(imp))
    legend(figure, shown, scale, (left + w / 2) / full, PAD + len(foot) * line(), over=over)
    _frame(figure, imp, head, foot, title)
    return figure


def colour_bar(figure: AnyFigure, image: Any, bar: Axes, scale: Scale, noun: str) -> None:
    """A labelled colour bar in axes of its own; what its numbers count."""
    box = bar.get_position()
    full, high = style.size_of(figure)
    lying = box.width * full > box.height * high
    made = figure.colorbar(image, cax=bar, orientation="horizontal" if lying else "vertical")
    label, side = scale.label(noun), box.width * full if lying else box.height * high
    if style.text_width(label, 8) > side + 0.3:  # it may stand out a little
        label = label.replace(", ", ",\n")
    made.set_label(label)
    made.outline.set_linewidth(0.6)
    if made.solids is not None:
        made.solids.set_edgecolor("face")  # else viewers show hairlines between the colours


def legend_handles(
    drawn: Sequence[Artist],
    shown: Sequence[Panel],
    scale: Scale,
    erf_label: str = "ERF",
    over: Overlay | None = None,
) -> list[Any]:
    """What a legend of panels has to explain, once they are drawn in a figure or in axes."""
    lines: list[Any] = [o for a in drawn for o in a.findobj(panels_of.Outline)]
    gap = max((line.gap for line in lines), default=0)
    note = GAPS_CLOSED.replace("00", str(gap - 1)) if gap else ""
    if over is None or not over.contours:
        label = f"{erf_label}, {note}" if note else erf_label
        colour = tuple(lines[0].get_edgecolor()[0]) if lines else style.ERF_COLOUR
        return panels_of.legend_handles(shown, scale, label, colour)
    handles = [h for h in panels_of.legend_handles(shown, scale) if h.get_label() != "ERF"]
    handles += over.handles()
    return handles + ([Line2D([], [], linestyle="", label=note)] if note else [])


def legend_room(
    shown: Sequence[Panel], scale: Scale, width: float, over: Overlay | None = None
) -> float:
    """Inches that a legend's rows after the first take, before anything is drawn."""
    handles = legend_handles([], shown, scale, f"ERF, {GAPS_CLOSED}", over)
    labels = [str(handle.get_label()) for handle in handles]
    if over is not None and over.contours:
        labels.append(GAPS_CLOSED)
    return room_for(labels, width)


def legend(
    figure: AnyFigure,
    shown: list[Panel],
    scale: Scale,
    centre: float,
    bottom: float,
    erf_label: str = "ERF",
    over: Overlay | None = None,
) -> None:
    """Explanations below the axes, never over data."""
    handles = legend_handles([figure], shown, scale, erf_label, over)
    legend_below(figure, handles, bottom + 0.07, centre)


def _side_panels(imp: ImportanceMap, panel: Panel, top: Axes, right: Axes) -> None:
    """Sums over rows above the image, sums over columns to its right."""
    share = imp._window_share
    percent = FuncFormatter(lambda value, _: f"{100 * value:g}%")
    for axes, axis, vertical in ((top, 1, False), (right, 0, True)):
        sums = share.sum(axis=1 - axis)
        start = imp.offset[axis]
        edges = np.arange(start, start + len(sums) + 1) - 0.5
        axes.stairs(
            sums,
            edges,
            fill=True,
            color=style.PROFILE_COLOUR,
            orientation="horizontal" if vertical else "vertical",
        )
        mark = axes.axhline if vertical else axes.axvline
        for end in panel.trf[axis] if panel.trf else ():
            mark(end - 0.5, color=style.DARK, lw=0.9, ls=style.TRF_DASHES, clip_on=False)
        most = 1.08 * float(sums.max()) or 1.0
        (axes.set_xlim if vertical else axes.set_ylim)(0, most)
        axes.tick_params(labelleft=not vertical, labelbottom=vertical)
        lengths = axes.xaxis if vertical else axes.yaxis
        # no tick at zero: its label would meet those of the image
        lengths.set_major_locator(MaxNLocator(2, prune="lower"))
        lengths.set_major_formatter(percent)
        axes.spines[["top", "right"]].set_visible(False)
    top.set_ylabel("share per\ncolumn", fontsize=7 * style.letters())
    right.set_xlabel("share per row", fontsize=7 * style.letters())


def _planes(
    figure: AnyFigure | None,
    imp: ImportanceMap,
    erf: ERF,
    shown: list[Panel],
    scale: Scale,
    cmap: Any,
    title: str | None,
) -> AnyFigure:
    """Three planes through the peak beside each other; on a narrow page two and one."""
    if figure is None and style.page_width(None, USUAL) < FOLDED:
        return _folded(imp, erf, shown, scale, cmap, title)
    side = 1.75
    between = 0.62
    around = grown(LEFT) + 2 * between + GAP + BAR + grown(BAR_TEXT) + RIGHT
    width = style.page_width(figure, around + 3 * side)
    side = max(SHORT, min(side, (width - around) / 3))
    head, foot = heading_lines(imp, title, width - 0.3), foot_lines(imp, (erf,), width - 0.3)
    below = (
        PAD + len(foot) * line() + grown(LEGEND) + legend_room(shown, scale, width) + grown(XLABEL)
    )
    above = line() + GAP + len(head) * line() + PAD
    figure = page(figure, width, below + side + above, (around + 3 * SHORT, below + SHORT + above))
    full, high = style.size_of(figure)
    side = min((full - around) / 3, high - below - above)
    # one length of a unit in all planes
    unit = side / max(n for p in shown for n in p.sides)
    image = None
    for i, panel in enumerate(shown):
        w, h = (max(0.4, n * unit) for n in reversed(panel.sides))
        left = grown(LEFT) + i * (side + between) + (side - w) / 2
        axes = place(figure, left, below + (side - h) / 2, w, h)
        image = draw_panel(axes, panel, scale, cmap)
        axes.set_title(panel.title, pad=4)
    bar = place(figure, grown(LEFT) + 3 * side + 2 * between + GAP, below, BAR, side)
    colour_bar(figure, image, bar, scale, wording.counted(imp))
    legend(figure, shown, scale, 0.5, PAD + len(foot) * line())
    _frame(figure, imp, head, foot, title)
    return figure


def _folded(
    imp: ImportanceMap, erf: ERF, shown: list[Panel], scale: Scale, cmap: Any, title: str | None
) -> AnyFigure:
    """Two planes beside each other, the third and the colour bar below them."""
    width = style.page_width(None, USUAL)
    left, between = grown(CLOSE_LEFT), grown(CLOSE)
    side = (width - left - between - RIGHT) / 2
    head, foot = heading_lines(imp, title, width - 0.3), foot_lines(imp, (erf,), width - 0.3)
    legends = grown(LEGEND) + legend_room(shown, scale, width)
    below = PAD + len(foot) * line() + legends + grown(XLABEL)
    row = line() + GAP + side
    high = below + 2 * row + grown(XLABEL) + len(head) * line() + PAD
    figure = page(None, width, high, (left + between + RIGHT + 2 * SHORT, high))
    unit = side / max(n for p in shown for n in p.sides)
    image = None
    for i, panel in enumerate(shown):
        w, h = (max(0.4, n * unit) for n in reversed(panel.sides))
        x = left + i % 2 * (side + between) + (side - w) / 2
        y = below + (1 - i // 2) * (row + grown(XLABEL)) + (side - h) / 2
        axes = place(figure, x, y, w, h)
        image = draw_panel(axes, panel, scale, cmap)
        axes.set_title(panel.title, pad=4)
    bar = place(figure, left + side + between - GAP, below, BAR, side)
    colour_bar(figure, image, bar, scale, wording.counted(imp))
    legend(figure, shown, scale, 0.5, PAD + len(foot) * line())
    _frame(figure, imp, head, foot, title)
    return figure


def _into(
    ax: Given,
    figure: AnyFigure | None,
    imp: ImportanceMap,
    erf: ERF,
    scale: Scale,
    cmap: Any,
    view: str,
    title: str | None,
    over: Overlay,
) -> Figure:
    """The map alone in axes of the caller's."""
    if len(imp.shape) == 1:
        axes = panel_axes(ax, ["bars"], figure)
        return profile.draw_profiles(axes, [imp], [erf], scale, view, title)
    shown = panels_of.panels(imp, erf, view)
    names = [panel.title for panel in shown]
    axes = panel_axes(ax, names, figure)
    for each, panel in zip(axes, shown, strict=True):
        label = scale.label(wording.counted(imp))
        image = draw_panel(each, panel, scale, cmap, label, square=True)
        draw_overlay(each, image, imp, over)
    return finished(axes, title, legend_handles(axes, shown, scale, over=over), names)
