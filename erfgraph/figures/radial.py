"""`radial_figure`: importance by distance from the centre, linear and logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.given import Given, finished, panel_axes, width_of
from erfgraph.figures.scales import COLOURS, MARKERS
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.importance_map import ImportanceMap
from erfgraph.rings import Radial, radial

WIDTH, HEIGHT = 3.5, 2.3  # inches: of one panel with its labels, and of its axes
LEFT, RIGHT, PAD, XLABEL = 0.62, 0.15, 0.1, 0.42
NARROWEST = 2.4  # inches: of one panel beside another; on a narrower page they are stacked
BESIDE = 0.2  # inches that the label of an axis may be wider than the axis
OVER = 0.08  # inches above axes below others, for the markers on their upper edge
LEGEND = 5.0  # inches that a legend in given axes may take, if names are long
MOST_MAPS = len(COLOURS)
LOWEST = 1e-6  # of the logarithmic axis; what is less is below it
SCALES = {"linear": ("linear",), "log": ("log",), "both": ("linear", "log")}
TRF_DASH = (0, (3.0, 1.6))
LINES: tuple[Any, ...] = ("-", (0, (5, 1)), (0, (5, 1, 1, 1)), (0, (1, 0.8)))


def radial_figure(
    profiles: Radial | ImportanceMap | Sequence[Radial | ImportanceMap],
    *,
    scale: str = "both",
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw importance over the distance from the centre of mass, several maps in one.

    A filled marker stands on each profile at the radius of the effective field, a dashed
    vertical line at that of the theoretical field's box, with the network's marker, hollow, at
    its upper end (and an arrow where the box reaches the border of the map, which may cut the
    field), and a thin horizontal line at the threshold where it is a share of the
    largest. Both radii are those of the ball (stretch, disc) as large. Rings without a path are
    gaps on a logarithmic scale.

    Parameters
    ----------
    profiles : Radial or ImportanceMap, or a sequence of them
        One to eight, of one measure and one rated map's name. Of an ImportanceMap `radial`
        is taken.
    scale : {"both", "linear", "log"}, optional
        Of importance; ``"both"`` makes two panels, below each other on a narrow page. The
        logarithmic one ends at 10⁻⁶.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes or sequence of Axes, optional
        Draw the profiles alone into these axes of your own figure: one, or two for ``"both"``.
    title : str, optional
        Default (without `ax`) the maps' measure and rule.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are none or too many, they do not measure the same, no path leads to a unit,
        `scale` is another, the figure is too small, or `ax` is not one a panel.

    Examples
    --------
    >>> import erfgraph as eg
    >>> maps = [eg.importance(eg.load(text, (19, 19))) for text in ("conv3*9", "conv7*3")]
    >>> figure = radial_figure(maps)
    >>> [axes.get_yscale() for axes in figure.axes]
    ['linear', 'log']
    """
    if scale not in SCALES:
        raise InputError(f"scale: got {scale!r}, wanted one of {', '.join(SCALES)}")
    found = _checked(profiles)
    if ax is not None:
        axes = panel_axes(ax, SCALES[scale], figure)
        for each, kind in zip(axes, SCALES[scale], strict=True):
            draw_radial(each, found, kind)
        return finished(axes, title, _network_handles(found, LEGEND) + _sign_handles(found))
    with style.paper_style():
        return single._whole(_draw(figure, found, SCALES[scale], title))


def _checked(profiles: Any) -> list[Radial]:
    given = [profiles] if isinstance(profiles, Radial | ImportanceMap) else list(profiles)
    found = [p if isinstance(p, Radial) else radial(p) for p in given]
    if not found or len(found) > MOST_MAPS:
        raise InputError(f"profiles: got {len(found)}, wanted 1 to {MOST_MAPS}")
    for what in ("measure", "of"):
        values = sorted({getattr(p, what) for p in found})
        if len(values) > 1:
            raise InputError(f"profiles: got {', '.join(values)}, wanted one `{what}` for all")
    return found


def _draw(
    figure: AnyFigure | None, found: list[Radial], scales: tuple[str, ...], title: str | None
) -> AnyFigure:
    width = style.page_width(figure, len(scales) * WIDTH)
    columns = max(1, min(len(scales), int(width / NARROWEST)))
    rows = len(scales) // columns
    text = _heading(found) if title is None else title
    heads = wrapped(text, width - 0.3, 8, bold=True) if text else []
    each = width / columns
    networks, signs = _network_handles(found, each), _sign_handles(found)
    stacks = [networks, signs] if columns > 1 else [networks + signs]
    legend = max(map(len, stacks)) * 0.13 * style.letters() + 0.02
    fixed = 2 * PAD + len(heads) * line() + 0.06 + legend + rows * grown(XLABEL)
    fixed += (rows - 1) * OVER
    figure = page(figure, width, fixed + rows * HEIGHT, (2.0, fixed + rows * 0.9))
    _, high = style.size_of(figure)
    write_lines(figure, heads, high - PAD, 8, fontweight="bold")
    height = (high - fixed) / rows
    for i, kind in enumerate(scales):
        below = rows - 1 - i // columns  # panels under this one
        axes = place(
            figure,
            i % columns * each + grown(LEFT),
            PAD + legend + grown(XLABEL) + below * (height + grown(XLABEL) + OVER),
            each - grown(LEFT) - RIGHT,
            height,
            label=f"radial {kind}",
        )
        draw_radial(axes, found, kind)
    for i, handles in enumerate(stacks):
        style.list_handles(figure, handles, i * each + grown(LEFT), PAD / 2 + legend)
    if isinstance(figure, Figure):
        figure.set_label(title or " | ".join(p.network or "network" for p in found))
    return figure


