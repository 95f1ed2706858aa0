"""Axes that are given: panels drawn into the caller's own figure, of which the rest stays."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.transforms import ScaledTranslation

from erfgraph.errors import InputError
from erfgraph.figures import style

PLAIN = ("rectilinear",)
# a legend: room for its signs over the font size; inches that it is wide at least, and that it
# may be wider than its panel
SIGNS, NARROW, OVER = 3.6, 1.3, 0.3
Given = Axes | Sequence[Axes] | np.ndarray


def panel_axes(
    ax: Any, panels: Sequence[str], figure: Any = None, kinds: Sequence[str] = PLAIN
) -> list[Axes]:
    """The axes that are given, one for each panel in reading order.

    Parameters
    ----------
    ax : Axes, or sequence or array of Axes
    panels : sequence of str
        What each panel shows, for the message.
    figure : object
        What was given as `figure` besides.
    kinds : sequence of str
        Names of projections that will do.

    Raises
    ------
    InputError
    """
    if figure is not None:
        raise InputError("ax, figure: got both, wanted one of them")
    found = [ax] if isinstance(ax, Axes) else list(np.asarray(ax, dtype=object).flat)
    for one in found:
        if not isinstance(one, Axes):
            raise InputError(f"ax: got {one!r}, wanted matplotlib Axes")
        if one.name not in kinds:
            wanted = " or ".join(map(repr, kinds))
            raise InputError(f"ax: got Axes of projection {one.name!r}, wanted {wanted}")
    if len(found) != len(panels):
        each = f"{len(panels)}, one for each of: {', '.join(panels)}"
        raise InputError(
            f"ax: got {len(found)} Axes, wanted {each if len(panels) != 1 else 'one'}"
        )
    if len({id(one.get_figure(root=True)) for one in found}) > 1:
        raise InputError("ax: got Axes of several figures, wanted those of one")
    return found


def finished(
    axes: Sequence[Axes],
    title: str | None,
    handles: Sequence[Any] = (),
    names: Sequence[str] = (),
) -> Figure:
    """A legend of the first panel, titles that tell several apart, and the whole figure.

    The legend stands where it is best; where it would cover an image or a line, below the
    panel in figures with a layout engine (``layout="constrained"``), which makes room for it.
    Its texts are broken where the panel is narrow.

    Parameters
    ----------
    axes : sequence of Axes
    title : str or None
        Over the first panel, in place of its own.
    handles : sequence of Artist
    names : sequence of str
        Of the panels; one panel alone has none.
    """
    if len(axes) > 1:
        for each, name in zip(axes, names, strict=False):
            columns = width_of(each) * 72 / (0.58 * float(each.title.get_fontsize()))
            lines = [textwrap.fill(line, max(12, int(columns))) for line in name.split("\n")]
            each.set_title("\n".join(lines))
    if title is not None:
        axes[0].set_title(title)
    figure = axes[0].get_figure(root=True)
    assert figure is not None  # for the type checker: `panel_axes` has looked
    if handles:
        _break(axes[0], handles)
        legend = axes[0].legend(handles=list(handles))
        if figure.get_layout_engine() is not None and _covers(legend, axes[0]):
            axes[0].legend(handles=list(handles), **_below(axes[0], figure))
    return figure


def _break(axes: Axes, handles: Sequence[Any]) -> None:
    """Break a legend's texts as its panel is wide."""
    size = FontProperties(size=matplotlib.rcParams["legend.fontsize"]).get_size_in_points()
    room = max(NARROW, width_of(axes) + OVER) - SIGNS * size / 72
    for handle in handles:
        lines = style.wrapped(str(handle.get_label()), room, size / style.letters())
        handle.set_label("\n".join(lines))


def _covers(legend: Legend, axes: Axes) -> bool:
    """Whether a legend lies over an image or a line, wherever it stands."""
    box = legend.get_window_extent()
    paths = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    return bool(axes.images) or any(path.intersects_bbox(box, filled=False) for path in paths)


def _below(axes: Axes, figure: Figure) -> dict[str, Any]:
    """Below a panel, where the figure makes room for it."""
    # below the numbers and the label of the axis
    label = axes.xaxis.get_tightbbox()
    down = 0.0 if label is None else axes.get_window_extent().y0 - label.y0
    shift = ScaledTranslation(0, -down / figure.dpi - 0.06, figure.dpi_scale_trans)
    return {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, 0.0),
        "bbox_transform": axes.transAxes + shift,
        "borderaxespad": 0.0,
    }


def square(axes: Axes) -> None:
    """Pixels as high as wide; the axes at once as large as they are drawn."""
    axes.set_aspect("equal")
    axes.apply_aspect()


def width_of(axes: Axes) -> float:
    """Width in inches, as far as it is known before the figure is laid out."""
    return float(axes.get_window_extent().width / axes.figure.dpi)
