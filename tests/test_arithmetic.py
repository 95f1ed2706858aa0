"""Receptive-field arithmetic: against the literature, the graph, and the article's statements."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry import NETWORKS

import erfgraph as eg
from erfgraph.patterns import patterns


def sees_only_units(net, m, unit) -> bool:
    """Whether nothing that a unit sees, by the layers' patterns, lies outside its map."""
    seen = {m.index: [(u, u) for u in unit]}
    for index in range(m.index, 0, -1):
        if index not in seen:
            continue
        made = net.maps[index]
        for i, link in enumerate(made.links):
            source = net.maps[link.src]
            reads = patterns(made.op, made.params, source.shape, made.shape, i)
            hulls = []
            for axis, (first, last) in enumerate(seen[index]):
                pattern = reads[axis]
                ends = []
                for u in range(first, last + 1):
                    j, phase = divmod(u, len(pattern.phases))
                    if pattern.phases[phase] is not None:
                        ends += [e + pattern.advance * j for e in pattern.phases[phase]]
                if not ends:
                    break
                hulls.append((min(ends), max(ends)))
            if len(hulls) < len(source.shape):
                continue
            if any(a < 0 or b >= n for (a, b), n in zip(hulls, source.shape, strict=True)):
                return False
            known = seen.get(link.src, hulls)
            seen[link.src] = [
                (min(a, c), max(b, d)) for (a, b), (c, d) in zip(hulls, known, strict=True)
            ]
    return True


# what a mask that is no product keeps on one axis depends on the other; the hull per axis
# is then larger than what the unit sees
NOT_PRODUCTS = {"mask_transposed"}


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in NOT_PRODUCTS])
def test_fields_are_what_the_graph_says(name):
    """Wherever a unit sees no padding, the closed formula is its exact field in the graph."""
    net = NETWORKS[name]()
    for rf in eg.receptive_fields(net)[1:]:
        m = net[rf.name]
        for unit in np.ndindex(*m.shape):
            if not sees_only_units(net, m, unit):
                continue
            box = eg.importance(net, layer=m, unit=unit).trf.bbox
            hulls = rf.field(unit)
            if None in hulls:
                assert box is None
            else:
                assert box == tuple((first, last + 1) for first, last in hulls)


def test_the_registry_has_units_to_compare():
    compared = 0
    for make in NETWORKS.values():
        net = make()
        compared += any(
            sees_only_units(net, net.output, unit) for unit in np.ndindex(*net.output.shape)
        )
    assert compared >= 0.5 * len(NETWORKS)


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride", "padding"),
    [
        ("vgg16", None, 212, 32, 90),
        ("resnet_v1_50", None, 483, 32, 239),
        ("resnet50", "layer3", 267, 16, 133),
        ("resnet50", "layer4", 427, 32, 213),
    ],
)
def test_published_numbers(name, layer, size, stride, padding):
    """Distill 2019, and torchvision's stride placement for the last two."""
    rf = eg.receptive_field(eg.load(name), layer)
    assert (rf.size, rf.stride, rf.padding) == ((size,) * 2, (stride,) * 2, (padding,) * 2)
    assert rf.aligned == (True, True)
    assert rf.start == ((size - 1) / 2 - padding,) * 2


def test_alexnet_v2():
    """Distill 2019: 195, 32, 64."""
    net = eg.Network((224, 224))
    x = net.conv(net.input, 11, 4)
    x = net.max_pool(x, 3, 2)
    x = net.conv(x, 5, padding="same")
    x = net.max_pool(x, 3, 2)
    for _ in range(3):
        x = net.conv(x, 3, padding="same")
    net.max_pool(x, 3, 2)
    rf = eg.receptive_field(net)
    assert (rf.size[0], rf.stride[0], rf.padding[0]) == (195, 32, 64)


LAYERS = st.lists(
    st.tuples(
        st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3)
    ),  # kernel, stride, padding, dilation
    min_size=1,
    max_size=5,
)


def chain(layers, n=4000):
    net = eg.Network(n)
    x = net.input
    for kernel, stride, padding, dilation in layers:
        x = net.conv(x, kernel, stride, padding, dilation)
    return eg.receptive_field(net)


@given(LAYERS)
def test_distill_recurrence(layers):
    size, stride, padding = 1, 1, 0
    for k, s, p, d in layers:
        size += (k - 1) * d * stride
        padding += p * stride
        stride *= s
    rf = chain(layers)
    assert (rf.size, rf.stride, rf.padding) == ((size,), (stride,), (padding,))
    assert rf.start == (-padding + (size - 1) / 2,)


