"""`equal_fields`: networks of one theoretical field, and how their effective fields differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from erfgraph.arithmetic import receptive_field
from erfgraph.display import Shown
from erfgraph.erf import ERF, check_threshold
from erfgraph.errors import InputError
from erfgraph.importance_map import ImportanceMap
from erfgraph.loading import load
from erfgraph.network import FeatureMap, Network
from erfgraph.sweeps import importance


@dataclass(frozen=True, slots=True, eq=False)
class FieldRow:
    """Theoretical and effective field of one network.

    Attributes
    ----------
    network : str or None
    layer : str
    size : tuple of int
        Positions of the theoretical field per axis, padding counted.
    whole : bool
        Whether the unit's theoretical field lies inside the input; if not, its border cuts
        what the effective field is measured on.
    importance : ImportanceMap
    erf : ERF
    """

    network: str | None
    layer: str
    size: tuple[int, ...]
    whole: bool
    importance: ImportanceMap = field(repr=False)
    erf: ERF = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; ``null`` for a kurtosis without spread."""
        imp = self.importance
        return {
            "network": self.network,
            "input_shape": list(imp.input_shape),
            "layer": self.layer,
            "unit": list(imp.unit),
            "size": list(self.size),
            "whole": self.whole,
            "trf_area": imp.trf.area,
            "holes": imp.holes,
            "erf": self.erf.to_dict(),
            "std": list(imp.std),
            "isotropy": imp.isotropy,
            "entropy": imp.entropy,
            "excess_kurtosis": [None if math.isnan(k) else k for k in imp.excess_kurtosis],
        }


@dataclass(frozen=True, slots=True, eq=False)
class FieldComparison(Shown):
    """Several networks' fields side by side.

    Attributes
    ----------
    measure : str
    rows : tuple of FieldRow
        One per network, in the order given.
    """

    measure: str
    rows: tuple[FieldRow, ...]

    @property
    def sizes(self) -> tuple[tuple[int, ...], ...]:
        """Size of every network's theoretical field."""
        return tuple(row.size for row in self.rows)

    @property
    def equal(self) -> bool:
        """Whether all theoretical fields have the same size on every axis."""
        return len(set(self.sizes)) == 1

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "measure": self.measure,
            "equal": self.equal,
            "rows": [row.to_dict() for row in self.rows],
        }


def equal_fields(
    nets: Sequence[Any],
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    rule: str = "peak",
    threshold: float | None = None,
    *,
    strict: bool = True,
) -> FieldComparison:
    """Compare the effective fields of networks whose theoretical fields have one size.

    Parameters
    ----------
    nets : sequence of Network or anything that `load` takes
        Two or more, of the same number of axes.
    layer : str, optional
        Feature map of the unit in each of them; default each one's last.
    unit : int or sequence of int, optional
        Default the centre.
    measure : str, optional
        As for `importance`.
    rule, threshold : optional
        As for `ImportanceMap.erf`.
    strict : bool, optional
        Whether to refuse fields of different sizes; else the result says so (``equal``).

    Returns
    -------
    FieldComparison

    Raises
    ------
    InputError
        If there are fewer than two networks, their axes differ in number, or, when strict,
        their theoretical fields differ in size.
    ErfgraphError
        As `load`, `importance` and `ImportanceMap.erf`.

    Notes
    -----
    The size is that of the closed recurrence (`receptive_field`), padding counted. A chain of
    layers with kernels k has variance ``sum (k² - 1)/12`` and field ``1 + sum (k - 1)``: of
    chains with equal field, the one of many small kernels has the smaller effective field
    (Luo et al. 2016).

    Examples
    --------
    All of these see 19 positions. One large kernel weighs them alike, nine small ones little
    but the middle, and dilation spreads what few layers read:

    >>> import erfgraph as eg
    >>> found = eg.equal_fields(["conv3*9", "conv7*3", "conv19", "conv3 conv3d2 conv3d3*2"])
    >>> found.sizes
    ((19,), (19,), (19,), (19,))
    >>> [row.erf.area for row in found.rows]
    [13, 17, 19, 19]
    >>> [round(row.importance.std[0], 2) for row in found.rows]
    [2.45, 3.46, 5.48, 3.92]
    >>> eg.equal_fields(["conv3*9", "conv5*3"])
    Traceback (most recent call last):
    ...
    erfgraph.errors.InputError: theoretical fields differ in size: conv3*9 has 19, conv5*3 has 13
    """
    check_threshold(rule, threshold)
    if isinstance(nets, str) or not isinstance(nets, Sequence) or len(nets) < 2:
        raise InputError(f"nets: got {nets!r}, wanted two or more networks")
    made = [net if isinstance(net, Network) else load(net) for net in nets]
    axes = {net.ndim for net in made}
    if len(axes) > 1:
        given = ", ".join(f"{_name(net)} has {net.ndim}" for net in made)
        raise InputError(f"networks differ in their number of axes: {given}")
    found = [receptive_field(net, layer) for net in made]
    if strict and len({rf.size for rf in found}) > 1:
        given = ", ".join(
            f"{_name(net)} has {'x'.join(map(str, rf.size))}"
            for net, rf in zip(made, found, strict=True)
        )
        raise InputError(f"theoretical fields differ in size: {given}")
    rows = []
    for net, rf in zip(made, found, strict=True):
        imp = importance(net, rf.name, unit, measure)
        whole = all(
            hull is not None and hull[0] >= 0 and hull[1] < n
            for hull, n in zip(rf.field(imp.unit), net.input.shape, strict=True)
        )
        erf = imp.erf(threshold, rule)
        rows.append(FieldRow(net.name, rf.name, rf.size, whole, imp, erf))
    return FieldComparison(measure, tuple(rows))


def _name(net: Network) -> str:
    return net.name or "a network without a name"
