"""Thresholds against their definitions, written naively with fractions; ranges; equality."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from draws import patient
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import positions

import erfgraph as eg
from erfgraph.counts import Counts
from erfgraph.erf import RULES
from erfgraph.wide import Wide, limbs_for

SHARES = st.sampled_from([0.01, 0.0455, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9, 0.9545, 0.99, 1.0])


def as_wide(values):
    """The same integers as limbs."""
    n = limbs_for(int(values.max())) + 1
    flat = [int(v) for v in values.ravel()]
    limbs = [[(v >> (32 * j)) & 0xFFFFFFFF for v in flat] for j in range(n)]
    return Wide(np.array(limbs, dtype=np.int64).reshape(n, *values.shape))


def a_map(values, kind="int64", offset=None, shape=None):
    """An importance map that holds any values on a window."""
    values = np.array(values)
    held = {
        "int64": lambda: values.astype(np.int64),
        "float64": lambda: values.astype(float),
        "wide": lambda: as_wide(values),
    }[kind]()
    first = eg.importance(eg.load("conv3"))
    return dataclasses.replace(
        first,
        shape=shape or values.shape,
        offset=offset or (0,) * values.ndim,
        counts=Counts(held),
    )


@st.composite
def small_maps(draw):
    """Values with many ties on small windows somewhere in a map."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    n = math.prod(shape)
    few = st.integers(0, 3) | st.sampled_from([7, 20, 100])
    flat = draw(st.lists(few, min_size=n, max_size=n).filter(any))
    offset = tuple(draw(st.integers(0, 2)) for _ in shape)
    whole = tuple(n + o + draw(st.integers(0, 2)) for n, o in zip(shape, offset, strict=True))
    kind = draw(st.sampled_from(["int64", "wide"]))
    return a_map(np.array(flat).reshape(shape), kind, offset, whole)


# --- naive definitions --------------------------------------------------------------------


def written(threshold):
    """The number as it prints."""
    return Fraction(repr(float(threshold)))


def units(imp):
    return {at: int(imp.values[at]) for at in positions(imp.shape)}


def naive_peak(imp, threshold):
    values = units(imp)
    cut = written(threshold) * max(values.values())
    return {at for at, v in values.items() if v >= cut and v > 0}


def naive_count(imp, threshold):
    return {at for at, v in units(imp).items() if v > written(threshold)}


def naive_mass(imp, threshold):
    """Largest first; of equal ones the nearer to the centre of mass, then the first."""
    values = units(imp)
    total = sum(values.values())
    centre = [
        Fraction(sum(v * at[a] for at, v in values.items()), total) for a in range(imp.values.ndim)
    ]

    def order(at):
        return -values[at], sum((i - c) ** 2 for i, c in zip(at, centre, strict=True)), at

    need = written(threshold) * total
    taken, held = set(), 0
    for at in sorted(values, key=order):
        if held >= need:
            break
        taken.add(at)
        held += values[at]
    return taken


def naive_square(imp, threshold, centre=None):
    values = units(imp)
    inside = [at for at, v in values.items() if v]
    if centre is None:
        centre = [(min(line) + max(line) + 1) // 2 for line in zip(*inside, strict=True)]
    need = written(threshold) * sum(values.values())
    for radius in range(50):
        square = {
            at
            for at in values
            if max(abs(a - c) for a, c in zip(at, centre, strict=True)) <= radius
        }
        if sum(values[at] for at in square) >= need:
            return square
    raise AssertionError


NAIVE = {"peak": naive_peak, "count": naive_count, "mass": naive_mass, "square": naive_square}


def as_set(mask):
    return {tuple(at) for at in np.argwhere(mask).tolist()}


EQUALLY_FAR = [  # units at one distance of the centre of mass, but for rounding
    [[1, 2, 2], [1, 2, 2], [1, 2, 1]],
    [[1, 1, 2], [2, 2, 1], [1, 1, 2]],
    [[2, 2, 2], [1, 2, 2], [1, 2, 2]],
]


# --- rules --------------------------------------------------------------------------------


@patient
@given(small_maps(), SHARES)
@example(a_map([[1, 1], [1, 1]]), 0.99)
@example(a_map([1, 2, 3, 4]), 0.1)
@example(a_map(EQUALLY_FAR), 0.2)
@example(a_map([10, 1, 10]), 0.1)  # as the decimal one tenth, not the double above it
def test_share_rules_are_their_definitions(imp, threshold):
    for rule in ("peak", "mass", "square"):
        erf = imp.erf(threshold, rule)
        assert as_set(erf.mask) == NAIVE[rule](imp, threshold), rule
        assert erf.mask.shape == imp.shape


@patient
@given(small_maps(), st.sampled_from([0, 0.5, 1, 2, 2.5, 3, 19.999, 20, 1e9, 1e30]))
def test_count_rule_is_its_definition(imp, threshold):
    assert as_set(imp.erf(threshold, "count").mask) == naive_count(imp, threshold)


@patient
@given(small_maps(), SHARES, st.data())
def test_square_around_a_given_centre(imp, threshold, data):
    centre = tuple(data.draw(st.integers(0, n - 1)) for n in imp.shape)
    erf = imp.erf(threshold, "square", centre=centre)
    assert as_set(erf.mask) == naive_square(imp, threshold, centre)


@patient
@given(small_maps(), SHARES)
def test_the_smallest_set_is_the_smallest(imp, threshold):
    mask = imp.erf(threshold, "mass").mask
    need = written(threshold) * imp.total
    assert imp.values[mask].sum() >= need
    largest_fewer = sorted(imp.values.ravel().tolist(), reverse=True)[: mask.sum() - 1]
    assert sum(largest_fewer) < need


@patient
@given(small_maps(), SHARES)
def test_number_types_agree(imp, threshold):
    window = imp.counts.array().astype(np.int64)
    others = [a_map(window, kind, imp.offset, imp.shape) for kind in ("int64", "wide")]
    for rule in RULES:
        masks = [other.erf(threshold, rule).mask for other in others]
        assert np.array_equal(*masks)
    assert others[0].peak == others[1].peak
    assert others[0].total == others[1].total
    assert np.allclose(others[0].share, others[1].share, rtol=1e-15)


def test_thresholds_of_floats():
    values = np.array([0.0, 1, 2, 8, 2, 1, 0])
    imp = a_map(values, "float64")
    for rule, threshold in [("peak", 0.25), ("mass", 0.8), ("square", 0.8), ("count", 1)]:
        want = a_map(values).erf(threshold, rule).mask
        assert np.array_equal(imp.erf(threshold, rule).mask, want)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 6, 8, 14])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("kind", ["int64", "float64", "wide"])
