"""`match_objects`: which level's receptive field suits which objects of a data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from erfgraph.arithmetic import receptive_field
from erfgraph.errors import InputError, excerpt, unknown_name
from erfgraph.network import FeatureMap, Network
from erfgraph.sweeps import importance
from erfgraph.tasks.match_results import (
    QUANTILES,
    AnchorMatch,
    ClassMatch,
    Gap,
    Level,
    ObjectMatch,
    StrideMatch,
)
from erfgraph.tasks.objects import SIZES, ObjectSizes


def match_objects(
    net: Network,
    objects: ObjectSizes,
    levels: Sequence[str | FeatureMap] | str | FeatureMap,
    fit: tuple[float, float] = (0.25, 1.0),
    *,
    size: str = "area",
    resize: str = "none",
    anchors: Sequence[Any] | None = None,
    strides: Sequence[float] | None = None,
    rule: str = "peak",
    threshold: float | None = None,
    measure: str = "paths",
) -> ObjectMatch:
    """Match the fields of a detector's levels to the sizes of a data set's objects.

    A level **covers** an object whose size lies within ``fit`` times the side of the level's
    effective field, both ends included: by default the object fits into the field and is at
    least a quarter as large. An object may be covered by several levels, or by none.

    Parameters
    ----------
    net : Network
        Of two spatial axes.
    objects : ObjectSizes
        From `read_coco`, or your own.
    levels : sequence of str or FeatureMap
        The feature maps that predict objects.
    fit : (float, float), optional
        Smallest and largest size of an object over the side of the effective field.
    size : {"area", "height", "width"}, optional
        What is compared: ``sqrt(width * height)`` with the square root of the effective
        field's area, or a side of the object's box with the side of the field's box.
    resize : {"none", "stretch", "shorter", "longer"}, optional
        How images become the network's input; see `ObjectSizes.resized`.
    anchors : sequence, optional
        Sizes of anchors in pixels of the input, of the same measure as `size`: a flat sequence
        is for every level, a sequence of sequences has one for each.
    strides : sequence of float, optional
        One a level: the strides that a detector's configuration gives.
    rule, threshold, measure : optional
        What makes the effective field, as for `ImportanceMap.erf` and `importance`.

    Returns
    -------
    ObjectMatch

    Raises
    ------
    InputError
        If the network has not two axes, there is no object or level, a level is given twice
        or has an empty field, or `fit`, anchors or strides are no positive numbers.
    NameLookupError
        If there is no such level, size, resize, rule or measure.
    ThresholdError
        If the threshold is out of the rule's range.

    Notes
    -----
    A level's field is that of its centre unit, inside the image. Objects between two levels'
    ranges, smaller than all or larger than all are the `ClassMatch.gaps`.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv3p1*4 max2 conv3p1*4", input_shape=(64, 64))
    >>> objects = eg.ObjectSizes([4, 10, 40], [4, 10, 40])
    >>> found = eg.match_objects(net, objects, ["conv4", "conv8"])
    >>> [(level.name, level.trf, round(level.erf, 1)) for level in found.levels]
    [('conv4', 9.0, 7.0), ('conv8', 26.0, 16.6)]
    >>> found.covered.tolist()
    [[True, False], [False, True], [False, False]]
    >>> [(gap.count, gap.smallest) for gap in found.total.gaps]
    [(1, 40.0)]
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if net.ndim != 2:
        raise InputError(f"net: got an input of {net.ndim} axes, objects in images need 2")
    if not isinstance(objects, ObjectSizes):
        raise InputError(f"objects: got {objects!r}, wanted ObjectSizes (see erfgraph.read_coco)")
    if not len(objects):
        raise InputError("objects: got none, wanted at least one")
    if size not in SIZES:
        raise unknown_name("size", str(size), SIZES)
    low, high = _pair(fit)
    wanted = [levels] if isinstance(levels, str | FeatureMap) else list(levels)
    made: list[Level] = []
    erf = None
    for level in wanted:
        x, erf = _level(net, level, size, (low, high), rule, threshold, measure)
        if any(x.name == other.name for other in made):
            raise InputError(f"levels: {x.name!r} is given twice")
        made.append(x)
    if erf is None:
        raise InputError("levels: got none, wanted at least one feature map")
    resized = objects.resized(net.input.shape, resize)
    sides = resized.sides(size)
    covered = np.stack([(x.low <= sides) & (sides <= x.high) for x in made], axis=1)
    classes = np.asarray(resized.classes)
    order = np.argsort(classes, kind="stable")
    parts = np.split(order, np.searchsorted(classes[order], np.arange(1, len(resized.names))))
    return ObjectMatch(
        network=net.name,
        input_shape=net.input.shape,
        size=size,
        resize=resize,
        fit=(low, high),
        measure=measure,
        rule=erf.rule,
        threshold=erf.threshold,
        levels=tuple(made),
        total=_of_class("all classes", sides, covered, made),
        classes=tuple(
            _of_class(name, sides[part], covered[part], made)
            for name, part in zip(resized.names, parts, strict=True)
        ),
        anchors=_anchors(made, anchors),
        strides=_strides(made, strides),
        objects=resized,
        covered=covered,
    )


