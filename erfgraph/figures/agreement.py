"""`agreement_figure`: two maps on one scale, their profiles, and the IoU of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from erfgraph.agreement.profiles import Profile, axis_profiles, radial_profiles
from erfgraph.agreement.result import Comparison, Estimate
from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import panel as panels_of
from erfgraph.figures import style, wording
from erfgraph.figures.given import Given, finished, panel_axes
from erfgraph.figures.panel import Panel, draw_panel, view_of
from erfgraph.figures.scaling import Scale, make_scale
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.importance_map import ImportanceMap
from erfgraph.shape import Box

# inches
WIDTH, LEFT, RIGHT, PAD = 6.4, 0.72, 0.24, 0.1
SUMMED = ", summed over z"
NARROW_PAGE = 4.2  # what is narrower has another layout
BETWEEN = 0.72  # from one panel to the one beside it
IMAGE, CURVE = 2.3, 1.35  # heights of an image and of a panel of curves
BAR, BAR_GAP, BAR_TEXT = 0.13, 0.1, 0.62
XLABEL, LEGEND_ROW, ROW = 0.46, 0.2, 0.16
COLOURS = (style.PROFILE_COLOUR, "#d95f02")
DASHES: tuple[Any, Any] = ("-", (0, (5, 1.6)))
BAND = 0.25  # opacity
LONGEST = 42  # letters of a name in the legend
DECADES = 6  # that a logarithmic panel of curves shows


@dataclass(frozen=True)
class _Job:
    """What every part of the figure needs.

    Attributes
    ----------
    found : Comparison
    names : (str, str)
    scale : Scale
    cmap : str or Colormap
    view : box
        The part of the maps that is shown, per axis.
    """

    found: Comparison
    names: tuple[str, str]
    scale: Scale
    cmap: Any
    view: Box


def agreement_figure(
    comparison: Comparison,
    *,
    scale: str = "linear",
    cmap: Any = style.DEFAULT_CMAP,
    floor: float | None = None,
    names: tuple[str, str] | None = None,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how two maps agree: both on one scale, their profiles, the IoU of their fields.

    The maps' shares (of three axes: summed over the first; of one: as lines), cropped to what
    either of them reaches, with one colour bar; below them their sums along each axis, the mean
    share at each distance from their common centre, and the intersection over union of their
    ERFs for every threshold. Where a map carries samples, bands show the bootstrap's interval.

    Parameters
    ----------
    comparison : Comparison
    scale : {"linear", "log", "power"}, optional
        What is drawn of the shares over the largest of both: themselves, the decimal logarithm,
        the square root. With ``"log"`` the profiles are logarithmic too.
    cmap : str or Colormap, optional
    floor : float, optional
        As for `importance_figure`.
    names : (str, str), optional
        Of a and b; default what they measure, or their networks.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : sequence of Axes, optional
        Draw the panels alone into these axes of your own figure, without a colour bar: the
        two maps (not of one axis), the profile along each axis, the shares over the distance,
        the intersection over union; seven for maps of three axes, six of two, three of one.
    title : str, optional
        Default network, layer and unit; in given axes none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If it is no comparison, the figure is too small, or `ax` is not one a panel.
    NameLookupError
        If there is no such scale or colour map.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("res(conv3p1)*4", input_shape=(17, 17))
    >>> maps = [eg.importance(net, measure=measure) for measure in ("paths", "edges")]
    >>> figure = agreement_figure(eg.compare(*maps))
    >>> [axes.images[0].get_clim() for axes in figure.axes if axes.images]
    [(0.0, 1.0), (0.0, 1.0)]
    """
    if not isinstance(comparison, Comparison):
        raise InputError(f"comparison: got {comparison!r}, wanted a Comparison (see compare)")
    style.colour_map(cmap)
    a, b = comparison.a, comparison.b
    view = tuple((min(p), max(q)) for p, q in (zip(*s, strict=True) for s in _views(a, b)))
    job = _Job(
        comparison,
        names or names_of(a, b),
        make_scale([a, b], scale, None, None, floor),
        cmap,
        view,
    )
    if ax is not None:
        return _into(ax, figure, job, title)
    with style.paper_style():
        return single._whole(_draw(figure, job, title))


