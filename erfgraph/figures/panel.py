"""`Panel`: one image of a map, a plane of its units, drawn in the map's coordinates.

Pixel centres lie at whole numbers, so a box (start, stop) is drawn from start - 1/2 to
stop - 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from scipy.ndimage import binary_closing

from erfgraph.erf import ERF
from erfgraph.errors import InputError, unknown_name
from erfgraph.figures import given, style, wording
from erfgraph.figures.scaling import Scale, relative_window
from erfgraph.importance_map import ImportanceMap
from erfgraph.shape import Box

VIEWS = ("auto", "field", "input")
NO_PATH = "#ececec"
LEGIBLE = 3.0  # points: pixels that are larger are outlined one by one
NUMBER = 0.27  # inches from one number of three digits to the next
GAPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # pixels, one after the other
WIDTH, RIM = 1.1, 0.9  # points: of an outline, and of both its rims together
RAGGED = 1.25  # how much longer than the way around its box a line may be


@dataclass(frozen=True, eq=False)
class Panel:
    """A plane through a map.

    Attributes
    ----------
    values : float64 array (rows, columns)
        Importance over the largest, on a window of the plane.
    support : bool array of that shape
        Where there is a path.
    offset : (int, int)
        Where the window starts.
    trf : box or None
        Box of the theoretical field, (start, stop) for rows and for columns.
    erf : bool array
        Effective field, on a window of its own that starts at `erf_offset`.
    view : box
        What part of the map is shown.
    labels : (str, str)
        Of rows and of columns.
    title : str
    """

    values: np.ndarray
    support: np.ndarray
    offset: tuple[int, int]
    trf: Box | None
    erf: np.ndarray
    erf_offset: tuple[int, int]
    view: Box
    labels: tuple[str, str]
    title: str = ""

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns that are shown."""
        return self.view[0][1] - self.view[0][0], self.view[1][1] - self.view[1][0]

    @property
    def blank(self) -> bool:
        """Whether a unit without a path is in view."""
        return int(np.count_nonzero(self.support)) < self.sides[0] * self.sides[1]

    def with_view(self, view: Box) -> Panel:
        """The same plane, another part of it in view."""
        return replace(self, view=view)


def check_erf(imp: ImportanceMap, erf: ERF | None) -> ERF:
    """The field that is given, or the map's own by the default rule.

    Raises
    ------
    InputError
        If the field belongs to a map of another shape.
    """
    if not isinstance(imp, ImportanceMap):
        raise InputError(f"imp: got {imp!r}, wanted an ImportanceMap (see erfgraph.importance)")
    if erf is None:
        return imp.erf()
    if not isinstance(erf, ERF) or erf.mask.shape != imp.shape:
        got = f"shape {erf.mask.shape}" if isinstance(erf, ERF) else repr(erf)
        raise InputError(f"erf: got {got}, wanted an ERF of shape {imp.shape}")
    return erf


def view_of(imp: ImportanceMap, how: str = "auto") -> Box:
    """The part of a map that a figure shows, (start, stop) per axis.

    ``"field"``: the theoretical field's box with a margin; ``"input"``: everything;
    ``"auto"``: the field where it is small beside the input.

    Raises
    ------
    NameLookupError
        If there is no such view.
    """
    if how not in VIEWS:
        raise unknown_name("view", str(how), VIEWS)
    box = imp.trf.bbox
    whole = tuple((0, n) for n in imp.shape)
    if box is None or how == "input":
        return whole
    if how == "auto" and any(2 * (b - a) >= n for (a, b), n in zip(box, imp.shape, strict=True)):
        return whole
    margin = max(1, round(0.06 * max(b - a for a, b in box)))
    return tuple(
        (max(0, a - margin), min(n, b + margin)) for (a, b), n in zip(box, imp.shape, strict=True)
    )


def panels(imp: ImportanceMap, erf: ERF, how: str = "auto") -> list[Panel]:
    """The planes that show a map: itself for two axes, three through the peak for three."""
    view = view_of(imp, how)
    if len(imp.shape) == 2:
        return [_cut(imp, erf, view, None)]
    return [_cut(imp, erf, view, axis) for axis in range(3)]


