"""`growth`: theoretical and effective field of every layer along a network's depth.

The theoretical field of a chain grows with its depth, the effective one with the root of it
(Luo et al. 2016): `Growth.law` fits the exponent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.arithmetic import receptive_fields
from erfgraph.display import Shown
from erfgraph.erf import check_threshold
from erfgraph.errors import InputError
from erfgraph.network import FeatureMap, Network
from erfgraph.params import Shape, is_int
from erfgraph.sweeps import importance
from erfgraph.theory import fit_power, student

COUNTED = ("conv", "conv_transpose", "linear", "attention")  # layers that depth counts
FIRST = 5  # depth from which the law is fitted: shallower maps are far from a Gaussian
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """The fields of the centre unit of one feature map.

    Attributes
    ----------
    name : str
    op : str
        Name of the layer's operation, ``"input"`` for the input.
    depth : int
        Convolutions, linear and attention layers on the chain up to here, this one counted.
    unit : tuple of int
    size : tuple of int
        Positions of the theoretical field per axis, padding counted.
    whole : bool
        Whether the theoretical field lies inside the input; if not, the border cuts what the
        effective field is measured on.
    trf_area, erf_area : int
        Input units with a path, and of the effective field.
    """

    name: str
    op: str
    depth: int
    unit: Shape
    size: tuple[int, ...]
    whole: bool
    trf_area: int
    erf_area: int

    @property
    def side(self) -> float:
        """Equivalent side of the theoretical field: ``prod(size) ** (1 / axes)``."""
        return float(math.prod(self.size) ** (1 / len(self.size)))

    @property
    def erf_side(self) -> float:
        """Equivalent side of the effective field: ``erf_area ** (1 / axes)``."""
        return float(self.erf_area ** (1 / len(self.size)))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "name": self.name,
            "op": self.op,
            "depth": self.depth,
            "unit": list(self.unit),
            "size": list(self.size),
            "side": self.side,
            "whole": self.whole,
            "trf_area": self.trf_area,
            "erf_area": self.erf_area,
            "erf_side": self.erf_side,
        }


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``side = factor * depth ** exponent``, fitted in logarithms.

    Attributes
    ----------
    exponent, factor : float
    standard_error : float
        Of the exponent, from the residuals. Sides are counted, not drawn: it says how far
        they are from one power law, not how they scatter.
    depths : tuple of int
        Those that were fitted.
    """

    exponent: float
    standard_error: float
    factor: float
    depths: tuple[int, ...] = field(repr=False)

    def side(self, depth: float) -> float:
        """The side that the law gives at a depth."""
        return float(self.factor * depth**self.exponent)

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "exponent": self.exponent,
            "standard_error": self.standard_error,
            "factor": self.factor,
            "depths": list(self.depths),
        }


@dataclass(frozen=True, slots=True)
class Growth(Shown):
    """Fields along the depth of a network.

    Attributes
    ----------
    network : str or None
    input_shape : tuple of int
    measure, rule : str
    threshold : float
        What makes the effective field.
    rows : tuple of GrowthRow
        One per feature map of the main chain, the input first.
    """

    network: str | None
    input_shape: Shape
    measure: str
    rule: str
    threshold: float
    rows: tuple[GrowthRow, ...] = field(repr=False)

    def law(self, first: int = FIRST) -> PowerLaw:
        """The exponent with which the effective field's side grows with depth.

        Parameters
        ----------
        first : int, optional
            The smallest depth that is fitted. The first layers are far from a Gaussian, and
            their ERF is nearly the whole theoretical field.

        Returns
        -------
        PowerLaw
            Ordinary least squares of log side on log depth, over the last map of each depth.
            Maps whose theoretical field reaches beyond the input are left out: the border
            cuts them.

        Raises
        ------
        InputError
            If fewer than three depths are left.
        """
        if not is_int(first) or first < 1:
            raise InputError(f"first: got {first!r}, wanted a depth of 1 or more")
        by_depth = {r.depth: r.erf_side for r in self.rows if r.depth >= first and r.whole}
        if len(by_depth) < 3:
            raise InputError(
                f"{self.network or 'network'}: {len(by_depth)} depths from {first} on have their "
                "theoretical field inside the input, a law wants three or more "
                "(a larger input, or an earlier first depth?)"
            )
        depths, sides = list(by_depth), list(by_depth.values())
        fit = fit_power(depths, sides, CONFIDENCE)
        error = (fit.high - fit.slope) / student(len(depths) - 2, CONFIDENCE)
        factor = np.exp(np.mean(np.log(sides)) - fit.slope * np.mean(np.log(depths)))
        return PowerLaw(fit.slope, error, float(factor), tuple(depths))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "measure": self.measure,
            "rule": self.rule,
            "threshold": self.threshold,
            "rows": [row.to_dict() for row in self.rows],
        }