def _level(
    net: Network,
    level: str | FeatureMap,
    size: str,
    fit: tuple[float, float],
    rule: str,
    threshold: float | None,
    measure: str,
) -> tuple[Level, Any]:
    m = net._resolve(level, "level")
    rf = receptive_field(net, m)
    erf = importance(net, m, None, measure).erf(threshold, rule)
    if erf.bbox is None:
        raise InputError(f"level {m.name!r}: the effective field of its centre unit is empty")
    if size == "area":
        trf, side = math.sqrt(math.prod(rf.size)), erf.size
    else:
        axis = ("height", "width").index(size)
        trf, side = float(rf.size[axis]), float(erf.bbox[axis][1] - erf.bbox[axis][0])
    stride = tuple(float(s) for s in rf.stride)
    return Level(m.name, stride, trf, side, fit[0] * side, fit[1] * side), erf


def _of_class(
    name: str, sides: np.ndarray, covered: np.ndarray, levels: Sequence[Level]
) -> ClassMatch:
    n = len(sides)
    if not n:
        none = math.nan
        return ClassMatch(name, 0, (none,) * len(QUANTILES), (none,) * len(levels), none, ())
    left = np.sort(sides[~covered.any(axis=1)])
    return ClassMatch(
        name=name,
        count=n,
        quantiles=tuple(np.quantile(sides, QUANTILES).tolist()),
        shares=tuple(covered.mean(axis=0).tolist()),
        uncovered=len(left) / n,
        gaps=_gaps(left, levels),
    )


def _gaps(left: np.ndarray, levels: Sequence[Level]) -> tuple[Gap, ...]:
    """The uncovered sizes, sorted, by the gap between ranges that they fall into."""
    found = []
    reached = 0.0
    ranges = [*sorted((x.low, x.high) for x in levels), (math.inf, math.inf)]
    for low, high in ranges:
        inside = left[(left > reached) & (left < low)] if low > reached else left[:0]
        if len(inside):
            found.append(Gap(reached, low, len(inside), float(inside[0]), float(inside[-1])))
        reached = high  # ranges are alike in proportion: the later starts, the later it ends
    return tuple(found)


# --- what a configuration says ------------------------------------------------------------


def _anchors(levels: Sequence[Level], anchors: Sequence[Any] | None) -> tuple[AnchorMatch, ...]:
    if anchors is None:
        return ()
    given = list(anchors) if isinstance(anchors, Sequence | np.ndarray) else []
    nested = [isinstance(one, list | tuple | np.ndarray) for one in given]
    if not given or (any(nested) and not all(nested)):
        raise InputError(f"anchors: got {excerpt(repr(anchors))}, wanted sizes, or some per level")
    per_level = given if all(nested) else [given] * len(levels)
    if len(per_level) != len(levels):
        raise InputError(
            f"anchors: got {len(per_level)} lists, wanted one for each of {len(levels)} levels"
        )
    return tuple(
        AnchorMatch(
            level=x.name,
            anchor=one,
            over_erf=one / x.erf,
            over_trf=one / x.trf if x.trf else math.inf,
            suits=x.low <= one <= x.high,
        )
        for x, sizes in zip(levels, per_level, strict=True)
        for one in _positive("anchors", sizes)
    )


def _strides(levels: Sequence[Level], strides: Sequence[float] | None) -> tuple[StrideMatch, ...]:
    if strides is None:
        return ()
    given = _positive("strides", strides)
    if len(given) != len(levels):
        raise InputError(f"strides: got {len(given)}, wanted one for each of {len(levels)} levels")
    return tuple(
        StrideMatch(x.name, one, x.stride, all(s == one for s in x.stride))
        for x, one in zip(levels, given, strict=True)
    )


def _positive(what: str, values: Any) -> list[float]:
    try:
        made = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        made = [math.nan]
    if not all(0 < value < math.inf for value in made):
        raise InputError(f"{what}: got {excerpt(repr(values))}, wanted numbers > 0")
    return made


def _pair(fit: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in fit)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not 0 <= low < high < math.inf:
        raise InputError(f"fit: got {fit!r}, wanted two numbers, 0 <= smallest < largest")
    return low, high
