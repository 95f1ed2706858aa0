"""Small pictures for a screen: a map or a field alone, drawn from as many points as it shows.

`importance_figure` draws every unit for print. A notebook shows a few hundred points a side, so
that a map of any size is reduced to those first.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from erfgraph.erf import ERF
from erfgraph.figures import style, wording
from erfgraph.figures.panel import _TRF_LINE, outline, view_of
from erfgraph.figures.scaling import relative_window
from erfgraph.importance_map import ImportanceMap
from erfgraph.shape import Box
from erfgraph.wide import BITS, Wide

DPI = 96
POINTS = 256  # of the longest side that is drawn
SIDE, SMALL = 2.4, 1.5  # inches of the longest side of one image, of one of three
LIMBS = 3  # of an exact integer that are drawn: more than a double holds
PROFILE = (3.4, 1.6)  # inches of a picture of one axis


@dataclass(frozen=True, eq=False)
class Plane:
    """What is drawn of two axes.

    Attributes
    ----------
    values : float64 array (rows, columns) or None
        Each the largest of its block of units; None where the field alone is drawn.
    erf : bool array (rows, columns)
        Whether a unit of the block is in the field.
    view : box
        The units that are shown, (start, stop) per axis.
    block : (int, int)
        Units of a block per axis; the last one of an axis may have fewer.
    labels : (str, str)
    title : str
    """

    values: np.ndarray | None
    erf: np.ndarray
    view: Box
    block: tuple[int, int]
    labels: tuple[str, str]
    title: str = ""

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the blocks, in units."""
        (top, _), (left, _) = self.view
        rows, columns = self.erf.shape
        bottom, right = top + rows * self.block[0], left + columns * self.block[1]
        return left - 0.5, right - 0.5, bottom - 0.5, top - 0.5


def map_picture(imp: ImportanceMap, erf: ERF) -> Figure:
    """An importance map, its theoretical field's box and its effective field's outline.

    Two axes: an image. One axis: bars. Three axes: the three planes through the peak.

    Parameters
    ----------
    imp : ImportanceMap
    erf : ERF
        Of this map.

    Returns
    -------
    matplotlib.figure.Figure
    """
    view = view_of(imp)
    labels = [wording.axis_label(axis, imp) for axis in range(len(imp.shape))]
    values = _seen(_relative(imp), imp.offset, view)
    return _picture(values, _masked(erf, view), view, labels, imp.peak.position, imp.trf.bbox)


