"""High-contribution areas against the search that the large-kernel papers describe."""

from __future__ import annotations

import math

import numpy as np
import pytest

import erfgraph as eg
from erfgraph.counts import Counts
from erfgraph.errors import InputError, NameLookupError, ThresholdError
from erfgraph.importance_map import ImportanceMap

SHARES = (0.2, 0.3, 0.5, 0.99)


def made(values) -> ImportanceMap:
    values = np.asarray(values)
    shape = values.shape
    return ImportanceMap(
        layer="top",
        unit=(0,) * len(shape),
        of="input",
        measure="made",
        shape=shape,
        input_shape=shape,
        network=None,
        offset=(0,) * len(shape),
        counts=Counts(values),
    )


def squares(data, share):
    """The search of the large-kernel papers as they describe it, from 3 x 3 on, inside only."""
    rows, columns = data.shape
    for radius in range(1, rows // 2):
        top, left = rows // 2 - radius, columns // 2 - radius
        inside = data[top : top + 2 * radius + 1, left : left + 2 * radius + 1]
        if inside.sum() / data.sum() > share:
            side = 2 * radius + 1
            return side, side / rows * side / columns
    return None


def random_maps():
    rng = np.random.default_rng(3)
    for size in (8, 15, 32, 63):
        yield rng.random((size, size))
        away = np.hypot(*(np.indices((size, size)) - size // 2))
        yield np.exp(-((away / (size / 8)) ** 2)) * rng.random((size, size)) * 10.0**size
        yield np.exp(-away) * 1e-9


# --- high-contribution areas ------------------------------------------------------------------


@pytest.mark.parametrize("data", list(random_maps()), ids=lambda d: f"{len(d)}")
def test_log10_is_the_papers_search(data):
    for row in eg.high_contribution(made(data), SHARES, scale="log10"):
        theirs = squares(np.log10(data + 1) / np.log10(data + 1).max(), row.share)
        if theirs is None:  # none of theirs is large enough: the map itself is
            assert row.side >= len(data) - 1
        else:
            assert row.side == theirs[0]
            assert row.area_ratio == pytest.approx(theirs[1])


@pytest.mark.parametrize("data", list(random_maps()), ids=lambda d: f"{len(d)}")
def test_linear_is_the_same_search_without_the_logarithm(data):
    for row in eg.high_contribution(made(data), SHARES):
        theirs = squares(data, row.share)
        if theirs is not None and row.side > 1:
            assert row.side == theirs[0]
            assert row.area_ratio == pytest.approx(theirs[1])


def test_the_search_can_fail():
    data = np.random.default_rng(0).random((32, 32))
    found = eg.high_contribution(made(data), SHARES)
    off = [squares(np.roll(data**9, 5), share) for share in SHARES]
    assert [row.side for row in found] != [o and o[0] for o in off]


def test_flat_maps_of_even_size_have_an_area():
    assert squares(np.ones((64, 64)), 0.99) is None
    for scale in ("linear", "sqrt", "log10"):
        (row,) = eg.high_contribution(made(np.ones((64, 64))), [0.99], scale=scale)
        assert (row.side, row.area_ratio) == (64, 1.0)


def test_only_log10_depends_on_the_scale():
    data = np.zeros((8, 8))
    data = np.exp(-np.hypot(*(np.indices(data.shape) - 4)))
    for scale in ("linear", "sqrt"):
        one, ten = (eg.high_contribution(made(k * data), scale=scale) for k in (1, 1e6))
        assert one == ten
    one, ten = (eg.high_contribution(made(k * data), scale="log10") for k in (1, 1e6))
    assert one != ten


def test_sqrt_is_linear_on_the_root():
    data = np.random.default_rng(1).random((31, 31)) ** 8
    assert eg.high_contribution(made(data), scale="sqrt") == eg.high_contribution(
        made(np.sqrt(data))
    )


def test_squares_are_those_of_the_rule():
    imp = eg.importance(eg.load("conv3*20", input_shape=(64, 64)))
    for centre in ((32, 32), (20, 40)):
        for row in eg.high_contribution(imp, centre=centre):
            field = imp.erf(row.share, rule="square", centre=centre)
            assert row.area_ratio == field.share_of_input
            assert row.side == max(b - a for a, b in field.bbox)


def test_counts_that_no_float_holds():
    net = eg.load("conv3*700", input_shape=(1401,))
    exact = eg.importance(net)
    assert exact.peak.value > 10**320
    by_hand = np.array([math.log10(int(v) + 1) for v in exact.values])
    for row in eg.high_contribution(exact, SHARES, scale="log10"):
        radius = row.side // 2
        inside, smaller = (by_hand[700 - r : 701 + r].sum() for r in (radius, radius - 1))
        assert smaller <= row.share * by_hand.sum() < inside
    rounded = eg.importance(net, exact=False)
    for scale in ("linear", "sqrt"):
        assert eg.high_contribution(exact, scale=scale) == eg.high_contribution(
            rounded, scale=scale
        )


def test_one_axis_and_three():
    line = eg.high_contribution(made(np.ones(10)), [0.5])[0]
    assert (line.side, line.area_ratio) == (5, 0.5)
    cube = eg.high_contribution(made(np.ones((3, 9, 9))), [0.5])[0]
    assert (cube.side, cube.area_ratio) == (7, 3 * 7 * 7 / 243)


def test_a_field_is_ready_for_json():
    (row,) = eg.high_contribution(made(np.eye(3)), [0.2])
    assert row.to_dict() == {"share": 0.2, "side": 1, "area_ratio": 1 / 9}


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (np.ones((3, 3)), {"shares": [0.0]}, ThresholdError, "wants a share above 0"),
        (np.ones((3, 3)), {"scale": "log"}, NameLookupError, "log10"),
        (np.ones((3, 3)), {"centre": (3, 0)}, ThresholdError, r"centre: got \(3, 0\)"),
        (np.ones((3, 3)), {"centre": "ab"}, ThresholdError, "centre: got 'ab'"),
        (np.zeros((3, 3)), {}, InputError, "without any importance"),
        (np.array([[1.0, -1.0]]), {}, InputError, "negative or not finite"),
        (np.array([[1.0, math.nan]]), {}, InputError, "negative or not finite"),
    ],
)
def test_what_is_refused(values, options, error, message):
    with pytest.raises(error, match=message):
        eg.high_contribution(made(values), **options)


def test_the_name_stays_a_function():
    import erfgraph.contribution  # a module of the function's name would hide it

    assert callable(eg.high_contribution)
    assert erfgraph.contribution.high_contribution is eg.high_contribution


def test_only_maps():
    with pytest.raises(InputError, match="wanted an ImportanceMap"):
        eg.high_contribution(np.ones((3, 3)))
