"""`growth_figure`: theoretical and effective field over depth, and the law of the root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.given import Given, finished, panel_axes, width_of
from erfgraph.figures.scales import COLOURS, MARKERS
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.growing import FIRST, Growth, GrowthRow, PowerLaw

WIDTH, HEIGHT = 4.6, 2.6  # inches: of the page, and of the axes
LEFT, RIGHT, PAD, XLABEL = 0.62, 0.15, 0.1, 0.42
BESIDE = 0.2  # inches that the label of an axis may be wider than the axis
LEGEND = 5.0  # inches that a legend in given axes may take, if names are long
MOST_NETWORKS = len(COLOURS)
MOST_MARKERS = 12  # of one network; between them the line alone
SCALES = ("linear", "log")
TRF_DASH = (0, (3.0, 1.6))
LAW_DASH = (0, (1.0, 1.2))


def growth_figure(
    growths: Growth | Sequence[Growth],
    *,
    scale: str = "linear",
    law: bool = False,
    first: int = FIRST,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the sides of theoretical and effective fields over depth, several networks in one.

    Dashed lines are theoretical fields, solid ones with markers effective fields. Markers are
    hollow where the theoretical field reaches beyond the input, so that the border cuts the
    effective one.

    Parameters
    ----------
    growths : Growth or sequence of Growth
        One to eight.
    scale : {"linear", "log"}, optional
        Of both axes.
    law : bool, optional
        Whether to fit a power of the depth to every effective field and write its exponent
        and standard error into the legend; both axes are logarithmic then.
    first : int, optional
        The smallest depth that is fitted, see `Growth.law`.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes, optional
        Draw the curves alone into these axes of your own figure.
    title : str, optional
        Default (without `ax`) the networks' input, measure and rule.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is none or too many, `scale` is another, a law cannot be fitted, the figure
        is too small, or `ax` is no Axes.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.growth(eg.load("conv3*40", input_shape=(81, 81)))
    >>> figure = growth_figure(found, law=True)
    >>> figure.legends[0].get_texts()[0].get_text()
    'conv3*40: p = 0.489 ± 0.003'
    """
    found = [growths] if isinstance(growths, Growth) else list(growths)
    if not found or not all(isinstance(g, Growth) for g in found):
        raise InputError(f"growths: got {growths!r}, wanted Growth (see erfgraph.growth)")
    if len(found) > MOST_NETWORKS:
        raise InputError(f"growths: got {len(found)}, at most {MOST_NETWORKS} can be told apart")
    if scale not in SCALES:
        raise InputError(f"scale: got {scale!r}, wanted one of {', '.join(SCALES)}")
    if scale == "log" and not any(g.rows[-1].depth for g in found):
        raise InputError("scale: log wants a layer of depth 1 or more, got the input alone")
    laws = [g.law(first) if law else None for g in found]
    kind = "log" if law else scale
    if ax is not None:
        axes = panel_axes(ax, ["growth"], figure)
        draw_growth(axes[0], found, laws, kind)
        return finished(axes, title, _handles(found, laws, LEGEND))
    with style.paper_style():
        return single._whole(_draw(figure, found, laws, kind, title))


def _draw(
    figure: AnyFigure | None,
    found: list[Growth],
    laws: list[PowerLaw | None],
    scale: str,
    title: str | None,
) -> AnyFigure:
    width = style.page_width(figure, WIDTH)
    text = _heading(found) if title is None else title
    heads = wrapped(text, width - 0.3, 8, bold=True) if text else []
    handles = _handles(found, laws, width)
    legend = len(handles) * 0.13 * style.letters() + 0.02
    fixed = 2 * PAD + len(heads) * line() + 0.06 + grown(XLABEL) + legend
    figure = page(figure, width, fixed + HEIGHT, (2.6, fixed + 0.9))
    full, high = style.size_of(figure)
    write_lines(figure, heads, high - PAD, 8, fontweight="bold")
    axes = place(
        figure,
        grown(LEFT),
        PAD + legend + grown(XLABEL),
        full - grown(LEFT) - RIGHT,
        high - fixed,
        label="growth",
    )
    draw_growth(axes, found, laws, scale)
    style.list_handles(figure, handles, grown(LEFT), PAD / 2 + legend)
    if isinstance(figure, Figure):
        figure.set_label(title or " | ".join(g.network or "network" for g in found))
    return figure