def draw_radial(axes: Axes, profiles: Sequence[Radial], scale: str = "linear") -> None:
    """Profiles on one axes, with the radii of both fields.

    Parameters
    ----------
    axes : Axes
    profiles : sequence of Radial
    scale : {"linear", "log"}
        Of importance.
    """
    log = scale == "log"
    for i, p in enumerate(profiles):
        name = p.network or "network"
        there = np.isfinite(p.relative) & ((p.relative > 0) | (not log))
        height = np.where(there, p.relative, np.nan)
        colour, dashes = COLOURS[i], LINES[i % len(LINES)]
        axes.plot(p.radius, height, color=colour, ls=dashes, lw=1.3, label=name)
        lone = there & ~np.r_[False, there[:-1]] & ~np.r_[there[1:], False]
        axes.plot(p.radius[lone], height[lone], ".", color=colour, ms=4, label=f"{name}: lone")
        if p.erf_radius <= p.radius[-1]:
            at = float(np.interp(p.erf_radius, p.radius[there], p.relative[there]))
            axes.plot(
                [p.erf_radius],
                [at],
                color=colour,
                marker=MARKERS[i],
                ms=5,
                ls="",
                zorder=5,
                clip_on=False,
                label=f"{name}: ERF radius",
            )
        axes.axvline(p.trf_radius, color=colour, ls=TRF_DASH, lw=0.9, label=f"{name}: TRF radius")
        axes.plot(
            [p.trf_radius],
            [1.0],
            color=colour,
            marker=MARKERS[i],
            mfc="white",
            ms=4,
            ls="",
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
        if p.at_border:
            axes.annotate(
                "",
                xy=(p.trf_radius, 1.0),
                xycoords=axes.get_xaxis_transform(),
                xytext=(12, 0),
                textcoords="offset points",
                arrowprops={"arrowstyle": "<-", "color": colour, "lw": 0.9, "shrinkB": 2.0},
                annotation_clip=False,
            )
    for threshold in {p.threshold for p in profiles if p.rule == "peak"}:
        axes.axhline(threshold, color="#777777", lw=0.6, zorder=0, label="threshold")
    if log:
        axes.set_yscale("log")
        lowest = min(float(p.relative[p.relative > 0].min()) for p in profiles)
        axes.set_ylim(max(lowest, LOWEST) / 1.5, 1.6)
    else:
        axes.set_ylim(0, 1.04)
    furthest = max(p.radius[-1] for p in profiles)
    axes.set_xlim(0, furthest + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    first = profiles[0]
    unit = "pixels" if first.of == "input" else f"units of {first.of}"
    names = ("distance from the centre of mass", "distance from the centre", "distance")
    texts = [f"{name} ({unit})" for name in names]
    axes.set_xlabel(style.fitting(width_of(axes) + BESIDE, 8, *texts))
    axes.set_ylabel(f"mean {wording.noun(first.measure)} / largest")


def _network_handles(found: list[Radial], width: float) -> list[Any]:
    longest = style.list_room(width)
    made: list[Any] = []
    for i, p in enumerate(found):
        least = "≥ " if p.at_border else ""
        radii = f": ERF {p.erf_radius:.1f}, TRF {least}{p.trf_radius:.1f}"
        name = p.network or "network"
        name = style.shortened(name, longest - style.text_width(radii, 7), 7)
        made.append(
            Line2D(
                [],
                [],
                color=COLOURS[i],
                ls=LINES[i % len(LINES)],
                marker=MARKERS[i],
                ms=5,
                lw=1.3,
                label=name + radii,
            )
        )
    return made


def _sign_handles(found: list[Radial]) -> list[Any]:
    made: list[Any] = []
    made.append(
        Line2D(
            [],
            [],
            color="#555555",
            ls=TRF_DASH,
            lw=0.9,
            marker="o",
            mfc="white",
            ms=4,
            label="radius of the TRF's box",
        )
    )
    if any(p.at_border for p in found):
        cut = "arrow, ≥: the border may cut it"
        made.append(
            Line2D([], [], color="#555555", marker=r"$\rightarrow$", ms=9, ls="", label=cut)
        )
    marker = Line2D([], [], color="#555555", marker="o", ms=5, ls="", label="radius of the ERF")
    made.append(marker)
    if any(p.rule == "peak" for p in found):
        made.append(Line2D([], [], color="#777777", lw=0.6, label="threshold"))
    return made


def _heading(found: list[Radial]) -> str:
    """What all maps share."""
    first = found[0]
    text = wording.noun(first.measure)
    if len({(p.rule, p.threshold) for p in found}) == 1:
        text += f"; ERF {wording.short_rule(first.rule, first.threshold)}"
    if len(found) == 1:
        unit = f"unit {wording.position(first.unit)} of {first.layer}"
        text = f"{first.network or 'network'}, {unit}; {text}"
    return text[0].upper() + text[1:] if len(found) > 1 else text
