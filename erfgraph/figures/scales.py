"""`scale_figure`: the share of paths and of sub-paths behind every field size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import panel, style, wording
from erfgraph.figures.given import Given, finished, panel_axes, width_of
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.scale_spectrum import Size, Spectrum

WIDTH, HEIGHT = 6.4, 1.55  # inches: of the page, and of one panel
LEFT, RIGHT, PAD, BETWEEN = 0.66, 0.3, 0.1, 0.32
XLABEL, LEGEND = 0.5, 0.28
WHOLE = 0.24  # from the last number to the name of the whole map
MOST_STEMS = 90  # sizes of one network that are drawn one by one
MOST_NETWORKS = 8
# dark enough on white, apart in grey and for colour-blind readers
COLOURS = (
    "#3b528b", "#d95f02", "#1b9e77", "#7a0177", "#a6761d", "#222222", "#e7298a", "#5a9bd4",
)  # fmt: skip
MARKERS = "osDPXph*"
PANELS = (("subpaths", "share of sub-paths"), ("paths", "share of paths"))


def scale_figure(
    spectra: Spectrum | Sequence[Spectrum],
    *,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw scale spectra: share of sub-paths above, of paths below, over the field's size.

    Several networks share the axes. Triangles mark the medians. Sub-paths through a layer that
    reads the whole map stand at the right, beyond all sizes.

    Parameters
    ----------
    spectra : Spectrum or sequence of Spectrum
        One to eight, all by size or all by depth.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : sequence of two Axes, optional
        Draw the shares alone into these axes of your own figure: of sub-paths, and of paths.
    title : str, optional
        Default (without `ax`) the network's name.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are none or too many, they are not of one kind, the figure is too small, or
        `ax` is not two Axes.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = [eg.spectrum(eg.load(name)) for name in ("resnet18", "resnet50")]
    >>> figure = scale_figure(found)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['share of sub-paths', 'share of paths']
    """
    found = [spectra] if isinstance(spectra, Spectrum) else list(spectra)
    if not all(isinstance(s, Spectrum) for s in found):
        raise InputError(f"spectra: got {spectra!r}, wanted Spectrum (see erfgraph.spectrum)")
    if not 1 <= len(found) <= MOST_NETWORKS:
        raise InputError(f"spectra: got {len(found)}, wanted 1 to {MOST_NETWORKS}")
    if len({s.by for s in found}) > 1:
        raise InputError("spectra: got some by size and some by depth, wanted one kind")
    if ax is not None:
        axes = panel_axes(ax, [label for _, label in PANELS], figure)
        _draw_panels(axes, found)
        return finished(axes, title, _handles(found))
    with style.paper_style():
        return single._whole(_draw(figure, found, title))


def _draw(figure: AnyFigure | None, found: list[Spectrum], title: str | None) -> AnyFigure:
    width = style.page_width(figure, WIDTH)
    text = title if title is not None else _heading(found)
    head = wrapped(text, width - 0.3, 9, bold=True) if text else []
    feet = [line for s in found for line in wrapped(_summary(s), width - 0.3, 7)]
    handles = _handles(found)
    legend = grown(LEGEND) + room_for([str(h.get_label()) for h in handles], width)
    fixed = (
        2 * PAD + len(head) * line() + 0.18 + BETWEEN + grown(XLABEL) + legend + len(feet) * line()
    )
    figure = page(figure, width, fixed + 2 * HEIGHT, (3.2, fixed + 1.4))
    full, high = style.size_of(figure)
    height = (high - fixed) / 2
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    top = high - PAD - len(head) * line() - 0.18 - height
    sides = full - grown(LEFT) - RIGHT, height
    both = [place(figure, grown(LEFT), y, *sides) for y in (top, top - BETWEEN - height)]
    _draw_panels(both, found)
    both[0].tick_params(labelbottom=False)
    both[0].set_xlabel("")
    legend_below(figure, handles, PAD + len(feet) * line() + 0.03)
    write_lines(figure, feet, PAD + len(feet) * line(), 7, color="#333333")
    if isinstance(figure, Figure):
        figure.set_label(text or " | ".join(s.network or "network" for s in found))
    return figure


def _draw_panels(both: Sequence[Axes], found: list[Spectrum]) -> None:
    """The shares of sub-paths and those of paths."""
    last = max((x for s in found for x, _ in points(s, "paths")), default=0.0)
    edge = whole_at(found)
    for axes, (weight, label) in zip(both, PANELS, strict=True):
        for i, spectrum in enumerate(found):
            draw_spectrum(axes, spectrum, weight, COLOURS[i], MARKERS[i], edge)
        _set_axes(axes, found, label, last, edge)
        axes.set_xlabel(_xlabel(found))


def scalar(key: Size) -> float:
    """One number for a size: the side of a square of the same area; infinite for the whole."""
    if any(k is None for k in key):
        return math.inf
    sides = [k or 0 for k in key]
    return float(sides[0]) if len(set(sides)) == 1 else math.prod(sides) ** (1 / len(sides))


def points(spectrum: Spectrum, weight: str) -> list[tuple[float, float]]:
    """Size and share of all sub-paths that have a size, ascending."""
    return sorted((x, y) for x, y in _shares(spectrum, weight).items() if math.isfinite(x))


def _shares(spectrum: Spectrum, weight: str) -> dict[float, float]:
    shares = spectrum.share_of_paths if weight == "paths" else spectrum.share_of_subpaths
    found: dict[float, float] = {}
    for key, share in zip(spectrum.keys, shares, strict=True):
        x = scalar(key)
        found[x] = found.get(x, 0.0) + share
    return found