def erf_picture(erf: ERF) -> Figure:
    """An effective field alone; of three axes, the planes through the middle of its box.

    Parameters
    ----------
    erf : ERF

    Returns
    -------
    matplotlib.figure.Figure
    """
    box, shape = erf.bbox, erf.mask.shape
    view = _around(box, shape)
    middle = tuple((a + b) // 2 for a, b in box or view)
    mask = _masked(erf, view)
    labels = list("zyx"[-len(shape) :])
    return _picture(None, mask, view, labels, middle, None)


def _relative(imp: ImportanceMap) -> np.ndarray:
    """Importance over the largest, to the digits that colours have."""
    values = imp.counts.values
    left_out = len(values.limbs) - LIMBS if isinstance(values, Wide) else 0
    if left_out <= 0:
        return relative_window(imp)
    assert isinstance(values, Wide)  # for the type checker
    return Wide(values.limbs[left_out:]).over(int(imp.peak.value) >> (BITS * left_out))


def _around(box: Box | None, shape: Sequence[int]) -> Box:
    """A box with a margin; the whole where there is none."""
    if box is None:
        return tuple((0, n) for n in shape)
    margin = max(1, round(0.06 * max(b - a for a, b in box)))
    return tuple(
        (max(0, a - margin), min(n, b + margin)) for (a, b), n in zip(box, shape, strict=True)
    )


def _masked(erf: ERF, view: Box) -> np.ndarray:
    return erf.mask[tuple(slice(*side) for side in view)]


def _seen(window: np.ndarray, offset: Sequence[int], view: Box) -> np.ndarray:
    """A window of a map on what is in view, zero beyond it."""
    whole = np.zeros([b - a for a, b in view], dtype=window.dtype)
    into, of = [], []
    for (start, stop), first, n in zip(view, offset, window.shape, strict=True):
        low, high = max(start, first), max(start, first, min(stop, first + n))
        into.append(slice(low - start, high - start))
        of.append(slice(low - first, high - first))
    whole[tuple(into)] = window[tuple(of)]
    return whole


# --- drawing ------------------------------------------------------------------------------


def _picture(
    values: np.ndarray | None,
    erf: np.ndarray,
    view: Box,
    labels: list[str],
    through: Sequence[int],
    trf: Box | None,
) -> Figure:
    """The planes of a map beside each other; without values, those of the field alone."""
    with style.paper_style():
        if erf.ndim == 1:
            return _bars(values, erf, view[0], labels[0])
        shown = [None] if erf.ndim == 2 else [0, 1, 2]
        planes = [_plane(values, erf, view, labels, through, axis) for axis in shown]
        figure = Figure(dpi=DPI, layout="constrained")
        unit = (SIDE if len(planes) == 1 else SMALL) / max(stop - start for start, stop in view)
        sides = [[max(0.5, (b - a) * unit) for a, b in plane.view] for plane in planes]
        figure.set_size_inches(
            sum(width + 0.75 for _, width in sides), max(high for high, _ in sides) + 0.6
        )
        ratios = {"width_ratios": [width for _, width in sides]}
        for plane, axes, axis in zip(
            planes, figure.subplots(1, len(planes), squeeze=False, gridspec_kw=ratios)[0], shown,
            strict=True,
        ):  # fmt: skip
            box = trf and tuple(side for a, side in enumerate(trf) if a != axis)
            _draw(axes, plane, box)
        return figure


def _plane(
    values: np.ndarray | None,
    erf: np.ndarray,
    view: Box,
    labels: list[str],
    through: Sequence[int],
    axis: int | None,
) -> Plane:
    """The plane across one axis through a position; the whole of two axes for None."""
    title = ""
    if axis is not None:
        title = f"{'zyx'[axis]} = {through[axis]}"
        at = through[axis] - view[axis][0]
        erf, values = erf.take(at, axis), None if values is None else values.take(at, axis)
        view = tuple(side for a, side in enumerate(view) if a != axis)
        labels = [label for a, label in enumerate(labels) if a != axis]
    block = (-(-erf.shape[0] // POINTS), -(-erf.shape[1] // POINTS))
    drawn = None if values is None else reduced(values, block)
    return Plane(drawn, reduced(erf, block), view, block, (labels[0], labels[1]), title)


def reduced(values: np.ndarray, block: Sequence[int]) -> np.ndarray:
    """The largest of every block, so that single units do not get lost.

    Examples
    --------
    >>> reduced(np.array([[1, 2, 3], [0, 5, 1]]), (2, 2)).tolist()
    [[5, 3]]
    """
    for axis, n in enumerate(block):
        if n > 1:
            values = np.maximum.reduceat(values, np.arange(0, values.shape[axis], n), axis)
    return values


def _draw(axes: Axes, plane: Plane, trf: Box | None) -> None:
    alone = plane.values is None
    axes.imshow(
        plane.erf if plane.values is None else plane.values,
        cmap=ListedColormap([style.PALE, style.ERF_COLOUR]) if alone else style.DEFAULT_CMAP,
        vmin=0,
        vmax=1,
        extent=plane.extent,
        interpolation="nearest",
    )
    if not alone:
        axes.add_collection(_outline(plane), autolim=False)
    if trf:
        (y0, y1), (x0, x1) = trf
        axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, **_TRF_LINE))
    (y0, y1), (x0, x1) = plane.view
    axes.set(xlim=(x0 - 0.5, x1 - 0.5), ylim=(y1 - 0.5, y0 - 0.5), title=plane.title)
    axes.set(ylabel=plane.labels[0], xlabel=plane.labels[1])
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))


def _outline(plane: Plane) -> LineCollection:
    """The field's edges; thin where they run around many single blocks, else they smear."""
    left, _, _, top = plane.extent
    found = outline(plane.erf)
    length = float(np.abs(found[:, 1] - found[:, 0]).sum())
    around = 2 * float(np.ptp(found, axis=(0, 1)).sum()) if len(found) else 0.0
    edges = np.array([left, top]) + (found + 0.5) * np.array(plane.block[::-1])
    width = 1.1 if length < 2 * around else 0.5
    return LineCollection(
        list(edges), colors=style.ERF_COLOUR, linewidths=width, zorder=3, label="ERF"
    )


def _bars(values: np.ndarray | None, erf: np.ndarray, view: tuple[int, int], label: str) -> Figure:
    figure = Figure(figsize=PROFILE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    block = (-(-len(erf) // POINTS),)
    inside = reduced(erf, block)
    ends = np.minimum(view[0] + np.arange(len(inside) + 1) * block[0], view[1])
    heights = inside if values is None else reduced(values, block)
    for chosen, colour in ((~inside, style.PALE), (inside, style.ERF_COLOUR)):
        axes.stairs(np.where(chosen, heights, 0), ends - 0.5, fill=True, color=colour)
    axes.set(xlim=(view[0] - 0.5, view[1] - 0.5), ylim=(0, 1.05), xlabel=label)
    axes.set_ylabel("in the field" if values is None else "over the largest")
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    return figure


def png_of(figure: Figure) -> bytes:
    """A figure as PNG at the resolution of a screen."""
    drawn = io.BytesIO()
    with style.paper_style():
        figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    return drawn.getvalue()
