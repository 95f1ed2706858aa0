"""Lowered plans: replayed, interrupted, in threads, in small and large memory; many units."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from draws import networks, patient
from hypothesis import assume, given
from registry import NETWORKS

import erfgraph as eg
from erfgraph import axes, batches, blocks, memory, running
from erfgraph.counts import Counts
from erfgraph.factors import factors
from erfgraph.lowering import lower
from erfgraph.number_types import BOOL, FLOAT64, INT64, batch_of
from erfgraph.paths import count, scaled_numbers, wide_numbers
from erfgraph.plan import compile_plan, plan_for, view_for
from erfgraph.program import Slot, replay
from erfgraph.symmetry import like_axes, ordered
from erfgraph.view import Strand, View
from erfgraph.wide import narrow

EVERY = pytest.mark.parametrize("name", NETWORKS)


def plan_of(net, unit=None, stop=None):
    unit = tuple(n // 2 for n in net.output.shape) if unit is None else unit
    return plan_for(net, "backward", net.output.index, unit, stop)


def matrix_counts(net):
    """Path counts of all maps for the centre unit, by the explicit graph's sparse products."""
    g = eg.graph(net)
    return {m.index: eg.importance(g, of=m).values for m in net.maps[: net.output.index + 1]}


def embedded(plan, index, values):
    whole = np.zeros(plan.seen.shapes[index], dtype=values.dtype)
    whole[tuple(slice(lo, hi) for lo, hi in plan.windows[index])] = values
    return whole


# --- the same numbers, whatever the memory ------------------------------------------------------


@EVERY
@pytest.mark.parametrize("small", [0, 1 << 30])
def test_blocks_of_one_geometry_and_of_any_hold_the_same(name, small, monkeypatch):
    # 0: every block serves cells of any shape, whose margins are cleared in every replay
    monkeypatch.setattr(blocks, "SMALL_BLOCK", small)
    net = NETWORKS[name]()
    plan = plan_of(net)
    want = matrix_counts(net)
    for keep in (plan.order, plan.order[-1:]):
        program = lower(plan, INT64, keep)
        for _ in range(3):
            for index, values in replay(program).items():
                assert np.array_equal(embedded(plan, index, values[0]), want[index])


def test_dirty_margins_would_show(monkeypatch):
    """The check above can fail: without clearing, what a block held before is read as zeros."""
    monkeypatch.setattr(blocks, "SMALL_BLOCK", 0)
    monkeypatch.setattr(blocks, "margins_of", lambda cell: [])
    net = eg.load("resnet18", (64, 64))
    plan = plan_of(net, stop=0)
    program = lower(plan, INT64, [0])
    replay(program)
    again = replay(program)[0][0]
    assert not np.array_equal(again, eg.importance(net).counts.array())


@EVERY
def test_sweeps_side_by_side_are_sweeps_one_by_one(name):
    net = NETWORKS[name]()
    plan = plan_of(net)
    for numbers, dtype in ((INT64, np.int64), (FLOAT64, np.float64), (BOOL, bool)):
        alone = replay(lower(plan, numbers, plan.order))
        many = batch_of(numbers, 3)
        seed = np.zeros((3, *plan.extents[plan.start]), dtype)
        seed[:] = np.array([1, 0, 1]).reshape(-1, *[1] * (seed.ndim - 1))
        both = replay(lower(plan, many, plan.order), seed)
        for index, values in alone.items():
            assert np.array_equal(both[index][[0, 2]], np.concatenate([values, values]))
            assert not both[index][1].any()


def test_a_chunk_gives_what_is_free_and_joins_it():
    chunk = blocks.Chunk(np.zeros(100))
    rng = np.random.default_rng(0)
    held: list[tuple[int, int]] = []
    for _ in range(2000):
        if held and rng.random() < 0.5:
            chunk.give(*held.pop(int(rng.integers(len(held)))))
        else:
            size = int(rng.integers(1, 30))
            start = chunk.take(size)
            room = max((hi - lo for lo, hi in chunk.free), default=0)
            if start is None:
                assert room < size
            else:
                held.append((start, start + size))
        every = sorted([*held, *chunk.free])
        assert [p for part in every for p in range(*part)] == list(range(100))
        assert all(a[1] < b[0] for a, b in itertools.pairwise(chunk.free))
    assert chunk.most <= 100


