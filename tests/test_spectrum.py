"""The scale spectrum: against every way walked one by one, laws, and totals."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from draws import networks, patient
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import each, sides, tensorflow_same
from registry import NETWORKS
from test_arithmetic import sees_only_units

import erfgraph as eg
from erfgraph import path_classes
from erfgraph.errors import InputError, NameLookupError, SizeError
from erfgraph.netfile import build
from erfgraph.patterns import patterns

# --- an oracle that walks every way --------------------------------------------------------


def ways(net, top):
    """Every way from the input to a map, as (map, number of its link) pairs, by networkx."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(len(net.maps)))
    for m in net.maps:
        for i, link in enumerate(m.links):
            graph.add_edge(link.src, m.index, key=i)
    if top.index == 0:
        return [()]
    found = nx.all_simple_edge_paths(graph, 0, top.index)
    return [tuple((net.maps[dst], i) for _, dst, i in way) for way in found]


def windows(m, shape):
    """Per axis stride, dilation and first padding of a layer with a kernel; kept taps."""
    p, n = m.params, len(shape)
    kernel = each(p["kernel"], n)
    stride = each(p.get("stride", kernel if "pool" in m.op else 1), n)
    dilation, padding = each(p.get("dilation", 1), n), p.get("padding", 0)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if padding == "valid":
        padding = 0
    if not isinstance(padding, str):
        pads = [before for before, _ in sides(padding, n)]
    elif m.op == "conv_transpose":
        pads = [max(span - s, 0) // 2 for span, s in zip(spans, stride, strict=True)]
    else:
        lower = padding == "same_lower"
        pads = [
            tensorflow_same(size, span, s, lower)[0]
            for size, span, s in zip(shape, spans, stride, strict=True)
        ]
    mask = np.ones(kernel) if p.get("mask") is None else np.array(p["mask"])
    return stride, dilation, pads, [tuple(map(int, tap)) for tap in np.argwhere(mask)]


def is_whole(m, shape, axis):
    if shape[axis] == 1:
        return False
    window, dilation = m.params.get("window"), each(m.params.get("dilation", 1), 9)[axis]
    whole = window is None or (each(window, 9)[axis] >= shape[axis] and dilation == 1)
    return (
        m.op in ("global_pool", "linear")
        or (m.op == "adaptive_pool" and m.shape[axis] == 1)
        or (m.op == "attention" and whole)
    )


def reads(net, m, branch, unit, axis=None):
    """Positions that a unit reads, borders ignored; on one axis, those of any tap."""
    shape = net.maps[m.links[branch].src].shape
    if m.op in ("conv", "max_pool", "avg_pool", "conv_transpose"):
        stride, dilation, pads, taps = windows(m, shape)
        found = []
        for tap in taps if axis is None else sorted({(t[axis],) for t in taps}):
            axes = range(len(shape)) if axis is None else [axis]
            at = []
            for u, a, t in zip(unit, axes, tap, strict=True):
                if m.op != "conv_transpose":
                    at.append(u * stride[a] - pads[a] + t * dilation[a])
                elif (u + pads[a] - t * dilation[a]) % stride[a] == 0:
                    at.append((u + pads[a] - t * dilation[a]) // stride[a])
            if len(at) == len(unit):
                found.append(tuple(at))
        return found
    lines = []
    found = patterns(m.op, m.params, shape, m.shape, branch)
    for a, u in zip(range(len(shape)) if axis is None else [axis], unit, strict=True):
        if is_whole(m, shape, a):
            lines.append(range(shape[a]))
            continue
        j, phase = divmod(u, len(found[a].phases))
        hull, moved = found[a].phases[phase] or (0, -1), found[a].advance * j
        lines.append(range(hull[0] + moved, hull[1] + moved + 1, found[a].step))
    return list(itertools.product(*lines))


def naive_spectrum(net, top, unit, by):
    """Sub-paths and paths behind every key, way by way and position by position."""
    found = {}
    for way in ways(net, top):
        counts = Counter({unit: 1})
        for m, branch in reversed(way):
            before = Counter()
            for at, times in counts.items():
                for source in reads(net, m, branch, at):
                    before[source] += times
            counts = before
        key = naive_size(net, way) if by == "size" else (naive_depth(net, way),)
        known = found.get(key, (0, 0))
        found[key] = (known[0] + 1, known[1] + counts.total())
    return found


def naive_depth(net, way):
    """Layers that read two different positions of an axis."""
    depth = 0
    for m, branch in way:
        line = [
            set(reads(net, m, branch, (u,), axis))
            for axis in range(len(m.shape))
            for u in range(12)
        ]
        depth += max(map(len, line)) > 1
    return depth


def naive_size(net, way):
    """Per axis the largest field of sixty units in a row."""
    sizes = []
    for axis in range(len(net.input.shape)):
        if any(is_whole(m, net.maps[m.links[i].src].shape, axis) for m, i in way):
            sizes.append(None)
            continue
        largest = 0
        for u in range(60):
            seen = {u}
            for m, i in reversed(way):
                seen = {at for v in seen for (at,) in reads(net, m, i, (v,), axis)}
            largest = max([largest, *([max(seen) - min(seen) + 1] if seen else [])])
        sizes.append(largest)
    return tuple(sizes)


def as_dict(spectrum):
    rows = zip(spectrum.subpaths, spectrum.paths, strict=True)
    return dict(zip(spectrum.keys, rows, strict=True))


@pytest.mark.parametrize("by", ["size", "depth"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_way_is_in_the_spectrum(name, by):
    net = NETWORKS[name]()
    top = net.output
    for unit in {tuple(n // 2 for n in top.shape), tuple(n - 1 for n in top.shape)}:
        found = as_dict(eg.spectrum(net, unit=unit, by=by))
        assert found == naive_spectrum(net, top, unit, by)


def test_the_comparison_can_fail():
    net, other = eg.load("res(conv3p1)*3"), eg.load("res(conv3p1)*2 res(conv5p2)")
    naive = naive_spectrum(other, other.output, (0,), "size")
    assert as_dict(eg.spectrum(net)) != naive
    assert as_dict(eg.spectrum(other, unit=0)) == naive


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.booleans()),
        min_size=1,
        max_size=3,
    )
)
@settings(patient, max_examples=40)
def test_random_branches(layers):
    """Branches of any kernel, strided and transposed layers between the merges."""
    net = eg.Network(64)
    x = net.input
    for kernel, stride, dilation, up in layers:
        wide = net.conv(x, kernel, padding="same", dilation=dilation)
        x = net.add(x, wide, net.conv(wide, 2, padding=((0, 1),)))
        x = net.conv_transpose(x, kernel, stride) if up else net.conv(x, 1, stride)
    unit = (x.shape[0] // 2,)
    assert as_dict(eg.spectrum(net, unit=unit)) == naive_spectrum(net, x, unit, "size")


@given(networks())
@settings(patient, max_examples=60)
def test_random_networks(net):
    top = net.output
    assume(len(ways(net, top)) < 60)
    unit = tuple(n // 2 for n in top.shape)
    for by in ("size", "depth"):
        found = as_dict(eg.spectrum(net, unit=unit, by=by))
        assert found == naive_spectrum(net, top, unit, by)


# --- laws and totals -------------------------------------------------------------------------


def test_a_residual_chain_is_binomial():
    n = 54
    found = eg.spectrum(eg.load(f"res(conv3p1 conv3p1)*{n}"), by="depth")
    assert found.depths == tuple(range(0, 2 * n + 1, 2))
    assert found.subpaths == tuple(math.comb(n, k) for k in range(n + 1))
    assert found.paths == tuple(math.comb(n, k) * 9**k for k in range(n + 1))
    assert found.total_subpaths == 2**n
    assert sum(found.share_of_subpaths[19:36]) > 0.95  # Veit et al. 2016
    assert sum(found.share_of_paths[19:36]) < 0.01  # long ones weigh more: Binomial(n, 9/10)
    by_size = eg.spectrum(eg.load(f"res(conv3p1 conv3p1)*{n}"))
    assert by_size.sizes == tuple((1 + 4 * k,) for k in range(n + 1))
    assert by_size.subpaths == found.subpaths


def test_resnet152_follows_the_binomial_law():
    """A bottleneck has one 3x3; the stem and the pool are on every way."""
    found = eg.spectrum(eg.load("resnet152"), by="depth")
    assert found.depths == tuple(range(2, 53))
    assert found.subpaths == tuple(math.comb(50, k) for k in range(51))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (800, 800)),
        ("resnet50", (900, 896)),
        ("vgg16", (512, 512)),
        ("resnet152", (2944, 2944)),
    ],
)
def test_totals_are_those_of_an_inner_unit(name, shape):
    net = eg.load(name, shape)
    found = eg.spectrum(net)
    assert found.total_paths == eg.importance(net).total
    assert max(found.sizes) == eg.receptive_field(net).size
    small = eg.spectrum(eg.load(name))
    assert (small.paths, small.subpaths) == (found.paths, found.subpaths)


def enlarged(name):
    """The network over an input on which its inner units see no border."""
    net = NETWORKS[name]()
    shape = {1: [120], 2: [40, 36], 3: [18, 16, 20]}[net.ndim]
    try:
        return build({**net.to_dict(), "input": shape})
    except InputError:  # sizes in it fit no other input
        return net


def inner_units(net):
    top = net.output
    near = [{n // 2, n // 2 + 1} & set(range(n)) for n in top.shape]
    return [u for u in itertools.product(*near) if sees_only_units(net, top, u)]


@pytest.mark.parametrize("name", NETWORKS)
def test_totals_on_the_registry(name):
    net = enlarged(name)
    for unit in inner_units(net):
        found = eg.spectrum(net, unit=unit)
        assert found.total_paths == eg.importance(net, unit=unit).total


def test_the_registry_has_inner_units():
    assert sum(bool(inner_units(enlarged(name))) for name in NETWORKS) > 0.75 * len(NETWORKS)


# --- heads of segmentation ----------------------------------------------------------------------


def densenet121():
    net = eg.Network((224, 224), name="densenet121")
    x = net.max_pool(net.conv(net.input, 7, 2, 3), 3, 2, 1)
    for i, layers in enumerate((6, 12, 24, 16)):
        maps = [x]
        for _ in range(layers):
            maps.append(net.conv(net.conv(net.concat(*maps), 1, channels=1), 3, padding=1))
        x = net.concat(*maps)
        if i < 3:
            x = net.avg_pool(net.conv(x, 1, channels=1), 2)
    return net


def with_aspp():
    net = eg.load("resnet50", (321, 321))
    x = net["layer3"]
    branches = [net.conv(x, 1)]
    branches += [net.conv(x, 3, padding=d, dilation=d) for d in (6, 12, 18)]
    branches.append(net.upsample(net.global_pool(x), size=x.shape))
    net.conv(net.concat(*branches), 1)
    return net


def with_pyramid():
    net = eg.load("resnet50", (473, 473))
    x = net.output
    pools = [
        net.upsample(net.conv(net.adaptive_pool(x, b), 1), mode="bilinear", size=x.shape)
        for b in (1, 2, 3, 6)
    ]
    net.conv(net.concat(x, *pools), 3, padding=1)
    return net


def test_densenet121():
    found = eg.spectrum(densenet121())
    assert found.total_subpaths == 2**58  # each of 58 layers is passed or not
    assert (found.sizes[0], found.sizes[-1]) == ((39, 39), (2071, 2071))
    assert found.n_sizes == 255  # every eighth but two
    by_depth = eg.spectrum(densenet121(), by="depth")
    assert by_depth.subpaths == tuple(math.comb(58, k) for k in range(59))


def test_aspp_head():
    net = with_aspp()
    found = eg.spectrum(net)
    trunk = eg.spectrum(net, "layer3")
    n = len(trunk.subpaths)
    # each branch shifts the trunk's sizes by its own; the pooled one has no size
    shifted = Counter()
    for dilation in (0, 6, 12, 18):
        for (size, _), ways_ in zip(trunk.sizes, trunk.subpaths, strict=True):
            shifted[size + 2 * dilation * 16] += ways_
    assert dict(zip([s for s, _ in found.sizes[:-1]], found.subpaths[:-1], strict=True)) == shifted
    assert found.sizes[-1] == (None, None)
    assert found.subpaths[-1] == trunk.total_subpaths
    assert found.share_of_whole("subpaths") == pytest.approx(1 / 5)
    assert n > 20


def test_pyramid_head():
    found = eg.spectrum(with_pyramid())
    trunk = 2**16
    assert found.total_subpaths == 5 * trunk
    assert found.subpaths[-1] == trunk  # the pool to one position
    assert found.n_sizes > eg.spectrum(eg.load("resnet50")).n_sizes


@pytest.mark.parametrize("make", [densenet121, with_aspp, with_pyramid])
def test_heads_are_quick(make):
    net = make()
    start = time.process_time()
    eg.spectrum(net)
    assert time.process_time() - start < 1


# --- statistics -------------------------------------------------------------------------------


def test_statistics_agree_with_numpy():
    found = eg.spectrum(eg.load("res(conv3p1)*2 res(conv5p2)*2 conv3", 30))
    for weight, numbers in (("paths", found.paths), ("subpaths", found.subpaths)):
        sizes = np.repeat([s for (s,) in found.sizes], numbers)
        assert found.mean(weight) == (pytest.approx(sizes.mean()),)
        for q in (0, 0.05, 0.1, 0.25, 0.5, 0.9, 1):
            wanted = np.quantile(sizes, q, method="inverted_cdf")
            assert found.quantile(q, weight) == (wanted,)
    assert sum(found.share_of_paths) == pytest.approx(1)
    assert sum(found.share_of_subpaths) == pytest.approx(1)


def test_axes_may_differ():
    net = eg.Network((30, 30))
    net.add(net.conv(net.input, (1, 5), padding=(0, 2)), net.conv(net.input, 3, padding=1))
    found = eg.spectrum(net)
    assert found.sizes == ((1, 5), (3, 3))
    assert (found.paths, found.mean()) == ((5, 9), (32 / 14, 52 / 14))
    assert found.quantile(0.5) == (3, 3)


def test_the_whole_map_is_larger_than_any_size():
    net = eg.Network((8, 8))
    rows = net.upsample(net.adaptive_pool(net.input, (8, 1)), (1, 8))
    everything = net.upsample(net.global_pool(net.input), 8)
    net.add(net.conv(net.input, 3, padding=1), rows, everything)
    found = eg.spectrum(net)
    assert found.sizes == ((1, None), (3, 3), (None, None))
    assert found.paths == (8, 9, 64)
    assert found.quantile(0.5) == (None, None)
    assert found.quantile(0.2) == (3, None)
    assert found.mean("subpaths") == (2, 3)
    assert found.share_of_whole() == pytest.approx(72 / 81)
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["size"] == [1, None]


def test_only_global_paths_have_no_mean():
    found = eg.spectrum(eg.load("conv3 gap", 9))
    assert math.isnan(found.mean()[0])
    assert found.to_dict()["mean"] == {"paths": [None], "subpaths": [None]}


def test_a_unit_without_paths():
    found = eg.spectrum(eg.load("deconv1s2", 4), unit=1)
    assert (found.sizes, found.subpaths, found.paths) == (((1,),), (1,), (0,))
    assert found.share_of_paths == (0.0,)
    assert found.quantile(0.5) == (1,)


def test_the_input_itself():
    found = eg.spectrum(eg.load("conv3"), "input")
    assert (found.sizes, found.subpaths, found.paths) == (((1,),), (1,), (1,))


def test_bad_requests(monkeypatch):
    net = eg.load("res(conv3p1)*3")
    with pytest.raises(NameLookupError, match="unknown by 'sizes'; did you mean 'size'"):
        eg.spectrum(net, by="sizes")
    with pytest.raises(NameLookupError, match="unknown layer 'conv9'"):
        eg.spectrum(net, "conv9")
    with pytest.raises(InputError, match="lies outside"):
        eg.spectrum(net, unit=99)
    with pytest.raises(InputError, match="net: got 'resnet50', wanted a Network"):
        eg.spectrum("resnet50")
    found = eg.spectrum(net)
    with pytest.raises(InputError, match="by size; ask spectrum"):
        _ = found.depths
    with pytest.raises(InputError, match=r"share: got 1\.5"):
        found.quantile(1.5)
    with pytest.raises(NameLookupError, match="unknown weight 'path'"):
        found.mean("path")
    monkeypatch.setattr(path_classes, "MOST_CLASSES", 2)
    with pytest.raises(SizeError, match="add2: 3 classes of paths, at most 2"):
        eg.spectrum(net)


def test_long_periods_are_refused():
    net = eg.Network(2000)
    net.conv_transpose(net.upsample(net.input, 1.007, "linear"), 40, 37)
    with pytest.raises(SizeError, match="repeat only every 37259 units"):
        eg.spectrum(net)