def _cut(imp: ImportanceMap, erf: ERF, view: Box, axis: int | None) -> Panel:
    """The plane across one axis through the peak; the whole for None."""
    kept = [a for a in range(len(imp.shape)) if a != axis]
    box = erf.bbox or ((0, 0),) * len(imp.shape)
    mask = erf.mask[tuple(slice(*b) for b in box)]
    values, support = relative_window(imp), imp.counts.support
    title = ""
    if axis is not None:
        at = imp.peak.position[axis]
        values = values.take(at - imp.offset[axis], axis)
        support = support.take(at - imp.offset[axis], axis)
        start, stop = box[axis]
        inside = start <= at < stop
        mask = mask.take(at - start, axis) if inside else np.zeros((0, 0), dtype=bool)
        title = f"{'zyx'[axis]} = {at}"
    pick: Any = lambda whole: tuple(whole[a] for a in kept)  # noqa: E731
    return Panel(
        values,
        support,
        pick(imp.offset),
        pick(imp.trf.bbox) if imp.trf.bbox else None,
        mask,
        pick([start for start, _ in box]),
        pick(view),
        (wording.axis_label(kept[0], imp), wording.axis_label(kept[1], imp)),
        title,
    )


def outline(mask: np.ndarray, offset: tuple[int, int] = (0, 0)) -> np.ndarray:
    """The edges of pixels between a mask and what is not in it, as straight segments.

    Returns
    -------
    float64 array, shape (segments, 2, 2)
        Two (x, y) points a segment, in pixel coordinates.
    """
    if not mask.size:
        return np.zeros((0, 2, 2))
    framed = np.pad(mask, 1)
    found = [
        segment
        for axis in (0, 1)
        for segment in _edges_across(framed if axis == 0 else framed.T, axis)
    ]
    # framed pixel (1, 1) is pixel `offset`; its upper left corner half a pixel before it
    corner = np.array([offset[1] - 0.5, offset[0] - 0.5])
    return np.asarray(np.array(found, dtype=float).reshape(-1, 2, 2) + corner)


def _edges_across(framed: np.ndarray, axis: int) -> list[list[tuple[int, int]]]:
    """Runs of edges between rows, in corners counted from the mask's own first corner."""
    change = np.diff(framed.astype(np.int8), axis=0)  # (rows + 1, columns + 2)
    segments = []
    for row in np.flatnonzero(change.any(axis=1)):
        line = change[row]
        turns = np.flatnonzero(np.diff(line)) + 1  # where a run of equal changes begins or ends
        for start, stop in pairwise(turns):
            if line[start]:
                ends = [(int(start) - 1, int(row)), (int(stop) - 1, int(row))]
                segments.append(ends if axis == 0 else [(b, a) for a, b in ends])
    return segments


def draw_panel(
    axes: Axes, panel: Panel, scale: Scale, cmap: Any, label: str = "", *, square: bool = False
) -> AxesImage:
    """The image, the theoretical field's box and the effective field's outline.

    Parameters
    ----------
    axes : Axes
    panel : Panel
    scale : Scale
    cmap : str or Colormap
    label : str
        Of the image: what a colour bar says.
    square : bool
        Whether to make pixels as high as wide; else the axes have the view's proportions.

    Returns
    -------
    matplotlib.image.AxesImage
        A colour bar of it has its limits, and shows where the scale is cut.
    """
    colours = style.colour_map(cmap).with_extremes(bad=NO_PATH)
    colours.colorbar_extend = scale.extend
    norm = scale.norm()
    rows, columns = panel.values.shape
    top, left = panel.offset
    image = axes.imshow(
        scale.apply(panel.values, panel.support),
        cmap=colours,
        norm=norm,
        extent=(left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5),
        aspect="auto",
        zorder=1,
        label=label,
    )
    # beyond the window importance is zero: paint the ground, do not allocate it
    axes.set_facecolor(NO_PATH if scale.kind == "log" else colours(norm(0.0)))
    (y0, y1), (x0, x1) = panel.view
    axes.set_xlim(x0 - 0.5, x1 - 0.5)
    axes.set_ylim(y1 - 0.5, y0 - 0.5)
    if square:
        given.square(axes)
    draw_outline(axes, panel.erf, panel.erf_offset, style.erf_colour(cmap), "ERF")
    if panel.trf:
        (y0, y1), (x0, x1) = panel.trf
        box = Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, label="TRF", **_TRF_LINE)
        axes.add_patch(box)
    axes.set_ylabel(panel.labels[0])
    axes.set_xlabel(panel.labels[1])
    # as many numbers as stay apart below the image
    few = max(2, min(5, int(given.width_of(axes) / style.grown(NUMBER))))
    for axis, most in ((axes.xaxis, few), (axes.yaxis, 5)):
        style.positions(axis, most)
    return image


