"""Coverage and layers that do nothing: against sweeps, and by hand."""

from __future__ import annotations

import math
import time

import pytest
from figure_checks import collisions
from hypothesis import given
from hypothesis import strategies as st
from registry import NETWORKS
from test_cli import call, document

import erfgraph as eg
from erfgraph.errors import InputError, NameLookupError, ThresholdError
from erfgraph.figures import coverage_figure

# --- shares -------------------------------------------------------------------------------


def check_rows(net, found, measure="paths", rule="peak", threshold=None):
    fields = eg.receptive_fields(net)
    assert [row.name for row in found.rows] == [m.name for m in net.maps]
    for row, rf in zip(found.rows, fields, strict=True):
        imp = eg.importance(net, row.name, measure=measure)
        units = math.prod(net.input.shape)
        box = imp.trf.bbox or ((0, 0),)
        assert row.theoretical == imp.trf.area / units
        assert row.box == math.prod(stop - start for start, stop in box) / units
        assert row.effective == imp.erf(threshold, rule).share_of_input
        assert (row.shape, row.size) == (rf.shape, rf.size)


@pytest.mark.parametrize("name", NETWORKS)
def test_shares_are_those_of_every_map(name):
    net = NETWORKS[name]()
    check_rows(net, eg.coverage(net))
    check_rows(net, eg.coverage(net, rule="mass", threshold=0.5), rule="mass", threshold=0.5)


@pytest.mark.parametrize("name", ["residual", "unet", "mask_plus", "gate_follow"])
def test_shares_by_edges(name):
    net = NETWORKS[name]()
    found = eg.coverage(net, "edges", "count", 2)
    check_rows(net, found, "edges", "count", 2)


def test_shares_of_a_real_net():
    net = eg.load("resnet50", (160, 192))
    check_rows(net, eg.coverage(net))


def test_a_copy_is_not_swept_again_but_only_where_it_is_one():
    """1x1 convolutions take the map's shares that they read, strided ones do not."""
    net = eg.load("conv3p1 conv1 conv1s2 conv1p1", (9, 8))
    check_rows(net, eg.coverage(net))
    shares = [row.theoretical for row in eg.coverage(net).rows]
    assert shares[1] == shares[2]


def test_the_first_layer_that_covers():
    net = eg.load("conv3*9")  # field 3, 5, …, 19 of 19
    found = eg.coverage(net)
    assert found.covered_from == "conv9"
    assert found.effective_from is None  # 13 of 19
    found = eg.coverage(net, cover=0.5, cover_effective=0.5)
    assert found.covered_from == "conv5"  # 11 of 19; conv4 has 9
    assert found.effective_from == "conv7"
    # of 7 layers' 15 positions 1, 7, 28, …, 393 paths at the outer two are below 4.55 %
    assert [row.effective for row in found.rows][5:8] == [9 / 19, 9 / 19, 11 / 19]


def test_a_theoretical_field_as_large_as_the_image_is_not_enough():
    """The article's statement on classifiers, on a deep ResNet at its own input size."""
    found = eg.coverage(eg.load("resnet50"))
    assert found.covered_from == "layer3.4.conv2"
    assert found.effective_from is None
    assert found.rows[-1].box == 1
    assert found.rows[-1].effective < 0.8


