"""What `erfgraph scales` shows: single merges, the figure of the spectrum, the command."""

from __future__ import annotations

import json

import pytest
from figure_checks import collisions
from registry import NETWORKS
from test_cli import call, document
from test_spectrum import with_aspp

import erfgraph as eg
from erfgraph.errors import InputError
from erfgraph.figures import scale_figure

# --- one merge --------------------------------------------------------------------------------


def test_branches_of_a_residual_block():
    net = eg.load("res(conv3p1 conv3p1)*2", 20)
    found = eg.branches(net, "add2")
    assert [f.size for f in found.fields] == [(9,), (5,)]
    assert (found.largest, found.own.size, found.aligned) == ((9,), (9,), (True,))
    assert found.misaligned == ()


def test_misaligned_branches_are_larger_together():
    net = eg.Network(32)
    a = net.conv(net.input, 3, padding=1, name="a")
    b = net.conv(net.input, 4, padding=((0, 3),), name="b")
    net.add(a, b, name="sum")
    net.add("sum", "sum", name="twice")
    found = eg.branches(net, "sum")
    assert [(f.name, f.size, f.start) for f in found.fields] == [
        ("a", (3,), (0.0,)),
        ("b", (4,), (1.5,)),
    ]
    assert (found.largest, found.own.size, found.aligned) == ((4,), (5,), (False,))
    assert found.misaligned[0].starts == (0.0, 1.5)
    assert json.loads(json.dumps(found.to_dict()))["aligned"] == [False]
    after = eg.branches(net, "twice")  # what is wrong below is not wrong here
    assert (after.aligned, len(after.fields), len(after.own.misaligned)) == ((True,), 2, 1)


def test_no_merge():
    with pytest.raises(InputError, match=r"'conv1' reads 1 map, .*\(this network's: add1\)"):
        eg.branches(eg.load("res(conv3p1)"), "conv1")


# --- the figure -------------------------------------------------------------------------------


def spectra(*names, **options):
    return [eg.spectrum(eg.load(name, (160, 160)), **options) for name in names]


def drawn(axes, name):
    (line,) = [line for line in axes.lines if line.get_label() == name]
    return dict(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_figure_draws_the_shares():
    found = spectra("resnet18", "resnet50")
    figure = scale_figure(found)
    ways_, paths = figure.axes
    for one in found:
        sizes = [s for s, _ in one.sizes]
        assert drawn(ways_, one.network) == dict(zip(sizes, one.share_of_subpaths, strict=True))
        assert drawn(paths, one.network) == dict(zip(sizes, one.share_of_paths, strict=True))
    medians = [line.get_xdata()[0] for line in paths.lines if line.get_label() == "median"]
    assert medians == [one.quantile(0.5)[0] for one in found]
    assert paths.get_xlabel() == "size of the receptive field (pixels)"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        *("resnet18", "resnet50"),
        "median",
    ]
    assert ways_.get_xlim() == paths.get_xlim()


@pytest.mark.parametrize(
    "make",
    [
        lambda: spectra("resnet50"),
        lambda: spectra("resnet152", by="depth"),
        lambda: spectra("vgg16", "resnet18", "resnet50", "resnet152", "conv3*5"),
        lambda: [eg.spectrum(with_aspp()), *spectra("vgg16")],
        lambda: [eg.spectrum(eg.load("conv3 gap", 9))],
        lambda: [eg.spectrum(NETWORKS["inception"]())],
    ],
)
def test_nothing_collides(make):
    found = make()
    figure = scale_figure(found)
    assert collisions(figure) == []
    legend = figure.legends[0].get_window_extent()
    assert not any(axes.get_window_extent().overlaps(legend) for axes in figure.axes)


def test_figure_shows_the_whole_map_apart():
    found = eg.spectrum(with_aspp())
    axes = scale_figure(found).axes[1]
    assert axes.get_xticklabels()[-1].get_text() == "whole\nmap"
    edge = axes.get_xticks()[-1]
    assert edge > max(s for s, _ in found.sizes[:-1])
    assert any(
        list(line.get_xdata()) == [edge] and list(line.get_ydata()) == [found.share_of_paths[-1]]
        for line in axes.lines
    )


