"""`coverage_figure`: how much of the image each layer sees, in theory and in effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.given import Given, finished, panel_axes, width_of
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.tasks.classification import Coverage

WIDTH, HEIGHT = 6.4, 1.8  # inches: of the page, and of one network's axes
LEFT, RIGHT, PAD, BETWEEN = 0.66, 0.2, 0.1, 0.16
LEGEND, FOOT = 0.3, 0.1
LABEL = 6.0  # points: of the feature maps' names
BESIDE = 0.125  # inches from one name to the next
LONGEST = 24  # characters of a name
THEORY = style.PROFILE_COLOUR
BOX_LINE: dict[str, Any] = {"color": THEORY, "lw": 2.2, "solid_joinstyle": "round"}
PATH_LINE: dict[str, Any] = {"color": THEORY, "lw": 1.0, "ls": (0, (1.5, 1.2))}
ERF_LINE: dict[str, Any] = {"color": style.ERF_COLOUR, "lw": 1.2}
UNPRODUCTIVE, CRITICAL = "#c9c9c9", "#ececec"
_RULES = {"peak": "{} of the largest", "mass": "{} of the total", "square": "square of {}"}


def coverage_figure(
    coverages: Coverage | Sequence[Coverage],
    *,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw theoretical and effective share of the image over depth, one row a network.

    Unproductive layers stand on a dark ground, layers that are only critical on a pale one. A
    dot marks the first layer that covers the image. The theoretical field is drawn by its box,
    and where some units inside it have no path, by the units that have one, too.

    Parameters
    ----------
    coverages : Coverage or sequence of Coverage
        One or more.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes or sequence of Axes, optional
        Draw the curves alone into these axes of your own figure, one a network.
    title : str, optional
        Above all rows; each has its network's name in any case. In given axes that of the
        first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is none, the figure is too small, or `ax` is not one a network.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = [eg.coverage(eg.load(name, (32, 32))) for name in ("vgg11", "resnet18")]
    >>> figure = coverage_figure(found)
    >>> [line.get_label() for line in figure.axes[0].lines[:2]]
    ['theoretical field', 'effective field']
    """
    found = [coverages] if isinstance(coverages, Coverage) else list(coverages)
    if not found or not all(isinstance(c, Coverage) for c in found):
        raise InputError(f"coverages: got {coverages!r}, wanted Coverage (see erfgraph.coverage)")
    if ax is not None:
        return _into(panel_axes(ax, [_heading(c) for c in found], figure), found, title)
    with style.paper_style():
        return single._whole(_draw(figure, found, title))


def _into(axes: Sequence[Axes], found: list[Coverage], title: str | None) -> Figure:
    for each, coverage in zip(axes, found, strict=True):
        draw_coverage(each, coverage)
        _name_maps(each, _labelled(coverage, width_of(each)))
    return finished(axes, title, _handles(found), [_heading(c) for c in found])


def _draw(figure: AnyFigure | None, found: list[Coverage], title: str | None) -> AnyFigure:
    width = style.page_width(figure, WIDTH)
    room = width - 0.3
    over = wrapped(title, room, 9, bold=True) if title else []
    heads = [wrapped(_heading(c), room, 8, bold=True) for c in found]
    feet = [wrapped(_summary(c), room, 7) for c in found]
    labels = [_labelled(c, width - grown(LEFT) - RIGHT) for c in found]
    letter = 0.58 * max(LABEL, style.small(LABEL)) / 72
    drops = [max(len(text) for _, text in row) * letter + 0.08 for row in labels]
    above = [len(head) * line() + 0.08 for head in heads]
    below = [
        drop + grown(FOOT) + len(foot) * line() + 0.06
        for drop, foot in zip(drops, feet, strict=True)
    ]
    handles = _handles(found)
    legend = grown(LEGEND) + room_for([str(h.get_label()) for h in handles], width)
    fixed = 2 * PAD + len(over) * line() + legend + sum(above) + sum(below)
    fixed += (len(found) - 1) * BETWEEN
    figure = page(figure, width, fixed + len(found) * HEIGHT, (3.2, fixed + len(found) * 0.7))
    full, high = style.size_of(figure)
    height = (high - fixed) / len(found)
    write_lines(figure, over, high - PAD, 9, fontweight="bold")
    top = high - PAD - len(over) * line()
    for i, coverage in enumerate(found):
        write_lines(figure, heads[i], top, 8, fontweight="bold")
        top -= above[i] + height
        axes = place(
            figure,
            grown(LEFT),
            top,
            full - grown(LEFT) - RIGHT,
            height,
            label=coverage.network or "",
        )
        draw_coverage(axes, coverage)
        _name_maps(axes, labels[i])
        top -= below[i]
        write_lines(figure, feet[i], top + 0.04 + len(feet[i]) * line(), 7, color="#333333")
        top -= BETWEEN
    legend_below(figure, handles, 0.05)
    if isinstance(figure, Figure):
        figure.set_label(title or " | ".join(_heading(c) for c in found))
    return figure


def _name_maps(axes: Axes, labels: list[tuple[int, str]]) -> None:
    """Names of feature maps below the axes."""
    axes.set_xticks([at for at, _ in labels], [text for _, text in labels])
    axes.tick_params(axis="x", labelrotation=90, labelsize=style.small(LABEL), length=2, pad=2)


def draw_coverage(axes: Axes, coverage: Coverage) -> None:
    """Three curves over the feature maps, and the grounds of layers that add nothing.

    Parameters
    ----------
    axes : Axes
    coverage : Coverage
    """
    rows = coverage.rows
    depth = range(len(rows))
    for i, row in enumerate(rows):
        if all(row.critical):
            dark = all(row.unproductive)
            axes.axvspan(
                i - 0.5,
                i + 0.5,
                color=UNPRODUCTIVE if dark else CRITICAL,
                lw=0,
                zorder=0,
                label="unproductive" if dark else "critical",
            )
    box, area, erf = ([getattr(r, k) for r in rows] for k in ("box", "theoretical", "effective"))
    axes.plot(depth, box, label="theoretical field", **BOX_LINE)
    if area != box:
        axes.plot(depth, area, label="units with a path", **PATH_LINE)
    axes.plot(depth, erf, label="effective field", **ERF_LINE)
    names = [row.name for row in rows]
    for name, values, colour in (
        (coverage.covered_from, box, THEORY),
        (coverage.effective_from, erf, style.ERF_COLOUR),
    ):
        if name is not None:
            at = names.index(name)
            axes.plot([at], [values[at]], "o", color=colour, ms=4.5, clip_on=False, zorder=5)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylim(0, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_ylabel("share of the image")
    axes.spines[["top", "right"]].set_visible(False)


def _labelled(coverage: Coverage, width: float) -> list[tuple[int, str]]:
    """The feature maps that are named below the axes: all, or as many as fit.

    Where there is no room, those first at which the spatial shape changes, the input and the
    last; then others far from any that is named.
    """
    rows = coverage.rows
    apart = grown(BESIDE) * len(rows) / width  # feature maps from one name to the next
    shapes = [row.shape for row in rows]
    turns = [i for i in range(1, len(rows)) if shapes[i] != shapes[i - 1]]
    order = [len(rows) - 1, 0, *turns, *range(len(rows))]
    chosen: list[int] = []
    for at in order:
        if all(abs(at - other) >= apart for other in chosen):
            chosen.append(at)
    return [(at, _short(rows[at].name)) for at in sorted(chosen)]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"


def _heading(coverage: Coverage) -> str:
    size = " × ".join(map(str, coverage.input_shape))
    return f"{coverage.network or 'network'}, input {size}"


def _summary(coverage: Coverage) -> str:
    """In words what a row shows."""
    parts = []
    for what, name, share in (
        ("theoretical", coverage.covered_from, coverage.cover),
        ("effective", coverage.effective_from, coverage.cover_effective),
    ):
        level = "the image" if share == 1 else f"{wording.percent(share)} of the image"
        covers = f"never covers {level}"
        parts.append(f"the {what} field {f'covers {level} from {name}' if name else covers}")
    n = len(coverage.unproductive)
    layers = len(coverage.rows) - 1
    found = f"{n or 'none'} of {layers} layers {'are' if n > 1 else 'is'}"
    text = f"{parts[0]}, {parts[1]}; {found} unproductive"
    return text[0].upper() + text[1:]


def _handles(found: Sequence[Coverage]) -> list[Any]:
    first = found[0]
    rule = _RULES.get(first.rule, f"{first.rule} {{}}").format(wording.percent(first.threshold))
    same = len({(c.rule, c.threshold) for c in found}) == 1
    rows = [row for c in found for row in c.rows]
    handles: list[Any] = [Line2D([], [], label="TRF (bounding box)", **BOX_LINE)]
    if any(row.theoretical != row.box for row in rows):
        handles.append(Line2D([], [], label="units with a path", **PATH_LINE))
    handles.append(Line2D([], [], label=f"ERF ({rule})" if same else "ERF", **ERF_LINE))
    if any(all(r.unproductive) for r in rows):
        handles.append(Patch(color=UNPRODUCTIVE, label="unproductive"))
    if any(all(r.critical) and not all(r.unproductive) for r in rows):
        handles.append(Patch(color=CRITICAL, label="critical"))
    return handles
