"""Axes that are given: panels drawn into the caller's own figure, of which the rest stays."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from erfgraph.errors import InputError

PLAIN = ("rectilinear",)
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

    The legend stands where it is best; that of an image below it in figures with a layout
    engine (``layout="constrained"``), which makes room for it.

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
        axes[0].legend(handles=list(handles), **_beside(axes[0], figure))
    return figure


def _beside(axes: Axes, figure: Figure) -> dict[str, Any]:
    """Where a legend covers nothing of an image: below, if the figure makes room for it."""
    if not axes.images or figure.get_layout_engine() is None:
        return {}
    # below the numbers and the label of the axis
    down = (12 + 2.7 * float(axes.xaxis.label.get_fontsize())) / 72
    shift = ScaledTranslation(0, -down, figure.dpi_scale_trans)
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