def _into(ax: Given, figure: AnyFigure | None, job: _Job, title: str | None) -> Figure:
    """The panels alone in axes of the caller's."""
    maps = [f"{letter}: {name}" for letter, name in zip("ab", job.names, strict=True)]
    n = len(job.found.a.shape)
    maps = maps if n > 1 else []
    along = [f"shares along {axis}" for axis in "zyx"[-n:]]
    axes = panel_axes(ax, [*maps, *along, "shares over the distance", "IoU"], figure)
    rest = axes[len(maps) :]
    for each, imp in zip(axes, (job.found.a, job.found.b) if maps else (), strict=False):
        _map_panel(each, imp, job, square=True)
    for axis in range(n):
        _axis_panel(rest[axis], job, axis)
    _radial_panel(rest[-2], job)
    _iou_panel(rest[-1], job.found)
    lines, *others = _legend_rows(job)
    rest[0].legend(handles=lines)
    return finished(axes, title, others[0] if others else (), maps)


def names_of(a: ImportanceMap, b: ImportanceMap) -> tuple[str, str]:
    """What tells two maps apart: their measures, else their networks, else their units."""
    for text in (_measured, lambda i: i.network or "network", wording.where):
        if text(a) != text(b):
            return text(a), text(b)
    return "a", "b"


def _measured(imp: ImportanceMap) -> str:
    samples = getattr(imp, "samples", 0)
    if not samples:
        return wording.counted(imp)
    return f"{wording.noun(imp.measure)}, {samples} sample{'s' if samples > 1 else ''}"


def _views(a: ImportanceMap, b: ImportanceMap) -> Any:
    return zip(view_of(a), view_of(b), strict=True)


def _draw(figure: AnyFigure | None, job: _Job, title: str | None) -> AnyFigure:
    width = style.page_width(figure, WIDTH)
    if figure is None and width < NARROW_PAGE:
        from erfgraph.figures.agreement_narrow import draw_narrow  # made of what is here

        return draw_narrow(job, title)
    head = _heading(job, title, width - 0.3)
    foot = wrapped(_summary(job.found), width - 0.3, 7)
    legend = _legend_rows(job)
    below = PAD + len(foot) * line() + 0.1 + len(legend) * grown(LEGEND_ROW)
    curves = 2 * (grown(ROW) + CURVE + grown(XLABEL))
    height = PAD + len(head) * line() + _maps_height(job, width) + curves + below
    figure = page(figure, width, height, (NARROW_PAGE, height))
    full, high = style.size_of(figure)
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    top = high - PAD - len(head) * line()
    if len(job.found.a.shape) > 1:
        _maps(figure, job, top, full)
        top -= _maps_height(job, full)
    top -= grown(ROW) + CURVE
    _axis_panels(figure, job, top, full)
    top -= grown(XLABEL) + grown(ROW) + CURVE
    left, wide = _columns(2, full)
    _radial_panel(place(figure, left[0], top, wide, CURVE), job)
    _iou_panel(place(figure, left[1], top, wide, CURVE), job.found)
    _legends(figure, legend, PAD + len(foot) * line())
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    if isinstance(figure, Figure):
        figure.set_label(" ".join(head))
    return figure


def _columns(n: int, full: float) -> tuple[list[float], float]:
    """Left edges and width of n panels beside each other."""
    wide = (full - grown(LEFT) - RIGHT - (n - 1) * grown(BETWEEN)) / n
    return [grown(LEFT) + i * (wide + grown(BETWEEN)) for i in range(n)], wide


# --- maps ---------------------------------------------------------------------------------


def _sides(job: _Job, full: float) -> tuple[float, float, float]:
    """Room for an image, and its width and height."""
    room = (full - grown(LEFT) - RIGHT - grown(BETWEEN) - BAR_GAP - BAR - grown(BAR_TEXT)) / 2
    rows, columns = (stop - start for start, stop in job.view[-2:])
    return room, *single.image_sides((rows, columns), room, IMAGE)


def _titles(job: _Job, room: float) -> list[list[str]]:
    return [
        wrapped(f"{letter}: {name}", room + 0.35, 8)
        for letter, name in zip("ab", job.names, strict=True)
    ]


def _maps_height(job: _Job, full: float) -> float:
    """What both images take with their titles and labels; nothing for maps of one axis."""
    if len(job.found.a.shape) == 1:
        return 0.0
    room, _, h = _sides(job, full)
    return max(map(len, _titles(job, room))) * line() + 0.13 + h + grown(XLABEL)