def test_memory_of_a_leaf_that_nobody_wants_is_given_back_once(monkeypatch):
    """A map is read, and copied to one that leads nowhere; its memory must not serve two maps."""
    three, same = axes.strided_taps(9, 9, (0, 1, 2), 1, 1, 1), axes.identity(9)
    two = axes.strided_taps(9, 9, (0, 2), 1, 1, 1)
    pushes = {
        6: (Strand(5, ((three,),)),),
        5: (Strand(4, ((three,),)), Strand(3, ((same,),))),  # 3 is the leaf, a copy
        4: (Strand(2, ((three,),)), Strand(1, ((two,),))),
        3: (),
        2: (Strand(0, ((three,),)),),
        1: (Strand(0, ((three,),)),),
        0: (),
    }
    seen = View(((9,),) * 7, pushes, (6, 5, 4, 3, 2, 1, 0))
    plan = compile_plan(seen, 6, ((0, 9),))  # all windows alike, so all want such memory
    program = lower(plan, INT64, [0])
    line = np.eye(9, dtype=int)[4]
    for small in (True, False):
        want = line
        for taps in ([1, 1, 1], [1, 1, 1], [2, 1, 2], [1, 1, 1]):
            want = np.convolve(want, taps)[1:-1]
        for _ in range(2):
            assert replay(program, line[None])[0][0].tolist() == want.tolist()
        monkeypatch.setattr(blocks, "SMALL_BLOCK", 0 if small else 1 << 15)
        program = lower(plan, INT64, [0])


def test_a_sweep_takes_about_what_it_holds_at_one_time():
    net = eg.load("conv3p1*60", (64, 64, 64))
    plan = plan_of(net, (0, 0, 0), stop=0)
    largest = max(plan.units.values()) * 8
    assert largest < lower(plan, FLOAT64, [0]).n_bytes < 9 * largest  # not of 60


# --- replays -----------------------------------------------------------------------------------


def test_later_replays_leave_earlier_results_alone():
    net = eg.load("resnet18", (64, 64))
    for keep in ([0], plan_of(net).order):
        plan = plan_of(net, stop=0 if keep == [0] else None)
        program = lower(plan, FLOAT64, keep)
        first = replay(program)
        copies = {i: v.copy() for i, v in first.items()}
        replay(program, np.full(program.first.shape, 7.0))
        assert all(np.array_equal(first[i], copies[i]) for i in first)
        assert all(np.array_equal(v, copies[i]) for i, v in replay(program).items())


def test_the_result_is_written_where_the_caller_wants():
    net = eg.load("vgg16", (64, 64))
    program = lower(plan_of(net, stop=0), FLOAT64, [0])
    assert any(type(a) is Slot for _, arguments in program.last for a in arguments)
    out = np.full(replay(program)[0].shape, np.nan)
    found = replay(program, out=out)[0]
    assert found is out
    assert np.array_equal(out[0], eg.importance(net, exact=False).counts.array())


@pytest.mark.parametrize("after", [0, 1, 7, 40])
def test_an_interrupted_replay_spoils_nothing(after):
    net = eg.load("resnet18", (96, 96))
    plan = plan_of(net, stop=0)
    program = lower(plan, INT64, [0])
    want = replay(program)[0].copy()

    def stop(*_):
        raise KeyboardInterrupt

    whole = list(program.operations)
    program.operations.insert(after, (stop, ()))
    with pytest.raises(KeyboardInterrupt):
        replay(program)
    program.operations[:] = whole
    assert np.array_equal(replay(program)[0], want)


def test_threads_that_share_a_network_get_equal_maps():
    net = eg.load("resnet18", (96, 96))
    want = eg.importance(net).values
    wrong = []

    def ask():
        wrong.extend(k for k in range(40) if not np.array_equal(eg.importance(net).values, want))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_programs_that_wait_are_few(monkeypatch):
    monkeypatch.setattr(running, "MOST_PROGRAMS", 3)
    net = eg.load("conv3p1*3", 40)
    for unit in range(40):
        eg.importance(net, unit=unit)
    assert sum(map(len, running._idle.values())) <= 3
    assert running._held[0] == sum(map(len, running._idle.values()))
    assert running._held[1] == sum(p.n_bytes for ps in running._idle.values() for p in ps) > 0
    monkeypatch.setattr(running, "MOST_BYTES", 4)  # none of these is small enough
    before = dict(running._idle)
    eg.importance(eg.load("conv5", 40))
    assert running._idle == before


