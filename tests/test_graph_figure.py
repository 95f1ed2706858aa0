"""The figure of the explicit graph, by its artists: units, edges, planes, numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from figure_checks import collisions, shown_texts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.art3d import Line3DCollection

import erfgraph as eg
from erfgraph.errors import NameLookupError, SizeError
from erfgraph.figures import (
    graph_figure,
    paper_style,
)
from erfgraph.figures.placing import axis_positions


def numbers(axes):
    """Texts on the units by position."""
    return {tuple(np.round(t.get_position(), 6)): t.get_text() for t in axes.texts}


@pytest.mark.parametrize(
    ("text", "measure", "centre"), [("conv7*3", "paths", 9), ("conv3*5", "edges", 5)]
)
def test_the_37_stands_on_the_centre_unit(text, measure, centre):
    net = eg.load(text)
    (axes,) = graph_figure(net, measure=measure).axes
    drawn = numbers(axes)
    assert drawn[centre, 0] == "37"
    for name, imp in eg.importances(net, measure=measure).items():
        row = net[name].index
        shift = (net.input.shape[0] - len(imp.values)) / 2
        for i, value in enumerate(imp.values.tolist()):
            assert drawn[i + shift, row] == str(value)


@pytest.mark.parametrize(
    ("text", "shape", "unit"),
    [
        ("conv7*3", None, None),
        ("res(conv3p1 conv3p1)", (9,), (2,)),
        ("res(conv3p1 conv3p1) max2", (6, 6), (0, 2)),
        ("conv3s2p1 up2", (5, 4), None),
        ("conv3", (4, 4, 4), None),
    ],
)
def test_every_unit_and_edge_is_drawn_once(text, shape, unit):
    net = eg.load(text, input_shape=shape)
    graph = eg.graph(net)
    (axes,) = graph_figure(net, unit=unit).axes
    (units,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    positions = units._offsets3d[0] if len(net.input.shape) > 1 else units.get_offsets()
    assert len(positions) == graph.n_units
    lines = {"edges on a path": 0, "other edges": 0}
    for c in axes.collections:
        if isinstance(c, LineCollection):
            segments = c._segments3d if isinstance(c, Line3DCollection) else c.get_segments()
            lines[c.get_label()] += len(segments)
            rise = [s[-1][-1] - s[0][-1] for s in segments]
            assert min(rise) > 0  # from lower to higher
    assert sum(lines.values()) == graph.n_edges
    # the cone, by the graph's own search
    top = net.output
    node = graph.unit(graph.node(top, unit))
    found = graph.to_networkx()
    import networkx as nx

    cone = nx.ancestors(found, node) | {node}
    assert lines["edges on a path"] == sum(v in cone for _, v in found.edges)
    assert len(axes.texts) == len(cone)


def test_lines_are_as_thick_as_edges_are_multiple():
    net = eg.Network((4,))
    net.add(net.input, net.input)
    (axes,) = graph_figure(net, unit=2).axes
    double = [c for c in axes.collections if isinstance(c, LineCollection)]
    net = eg.Network((4,))
    net.conv(net.input, 1)
    (axes,) = graph_figure(net, unit=2).axes
    single = [c for c in axes.collections if isinstance(c, LineCollection)]
    for one, two in zip(single, double, strict=True):
        np.testing.assert_allclose(2 * one.get_linewidths()[0], two.get_linewidths())


@pytest.mark.parametrize(
    ("text", "shape"), [("conv7*3", None), ("res(conv3p1 conv3p1)", (5, 5)), ("conv3s2p1*2", (9,))]
)
def test_lines_are_as_thick_as_paths_run_through_edges(text, shape):
    net = eg.load(text, input_shape=shape)
    top = net.output.name
    unit = eg.importance(net).unit
    (axes,) = graph_figure(net, edge_width="paths").axes
    graph = eg.graph(net)
    found = graph.to_networkx()
    import networkx as nx

    order = list(nx.topological_sort(found))
    up, down = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    for node in order:
        up[node] += found.nodes[node]["layer"] == "input"
        for _, after, data in found.out_edges(node, data=True):
            up[after] += up[node] * data["multiplicity"]
    down[graph.unit(graph.node(top, unit))] = 1
    for node in reversed(order):
        for before, _, data in found.in_edges(node, data=True):
            down[before] += down[node] * data["multiplicity"]
    through = [up[a] * d["multiplicity"] * down[b] for a, b, d in found.edges(data=True)]
    lines = [c for c in axes.collections if isinstance(c, LineCollection)]
    widths = np.sort(np.concatenate([np.atleast_1d(c.get_linewidths()) for c in lines]))
    least, most = widths[0], widths[-1]
    wanted = np.sqrt(np.sort(through) / max(through))
    base = 0.2
    assert least == pytest.approx(base + (most - base) * wanted[0])
    np.testing.assert_allclose(widths, base + (most - base) * wanted, rtol=1e-9)
    assert any(
        "root of the paths" in text
        for text, _ in shown_texts(graph_figure(net, edge_width="paths"))
    )
    with pytest.raises(NameLookupError, match="edge_width"):
        graph_figure(net, edge_width="path")


def test_numbers_stand_on_the_maps_that_have_room_for_them():
    with paper_style("cvpr"):
        figure = graph_figure(eg.load("res(conv3p1 conv3p1)*2", (7, 7)))
    (axes,) = figure.axes
    level = {text.get_position_3d()[2] for text in axes.texts}
    assert len(level) == 6  # not on the input, whose numbers have three digits
    assert {text.get_text() for text in axes.texts} >= {"1", "10", "50"}
    assert any("some numbers left out" in text for text, _ in shown_texts(figure))
    assert min(text.get_fontsize() for text in axes.texts) >= 4.5
    assert collisions(figure) == []


def test_units_stand_over_the_middle_of_their_fields():
    def places(text, n):
        return [p[0].tolist() for p in axis_positions(eg.load(text, input_shape=n))]

    assert places("conv3*2", 5) == [[0, 1, 2, 3, 4], [1, 2, 3], [2]]
    assert places("conv7p3", 5)[1] == [0, 1, 2, 3, 4]  # padding does not shift the border
    assert places("conv3s2p1", 6)[1] == [0, 2, 4]
    assert places("max2 up2", 4)[1:] == [[0.5, 2.5], [0, 1, 2, 3]]
    assert places("gap", 5)[1] == [2]


def test_maps_of_two_axes_are_planes_under_their_units():
    net = eg.load("res(conv3p1) conv3s2p1", (7, 5))
    figure, ax = graph_figure(net), Figure().add_subplot()
    (axes,) = figure.axes
    (planes,) = [c for c in axes.collections if c.get_label() == "planes"]
    (units,) = [c for c in axes.collections if c.get_label() == "units"]
    corners, at = np.asarray(planes._faces), np.transpose(units._offsets3d)
    assert corners.shape == (len(net.maps), 4, 3)
    start = 0
    for m, plane in zip(net.maps, corners, strict=True):
        own = at[start : (start := start + int(np.prod(m.shape)))]
        np.testing.assert_allclose(plane[:, 2], own[:, 2].mean())
        beyond = np.stack(
            [own.min(axis=0) - plane.min(axis=0), plane.max(axis=0) - own.max(axis=0)]
        )
        assert np.all((beyond[:, :2] > 0.3) & (beyond[:, :2] < 0.5))
    FigureCanvasAgg(figure).draw()
    flat = proj3d.proj_transform(*corners.reshape(-1, 3).T, axes.get_proj())[:2]
    page = figure.transFigure.inverted().transform(axes.transData.transform(np.transpose(flat)))
    assert page.min() > 0
    assert page.max() < 1
    graph_figure(net, ax=ax)
    (seen,) = [c for c in ax.collections if c.get_label() == "planes"]
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    vertices = np.concatenate([path.vertices for path in seen.get_paths()])
    assert np.all((vertices > (x0, y0)) & (vertices < (x1, y1)))
    rows = graph_figure(eg.load("conv3*2")).axes[0]
    assert not [c for c in rows.collections if c.get_label() == "planes"]


def test_no_unit_hides_another():
    for shape in ((5, 5), (8, 5)):
        figure = graph_figure(eg.load("conv3*2", input_shape=shape))
        FigureCanvasAgg(figure).draw()
        (axes,) = figure.axes
        (units,) = [c for c in axes.collections if isinstance(c, PathCollection)]
        flat = proj3d.proj_transform(*map(np.asarray, units._offsets3d), axes.get_proj())[:2]
        at = axes.transData.transform(np.transpose(flat))
        level = np.asarray(units._offsets3d[2])
        for low, high in itertools.pairwise(np.unique(level)):  # nor does a plane
            assert at[level == low, 1].max() < at[level == high, 1].min()
        apart = np.linalg.norm(at[:, None] - at[None], axis=2) + 1e9 * np.eye(len(at))
        diameter = np.sqrt(units.get_sizes().max()) * figure.dpi / 72
        assert apart.min() > diameter
        assert diameter >= 12 * figure.dpi / 72  # large enough for its number


def test_too_large_graphs_are_refused():
    net = eg.load("conv7*3")
    with pytest.raises(
        SizeError, match=r"40 units .*limit is 39 units \(max_units\).*save\('net.graphml'\)"
    ):
        graph_figure(net, max_units=39)
    assert graph_figure(net, max_units=40).axes
    with pytest.raises(SizeError, match=r"units and .* edges"):
        graph_figure(eg.load("resnet50"), measure="edges")