def _maps(figure: AnyFigure, job: _Job, top: float, full: float) -> None:
    """Both images and the colour bar."""
    room, w, h = _sides(job, full)
    titles = _titles(job, room)
    bottom = top - max(map(len, titles)) * line() - 0.13 - h
    image: Any = None
    for i, imp in enumerate((job.found.a, job.found.b)):
        axes = place(
            figure, grown(LEFT) + i * (room + grown(BETWEEN)) + (room - w) / 2, bottom, w, h
        )
        image = _map_panel(axes, imp, job)
        axes.set_title("\n".join(titles[i]), pad=6, linespacing=1.25)
        if i:
            axes.set_ylabel("")
    bar = place(figure, grown(LEFT) + 2 * room + grown(BETWEEN) + BAR_GAP, bottom, BAR, h)
    single.colour_bar(figure, image, bar, job.scale, "share")
    bar.set_ylabel(image.get_label())


def _map_panel(axes: Axes, imp: ImportanceMap, job: _Job, *, square: bool = False) -> AxesImage:
    """One image; its label says that both maps are drawn as shares."""
    largest = max(float(_flat(i.share).max()) for i in (job.found.a, job.found.b))
    label = job.scale.label("share").replace("largest", "largest of both")
    panel = _panel(imp, job, largest)
    return draw_panel(axes, panel, job.scale, job.cmap, label, square=square)


def _flat(values: np.ndarray) -> np.ndarray:
    """A map of two axes; of three, the sum over the first."""
    return values if values.ndim < 3 else np.asarray(values.sum(axis=0))


def _panel(imp: ImportanceMap, job: _Job, largest: float) -> Panel:
    """The image of one map, its shares over the largest of both."""
    trf, mask, reached = imp.trf.bbox, imp.erf().mask, imp.trf.mask
    if mask.ndim == 3:
        mask, reached = np.asarray(mask.any(axis=0)), np.asarray(reached.any(axis=0))
    axes = range(len(imp.shape))[-2:]
    summed = SUMMED if len(imp.shape) == 3 else ""
    return Panel(
        _flat(imp.share) / largest,
        reached,
        (0, 0),
        (trf[axes[0]], trf[axes[1]]) if trf else None,
        mask,
        (0, 0),
        (job.view[axes[0]], job.view[axes[1]]),
        (wording.axis_label(axes[0], imp), wording.axis_label(axes[1], imp) + summed),
    )


# --- curves -------------------------------------------------------------------------------


def draw_profiles(axes: Axes, profiles: tuple[Profile, Profile], logarithmic: bool) -> None:
    """The two maps' profiles as lines, with bands where there are intervals.

    Parameters
    ----------
    axes : Axes
    profiles : (Profile, Profile)
    logarithmic : bool
        Whether shares are drawn on a logarithmic axis.
    """
    most = max(float(np.max(p.share, initial=0.0)) for p in profiles)
    for i, p in enumerate(profiles):
        if p.low is not None and p.high is not None:
            axes.fill_between(p.at, p.low, p.high, color=COLOURS[i], alpha=BAND, lw=0)
            most = max(most, float(p.high.max(initial=0.0)))
        axes.plot(p.at, p.share, color=COLOURS[i], ls=DASHES[i], label="ab"[i])
    if logarithmic:
        lowest = min(float(p.share[p.share > 0].min(initial=most)) for p in profiles)
        axes.set_yscale("log")
        axes.set_ylim(max(0.7 * lowest, most * 10**-DECADES), 1.4 * most)
    else:
        axes.set_ylim(0, 1.08 * most)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.spines[["top", "right"]].set_visible(False)


def _percent(share: float, _: Any) -> str:
    return f"{100 * share:.4g}%"


def _axis_panels(figure: AnyFigure, job: _Job, bottom: float, full: float) -> None:
    """One panel an axis."""
    left, wide = _columns(len(job.view), full)
    for axis, at in enumerate(left):
        axes = place(figure, at, bottom, wide, CURVE)
        _axis_panel(axes, job, axis)
        if axis:
            axes.set_ylabel("")


def _axis_panel(axes: Axes, job: _Job, axis: int) -> None:
    """The share of every position along an axis."""
    draw_profiles(axes, axis_profiles(job.found, axis), job.scale.kind == "log")
    start, stop = job.view[axis]
    axes.set_xlim(start - 0.5, stop - 0.5)
    axes.set_xlabel(wording.axis_label(axis, job.found.a))
    axes.set_ylabel("share per position")


def _radial_panel(axes: Axes, job: _Job) -> None:
    profiles = radial_profiles(job.found)
    draw_profiles(axes, profiles, job.scale.kind == "log")
    axes.set_xlim(0, max(1.0, float(profiles[0].at[-1])))
    axes.set_xlabel(f"distance from the centre of mass ({wording.length_unit(job.found.a)})")
    axes.set_ylabel("mean share of a unit")


def _iou_panel(axes: Axes, found: Comparison) -> None:
    curve = found.curve
    if curve.low is not None and curve.high is not None:
        axes.fill_between(
            curve.thresholds, curve.low, curve.high, color=style.DARK, alpha=0.18, lw=0
        )
    axes.plot(curve.thresholds, curve.iou, color=style.DARK, label="IoU")
    at = found.a.erf().threshold
    axes.axvline(at, color=style.DARK, lw=0.8, ls=(0, (2, 2)))
    axes.plot([at], [found.iou.value], "o", color=style.ERF_COLOUR, ms=4, zorder=4)
    axes.set_xscale("log")
    axes.set_xlim(curve.thresholds[0], curve.thresholds[-1])
    axes.set_ylim(0, 1.04)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(_percent))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("threshold, of the largest importance")
    axes.set_ylabel("IoU of the ERFs")
    axes.spines[["top", "right"]].set_visible(False)


# --- texts --------------------------------------------------------------------------------


def _heading(job: _Job, title: str | None, width: float) -> list[str]:
    a, b = job.found.a, job.found.b
    if title is None:
        networks = dict.fromkeys(i.network or "network" for i in (a, b))
        title = " and ".join(networks)
        if (a.layer, a.unit) == (b.layer, b.unit):
            title += f", unit {wording.position(a.unit)} of {a.layer}"
    return wrapped(title, width, 9, bold=True) if title else []


def _summary(found: Comparison) -> str:
    """The numbers in words."""
    parts = [f"total variation {_number(found.total_variation)}"]
    if found.noise is not None:
        parts[0] += f", of noise alone {found.noise.both:.3f}"
    parts.append(f"Pearson {_number(found.pearson)}, Spearman {_number(found.spearman)}")
    parts.append(
        f"ERF at {wording.percent(found.a.erf().threshold)}: IoU {_number(found.iou)}, "
        f"sides {found.side_a:.1f} and {found.side_b:.1f} {wording.length_unit(found.a)}"
    )
    return "; ".join(parts)


def _number(x: Estimate) -> str:
    """A number with its interval."""
    if x.low is None or x.high is None:
        return f"{x.value:.3f}"
    return f"{x.value:.3f} [{x.low:.3f}, {x.high:.3f}]"


def _legend_rows(job: _Job) -> list[list[Any]]:
    """What lines are, and what bands and outlines are: a row of the legend each."""
    found = job.found
    lines: list[Any] = [
        Line2D([], [], color=COLOURS[i], ls=DASHES[i], lw=1.4, label=_short(f"{letter}: {name}"))
        for i, (letter, name) in enumerate(zip("ab", job.names, strict=True))
    ]
    others: list[Any] = []
    if found.draws:
        label = f"{100 * found.confidence:g} % interval"
        others.append(Patch(color=style.DARK, alpha=BAND, lw=0, label=label))
    if len(found.a.shape) > 1:
        shown = [_panel(i, job, 1.0) for i in (found.a, found.b)]
        others += panels_of.legend_handles(shown, job.scale, "ERF", style.erf_colour(job.cmap))
    return [lines, others] if others else [lines]


def _legends(figure: AnyFigure, rows: list[list[Any]], bottom: float) -> None:
    """The rows of the legend, one below the other, never over data."""
    _, high = style.size_of(figure)
    for i, handles in enumerate(reversed(rows)):
        figure.legend(
            handles=handles,
            loc="lower center",
            bbox_to_anchor=(0.5, (bottom + 0.07 + i * grown(LEGEND_ROW)) / high),
            ncols=len(handles),
            borderaxespad=0,
            borderpad=0.2,
            handlelength=2.2,
        )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
