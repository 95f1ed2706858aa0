"""What an importance map is drawn with besides: contours at several thresholds, a photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from erfgraph.erf import ERF
from erfgraph.errors import InputError
from erfgraph.figures import panel, style, wording
from erfgraph.figures.photo import check_photo
from erfgraph.importance_map import ImportanceMap

MOST_CONTOURS = 6
# pale where the ground is dark, dark where it is bright: apart in grey too
_RAMP = LinearSegmentedColormap.from_list("contours", ["#ffd0c4", "#ff3d1f", "#5a0a00"])
OPAQUE = 0.8  # of the largest importance over a photograph


@dataclass(frozen=True, eq=False)
class Overlay:
    """What lies over or under a map.

    Attributes
    ----------
    contours : tuple of ERF
        Lowest threshold first; empty for the one outline of the ERF.
    photo : array or None
        Stretched over the input.
    """

    contours: tuple[ERF, ...] = ()
    photo: np.ndarray | None = None

    @property
    def colours(self) -> list[Any]:
        """One for each contour."""
        n = len(self.contours)
        return [_RAMP(i / (n - 1) if n > 1 else 0.5) for i in range(n)]

    def handles(self) -> list[Any]:
        """What a legend says of the contours."""
        return [
            Line2D(
                [],
                [],
                color=colour,
                linewidth=1.6,
                path_effects=style.outlined(_ground(colour), 1.6 + panel.RIM),
                label=f"ERF {_sign(erf)}",
            )
            for erf, colour in zip(self.contours, self.colours, strict=True)
        ]


def _ground(colour: Any) -> str:
    """Black around a pale line, white around the others: seen on any ground, in grey too."""
    return "black" if colour[1] > 0.6 else "white"


def _sign(erf: ERF) -> str:
    """A threshold as a legend says it: ``≥ 1 %`` of the peak, or ``mass 90 %``."""
    if erf.rule == "peak":
        return f"≥ {wording.percent(erf.threshold)}"
    if erf.rule == "count":
        return f"> {wording.number(erf.threshold)}"
    return f"{erf.rule} {wording.percent(erf.threshold)}"


def make_overlay(imp: ImportanceMap, erf: ERF, thresholds: Any, image: Any) -> Overlay:
    """The contours by the field's rule, and the photograph.

    Raises
    ------
    InputError
        If the map has not two axes, there are too many thresholds, or a photograph lies over
        another map than the input.
    """
    if thresholds is None and image is None:
        return Overlay()
    if len(imp.shape) != 2:
        what = "image" if thresholds is None else "thresholds"
        raise InputError(f"{what}: go with a map of two axes, got {len(imp.shape)}")
    if image is not None and imp.of != "input":
        raise InputError(f"image: lies over the input, the map is of {imp.of!r}")
    values = [] if thresholds is None else list(thresholds)
    if thresholds is not None and not 1 <= len(set(values)) <= MOST_CONTOURS:
        raise InputError(f"thresholds: got {len(values)}, wanted 1 to {MOST_CONTOURS}")
    return Overlay(
        tuple(imp.erf(value, erf.rule) for value in sorted(set(values))),
        None if image is None else check_photo(image),
    )


def draw_overlay(axes: Axes, image: AxesImage, imp: ImportanceMap, over: Overlay) -> None:
    """Contours in place of the one outline; the photograph under a map that lets it through."""
    if over.contours:
        for lines in [c for c in axes.collections if isinstance(c, panel.Outline | panel.Rim)]:
            lines.remove()
    for erf, colour in zip(over.contours, over.colours, strict=True):
        box = erf.bbox or ((0, 0), (0, 0))
        mask = erf.mask[tuple(slice(*b) for b in box)]
        label = f"ERF {_sign(erf)}"
        panel.draw_outline(axes, mask, (box[0][0], box[1][0]), colour, label, _ground(colour))
    if over.photo is None:
        return
    rows, columns = imp.shape
    limits = axes.axis()
    axes.imshow(
        over.photo,
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        aspect=axes.get_aspect(),
        cmap="gray",
        zorder=0,
        label="photo",
    )
    axes.axis(limits)
    scaled: Any = image.get_array()
    values = np.ma.filled(image.norm(scaled), 0.0)
    image.set_alpha(OPAQUE * np.clip(values, 0.0, 1.0))
