"""`coverage`: how much of the image each layer's centre unit sees, in theory and in effect.

For classification a theoretical field as large as the image is not enough: the effective
field has to reach the object, too. And layers that come after the field has passed the image
add nothing to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.arithmetic import ReceptiveField, receptive_fields
from erfgraph.axes import is_identity
from erfgraph.display import Shown
from erfgraph.erf import check_threshold
from erfgraph.errors import InputError, unknown_name
from erfgraph.network import FeatureMap, Network
from erfgraph.params import Shape
from erfgraph.shape import bounding_box
from erfgraph.smallest import Least, sees_everything, smallest_fields
from erfgraph.sweeps import MEASURES, importance

COVER = 1.0
COVER_EFFECTIVE = 0.9545
Sides = tuple[int | None, ...]  # per axis; None: there is no such size


@dataclass(frozen=True, slots=True)
class LayerCoverage:
    """What the centre unit of one feature map sees of the image.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Spatial shape of the feature map.
    size : tuple of int
        Its largest theoretical field, padding counted.
    smallest : tuple of int or None
        Per axis the smallest field of any way into it; None where all ways lead through a
        layer that reads everything.
    theoretical : float
        Share of the image with at least one path to the centre unit.
    box : float
        Share of the image inside the smallest box around that.
    effective : float
        Share of the image inside the effective field.
    unproductive, critical : tuple of bool
        Per axis, for this input size.
    """

    name: str
    shape: Shape
    size: tuple[int, ...]
    smallest: Least
    theoretical: float
    box: float
    effective: float
    unproductive: tuple[bool, ...]
    critical: tuple[bool, ...]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "size": list(self.size),
            "smallest": list(self.smallest),
            "theoretical": self.theoretical,
            "box": self.box,
            "effective": self.effective,
            "unproductive": list(self.unproductive),
            "critical": list(self.critical),
        }


@dataclass(frozen=True, slots=True)
class InputRange(Shown):
    """Which input sizes suit a network, per axis; None where every layer reads everything.

    Attributes
    ----------
    productive : tuple of int or None
        The smallest input for which no layer is unproductive.
    uncritical : tuple of int or None
        The smallest input for which no layer is critical.
    covered : tuple of int or None
        The largest field of any layer: of a larger input no unit sees everything.
    """

    productive: Sides
    uncritical: Sides
    covered: Sides

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "productive": list(self.productive),
            "uncritical": list(self.uncritical),
            "covered": list(self.covered),
        }


@dataclass(frozen=True, slots=True)
class Coverage(Shown):
    """How much of the image a network's layers see.

    Attributes
    ----------
    network : str or None
    input_shape : tuple of int
    measure, rule : str
    threshold : float
        What makes the effective field.
    cover : float
        Share of the image from which the theoretical field's box covers it.
    cover_effective : float
        Share of the image from which the effective field covers it.
    rows : tuple of LayerCoverage
        One per feature map, the input first.
    inputs : InputRange
        The input sizes that suit the network.
    """

    network: str | None
    input_shape: Shape
    measure: str
    rule: str
    threshold: float
    cover: float
    cover_effective: float
    rows: tuple[LayerCoverage, ...] = field(repr=False)
    inputs: InputRange

    @property
    def covered_from(self) -> str | None:
        """The first feature map whose theoretical field's box covers the image, or None."""
        return next((row.name for row in self.rows if row.box >= self.cover), None)

    @property
    def effective_from(self) -> str | None:
        """The first feature map whose effective field covers the image, or None."""
        return next((r.name for r in self.rows if r.effective >= self.cover_effective), None)

    @property
    def unproductive(self) -> tuple[str, ...]:
        """The feature maps that are unproductive on every axis."""
        return tuple(row.name for row in self.rows if all(row.unproductive))

    @property
    def critical(self) -> tuple[str, ...]:
        """The feature maps that are critical on every axis."""
        return tuple(row.name for row in self.rows if all(row.critical))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; ``null`` stands for never."""
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "measure": self.measure,
            "rule": self.rule,
            "threshold": self.threshold,
            "cover": self.cover,
            "cover_effective": self.cover_effective,
            "covered_from": self.covered_from,
            "effective_from": self.effective_from,
            "unproductive": list(self.unproductive),
            "critical": list(self.critical),
            "inputs": self.inputs.to_dict(),
            "rows": [row.to_dict() for row in self.rows],
        }


def coverage(
    net: Network,
    measure: str = "paths",
    rule: str = "peak",
    threshold: float | None = None,
    *,
    cover: float = COVER,
    cover_effective: float = COVER_EFFECTIVE,
    progress: Callable[[int, int], Any] | None = None,
) -> Coverage:
    """How much of the image the centre unit of every feature map sees.

    Parameters
    ----------
    net : Network
    measure : str, optional
        As for `importance`.
    rule, threshold : optional
        What makes the effective field, as for `ImportanceMap.erf`.
    cover : float, optional
        Share of the image that the theoretical field's box must hold to cover it; default
        all of it.
    cover_effective : float, optional
        Share of the image that the effective field must hold to cover it; default 0.9545, the
        share within two standard deviations. The field is round: at 0.785 (pi/4) it is the
        disc that touches the sides of the image, and the corners come last.
    progress : callable, optional
        Called with (done, all), in feature maps.

    Returns
    -------
    Coverage

    Raises
    ------
    InputError
        If a share is not above 0 and at most 1.
    ThresholdError, NameLookupError, SizeError
        As `importance` and `ImportanceMap.erf`.

    Notes
    -----
    Let n be the input's size on an axis and r the smallest field of a feature map there, over
    all ways through branches (``erfgraph.smallest``). After Richter et al. 2021 ("Should You Go
    Deeper? Optimizing Convolutional Neural Network Architectures without Training"), a layer
    that makes map l of maps b is

    - unproductive where ``r_b >= n`` for all b, and ``r_l > n``;
    - critical where ``r_l > n``.

    So no layer is unproductive for ``n > max_l min(min_b r_b, r_l - 1)``, and none critical for
    ``n >= max_l r_l``: the input sizes of `InputRange`. Layers behind one that reads everything
    (pooling, classifier) are not judged.

    Examples
    --------
    The theoretical field of VGG-16 never quite covers its images, and the effective field
    holds less than a third of them:

    >>> import erfgraph as eg
    >>> found = eg.coverage(eg.load("vgg16"))
    >>> last = found.rows[-1]
    >>> last.size, round(last.box, 3), round(last.effective, 3)
    ((212, 212), 0.896, 0.304)
    >>> found.inputs.productive, found.inputs.covered
    ((197, 197), (212, 212))

    On images of 32 pixels, the layers from the seventh convolution on add nothing:

    >>> eg.coverage(eg.load("vgg16", input_shape=(32, 32))).unproductive[:2]
    ('features.14', 'features.16')
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if measure not in MEASURES:
        raise unknown_name("measure", str(measure), MEASURES)
    if not net.layers:
        raise InputError("the network has no layers, so nothing sees the image")
    value = check_threshold(rule, threshold)
    check_share("cover", cover)
    check_share("cover_effective", cover_effective)
    fields, least = receptive_fields(net), smallest_fields(net)
    rows = []
    shares: dict[int, tuple[float, float, float]] = {}
    for m in net.maps:
        if progress:
            progress(m.index, len(net.maps))
        copied = _copied(m) if measure == "paths" else None
        if copied is None:
            shares[m.index] = _shares(net, m, measure, rule, value)
        else:  # the same paths: no sweep of its own
            shares[m.index] = shares[copied]
        flags = _flags(m, least, net.input.shape)
        rows.append(
            LayerCoverage(
                m.name,
                m.shape,
                fields[m.index].size,
                least[m.index],
                *shares[m.index],
                *flags,
            )
        )
    return Coverage(
        network=net.name,
        input_shape=net.input.shape,
        measure=measure,
        rule=rule,
        threshold=value,
        cover=float(cover),
        cover_effective=float(cover_effective),
        rows=tuple(rows),
        inputs=_input_range(net, fields, least),
    )


def check_share(name: str, value: Any) -> None:
    """Refuse what is not a share above 0.

    Raises
    ------
    InputError
        If it is no number above 0 and at most 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InputError(f"{name}: got {value!r}, wanted a share above 0 and at most 1")


def _copied(m: FeatureMap) -> int | None:
    """The map whose units a map's units read one by one, as a 1x1 convolution does."""
    if len(m.links) != 1 or len(m.links[0].terms) != 1:
        return None
    return m.links[0].src if all(map(is_identity, m.links[0].terms[0])) else None


def _shares(
    net: Network, m: FeatureMap, measure: str, rule: str, threshold: float
) -> tuple[float, float, float]:
    """Shares of the image: with a path, in the box around that, in the effective field."""
    imp = importance(net, m, measure=measure)
    support = imp.counts.support  # of the window alone, which is quicker than the whole image
    box = bounding_box(support) or ()
    held = math.prod(stop - start for start, stop in box) if box else 0
    units = math.prod(net.input.shape)
    area = int(np.count_nonzero(support))
    return area / units, held / units, imp.erf(threshold, rule).share_of_input


def input_range(net: Network) -> InputRange:
    """The input sizes that suit a network.

    Parameters
    ----------
    net : Network

    Returns
    -------
    InputRange

    Notes
    -----
    See `coverage`. Sizes of fields do not depend on the input's size but behind layers that
    read everything, which are left out here.

    Examples
    --------
    >>> import erfgraph as eg
    >>> input_range(eg.load("resnet50")).productive
    (75, 75)
    """
    return _input_range(net, receptive_fields(net), smallest_fields(net))


def _before(m: FeatureMap, least: Sequence[Least], axis: int) -> int | None:
    """The smallest field of what a layer reads; None where there is none to judge by."""
    return min((v for link in m.links if (v := least[link.src][axis]) is not None), default=None)


def _flags(
    m: FeatureMap, least: Sequence[Least], shape: Shape
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Per axis whether a layer is unproductive, and whether it is critical."""
    unproductive, critical = [], []
    for axis, n in enumerate(shape):
        own, before = least[m.index][axis], _before(m, least, axis)
        critical.append(own is not None and own > n)
        unproductive.append(critical[-1] and before is not None and before >= n)
    return tuple(unproductive), tuple(critical)


def _input_range(
    net: Network, fields: Sequence[ReceptiveField], least: Sequence[Least]
) -> InputRange:
    whole: set[int] = set()  # maps that depend on a layer that reads everything
    productive: list[int | None] = []
    uncritical: list[int | None] = []
    covered: list[int | None] = []
    for m in net.maps:
        if sees_everything(m) or any(link.src in whole for link in m.links):
            whole.add(m.index)
    for axis in range(net.ndim):
        bounds, owns = [], []
        for m in net.maps[1:]:
            own, before = least[m.index][axis], _before(m, least, axis)
            if own is not None and before is not None:
                bounds.append(min(before, own - 1))
                owns.append(own)
        sizes = [rf.size[axis] for i, rf in enumerate(fields[1:], 1) if i not in whole]
        productive.append(1 + max(bounds) if bounds else None)
        uncritical.append(max(owns, default=None))
        covered.append(max(sizes, default=None))
    return InputRange(tuple(productive), tuple(uncritical), tuple(covered))