def test_wide_numbers_are_carried_once_a_while():
    net = eg.load("resnet152")
    numbers = wide_numbers(plan_of(net, stop=0))
    assert 0 < len(numbers.carries) < 10  # about one in nine residual blocks


def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 1 << 20)
    monkeypatch.setattr(memory, "SMALL", 1 << 10)
    with pytest.raises(eg.SizeError, match="this sweep would need"):
        eg.importances(eg.load("resnet18", (2048, 2048)))
    with pytest.raises(eg.SizeError, match=r"this sweep would need .* ask for fewer"):
        eg.importances(eg.load("vgg16", (2048, 2048)))
    with pytest.raises(eg.SizeError, match="units would need"):
        eg.unit_importances(eg.load("vgg16"), units=[(i // 4, i % 4) for i in range(12)])
    with pytest.raises(eg.SizeError, match="units would need"):
        eg.unit_importances(eg.load("resnet18"), units=[(i // 4, i % 4) for i in range(12)])


# --- chains ------------------------------------------------------------------------------------


@EVERY
def test_chains_axis_by_axis_are_whole_sweeps(name):
    net = NETWORKS[name]()
    plan = plan_of(net)
    along = factors(plan)
    if along is None:
        links = [link for m in net.maps for link in m.links if link.src in plan.windows]
        branched = len({link.src for link in links}) < len(links)
        assert len(net.input.shape) == 1 or branched or any(len(n.terms) > 1 for n in links)
        return
    swept = replay(lower(plan, INT64, plan.order))
    for exact in (True, False):
        for index, counts in count(plan, plan.order, exact).items():
            assert np.array_equal(counts.array(), swept[index][0])


def test_square_chains_sweep_one_axis_for_both():
    net = eg.load("vgg16")
    plan = plan_of(net, stop=0)
    one, other = factors(plan)
    assert one is other
    off = factors(plan_of(net, (3, 2), stop=0))
    assert off[0] is not off[1]
    assert factors(plan_of(eg.load("resnet18", (64, 64)))) is None


@pytest.mark.parametrize(("depth", "ndim"), [(12, 2), (25, 2), (60, 2), (400, 2), (9, 3), (40, 3)])
def test_products_of_wide_numbers(depth, ndim):
    net = eg.load(f"conv3p1*{depth}", (9, 8, 7)[:ndim])
    plan = plan_of(net, stop=0)
    numbers = INT64 if plan.most < 1 << 63 else wide_numbers(plan)
    limbs = replay(lower(plan, numbers, [0]))[0]
    swept = Counts(narrow(limbs) if plan.most >= 1 << 63 else limbs[0])
    found = count(plan, [0])[0]
    assert found.equals(swept)
    assert found.array().dtype == swept.array().dtype
    rounded = count(plan, [0], exact=False)[0]
    assert rounded.scale == scaled_numbers(plan).scales[0]
    want = swept.rounded()
    if want.scale == rounded.scale:
        assert np.allclose(rounded.array(), want.array(), rtol=1e-12, atol=0)
    assert np.array_equal(rounded.support, swept.support)


# --- many units --------------------------------------------------------------------------------


def alike(found, net, *args, **options):
    for imp in found:
        alone = eg.importance(net, imp.layer, imp.unit, *args, **options)
        assert imp == alone
        assert imp.values.dtype == alone.values.dtype
        assert (imp.offset, imp.counts.shape) == (alone.offset, alone.counts.shape)
        assert np.array_equal(imp.trf.mask, alone.trf.mask)


@EVERY
@pytest.mark.parametrize("channels", ["collapse", "count"])
def test_many_units_are_each_unit(name, channels):
    net = NETWORKS[name]()
    for exact in (True, False):
        found = eg.unit_importances(net, exact=exact, channels=channels)
        assert [imp.unit for imp in found] == list(np.ndindex(*net.output.shape))
        alike(found, net, exact=exact, channels=channels)


@given(networks())
@patient
def test_many_units_of_drawn_networks(net):
    assume(net.layers)
    alike(eg.unit_importances(net), net)
    first = net.maps[len(net.maps) // 2]
    alike(eg.unit_importances(net, first, of=first), net, of=first)


def test_many_units_in_tiles_and_jobs(monkeypatch):
    monkeypatch.setattr(batches, "CACHED", 1 << 14)
    monkeypatch.setattr(batches, "TOGETHER", 1 << 16)
    net = eg.load("conv5s2 res(conv3p1 conv3p1)*3 conv3s2 res(conv3p1)", (150, 170))
    units = [(y, x) for y in range(0, net.output.shape[0], 3) for x in (0, 5, 17, 30, 2)]
    found = eg.unit_importances(net, units=units)
    assert [imp.unit for imp in found] == units
    alike(found, net)
    seen = view_for(net, "backward", net.output.index, 0)
    batch = seen.plans["units", net.output.index, tuple(units), 0, True, None]
    assert len({id(job.plan) for job in batch.jobs}) > 3
    assert sorted(m for job in batch.jobs for m in job.members) == list(range(len(units)))


def test_units_that_mirror_each_other_are_swept_once():
    net = eg.load("resnet18", (64, 80))  # another shape, other axis maps
    assert like_axes(view_for(net, "backward", net.output.index, 0)) == ((0,), (1,))
    net = eg.load("resnet18", (96, 96))
    seen = view_for(net, "backward", net.output.index, 0)
    assert like_axes(seen) == ((0, 1),)
    found = {imp.unit: imp for imp in eg.unit_importances(net)}
    assert np.shares_memory(found[2, 0].counts.values, found[0, 2].counts.values)
    alike(found.values(), net)


def test_axes_that_are_treated_alike():
    def groups(make, shape=(6, 6)):
        net = eg.Network(shape)
        x = net.add(net.input, make(net))
        return like_axes(view_for(net, "backward", x.index, 0))

    assert groups(lambda net: net.conv(net.input, 3, padding=1)) == ((0, 1),)
    assert groups(lambda net: net.conv(net.input, (3, 1), padding=(1, 0))) == ((0,), (1,))
    corners = [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    assert groups(lambda net: net.conv(net.input, 3, padding=1, mask=corners)) == ((0, 1),)
    upper = [[0, 1, 1], [0, 1, 1], [0, 0, 0]]
    assert groups(lambda net: net.conv(net.input, 3, padding=1, mask=upper)) == ((0,), (1,))
    cube = groups(lambda net: net.conv(net.input, (3, 1, 3), padding=(1, 0, 1)), (5, 5, 5))
    assert cube == ((0, 2), (1,))
    assert ordered((4, 9, 1), cube) == ((1, 9, 4), (2, 1, 0))


def test_many_units_of_wide_and_of_scaled_numbers():
    net = eg.load("conv3p1*40", (20, 20))
    alike(eg.unit_importances(net, units=[(0, 0), (7, 3), (19, 10)]), net)
    deep = eg.load("conv3p1*700", 30)
    alike(eg.unit_importances(deep, units=range(5), exact=False), deep, exact=False)
    assert eg.unit_importances(deep, units=[4], exact=False)[0].log10_scale > 0


def test_many_units_of_the_other_measures():
    net = eg.load("conv3p1*2 avg2", 12)
    for measure in ("edges", "uniform", "variance"):
        alike(eg.unit_importances(net, measure=measure), net, measure)


def test_many_units_without_paths_and_none_at_all():
    net = eg.load("deconv2s4", 3)
    found = eg.unit_importances(net)
    assert [imp.total for imp in found] == [1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    assert eg.unit_importances(net, units=[]) == []
    assert [imp.total for imp in eg.unit_importances(net, "input", of=net.output)] == [0, 0, 0]


def test_many_units_refuse_what_one_refuses():
    net = eg.load("conv3", 9)
    with pytest.raises(eg.InputError, match="unit"):
        eg.unit_importances(net, units=[0, 99])
    with pytest.raises(eg.InputError, match="units: got 3, wanted positions"):
        eg.unit_importances(net, units=3)
    with pytest.raises(eg.NameLookupError, match="measure"):
        eg.unit_importances(net, measure="steps")
    with pytest.raises(eg.NameLookupError, match="layer"):
        eg.unit_importances(net, "conv9")