def test_square_is_never_empty_on_flat_maps(side, threshold, kind):
    imp = a_map(np.ones((side, side)), kind)
    erf = imp.erf(threshold, rule="square")
    assert erf.area > 0
    assert erf.mask.sum() >= threshold * side**2
    assert as_set(erf.mask) == naive_square(imp, threshold)


def test_a_wrong_rule_is_noticed():
    imp = a_map([1, 3, 6, 3, 1])
    strictly = {at for at, v in units(imp).items() if v > Fraction(1, 2) * 6}
    assert as_set(imp.erf(0.5).mask) != strictly


# --- ranges -------------------------------------------------------------------------------


def test_defaults():
    imp = eg.importance(eg.load("conv3*5"))
    assert imp.erf() == imp.erf(0.0455, rule="peak")
    assert imp.erf(rule="mass") == imp.erf(0.9545, rule="mass")
    assert imp.erf(rule="square") == imp.erf(0.9545, rule="square")
    assert imp.erf(rule="count").area == imp.trf.area


@pytest.mark.parametrize("rule", ["peak", "mass", "square"])
@pytest.mark.parametrize("threshold", [0, -0.1, 1.0000001, math.nan, math.inf, "half", 10**400])
def test_shares_out_of_range(rule, threshold):
    with pytest.raises(eg.ThresholdError, match=f"{rule!r} wants a share above 0 and at most 1"):
        eg.importance(eg.load("conv3")).erf(threshold, rule)


@pytest.mark.parametrize("threshold", [-1, math.nan, math.inf, "many", [1], 10**400])
def test_counts_out_of_range(threshold):
    imp = eg.importance(eg.load("conv3"))
    with pytest.raises(eg.ThresholdError, match="wants a number of counts, 0 or more"):
        imp.erf(threshold, "count")


def test_unknown_rule_and_bad_centre():
    imp = eg.importance(eg.load("conv3"))
    with pytest.raises(eg.NameLookupError, match="did you mean 'square'"):
        imp.erf(0.5, "squares")
    for centre in [(3,), (-1,), (0, 0)]:
        with pytest.raises(eg.ThresholdError, match="centre: got"):
            imp.erf(0.5, "square", centre=centre)


def test_a_unit_that_nothing_reaches():
    net = eg.Network(5)
    net.pad(net.input, 2)
    imp = eg.importance(net, unit=0)
    assert imp.total == 0
    assert imp.trf.area == imp.holes == 0
    assert imp.trf.bbox is None
    assert not imp.share.any()
    for rule in RULES:
        erf = imp.erf(rule=rule)
        assert erf.area == 0
        assert erf.bbox is None
        assert erf.share_of_trf == erf.share_of_input == erf.size == 0
        assert erf.to_dict()["bbox"] is None


# --- what a field says --------------------------------------------------------------------


def test_shares_sizes_and_boxes():
    imp = a_map([[0, 0, 0], [0, 4, 2], [0, 1, 4]], shape=(5, 4), offset=(1, 0))
    erf = imp.erf(0.5)
    assert as_set(erf.mask) == {(2, 1), (2, 2), (3, 2)}
    assert (erf.area, erf.bbox) == (3, ((2, 4), (1, 3)))
    assert erf.size == pytest.approx(3**0.5)
    assert erf.share_of_trf == 3 / 4
    assert erf.share_of_input == 3 / 20
    assert imp.holes == 0
    assert imp.erf(1.0).area == 2
    with pytest.raises(ValueError, match="read-only"):
        erf.mask[0, 0] = True


def test_equality():
    imp = eg.importance(eg.load("conv3*3"))
    assert imp.erf(0.5) == imp.erf(0.5)
    assert imp.erf(0.5) != imp.erf(0.4999)
    assert imp.erf(0.5) != imp.erf(0.5, rule="mass")
    assert imp.erf(0.5) != "a field"
    assert imp == eg.importance(eg.load("conv3 conv3*2"))
    assert imp != eg.importance(eg.load("conv3*3"), measure="edges")
    assert imp != eg.importance(eg.load("conv3*3"), exact=False)
    assert imp != eg.importance(eg.load("conv3 conv5"), layer="conv2")
    assert imp != "a map"
    one_more = imp.counts.values.copy()
    one_more[0] += 1
    assert imp != dataclasses.replace(imp, counts=Counts(one_more))
    # the same values on a wider window
    wider = dataclasses.replace(imp, shape=(9,), offset=(1,))
    held = np.pad(imp.counts.values, 1)
    assert wider == dataclasses.replace(wider, offset=(0,), counts=Counts(held))
    held[0] = 1
    assert wider != dataclasses.replace(wider, offset=(0,), counts=Counts(held))
    with pytest.raises(TypeError, match="unhashable"):
        hash(imp)