def draw_growth(
    axes: Axes,
    growths: Sequence[Growth],
    laws: Sequence[PowerLaw | None] | None = None,
    scale: str = "linear",
) -> None:
    """Two curves a network, and its law where there is one.

    Parameters
    ----------
    axes : Axes
    growths : sequence of Growth
    laws : sequence of PowerLaw or None, optional
        One a network.
    scale : {"linear", "log"}
    """
    fits = [None] * len(growths) if laws is None else laws
    for i, (growth, fit) in enumerate(zip(growths, fits, strict=True)):
        rows = [r for r in growth.rows if scale == "linear" or r.depth]
        name, colour = growth.network or "network", COLOURS[i]
        depth = [r.depth for r in rows]
        sides, erf_sides = [r.side for r in rows], [r.erf_side for r in rows]
        axes.plot(depth, sides, color=colour, ls=TRF_DASH, lw=0.9, label=f"{name}: TRF")
        axes.plot(depth[-1:], sides[-1:], color=colour, marker=MARKERS[i], ms=3, ls="")
        axes.plot(depth, erf_sides, color=colour, lw=1.3, label=f"{name}: ERF")
        for whole in (True, False):
            marked = [r for r in _marked(rows, scale) if r.whole is whole]
            axes.plot(
                [r.depth for r in marked],
                [r.erf_side for r in marked],
                ls="",
                marker=MARKERS[i],
                ms=4.0,
                color=colour,
                mfc=colour if whole else "white",
                mew=0.9,
                label=f"{name}: ERF {'whole' if whole else 'cut'}",
            )
        if fit is not None:
            ends = [fit.depths[0], fit.depths[-1]]
            axes.plot(
                ends,
                [fit.side(d) for d in ends],
                color=style.DARK,
                ls=LAW_DASH,
                lw=1.2,
                zorder=4,
                label=f"{name}: law",
            )
    _finish(axes, scale)


def _finish(axes: Axes, scale: str) -> None:
    texts = ("depth (convolution, linear, attention)", "depth (layers)")
    axes.set_xlabel(style.fitting(width_of(axes) + BESIDE, 8, *texts))
    axes.set_ylabel("side of the field (pixels)")
    axes.spines[["top", "right"]].set_visible(False)
    if scale == "linear":
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        return
    for axis in (axes.xaxis, axes.yaxis):
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _marked(rows: Sequence[GrowthRow], scale: str) -> list[GrowthRow]:
    """The maps with a marker: all, or some evenly spaced, and the last."""
    if len(rows) <= MOST_MARKERS:
        return list(rows)
    if scale == "log":
        deepest = max(1, rows[-1].depth)
        wanted = [deepest ** (k / (MOST_MARKERS - 1)) for k in range(MOST_MARKERS)]
    else:
        wanted = [rows[-1].depth * k / (MOST_MARKERS - 1) for k in range(MOST_MARKERS)]
    picked = {min(range(len(rows)), key=lambda j: abs(rows[j].depth - at)) for at in wanted}
    return [rows[j] for j in sorted(picked | {len(rows) - 1})]


def _handles(found: list[Growth], laws: list[PowerLaw | None], width: float) -> list[Any]:
    longest = style.list_room(width)
    made: list[Any] = []
    for i, (growth, fit) in enumerate(zip(found, laws, strict=True)):
        law = f": p = {fit.exponent:.3f} ± {fit.standard_error:.3f}" if fit else ": ERF"
        name = growth.network or "network"
        name = style.shortened(name, longest - style.text_width(law, 7), 7)
        made.append(
            Line2D([], [], color=COLOURS[i], marker=MARKERS[i], ms=4, lw=1.3, label=name + law)
        )
    made.append(
        Line2D([], [], color="#555555", ls=TRF_DASH, lw=0.9, label="TRF, to the same marker")
    )
    if any(laws):
        made.append(
            Line2D(
                [],
                [],
                color=style.DARK,
                ls=LAW_DASH,
                lw=1.2,
                label="fit: side of the ERF ∝ depthᵖ",
            )
        )
    if any(not r.whole for g in found for r in g.rows):
        hollow = Line2D([], [], color="#555555", marker="o", ms=4, mfc="white", mew=0.9, ls="")
        hollow.set_label("hollow: TRF reaches beyond the input")
        made.append(hollow)
    return made


def _heading(found: list[Growth]) -> str:
    """What all networks share."""
    parts = []
    if len({g.input_shape for g in found}) == 1:
        parts.append(f"input {' × '.join(map(str, found[0].input_shape))}")
    if len({g.measure for g in found}) == 1:
        parts.append(wording.noun(found[0].measure))
    if len({(g.rule, g.threshold) for g in found}) == 1:
        parts.append(f"ERF {wording.short_rule(found[0].rule, found[0].threshold)}")
    return "; ".join(parts)