# --- unproductive and critical ------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "unproductive", "critical"),
    [
        # fields 3, 5, 6 (pool), 10, 14: each layer by hand
        (2, [2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (3, [2, 3, 4, 5], [2, 3, 4, 5]),
        (4, [3, 4, 5], [2, 3, 4, 5]),
        (5, [3, 4, 5], [3, 4, 5]),
        (6, [4, 5], [4, 5]),
        (9, [5], [4, 5]),
        (10, [5], [5]),
        (11, [], [5]),
        (13, [], [5]),
        (14, [], []),
    ],
)
def test_by_hand(n, unproductive, critical):
    net = eg.load("conv3p1 conv3p1 max2 conv3p1 conv3p1", n)
    found = eg.coverage(net)
    assert [row.size[0] for row in found.rows] == [1, 3, 5, 6, 10, 14]
    names = [m.name for m in net.maps]
    assert found.unproductive == tuple(names[i] for i in unproductive)
    assert found.critical == tuple(names[i] for i in critical)
    assert found.inputs.to_dict() == {"productive": [11], "uncritical": [14], "covered": [14]}


def test_a_1x1_convolution_at_the_border():
    """Before it the field has just the input's size, and it does not exceed it."""
    assert eg.coverage(eg.load("conv5p2 conv1", 5)).unproductive == ()
    assert eg.coverage(eg.load("conv5p2 conv1", 4)).unproductive == ("conv2",)


def test_every_axis_by_itself():
    found = eg.coverage(eg.load("conv3p1 conv3x1p1x0 conv1x3p0x1", (3, 9)))
    flags = {row.name: (row.unproductive, row.critical) for row in found.rows}
    assert flags["conv2"] == ((True, False), (True, False))
    assert flags["conv3"] == ((True, False), (True, False))
    assert found.unproductive == found.critical == ()
    assert found.inputs.productive == (5, 4)
    assert found.inputs.uncritical == (5, 5)


def test_vgg16_on_small_images():
    found = eg.coverage(eg.load("vgg16", (32, 32)))
    # 3_2 has a field of 32, so 3_3 (features.14) is the first to add nothing
    names = [row.name for row in found.rows]
    assert found.unproductive == found.critical == tuple(names[names.index("features.14") :])
    assert found.inputs.productive == (197, 197)
    assert found.inputs.covered == (212, 212)


def test_resnets_on_small_images():
    small, large = (eg.coverage(eg.load("resnet50", n)) for n in ((32, 32), (224, 224)))
    assert large.unproductive == large.critical == ()
    # the smallest field before conv3 of a block is that of its 3x3 convolution behind
    # identities: 11 + 2 * 16 = 43 in layer3, 11 + 2 * 32 = 75 in layer4 (43 in its first block)
    assert small.unproductive == (
        *(f"layer3.{i}.conv3" for i in range(1, 6)),
        *(f"layer4.{i}.conv3" for i in range(3)),
    )
    least_of = {row.name: row.smallest for row in small.rows}
    assert least_of["layer3.1.conv2"] == (43, 43)
    assert least_of["layer4.1.conv2"] == (75, 75)
    assert least_of["layer4.2"] == (11, 11)  # the stem's: identities all the way


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 2), st.booleans()), min_size=1, max_size=5
    ),
    st.integers(1, 40),
)
def test_the_range_of_inputs_is_where_layers_change(layers, n):
    """On an input of the range's bound nothing is unproductive, one below something is."""

    def made(size):
        net = eg.Network(size)
        x = net.input
        for k, s, skip in layers:
            y = net.conv(x, k, s, k // 2)
            x = (
                net.add(y, net.conv(x, 1, s, (k % 2 == 0) * ((0, 0),) or 0))
                if (skip and k % 2)
                else y
            )
        return eg.coverage(net)

    found = made(n)
    (productive,), (uncritical,) = found.inputs.productive, found.inputs.uncritical
    assert (found.unproductive == ()) == (n >= productive)
    assert (found.critical == ()) == (n >= uncritical)


def test_covered_is_an_upper_bound():
    net = eg.load("conv3p1*4")
    for n in range(1, 14):
        full = eg.coverage(eg.load("conv3p1*4", n)).rows[-1].box == 1
        assert full == (n <= eg.input_range(net).covered[0])


def test_layers_that_read_everything_are_not_judged():
    net = eg.load("vgg16", (32, 32), head=True)
    found = eg.coverage(net)
    rows = {row.name: row for row in found.rows}
    last = rows[net.output.name]
    assert last.smallest == (None, None)
    assert last.unproductive == last.critical == (False, False)
    assert last.box == 1
    assert found.inputs == eg.input_range(eg.load("vgg16", (32, 32)))
    alone = eg.load("gap", 9)
    assert eg.input_range(alone).to_dict() == {
        "productive": [None], "uncritical": [None], "covered": [None],
    }  # fmt: skip


def test_gates_that_are_followed_do_not_hide_the_way_beside_them():
    net = NETWORKS["gate_follow"]()
    rows = {row.name: row for row in eg.coverage(net).rows}
    assert rows["gated"].smallest == (3, 3)
    assert rows["gated"].box == 1  # through the gate everything is seen


# --- results, errors ----------------------------------------------------------------------


def test_to_dict():
    found = eg.coverage(eg.load("conv3p1 conv3p1", 3), rule="mass", threshold=0.5)
    document = found.to_dict()
    assert document.pop("rows")[2] == {
        "name": "conv2",
        "shape": [3],
        "size": [5],
        "smallest": [5],
        "theoretical": 1.0,
        "box": 1.0,
        "effective": 2 / 3,  # of 2 3 2 paths, the middle and one beside it hold half
        "unproductive": [True],
        "critical": [True],
    }
    assert document == {
        "network": "conv3p1 conv3p1",
        "input_shape": [3],
        "measure": "paths",
        "rule": "mass",
        "threshold": 0.5,
        "cover": 1.0,
        "cover_effective": 0.9545,
        "covered_from": "conv1",
        "effective_from": None,
        "unproductive": ["conv2"],
        "critical": ["conv2"],
        "inputs": {"productive": [4], "uncritical": [5], "covered": [5]},
    }


def test_progress():
    seen = []
    net = eg.load("conv3*3")
    eg.coverage(net, progress=lambda *at: seen.append(at))
    assert seen == [(i, 4) for i in range(4)]


def test_bad_arguments():
    net = eg.load("conv3")
    with pytest.raises(InputError, match="wanted a Network"):
        eg.coverage("conv3")
    with pytest.raises(InputError, match="no layers"):
        eg.coverage(eg.Network(5))
    with pytest.raises(NameLookupError, match="unknown measure 'path'"):
        eg.coverage(net, "path")
    with pytest.raises(ThresholdError, match="above 0 and at most 1"):
        eg.coverage(net, threshold=2)
    for share in (0, 1.5, True, "1"):
        with pytest.raises(InputError, match="cover: got"):
            eg.coverage(net, cover=share)
    with pytest.raises(InputError, match="cover_effective: got -1"):
        eg.coverage(net, cover_effective=-1)


def test_resnet152_is_quick():
    net = eg.load("resnet152")
    start = time.process_time()
    found = eg.coverage(net)
    assert time.process_time() - start < 6
    assert len(found.rows) == 207


# --- the figure ---------------------------------------------------------------------------


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def test_figure_draws_the_shares():
    found = [eg.coverage(eg.load(name, (32, 32))) for name in ("vgg16", "resnet50")]
    figure = coverage_figure(found, title="Small images")
    assert len(figure.axes) == 2
    for axes, one in zip(figure.axes, found, strict=True):
        drawn = lines(axes)
        assert list(drawn["theoretical field"]) == [row.box for row in one.rows]
        assert list(drawn["effective field"]) == [row.effective for row in one.rows]
        names = [row.name for row in one.rows]
        dots = [
            (line.get_xdata()[0], line.get_ydata()[0])
            for line in axes.lines
            if line.get_marker() == "o"
        ]
        assert dots == [
            (names.index(one.covered_from), 1.0),
            (
                names.index(one.effective_from),
                one.rows[names.index(one.effective_from)].effective,
            ),
        ]
        for word in ("unproductive", "critical"):
            shaded = {round(p.get_x() + 0.5) for p in axes.patches if p.get_label() == word}
            flagged = {i for i, row in enumerate(one.rows) if all(getattr(row, word))}
            grey = {i for i, row in enumerate(one.rows) if all(row.unproductive)}
            assert shaded == (flagged - grey if word == "critical" else grey)
        texts = {t.get_text(): round(t.get_position()[0]) for t in axes.get_xticklabels()}
        assert len(texts) > 15
        assert all(names[at] == text for text, at in texts.items())
        assert {"input", names[-1]} <= set(texts)
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == [
        "TRF (bounding box)", "ERF (4.55 % of the largest)", "unproductive", "critical",
    ]  # fmt: skip
    assert collisions(figure) == []


def test_figure_shows_holes():
    """Dilation 2 everywhere: the box holds more than what has a path."""
    found = eg.coverage(eg.load("conv3p2d2*3", (15, 15)))
    figure = coverage_figure(found)
    assert list(lines(figure.axes[0])["units with a path"]) == [r.theoretical for r in found.rows]
    assert "units with a path" in [t.get_text() for t in figure.legends[0].get_texts()]
    plain = coverage_figure(eg.coverage(eg.load("conv3*3")))
    assert "units with a path" not in lines(plain.axes[0])


def test_figure_of_many_layers_names_those_that_fit():
    figure = coverage_figure(eg.coverage(eg.load("resnet152")))
    labels = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert 25 < len(labels) < 60
    assert (labels[0], labels[-1]) == ("input", "layer4.2")
    assert collisions(figure) == []


def test_figure_says_never_and_where():
    (text,) = [
        t.get_text().replace("\n", " ")
        for t in coverage_figure(eg.coverage(eg.load("conv3*9"))).texts
        if "covers" in t.get_text()
    ]
    assert "theoretical field covers the image from conv9" in text
    assert "effective field never covers 95.5 %" in text


def test_figure_refuses():
    with pytest.raises(InputError, match="coverages: got"):
        coverage_figure([])
    with pytest.raises(InputError, match="wanted Coverage"):
        coverage_figure([1])


# --- the commands -------------------------------------------------------------------------


def test_command_coverage(capsys, tmp_path):
    found = document(capsys, "coverage", "vgg11", "resnet18", "--input", "32x32", "--cover", "0.9")
    expected = [eg.coverage(eg.load(n, (32, 32)), cover=0.9) for n in ("vgg11", "resnet18")]
    assert found == [one.to_dict() for one in expected]
    path = tmp_path / "coverage.svg"
    status, out, err = call(capsys, "coverage", "vgg16", "--input", "32x32", "-o", str(path))
    assert (status, err) == (0, "")
    line = next(line for line in out.splitlines() if line.startswith("features.12")).split()
    assert line == ["features.12", "8×8", "32", "32", "87.9%", "87.9%", "57.0%"]
    line = next(line for line in out.splitlines() if line.startswith("features.14")).split()
    assert line[-1] == "unproductive"
    assert "covers 100% of the image: from features.14" in out
    assert "unproductive layers: 10, from features.14" in out
    assert b"<svg" in path.read_bytes()
    _, out, _ = call(capsys, "coverage", "vgg16")
    assert "covers 95.45%: never" in out
    assert "unproductive layers: none" in out


def test_command_coverage_formats(capsys):
    _, out, _ = call(capsys, "coverage", "conv3*3", "--format", "csv")
    header, first, *_ = out.splitlines()
    assert header == "feature map,shape,field,smallest,TRF,TRF box,ERF,adds nothing"
    assert first == "input,7,1,1,14.3%,14.3%,14.3%,"
    _, out, _ = call(capsys, "coverage", "conv3", "conv3*2", "--format", "markdown")
    widths = {line.count("|") for line in out.splitlines()}
    assert widths == {17}
    _, out, _ = call(capsys, "coverage", "conv3*3", "--format", "latex")
    assert r"14.3\%" in out
    _, out, _ = call(capsys, "coverage", "conv3p1*2 conv3x1p1x0", "--input", "6x9")
    assert "critical (y)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coverage", "nonsense"], "unknown network 'nonsense'"),
        (["coverage", "vgg11", "--cover", "0"], "--cover: got 0.0, wanted a share above 0"),
        (["coverage", "vgg11", "--cover-effective", "2"], "--cover-effective: got 2.0"),
        (["coverage", "vgg11", "--threshold", "7"], "threshold: got 7.0"),
        (["coverage", "vgg11", "--rule", "top"], "unknown rule 'top'"),
        (["coverage", "vgg11", "--measure", "path"], "unknown measure 'path'"),
        (["coverage", "vgg11", "--format", "xml"], "unknown format 'xml'"),
        (["coverage", "vgg11", "--input", "3x3"], "vgg11"),
        (["coverage", "vgg11", "-o", "x.gif"], "gif"),
        (["coverage"], "NET"),
    ],
    ids=lambda v: " ".join(v)[:40],
)
def test_commands_bad_input(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    if message != "vgg11":  # whichever layer does not fit says so
        assert message in err
    assert list(tmp_path.iterdir()) == []