class Outline(LineCollection):
    """The outline of a field; `gap` is the width of the gaps that it closes, 0 for none."""

    gap: int = 0


class Rim(LineCollection):
    """What lies around an outline."""


def draw_outline(
    axes: Axes,
    mask: np.ndarray,
    offset: tuple[int, int],
    colour: Any,
    label: str,
    rim: str = "white",
) -> Outline:
    """The outline of a mask that starts at an offset; axes with limits.

    Around it a rim, so that it is seen on any ground, in grey too.

    Strides and dilation make a field of many single pixels, whose outlines are a smear where
    pixels are small on the page. Then the gaps between them are closed, by the least that
    gives a line; where pixels are large enough, their outlines are drawn thin.
    """
    pixel = axes.get_window_extent().width / axes.figure.dpi * 72  # points, of the whole axes
    pixel /= abs(float(np.diff(axes.get_xlim())[0]))
    gap, segments = 0, outline(mask, offset)
    if pixel < LEGIBLE:
        for gap in (0, *GAPS):
            closed = np.pad(mask, gap)
            if gap:
                closed = binary_closing(closed, np.ones((gap, gap), dtype=bool))
            segments = outline(closed, (offset[0] - gap, offset[1] - gap))
            if not _ragged(segments):
                break
    thin = float(np.clip(0.4 * pixel, 0.45, WIDTH)) if _ragged(segments) else WIDTH
    lines = Outline(
        list(segments),
        colors=[colour],
        linewidths=thin,
        capstyle="projecting",
        zorder=3,
        clip_on=False,
        label=label,
    )
    lines.gap = gap
    if thin == WIDTH:  # around single pixels it would cover them
        # one below all segments: a rim around each would cut the others
        axes.add_collection(
            Rim(
                list(segments),
                colors=[rim],
                linewidths=WIDTH + RIM,
                capstyle="projecting",
                zorder=2.9,
                clip_on=False,
                label="rim",
            ),
            autolim=False,
        )
    axes.add_collection(lines, autolim=False)
    return lines


def _ragged(segments: np.ndarray) -> bool:
    """Whether an outline is much longer than the way around what it outlines."""
    if not len(segments):
        return False
    length = float(np.abs(segments[:, 1] - segments[:, 0]).sum())
    return length >= RAGGED * 2 * float(np.ptp(segments, axis=(0, 1)).sum())


_TRF_LINE: dict[str, Any] = {
    "fill": False,
    "edgecolor": style.TRF_COLOUR,
    "linewidth": 1.2,
    "linestyle": style.TRF_DASHES,
    "path_effects": style.outlined(),
    "zorder": 4,
    "clip_on": False,
}


_TRF_DASH: dict[str, Any] = {
    "color": style.TRF_COLOUR,
    "linewidth": 1.2,
    "linestyle": style.TRF_DASHES,
    "path_effects": style.outlined(),
}


def legend_handles(
    shown: Sequence[Panel],
    scale: Scale,
    erf_label: str = "ERF",
    erf_colour: Any = style.ERF_COLOUR,
) -> list[Any]:
    """What a legend of such panels has to explain."""
    handles: list[Any] = []
    if any(p.trf for p in shown):
        handles.append(Line2D([], [], label="TRF (bounding box)", **_TRF_DASH))
    if any(p.erf.any() for p in shown):
        handles.append(Line2D([], [], color=erf_colour, linewidth=1.4, label=erf_label))
    if scale.kind == "log" and any(p.blank for p in shown):
        handles.append(Patch(facecolor=NO_PATH, edgecolor="#999999", lw=0.5, label="no path"))
    return handles