def whole_at(found: Sequence[Spectrum]) -> float | None:
    """Where sub-paths that read the whole map stand; None if there are none."""
    if not any(None in key for s in found for key in s.keys):
        return None
    sizes = [x for s in found for x, _ in points(s, "paths")]
    return 1.1 * max(sizes, default=10.0)


def draw_spectrum(
    axes: Axes, spectrum: Spectrum, weight: str, colour: str, marker: str, edge: float | None
) -> None:
    """One network's shares as stems, or as a line where there are very many sizes.

    Parameters
    ----------
    axes : Axes
    spectrum : Spectrum
    weight : {"paths", "subpaths"}
    colour, marker : str
    edge : float or None
        Where sub-paths that read the whole map stand.
    """
    shares = points(spectrum, weight)
    name = spectrum.network or "network"
    stems = len(shares) <= MOST_STEMS
    xs, ys = [x for x, _ in shares], [y for _, y in shares]
    if stems:
        axes.vlines(xs, 0, ys, color=colour, lw=1.1, alpha=0.65)
    axes.plot(
        xs,
        ys,
        marker if stems else "-",
        color=colour,
        ms=2.6,
        lw=1.1,
        label=name,
        clip_on=False,
        zorder=3,
    )
    whole = _shares(spectrum, weight).get(math.inf)
    if whole is not None and edge is not None:
        axes.vlines([edge], 0, [whole], color=colour, lw=1.6)
        axes.plot([edge], [whole], marker, color=colour, ms=3.6, clip_on=False, zorder=3)
    median = scalar(spectrum.quantile(0.5, weight))
    at = edge if math.isinf(median) and edge is not None else median
    axes.plot(
        [at],
        [1.055],
        "v",
        color=colour,
        ms=4.5,
        mec="white",  # medians that are near each other stay apart
        mew=0.4,
        label="median",
        clip_on=False,
        transform=axes.get_xaxis_transform(),
    )


def _set_axes(
    axes: Axes, found: Sequence[Spectrum], label: str, last: float, edge: float | None
) -> None:
    axes.set_ylim(bottom=0)
    right = last if edge is None else edge
    axes.set_xlim(-0.02 * right, 1.02 * right)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(lambda share, _: wording.percent(share))
    few = max(2, min(9, int(width_of(axes) / grown(panel.NUMBER))))  # that stay apart
    axes.xaxis.set_major_locator(MaxNLocator(few, integer=True, steps=[1, 2, 5, 10]))
    if edge is not None:
        last_one = min(0.92, 1 - grown(WHOLE) / width_of(axes)) * edge
        ticks = [t for t in axes.get_xticks() if 0 <= t <= last_one]
        axes.xaxis.set_major_locator(FixedLocator([*ticks, edge]))
        axes.set_xticklabels([*(f"{t:g}" for t in ticks), "whole\nmap"])
        axes.axvline((last + edge) / 2, color=style.PALE, lw=0.8, ls=(0, (2, 2)), zorder=0)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)


def _xlabel(found: Sequence[Spectrum]) -> str:
    if found[0].by == "depth":
        return "spatial layers passed"
    uneven = any(len({k for k in key if k is not None}) > 1 for s in found for key in s.keys)
    return f"size of the receptive field ({'root of its area, ' if uneven else ''}pixels)"


def _heading(found: Sequence[Spectrum]) -> str:
    """The only network's name; several are named by the legend."""
    if len(found) > 1:
        return ""
    return f"{found[0].network or 'network'}, {found[0].layer}"


def _summary(spectrum: Spectrum) -> str:
    """In words what is drawn of a network."""
    sizes = [x for x, _ in points(spectrum, "paths")]
    by_size = spectrum.by == "size"
    noun = "size" if by_size else "depth"
    parts = [f"{len(sizes) or 'no'} {noun}{'s' if len(sizes) != 1 else ''}"]
    if sizes:
        ends = [f"{x:.4g}" for x in dict.fromkeys((sizes[0], sizes[-1]))]
        parts[0] += f" ({'–'.join(ends)}{' px' if by_size else ' layers'})"
    whole = spectrum.share_of_whole("paths")
    if None in (k for key in spectrum.keys for k in key):
        parts.append(f"the whole map: {wording.percent(whole)} of the paths")
    medians = [_median(spectrum, weight) for weight, _ in PANELS]
    parts.append(f"median {medians[0]} by sub-paths, {medians[1]} by paths")
    ways = wording.number(spectrum.total_subpaths)
    parts.append(f"{ways} sub-path{'s' if spectrum.total_subpaths != 1 else ''}")
    return f"{spectrum.network or 'network'}: {'; '.join(parts)}"


def _median(spectrum: Spectrum, weight: str) -> str:
    found = scalar(spectrum.quantile(0.5, weight))
    return "the whole map" if math.isinf(found) else f"{found:.4g}"


def _handles(found: Sequence[Spectrum]) -> list[Any]:
    handles: list[Any] = []
    if len(found) > 1:
        for i, spectrum in enumerate(found):
            handles.append(
                Line2D(
                    [],
                    [],
                    color=COLOURS[i],
                    marker=MARKERS[i] if len(points(spectrum, "paths")) <= MOST_STEMS else None,
                    ms=3,
                    label=spectrum.network or "network",
                )
            )
    colour = COLOURS[0] if len(found) == 1 else style.DARK
    handles.append(Line2D([], [], color=colour, marker="v", ms=4, lw=0, label="median"))
    return handles