@given(LAYERS, st.integers(0, 3))
def test_size_does_not_depend_on_padding(layers, padding):
    other = [(k, s, padding, d) for k, s, _, d in layers]
    assert chain(layers).size == chain(other).size


@given(LAYERS, st.integers(1, 4))
def test_own_stride_does_not_matter_to_own_size(layers, stride):
    *before, (k, _, p, d) = layers
    assert chain(layers).size == chain([*before, (k, stride, p, d)]).size


@given(LAYERS, LAYERS)
def test_an_earlier_stride_grows_the_field_faster(first, second):
    wider = [(*second[0][:1], 2, *second[0][2:])]  # any layer, strided, put in front of …
    after = chain([*first, *wider]).size[0]
    before = chain([*wider, *first]).size[0]
    grown = sum((k - 1) * d for k, _, _, d in first)
    # … the others doubles what they add; behind them it adds only itself
    plain = [(k, 1, p, d) for k, _, p, d in first]
    own = (wider[0][0] - 1) * wider[0][3]
    assert chain([*wider, *plain]).size[0] == 1 + own + 2 * grown
    assert chain([*plain, *wider]).size[0] == 1 + own + grown
    assert before >= 1 + own + 2 * grown
    assert after >= 1 + own + grown


def test_transposed_convolution_has_fractional_stride():
    rf = eg.receptive_field(eg.load("conv3s2p1 deconv3s3", 32))
    assert rf.stride == (Fraction(2, 3),)
    assert rf.to_dict()["stride"] == [2 / 3]
    rf = eg.receptive_field(eg.load("deconv4s2p1", 8))
    assert (rf.size, rf.stride) == ((2,), (Fraction(1, 2),))


def test_misaligned_branches_are_reported_not_refused():
    net = eg.Network(32)
    a = net.conv(net.input, 3, padding=1, name="a")
    b = net.conv(net.input, 2, padding=((0, 1),), name="b")
    net.add(a, b, name="sum")
    net.conv("sum", 3, padding=1, name="top")
    rf = eg.receptive_field(net)
    assert rf.aligned == (False,)
    (found,) = rf.misaligned
    assert (found.merge, found.branches, found.axis) == ("sum", ("a", "b"), 0)
    assert (found.strides, found.starts) == ((1, 1), (0.0, 0.5))
    assert rf.field(16) == ((14, 18),)
    assert eg.receptive_field(net, "a").aligned == (True,)


def test_branches_of_different_strides_give_the_hull():
    net = eg.Network(16)
    fine = net.conv(net.input, 3, padding=1, name="fine")
    whole = net.attention(net.input, name="whole")
    net.add(fine, whole)
    rf = eg.receptive_field(net)
    assert rf.field(0) == ((-1, 15),)
    assert rf.field(8) == ((0, 15),)
    assert rf.size == (17,)
    assert rf.misaligned[0].strides == (1, 0)


def test_same_padding_depends_on_the_input():
    """TensorFlow's padding moves the centre with the input's size, never the field's size."""
    odd, even = (eg.receptive_field(eg.load("conv3s2psame", n)) for n in (9, 10))
    assert odd.size == even.size == (3,)
    assert (odd.padding, even.padding) == ((1,), (0,))
    assert (odd.start, even.start) == ((0.0,), (1.0,))


def test_centres_of_other_units_are_whole_strides_away():
    rf = eg.receptive_field(eg.load("resnet50"), "layer4")
    assert rf.centre((0, 0)) == rf.start
    assert rf.centre((3, 5)) == (3 * 32, 5 * 32)


def test_gaps_of_a_dilated_kernel_see_nothing():
    """Two taps, three apart, over a map whose odd units are dead: one of them reads."""
    net = eg.load("deconv1s2 conv2d3", 8)
    rf = eg.receptive_field(net)
    assert rf.size == (1,)
    assert eg.importance(net, unit=4).trf.bbox == tuple((a, b + 1) for a, b in rf.field(4))


def test_a_unit_that_sees_nothing():
    rf = eg.receptive_field(eg.load("deconv1s2", 4))
    assert rf.field(0) == ((0, 0),)
    assert rf.field(1) == (None,)
    assert np.isnan(rf.centre(1)[0])


def test_resnet152_is_quick():
    net = eg.load("resnet152")
    start = time.process_time()
    assert len(eg.receptive_fields(net)) == 207
    assert time.process_time() - start < 0.2
