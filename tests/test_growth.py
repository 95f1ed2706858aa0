"""Growth of fields with depth, the law of the root, and radial profiles: numbers and figures."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from figure_checks import collisions
from matplotlib.figure import Figure
from test_cli import call, document

import erfgraph as eg
from erfgraph.errors import InputError, NameLookupError, ThresholdError
from erfgraph.figures import growth_figure, radial_figure
from erfgraph.growing import GrowthRow, main_chain
from erfgraph.rings import ball_radius

CHAIN = ("conv3*40", (81, 81))


def grown(text, shape=None, **options):
    return eg.growth(eg.load(text, shape), **options)


def rate(text, shape=None, **options):
    return eg.importance(eg.load(text, shape), **options)


def made_of(sides, cut=()):
    """A growth with these effective sides at depths 1, 2, …, in one axis."""
    rows = [
        GrowthRow(f"conv{n}", "conv", n, (0,), (2 * n + 1,), n not in cut, 2 * n + 1, side)
        for n, side in enumerate(sides, 1)
    ]
    return eg.Growth("made", (999,), "paths", "peak", 0.0455, tuple(rows))


# --- growth --------------------------------------------------------------------------------


def test_a_chain_is_what_convolving_makes_of_it():
    found = grown("conv3*12", (25, 25))
    profile = np.ones(1)
    for n, row in enumerate(found.rows):
        plane = np.outer(profile, profile)
        assert (row.depth, row.size, row.trf_area) == (n, (2 * n + 1,) * 2, (2 * n + 1) ** 2)
        assert row.erf_area == np.count_nonzero(plane >= 0.0455 * plane.max())
        assert (row.side, row.whole) == (2 * n + 1, True)
        assert row.erf_side == math.sqrt(row.erf_area)
        profile = np.convolve(profile, np.ones(3))


@pytest.mark.parametrize("text", ["conv3s2 conv5 max2 conv3d2", "resnet18", "googlenet"])
def test_rows_agree_with_maps_and_arithmetic(text):
    net = eg.load(text, (96, 64))
    found = eg.growth(net, rule="mass", threshold=0.5)
    assert found.rows[0].name == "input"
    assert found.rows[-1].name == net.output.name
    for row in found.rows[:: max(1, len(found.rows) // 6)]:
        imp = eg.importance(net, row.name)
        assert row.unit == imp.unit
        assert (row.trf_area, row.erf_area) == (imp.trf.area, imp.erf(0.5, "mass").area)
        hulls = eg.receptive_field(net, row.name).field()
        assert row.size == tuple(b - a + 1 for a, b in hulls)
        if row.whole:  # nothing is cut: the map's own box is the field
            assert imp.trf.size == row.size
        else:
            assert any(a < 0 or b >= n for (a, b), n in zip(hulls, (96, 64), strict=True))
    assert found.rows[1].whole


def test_the_border_is_noticed_where_the_field_reaches_it():
    rows = grown("conv3p1*5", (9, 9)).rows
    assert [r.whole for r in rows] == [True] * 5 + [False]  # from the middle it is 4 steps away


def test_the_chain_is_the_longest_way():
    net = eg.load("resnet18")
    chain = main_chain(net, net.output)
    assert [m.index for m in chain] == sorted(m.index for m in chain)
    assert all(a.index in {link.src for link in b.links} for a, b in itertools.pairwise(chain))
    assert not [m.name for m in chain if "downsample" in m.name]
    counted = [m for m in chain if m.op in ("conv", "linear")]
    assert len(counted) == 17 == grown("resnet18").rows[-1].depth  # ResNet-18 less the head


def test_growth_up_to_a_layer_and_by_another_measure():
    net = eg.load("resnet18")
    found = eg.growth(net, "layer2.1", "variance", init="kaiming_fan_in")
    assert found.rows[-1].name == "layer2.1"
    imp = eg.importance(net, "layer2.1", measure="variance", init="kaiming_fan_in")
    assert found.rows[-1].erf_area == imp.erf().area
    assert found.measure == "variance"
    middle = eg.importance(net, "layer1.1", measure="variance", init="kaiming_fan_in")
    assert {r.name: r.erf_area for r in found.rows}["layer1.1"] == middle.erf().area
    seen = []
    eg.growth(net, "layer1.0", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, len(seen)) for i in range(len(seen))]


def test_growth_refuses():
    net = eg.load("conv3*2")
    with pytest.raises(InputError, match="net: got 'conv3', wanted a Network"):
        eg.growth("conv3")
    with pytest.raises(InputError, match="no layers"):
        eg.growth(eg.Network((9,)))
    with pytest.raises(NameLookupError, match="unknown layer 'nothing'"):
        eg.growth(net, "nothing")
    with pytest.raises(NameLookupError, match="unknown rule"):
        eg.growth(net, rule="nothing")
    with pytest.raises(ThresholdError, match="threshold"):
        eg.growth(net, threshold=2)


# --- the law -------------------------------------------------------------------------------


def test_the_law_is_least_squares_in_logarithms():
    found = grown(*CHAIN)
    law = found.law()
    depths = np.arange(5, 41)
    sides = [row.erf_side for row in found.rows[5:]]
    (slope, intercept), covariance = np.polyfit(np.log(depths), np.log(sides), 1, cov=True)
    assert law.depths == tuple(depths)
    assert law.exponent == pytest.approx(slope, rel=1e-9)
    assert law.factor == pytest.approx(math.exp(intercept), rel=1e-9)
    assert law.standard_error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-6)
    assert abs(law.exponent - 0.5) < 0.02
    assert law.side(20) == pytest.approx(law.factor * 20**law.exponent)


def test_an_exact_power_is_found_and_another_is_told_apart():
    law = made_of([n * n for n in range(1, 30)]).law()
    assert law.exponent == pytest.approx(2)
    assert law.factor == pytest.approx(1)
    assert law.standard_error == pytest.approx(0, abs=1e-9)
    assert grown("conv3d2*40", (161, 161)).law().exponent < 0.55
    dilated = "".join(f"conv3d{n} " for n in range(1, 16))
    assert grown(dilated, (257, 257)).law().exponent > 1.2  # steps that grow: variance as n³


def test_the_law_leaves_out_what_the_border_cuts():
    sides = [n * n for n in range(1, 30)]
    sides[19:] = [400] * 10
    assert made_of(sides).law().exponent < 1.9
    law = made_of(sides, cut=range(21, 30)).law()
    assert law.exponent == pytest.approx(2)
    assert law.depths == tuple(range(5, 21))
    assert made_of(sides, cut=range(21, 30)).law(10).depths[0] == 10


def test_of_maps_of_one_depth_the_last_is_fitted():
    found = grown("conv3 max2 conv3 max2 conv3 max2", (64, 64))
    law = found.law(1)
    assert law.depths == (1, 2, 3)
    sides = [row.erf_side for row in found.rows if row.op == "max_pool"]
    assert law.exponent == pytest.approx(np.polyfit(np.log([1, 2, 3]), np.log(sides), 1)[0])


def test_the_law_refuses():
    with pytest.raises(InputError, match="conv3\\*6: 2 depths from 5 on"):
        grown("conv3*6").law()
    for first in (0, 1.5, True):
        with pytest.raises(InputError, match="first: got"):
            grown("conv3*6").law(first)


# --- radial --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape", "unit"),
    [
        ("conv3*9", (19, 19), None),
        ("conv3d2*5", (40, 40), None),
        ("conv3p1*6", (11, 15), (2, 3)),
        ("conv7*3", (19,), None),
        ("conv3*3", (7, 7, 7), None),
    ],
)
def test_radial_is_what_loops_over_all_units_find(text, shape, unit):
    imp = rate(text, shape, unit=unit)
    found = eg.radial(imp, rule="mass", threshold=0.5)
    values = imp.values.astype(float)
    centre = [np.average(axis, weights=values) for axis in np.indices(imp.shape)]
    reach = 2 * max(imp.shape)
    sums, units, away = {}, {}, []
    for offset in np.ndindex(*(3 * n for n in imp.shape)):  # with what lies beyond the map
        at = tuple(o - n for o, n in zip(offset, imp.shape, strict=True))
        distance = math.dist(at, centre)
        ring = math.floor(distance + 0.5)
        if ring > reach:
            continue
        inside = all(0 <= i < n for i, n in zip(at, imp.shape, strict=True))
        value = values[at] if inside else 0.0
        sums[ring] = sums.get(ring, 0) + value
        units[ring] = units.get(ring, 0) + 1
        away.append((round(distance, 9), value))
    for ring, share, relative in zip(found.radius, found.share, found.relative, strict=True):
        if math.isnan(share):
            assert ring not in units
            continue
        mean = sums[ring] / units[ring]
        assert share == pytest.approx(mean / values.sum(), abs=1e-12)
        assert relative == pytest.approx(mean / values.max(), abs=1e-12)
    held, total = 0.0, values.sum()
    for distance, value in sorted(away):
        held += value
        if held >= total / 2 - 1e-9:
            assert found.half_radius == pytest.approx(distance)
            break
    assert found.erf_radius == ball_radius(imp.erf(0.5, "mass").area, len(shape))
    assert found.trf_radius == ball_radius(math.prod(imp.trf.size), len(shape))
    assert found.erf_radius <= found.trf_radius


def test_ball_radius_is_that_of_stretch_disc_and_ball():
    assert ball_radius(7, 1) == 3.5
    assert ball_radius(math.pi * 9, 2) == pytest.approx(3)
    assert ball_radius(4 / 3 * math.pi * 8, 3) == pytest.approx(2)


def test_below_is_the_last_fall():
    found = eg.radial(rate("conv3d2*5", (40, 40)))
    below = found.below(0.1)
    assert (found.relative[below:] < 0.1).all()
    assert found.relative[below - 1] >= 0.1
    assert found.relative[:below].min() == 0  # a lattice: it was below before
    assert found.below(2) == 0


def test_radial_refuses():
    with pytest.raises(InputError, match="imp: got 3"):
        eg.radial(3)
    net = eg.Network((9,))
    net.pad(net.conv(net.input, 3), [(9, 0)])
    with pytest.raises(InputError, match="no path leads to unit"):
        eg.radial(eg.importance(net, unit=0))


# --- figures -------------------------------------------------------------------------------


def labelled(axes, label):
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


FIGURES = {
    "growth": lambda: growth_figure([grown("resnet18"), grown("vgg16")]),
    "growth log": lambda: growth_figure(grown("resnet18"), scale="log"),
    "growth eight": lambda: growth_figure([grown(f"conv3*{n}") for n in range(2, 10)]),
    "growth long name": lambda: growth_figure(
        grown("res(conv3p1 conv3p1)*4 " * 8, (90, 90)), law=True
    ),
    "law": lambda: growth_figure([grown(*CHAIN), grown("conv5*20", (81, 81))], law=True),
    "growth small": lambda: growth_figure(grown(*CHAIN), figure=Figure(figsize=(3.2, 3.0))),
    "radial": lambda: radial_figure([rate("conv3*9", (19, 19)), rate("conv7*3", (19, 19))]),
    "radial one": lambda: radial_figure(rate("resnet18")),
    "radial narrow": lambda: radial_figure(rate("resnet18"), figure=Figure(figsize=(3.3, 6))),
    "radial log": lambda: radial_figure(rate("conv3d2*5", (40, 40)), scale="log"),
    "radial eight": lambda: radial_figure([rate(f"conv3*{n}", (19, 19)) for n in range(2, 10)]),
    "radial long name": lambda: radial_figure(
        rate("res(conv3p1 conv3p1)*4 " * 8, (90, 90)), scale="linear"
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_collides_or_is_cut_off(name):
    figure = FIGURES[name]()
    assert collisions(figure) == []
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        for axes in figure.axes:
            assert not box.overlaps(axes.get_window_extent())
            assert not box.overlaps(axes.xaxis.label.get_window_extent())


def test_growth_figure_draws_the_sides():
    found = grown("conv3p1*9", (15, 15))
    (axes,) = growth_figure(found).axes
    name = "conv3p1*9"
    for what, sides in (("TRF", [r.side for r in found.rows]), ("ERF", None)):
        line = labelled(axes, f"{name}: {what}")
        assert line.get_xdata().tolist() == [r.depth for r in found.rows]
        expected = sides or [r.erf_side for r in found.rows]
        assert line.get_ydata().tolist() == expected
    whole, cut = labelled(axes, f"{name}: ERF whole"), labelled(axes, f"{name}: ERF cut")
    assert whole.get_xdata().tolist() == list(range(8))
    assert cut.get_xdata().tolist() == [8, 9]
    assert cut.get_markerfacecolor() == "white"
    assert axes.get_xlabel() == "depth (convolution, linear, attention)"
    assert axes.get_ylabel() == "side of the field (pixels)"
    assert (axes.get_xlim()[0], axes.get_ylim()[0]) == (0, 0)


def test_growth_figure_marks_few_of_many_maps():
    (axes,) = growth_figure(grown("conv3*100", (201,))).axes
    assert len(labelled(axes, "conv3*100: ERF").get_xdata()) == 101
    marked = labelled(axes, "conv3*100: ERF whole").get_xdata()
    assert 6 <= len(marked) <= 13
    assert marked[-1] == 100


def test_law_is_drawn_and_written():
    found = grown(*CHAIN)
    law = found.law()
    figure = growth_figure(found, law=True)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    line = labelled(axes, "conv3*40: law")
    assert line.get_xdata().tolist() == [5, 40]
    assert line.get_ydata().tolist() == [law.side(5), law.side(40)]
    assert legend_texts(figure)[0] == (
        f"conv3*40: p = {law.exponent:.3f} ± {law.standard_error:.3f}"
    )
    assert labelled(axes, "conv3*40: ERF").get_xdata()[0] == 1  # no depth 0 on a log axis
    assert not [t for t in legend_texts(growth_figure(found)) if "depthᵖ" in t]
    begun = labelled(growth_figure(found, law=True, first=10).axes[0], "conv3*40: law")
    assert begun.get_xdata()[0] == 10


def test_radial_figure_draws_profile_and_radii():
    found = eg.radial(rate("conv3*9", (19, 19)))
    figure = radial_figure(found)
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]
    for axes in figure.axes:
        line = labelled(axes, "conv3*9")
        assert line.get_xdata().tolist() == found.radius.tolist()
        np.testing.assert_array_equal(line.get_ydata(), found.relative)
        mark = labelled(axes, "conv3*9: ERF radius")
        assert mark.get_xdata() == [found.erf_radius]
        assert 0.04 < mark.get_ydata()[0] < 0.06  # about the threshold: the map is round
        assert labelled(axes, "conv3*9: TRF radius").get_xdata() == [found.trf_radius] * 2
        assert labelled(axes, "threshold").get_ydata() == [0.0455, 0.0455]
        assert axes.get_xlabel() == "distance from the centre of mass (pixels)"
        assert axes.get_ylabel() == "mean paths / largest"
    assert legend_texts(figure)[0] == "conv3*9: ERF 6.2, TRF ≥ 10.7"  # as far as the input goes
    assert [a.get_yscale() for a in radial_figure(found, scale="log").axes] == ["log"]


def test_a_field_at_the_border_may_be_larger_and_has_an_arrow():
    inside, cut = (rate("conv3p1*4", (n, 13)) for n in (11, 7))
    assert not eg.radial(inside).at_border
    assert eg.radial(cut).at_border
    assert eg.radial(cut).to_dict()["at_border"] is True
    figure = radial_figure([inside, cut])
    for axes in figure.axes:
        (arrow,) = [text for text in axes.texts if text.arrow_patch]
        assert arrow.xy == (eg.radial(cut).trf_radius, 1.0)
    texts = legend_texts(figure)
    assert [("≥" in text) for text in texts[:2]] == [False, True]
    assert "arrow, ≥: the border may cut it" in texts
    whole = radial_figure(inside)
    assert not any("arrow" in text for text in legend_texts(whole))
    assert not any(axes.texts for axes in whole.axes)


def test_panels_are_stacked_on_a_narrow_page():
    imp = rate("conv3*4", (9, 9))
    upper, lower = radial_figure(imp, figure=Figure(figsize=(3.3, 6))).axes
    assert upper.get_position().y0 > lower.get_position().y1
    assert upper.get_position().x0 == lower.get_position().x0
    left, right = radial_figure(imp).axes
    assert left.get_position().x1 < right.get_position().x0
    assert left.get_position().y0 == right.get_position().y0


def test_empty_rings_are_gaps_on_a_log_scale_and_zeros_on_a_linear():
    linear, log = radial_figure(rate("conv3d2*5", (40, 40))).axes
    assert labelled(linear, "conv3d2*5").get_ydata()[1] == 0
    heights = labelled(log, "conv3d2*5").get_ydata()
    assert np.isnan(heights[[1, 5]]).all()
    assert labelled(log, "conv3d2*5: lone").get_xdata().tolist() == [0]


def test_radial_figure_of_an_inner_map_names_its_units():
    figure = radial_figure(rate("conv3*4", (19, 19), of="conv1"))
    assert figure.axes[0].get_xlabel() == "distance from the centre of mass (units of conv1)"


def test_no_threshold_line_for_other_rules():
    figure = radial_figure(eg.radial(rate("conv3*4", (9, 9)), rule="mass"))
    assert "threshold" not in legend_texts(figure)


def test_figures_go_into_a_given_figure():
    whole = Figure(figsize=(9, 4))
    left, right = whole.subfigures(1, 2)
    assert growth_figure(grown(*CHAIN), figure=left) is whole
    assert radial_figure(rate("conv3*4", (9, 9)), scale="log", figure=right) is whole
    assert len(left.axes) == len(right.axes) == 1
    with pytest.raises(InputError, match=r"figure: got 2\.0 x 2\.0 inches"):
        growth_figure(grown(*CHAIN), figure=Figure(figsize=(2, 2)))


def test_figures_refuse():
    found = grown("conv3*2")
    with pytest.raises(InputError, match="scale: log wants a layer of depth 1 or more"):
        growth_figure(eg.growth(eg.load("conv3"), "input"), scale="log")
    with pytest.raises(InputError, match="growths: got"):
        growth_figure([])
    with pytest.raises(InputError, match="growths: got 9"):
        growth_figure([found] * 9)
    with pytest.raises(InputError, match="scale: got 'cubic'"):
        growth_figure(found, scale="cubic")
    with pytest.raises(InputError, match="wants three or more"):
        growth_figure(found, law=True)
    imp = rate("conv3*2")
    with pytest.raises(InputError, match="profiles: got 0"):
        radial_figure([])
    with pytest.raises(InputError, match="scale: got 'cubic'"):
        radial_figure(imp, scale="cubic")
    with pytest.raises(InputError, match="wanted one `measure` for all"):
        radial_figure([imp, rate("conv3*2", measure="edges")])


# --- command line --------------------------------------------------------------------------


def test_growth_command(capsys, tmp_path):
    found = document(capsys, "growth", "conv3*12", "--input", "25x25", "--law", "--first", "3")
    own = grown("conv3*12", (25, 25))
    assert found == {**own.to_dict(), "law": own.law(3).to_dict()}
    two = document(capsys, "growth", "conv3*3", "conv5*3", "--input", "25x25")
    assert [one["network"] for one in two] == ["conv3*3", "conv5*3"]
    path = tmp_path / "a.png"
    status, out, err = call(
        capsys, "growth", "conv3*12", "conv5*3", "--input", "25x25", "-o", str(path)
    )
    assert (status, err) == (0, "")
    assert path.read_bytes()[:4] == b"\x89PNG"
    lines = out.splitlines()
    assert "conv5*3" in lines[0]
    assert lines[3].split() == [
        "conv1", "1", "3×3", "yes", "9", "3.00", "100.0%",
        "conv1", "1", "5×5", "yes", "25", "5.00", "100.0%",
    ]  # fmt: skip
    assert lines[-1] == f"wrote {path}"


def test_growth_command_says_the_law(capsys):
    arguments = ("growth", "conv3*40", "--input", "81x81", "--law")
    status, out, _ = call(capsys, *arguments)
    assert status == 0
    assert out.splitlines()[-1] == (
        "conv3*40: ERF side = 3.74 · depth^p, p = 0.489 ± 0.003 (depths 5 to 40)"
    )
    status, _, err = call(capsys, *arguments, "--format", "csv")
    assert status == 2
    assert "--law" in err
    status, _, err = call(capsys, "growth", "conv3*4", "--law")
    assert status == 2
    assert "wants three or more" in err


def test_radial_command(capsys, tmp_path):
    arguments = ("radial", "conv3*9", "--input", "19x19")
    own = eg.radial(rate("conv3*9", (19, 19)))
    assert document(capsys, *arguments) == own.to_dict()
    both = document(capsys, *arguments, "conv7*3", "--rule", "mass", "--measure", "variance")
    assert [one["rule"] for one in both] == ["mass", "mass"]
    assert both[1]["network"] == "conv7*3"
    path = tmp_path / "a.pdf"
    status, out, _ = call(capsys, *arguments, "-o", str(path), "--scale", "log")
    assert status == 0
    assert out.splitlines()[1].split() == ["conv3*9", "6.21", "10.72", "3.00", "3", "6", "8"]
    assert path.read_bytes()[:4] == b"%PDF"
    status, out, _ = call(capsys, *arguments, "--format", "markdown")
    assert out.startswith("| network | ERF radius |")


def test_commands_take_all_that_a_measure_takes(capsys):
    how = {"init": "kaiming_fan_in", "batchnorm": "batch", "scalar": "channel"}
    given = [part for key, value in how.items() for part in (f"--{key}", value)]
    arguments = (
        "resnet18",
        "--input",
        "64x64",
        "--measure",
        "variance",
        *given,
        "--zero-residual",
    )
    net = eg.load("resnet18", (64, 64))
    how["zero_residual"] = True
    own = eg.radial(eg.importance(net, measure="variance", **how))
    assert document(capsys, "radial", *arguments) == own.to_dict()
    assert own.erf_radius != eg.radial(eg.importance(net, measure="variance")).erf_radius
    wanted = eg.growth(net, measure="variance", **how)
    assert document(capsys, "growth", *arguments) == wanted.to_dict()
    assert wanted.to_dict() != eg.growth(net, measure="variance").to_dict()


def test_commands_count_channels(capsys):
    arguments = ("conv3*3", "--input", "9x9", "--channels", "3", "--count-channels")
    for command in ("radial", "growth"):
        assert document(capsys, command, *arguments)["measure"] == "channel paths"
        assert document(capsys, command, *arguments[:-1])["measure"] == "paths"
    status, _, err = call(capsys, "growth", "conv3*3", "--weights", "abs")
    assert status == 2
    assert "weights" in err


@pytest.mark.parametrize("command", ["growth", "radial"])
def test_commands_refuse(capsys, command):
    for option, value in (("--scale", "cubic"), ("--rule", "x"), ("--format", "x")):
        status, out, err = call(capsys, command, "conv3*9", option, value)
        assert (status, out) == (2, "")
        assert f"'{value}'" in err
