"""The smallest field into a map, against every single way through the branches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry import NETWORKS

import erfgraph as eg
from erfgraph.arithmetic import Progression, through
from erfgraph.patterns import patterns
from erfgraph.smallest import sees_everything, smallest_fields


def all_ways(net):
    """Per map and axis, the fields along every single way into it: nothing is left out."""
    ways = []
    for m in net.maps:
        if not m.links:
            ways.append([{Progression(1, ((0, 0),))} for _ in m.shape])
            continue
        found = [set() for _ in m.shape]
        for i, link in enumerate(m.links if not sees_everything(m) else ()):
            reads = patterns(m.op, m.params, net.maps[link.src].shape, m.shape, i)
            for axis, before in enumerate(ways[link.src]):
                found[axis] |= {through(reads[axis], way) for way in before}
        ways.append(found)
    return ways


def least(way, n):
    hulls = [h for u in range(n) if (h := way.hull(u)) is not None]
    return max((b - a + 1 for a, b in hulls), default=None)


def check_smallest(net):
    for m, small, ways in zip(net.maps, smallest_fields(net), all_ways(net), strict=True):
        for size, axis, n in zip(small, ways, m.shape, strict=True):
            sizes = [s for way in axis if (s := least(way, n)) is not None]
            assert size == min(sizes, default=None), m.name


@pytest.mark.parametrize("name", NETWORKS)
def test_smallest_field_of_all_ways(name):
    check_smallest(NETWORKS[name]())


BRANCH = st.sampled_from(
    ["conv3p1", "conv5p2", "conv1", "deconv3s1p1", "conv3p1 conv3p1", "up2 conv2s2", "max3s1p1",
     "max2 up2", "max2 conv3p1 up2", "deconv4s2p1 conv3s2p1", "avg2 deconv2s2", "max4 up4"]
)  # fmt: skip


@given(st.lists(st.lists(BRANCH, min_size=1, max_size=3), min_size=1, max_size=4))
def test_smallest_field_through_branches_that_upsample(merges):
    text = " ".join(f"add({' | '.join(branches)})" for branches in merges)
    check_smallest(eg.load(text + " conv3s3", 32))


def test_smallest_is_not_the_field():
    net = eg.load("conv3 res(conv3p1 conv3p1)*4")
    assert smallest_fields(net)[-1] == (3,)
    assert eg.receptive_field(net).size == (19,)


def test_of_different_strides_the_smaller_field_need_not_stay_the_smallest():
    net = eg.Network(16)
    wide = net.conv(net.input, 5, padding=2)
    sparse = net.conv(net.pad(net.input, ((0, 17),)), 3, stride=2)
    net.conv(net.add(wide, sparse, name="both"), 9, padding=4, name="top")
    assert smallest_fields(net)[net["both"].index] == (3,)  # the sparse one's
    assert smallest_fields(net)[-1] == (13,)  # 5 + 8, against 3 + 2 * 8
    check_smallest(net)


def test_a_way_that_ends_does_not_hide_the_other():
    """Of the units kept, those with the smaller field read nothing."""
    net = eg.Network(8)
    small = net.conv_transpose(net.input, 1, stride=2, output_padding=1)
    large = net.upsample(net.conv(net.input, 3, padding=1), 2)
    net.slice(net.add(small, large, name="both"), start=1, step=2)
    assert smallest_fields(net)[net["both"].index] == (1,)
    assert smallest_fields(net)[-1] == (3,)
    check_smallest(net)


def test_registry_has_ways_of_different_sizes():
    """What makes the comparison with all ways more than the field itself."""
    differing = 0
    for make in NETWORKS.values():
        net = make()
        sizes = [rf.size for rf in eg.receptive_fields(net)]
        small = smallest_fields(net)
        differing += any(a != b for a, b in itertools.zip_longest(sizes, small))
    assert differing >= 8
    assert np.all([len(s) for s in small])
