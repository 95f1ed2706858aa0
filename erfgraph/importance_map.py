"""`ImportanceMap`: what every unit of a feature map means to one unit of another.

`erfgraph.sweeps` makes them; thresholds, figures and files read them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from erfgraph import mapfile
from erfgraph import shape as measures
from erfgraph.counts import Counts
from erfgraph.display import Pictured
from erfgraph.erf import ERF, Field, make_erf
from erfgraph.params import Shape


class Peak(NamedTuple):
    """The largest importance and where it is, the first in raster order."""

    position: tuple[int, ...]
    value: int | float


@dataclass(frozen=True, eq=False)
class ImportanceMap(Pictured):
    """The importance of every unit of one feature map for one unit of another.

    Made by `importance`, `importances` and `influence`. Lengths are in units, coordinates are
    those of the map, pixel centres at whole numbers.

    Attributes
    ----------
    layer : str
        Feature map of the output unit.
    unit : tuple of int
        The unit, one coordinate per axis.
    of : str
        Feature map whose units are rated.
    measure : str
    shape : tuple of int
        Spatial shape of that map.
    input_shape : tuple of int
        Spatial shape of the network's input.
    network : str or None
        Name of the network.
    offset : tuple of int
        Where the window that is held starts; beyond it everything is zero.
    counts : Counts
        The values on the window.
    channels : {"collapse", "count", "mean"}
        Whether all channels of a position are one unit, or a node each, all of them summed; or,
        of the measures that look at weights, a mean over the unit's and a sum over the others.

    Examples
    --------
    >>> import erfgraph as eg
    >>> imp = eg.importance(eg.load("conv7*3"))
    >>> imp.peak
    Peak(position=(9,), value=37)
    >>> imp.total
    343
    >>> imp == eg.importance(eg.load("conv7 conv7 conv7"))
    True
    """

    layer: str
    unit: Shape
    of: str
    measure: str
    shape: Shape
    input_shape: Shape
    network: str | None
    offset: Shape
    counts: Counts = field(repr=False)
    channels: str = "collapse"

    # --- values ---

    def _embed(self, window: np.ndarray) -> np.ndarray:
        whole = np.zeros(self.shape, dtype=window.dtype)
        whole[self.window_slices] = window
        whole.flags.writeable = False
        return whole

    @property
    def window_slices(self) -> tuple[slice, ...]:
        """Where the held window lies in the map."""
        return tuple(slice(o, o + n) for o, n in zip(self.offset, self.counts.shape, strict=True))

    @cached_property
    def values(self) -> np.ndarray:
        """The importances, of the map's shape, read-only.

        int64; Python ints in an object array where one passes 2**63 - 1; float64 where they
        were counted with ``exact=False``, then to be multiplied by ``10**log10_scale``.
        """
        return self._embed(self.counts.array())

    @cached_property
    def share(self) -> np.ndarray:
        """Importance over the total: float64, sums to 1 (all zero where nothing is reached)."""
        return self._embed(self._window_share)

    @cached_property
    def relative(self) -> np.ndarray:
        """Importance over the largest: float64, at most 1."""
        largest = self.peak.value
        return self._embed(self.counts.divided(largest) if largest else self._window_share)

    @cached_property
    def _window_share(self) -> np.ndarray:
        total = self.total
        if not total:
            return np.zeros(self.counts.shape)
        share = self.counts.divided(total)
        return np.asarray(share / share.sum())

    @property
    def exact(self) -> bool:
        """Whether the values are integers."""
        return self.counts.exact

    @property
    def log10_scale(self) -> float:
        """Decimal logarithm of the factor that `values`, `total` and `peak` were divided by."""
        return self.counts.scale * math.log10(2)

    @cached_property
    def total(self) -> int | float:
        """Sum of all values."""
        return self.counts.total()

    @cached_property
    def peak(self) -> Peak:
        """The largest value and its position."""
        position, value = self.counts.peak()
        return Peak(tuple(p + o for p, o in zip(position, self.offset, strict=True)), value)

    # --- fields ---

    @cached_property
    def trf(self) -> Field:
        """The theoretical receptive field: all units with a path."""
        return Field(self._embed(self.counts.support))

    def erf(self, threshold: float | None = None, rule: str = "peak", **options: Any) -> ERF:
        """The effective receptive field: the units whose importance passes a threshold.

        Parameters
        ----------
        threshold : float, optional
            Default 0.0455 for ``"peak"``, 0.9545 for ``"mass"`` and ``"square"``, 0 for
            ``"count"``. A share is read as the decimal number that it prints as.
        rule : {"peak", "mass", "square", "count"}, optional
            ``"peak"``: importance >= threshold * largest. ``"mass"``: the smallest set that
            holds at least this share of the total. ``"square"``: the smallest centred square
            that does (Ding et al. 2022). ``"count"``: importance > threshold.
        centre : tuple of int, optional
            Centre of the square; default the middle of the theoretical field's box.

        Returns
        -------
        ERF

        Raises
        ------
        ThresholdError
            If the threshold is out of the rule's range.
        NameLookupError
            If there is no such rule.

        Examples
        --------
        >>> import erfgraph as eg
        >>> erf = eg.importance(eg.load("conv7*3")).erf(0.5)
        >>> erf.bbox, erf.area
        (((5, 14),), 9)
        """
        return make_erf(self, threshold, rule, **options)

    @cached_property
    def holes(self) -> int:
        """Units inside the theoretical field's box that have no path to the unit."""
        box = self.trf.bbox
        return math.prod(b - a for a, b in box) - self.trf.area if box else 0

    # --- shape ---

    @cached_property
    def centre_of_mass(self) -> tuple[float, ...]:
        """Mean position per axis, weighted by importance."""
        centre = measures.centre_of_mass(self._window_share)
        return tuple(c + o for c, o in zip(centre, self.offset, strict=True))

    @cached_property
    def std(self) -> tuple[float, ...]:
        """Standard deviation per axis."""
        return measures.standard_deviation(self._window_share)

    @cached_property
    def excess_kurtosis(self) -> tuple[float, ...]:
        """Excess kurtosis per axis: 0 for a Gaussian, NaN on an axis without spread."""
        return measures.excess_kurtosis(self._window_share)

    @cached_property
    def entropy(self) -> float:
        """Shannon entropy of the shares, in nats."""
        return measures.entropy(self._window_share)

    @cached_property
    def isotropy(self) -> float:
        """1 for radial symmetry around the centre of mass, less the further from it.

        One minus the total-variation distance to the best function of the distance alone.
        """
        return measures.isotropy(self._window_share)

    def radial_profile(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii 0, 1, 2, … and the mean share of a unit in the ring around each.

        Rings are one unit wide, around the centre of mass; positions beyond the map count
        as 0.
        """
        return measures.radial_profile(self._window_share)

    # --- comparing, saving ---

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImportanceMap):
            return NotImplemented
        keys = ("layer", "unit", "of", "measure", "channels", "shape")
        if any(getattr(self, key) != getattr(other, key) for key in keys):
            return False
        if self.offset == other.offset and self.counts.shape == other.counts.shape:
            return self.counts.equals(other.counts)
        if (self.exact, self.log10_scale) != (other.exact, other.log10_scale):
            return False
        return np.array_equal(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self, values: bool = False) -> dict[str, Any]:
        """All numbers that describe the map, ready for JSON.

        Parameters
        ----------
        values : bool, optional
            Whether to include the values themselves, as nested lists.

        Returns
        -------
        dict
        """
        box = self.trf.bbox
        document: dict[str, Any] = {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "layer": self.layer,
            "unit": list(self.unit),
            "of": self.of,
            "shape": list(self.shape),
            "measure": self.measure,
            "channels": self.channels,
            "exact": self.exact,
            "log10_scale": self.log10_scale,
            "total": self.total,
            "peak": {"position": list(self.peak.position), "value": self.peak.value},
            "trf": {
                "bbox": [list(b) for b in box] if box else None,
                "size": list(self.trf.size),
                "area": self.trf.area,
                "holes": self.holes,
            },
        }
        if box:
            kurtosis = [None if math.isnan(k) else k for k in self.excess_kurtosis]
            document |= {
                "centre_of_mass": list(self.centre_of_mass),
                "std": list(self.std),
                "excess_kurtosis": kurtosis,
                "entropy": self.entropy,
                "isotropy": self.isotropy,
            }
        if values:
            document["values"] = self.values.tolist()
        return document

    def save(self, path: Any) -> None:
        """Write the map to an ``.npz`` file without pickle.

        Its arrays: ``values``, of the map's shape (float64 where integers pass int64),
        ``limbs`` (only then: the exact integers, least significant 32 bits first),
        ``support`` (only where rounding may have lost it), and ``about``, a JSON text.

        Raises
        ------
        FileError
            If the suffix is not ``.npz`` or the file cannot be written.
        """
        about = {key: getattr(self, key) for key in _ABOUT}
        mapfile.save(path, about, self.counts, self._embed)

    @staticmethod
    def load(path: Any) -> ImportanceMap:
        """Read a map that `save` wrote; pickled content is refused.

        Raises
        ------
        FileError
            If the file cannot be read or holds something else.
        """
        about, counts = mapfile.load(path, _ABOUT)
        return ImportanceMap(
            **about, shape=counts.shape, offset=(0,) * len(counts.shape), counts=counts
        )


_ABOUT = ("layer", "unit", "of", "measure", "channels", "network", "input_shape")
