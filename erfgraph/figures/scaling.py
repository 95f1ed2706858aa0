"""How importances become colours or heights: one function a scale, one table row each.

What is scaled is always an importance over the largest, a float in [0, 1]: counts may be
integers of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Normalize

from erfgraph.errors import InputError, unknown_name
from erfgraph.figures.wording import power_of_ten
from erfgraph.importance_map import ImportanceMap

LOWEST_FLOOR = 1e-6  # of the logarithmic scale, unless the caller says otherwise
GAMMA = 0.5


@dataclass(frozen=True)
class Scale:
    """A scale with its limits, ready to be applied.

    Attributes
    ----------
    kind : {"linear", "log", "power"}
    floor : float
        Smallest relative importance that the logarithmic scale tells apart.
    below, above : bool
        Whether some importance lies below what the scale tells apart, or above it.
    vmin, vmax : float
        Limits, in scaled values.
    """

    kind: str
    floor: float
    below: bool
    above: bool
    vmin: float
    vmax: float

    @property
    def extend(self) -> str:
        """At which ends a colour bar is pointed, in matplotlib's words."""
        ends = {(True, True): "both", (True, False): "min", (False, True): "max"}
        return ends.get((self.below, self.above), "neither")

    def apply(self, relative: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Scaled values of the same shape; NaN where log has nothing to show."""
        return _SCALES[self.kind].apply(relative, support, self.floor)

    def label(self, noun: str) -> str:
        """What the scaled values are."""
        label = _SCALES[self.kind].label.format(noun=noun)
        if self.kind == "log" and self.below:
            lowest = max(float(np.log10(self.floor)), self.vmin)
            label += f", from {power_of_ten(lowest).removeprefix('1.0×')}"
        return label

    def norm(self) -> Normalize:
        """From scaled values to [0, 1]."""
        return Normalize(self.vmin, self.vmax)


@dataclass(frozen=True)
class _Row:
    apply: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    label: str


def _linear(relative: np.ndarray, support: np.ndarray, floor: float) -> np.ndarray:
    return relative


def _power(relative: np.ndarray, support: np.ndarray, floor: float) -> np.ndarray:
    return np.asarray(relative**GAMMA)


def _log(relative: np.ndarray, support: np.ndarray, floor: float) -> np.ndarray:
    return np.where(support, np.log10(np.maximum(relative, floor)), np.nan)


_SCALES = {
    "linear": _Row(_linear, "{noun} / largest"),
    "log": _Row(_log, "log₁₀({noun} / largest)"),
    "power": _Row(_power, "√({noun} / largest)"),
}


def relative_window(imp: ImportanceMap) -> np.ndarray:
    """Importance over the largest on the window that is held: nothing larger is made."""
    largest = imp.peak.value
    return imp.counts.divided(largest) if largest else np.zeros(imp.counts.shape)


def make_scale(
    imps: Sequence[ImportanceMap],
    kind: str,
    vmin: float | None,
    vmax: float | None,
    floor: float | None,
) -> Scale:
    """One scale for all maps.

    Raises
    ------
    NameLookupError
        If there is no such scale.
    InputError
        If the limits or the floor are out of range.
    """
    if kind not in _SCALES:
        raise unknown_name("scale", str(kind), _SCALES)
    if floor is not None and not 0 < floor < 1:
        raise InputError(f"floor: got {floor!r}, wanted a share between 0 and 1")
    log = kind == "log"
    smallest = min((_smallest(imp, log) for imp in imps), default=1.0)
    used = max(smallest, _lowest(vmin) if log else LOWEST_FLOOR) if floor is None else floor
    used = min(used, 0.1)  # equal importances everywhere: still a scale, one decade wide
    low: Any = (np.log10(used) if log else 0.0) if vmin is None else vmin
    high: Any = (0.0 if log else 1.0) if vmax is None else vmax
    if not low < high:
        raise InputError(f"vmin, vmax: got {low!r} and {high!r}, wanted vmin < vmax")
    scaled = _SCALES[kind].apply(np.array([smallest, 1.0]), np.array([True, True]), 1e-300)
    below = bool(scaled[0] < low) or (log and smallest < used)
    return Scale(kind, used, below, bool(scaled[1] > high), float(low), float(high))


def _lowest(vmin: Any) -> float:
    """The floor of a logarithmic scale: what `vmin` asks for, if it is less than usual."""
    return LOWEST_FLOOR if vmin is None else min(LOWEST_FLOOR, float(10.0**vmin))


def _smallest(imp: ImportanceMap, log: bool) -> float:
    """The smallest importance over the largest; for a logarithm only units with a path count."""
    if not log and not (imp.counts.shape == imp.shape and imp.counts.support.all()):
        return 0.0
    relative = relative_window(imp)
    return float(relative[imp.counts.support].min(initial=1.0))