def growth(
    net: Network,
    layer: str | FeatureMap | None = None,
    measure: str = "paths",
    rule: str = "peak",
    threshold: float | None = None,
    *,
    progress: Callable[[int, int], Any] | None = None,
    **options: Any,
) -> Growth:
    """Theoretical and effective field of the centre unit of every feature map along depth.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Where the chain ends; default the last.
    measure : str, optional
        As for `importance`.
    rule, threshold : optional
        What makes the effective field, as for `ImportanceMap.erf`.
    progress : callable, optional
        Called with (done, all), in feature maps.
    **options
        More of `importance`: ``init``, ``batchnorm``, ``scalar``, …

    Returns
    -------
    Growth

    Raises
    ------
    InputError
        If the network has no layers.
    ThresholdError, NameLookupError, SizeError
        As `importance` and `ImportanceMap.erf`.

    Notes
    -----
    The chain is the way from the input to `layer` with the most convolutions, linear and
    attention layers; of several the one that is read first at each merge. The centre unit of a
    map is at ``size // 2``.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.growth(eg.load("conv3*40", input_shape=(81, 81)))
    >>> [(row.name, row.side, round(row.erf_side, 1)) for row in found.rows[10::15]]
    [('conv10', 21.0, 11.7), ('conv25', 51.0, 18.0), ('conv40', 81.0, 22.7)]

    The side grows nearly as the root of the depth, the theoretical one as the depth:

    >>> law = found.law()
    >>> round(law.exponent, 2), round(law.standard_error, 3)
    (0.49, 0.003)
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if not net.layers:
        raise InputError("the network has no layers, so nothing grows")
    value = check_threshold(rule, threshold)
    top = net.output if layer is None else net.returned(layer) if isinstance(layer, str) else layer
    chain = main_chain(net, top)
    fields = receptive_fields(net)
    rows, depth = [], 0
    for i, m in enumerate(chain):
        if progress:
            progress(i, len(chain))
        depth += m.op in COUNTED
        # by name: what the layer returns, so that an activation behind a sum counts
        at = top if m.index == top.index else net.returned(m.name)
        imp = importance(net, at, measure=measure, **options)
        hulls = fields[m.index].field(imp.unit)
        rows.append(
            GrowthRow(
                m.name,
                m.op,
                depth,
                imp.unit,
                tuple(0 if h is None else h[1] - h[0] + 1 for h in hulls),
                all(
                    h is not None and h[0] >= 0 and h[1] < n
                    for h, n in zip(hulls, net.input.shape, strict=True)
                ),
                int(np.count_nonzero(imp.counts.support)),
                imp.erf(value, rule).area,
            )
        )
    counted = f"channel {imp.measure}" if imp.channels == "count" else imp.measure
    return Growth(net.name, net.input.shape, counted, rule, value, tuple(rows))


def main_chain(net: Network, top: FeatureMap) -> list[FeatureMap]:
    """The way from the input to a feature map on which most layers lie, both ends included.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("res(conv3p1 conv3p1) max2", (8, 8))
    >>> [m.name for m in main_chain(net, net.output)]
    ['input', 'conv1', 'conv2', 'add1', 'max_pool1']
    """
    depths: list[int] = []
    below: list[int | None] = []
    for m in net.maps:
        sources = [link.src for link in m.links]
        best = max(sources, key=depths.__getitem__) if sources else None  # the first of equals
        below.append(best)
        depths.append((0 if best is None else depths[best]) + (m.op in COUNTED))
    chain: list[FeatureMap] = []
    at: int | None = top.index
    while at is not None:
        chain.append(net.maps[at])
        at = below[at]
    return chain[::-1]