def test_figure_of_uneven_sizes_says_so():
    axes = scale_figure(eg.spectrum(NETWORKS["inception"]())).axes[1]
    assert "root of its area" in axes.get_xlabel()


def test_bad_figures():
    one, other = spectra("vgg16")[0], spectra("vgg16", by="depth")[0]
    with pytest.raises(InputError, match="some by size and some by depth"):
        scale_figure([one, other])
    with pytest.raises(InputError, match="got 0, wanted 1 to 8"):
        scale_figure([])
    with pytest.raises(InputError, match="wanted Spectrum"):
        scale_figure([1])


# --- the command ------------------------------------------------------------------------------


def test_command_json(capsys):
    found = document(capsys, "scales", "resnet50", "--layer", "layer3")
    net = eg.load("resnet50")
    assert found["spectrum"] == json.loads(json.dumps(eg.spectrum(net, "layer3").to_dict()))
    assert found["halo"]["before"] == [133, 133]
    assert found["checkerboard"]["contrast"] == 0
    assert found["gridding"]["holes"] == 0
    both = document(capsys, "scales", "resnet18", "vgg11", "--by", "depth")
    assert [one["network"] for one in both] == ["resnet18", "vgg11"]
    assert both[0]["spectrum"]["rows"][0]["depth"] == 2


def test_command_text(capsys, tmp_path):
    path = tmp_path / "scales.png"
    status, out, err = call(capsys, "scales", "conv3d2*3", "--input", "40x40", "-o", str(path))
    assert (status, err) == (0, "")
    assert "1 field size, 1 sub-path\n" in out
    assert "120 of 169 units in the field's box have no path (71.0%); they repeat every 2" in out
    assert "overlap 0 before and 12 after; cut at multiples of 1" in out
    assert f"wrote {path}" in out
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_command_puts_many_sizes_together(capsys):
    _, out, _ = call(capsys, "scales", "resnet152")
    lines = out.splitlines()
    table = lines[2 : lines.index("")]
    assert len(table) <= 24
    ways_ = sum(int(line.split()[-4]) for line in table)
    assert ways_ == 2**50
    assert "181 field sizes" in out
    _, out, _ = call(capsys, "scales", "resnet152", "--format", "csv")
    assert len(out.splitlines()) == 182
    assert (
        sum(int(line.split(",")[2]) for line in out.splitlines()[1:])
        == eg.spectrum(eg.load("resnet152")).total_paths
    )


def test_command_says_where_paths_lie(capsys):
    _, out, _ = call(capsys, "scales", "conv3d6p6", "--unit", "1")
    assert "5 of 7 units in the field's box have no path (71.4%); paths lie on every 6\n" in out


def test_command_says_why_there_are_no_tiles(capsys):
    _, out, _ = call(capsys, "scales", "conv3 gap", "--input", "9")
    assert "tiles: none on any axis (global_pool1 depends on the whole map)" in out
    assert "whole map" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scales", "resnet50", "--by", "sice"], "unknown --by 'sice'; did you mean 'size'"),
        (["scales", "resnet50", "--layer", "layr1"], "unknown layer 'layr1'"),
        (["scales", "resnet50", "--unit", "9,9"], "lies outside 'layer4.2'"),
        (["scales", "resnet50", "--format", "html"], "unknown format 'html'"),
        (["scales", "resnet50", "-o", "x.bmp"], "got suffix '.bmp'"),
        (["scales", "resnet50", "--input", "0"], "positive integers"),
        (["scales"], "Missing argument"),
        (["scales", *["conv3"] * 9, "-o", "x.png"], "got 9, wanted 1 to 8"),
    ],
    ids=lambda v: " ".join(v)[:40],
)
def test_command_bad_input(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []
