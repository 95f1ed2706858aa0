"""Figures as files: the same bytes every time, text that stays text, and what is known of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from figure_checks import collisions
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import erfgraph as eg
from erfgraph import figures
from erfgraph.cli import main
from erfgraph.errors import InputError
from erfgraph.figures import importance_figure, save_figure
from erfgraph.figures.about import FACTS, about
from erfgraph.figures.papers import PAPERS
from erfgraph.figures.pgf import as_tex

SUFFIXES = (".png", ".pdf", ".svg", ".pgf")
COMMAND = ("map", "conv3*3", "--input", "9x9", "--layer", "conv2", "--threshold", "0.3")
EXPECTED = {
    "network": "conv3*3",
    "layer": "conv2",
    "unit": "(2, 2)",
    "measure": "paths",
    "threshold": "peak 0.3",
    "version": eg.__version__,
}


def pdf_entries(data):
    """The information dictionary of a PDF file, as its own syntax says."""
    number = re.search(rb"/Info (\d+) 0 R", data)[1]
    body = re.search(rb"\n" + number + rb" 0 obj\n<<(.*?)>>\nendobj", data, re.S)[1]
    pairs = re.findall(rb"/(\w+) \(((?:[^()\\]|\\.)*)\)", body, re.S)
    plain = {k.decode(): re.sub(rb"\\(.)", rb"\1", v) for k, v in pairs}
    # a text that is not Latin is UTF-16, with a byte order mark
    return {
        k: v.decode("utf-16" if v.startswith(b"\xfe\xff") else "latin-1") for k, v in plain.items()
    }


def read_back(path):
    """What a file says of itself, names in small letters."""
    if path.suffix == ".png":
        with Image.open(path) as image:
            return {key.lower(): value for key, value in image.text.items()}
    if path.suffix == ".pdf":
        return {key.lower(): value for key, value in pdf_entries(path.read_bytes()).items()}
    if path.suffix == ".svg":
        from xml.etree import ElementTree

        (text,) = ElementTree.parse(path).iter("{http://purl.org/dc/elements/1.1/}description")
        return dict(line.split(": ", 1) for line in text.text.splitlines())
    head = path.read_text("utf-8").split("\\begingroup")[0]
    return dict(line[2:].split(": ", 1) for line in head.splitlines() if ": " in line)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_two_processes_write_the_same_bytes_and_all_that_is_known(tmp_path, suffix):
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        run = [sys.executable, "-m", "erfgraph", *COMMAND, "-o", f"a{suffix}"]
        subprocess.run(run, cwd=folder, check=True, capture_output=True)
        written.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert written[0] == written[1]
    found = read_back(tmp_path / "one" / f"a{suffix}")
    assert EXPECTED.items() <= found.items()
    wanted = f"erfgraph map 'conv3*3' --input 9x9 --layer conv2 --threshold 0.3 -o a{suffix}"
    assert found["command"] == wanted


def test_a_call_is_what_made_a_figure_without_a_command(tmp_path):
    imp = eg.importance(eg.load("conv7*3"))
    save_figure(importance_figure(imp, scale="log", title="The 37"), tmp_path / "a.png")
    found = read_back(tmp_path / "a.png")
    assert found["command"] == "importance_figure(imp, scale='log', title='The 37')"
    assert found["threshold"] == "peak 0.0455"
    save_figure(importance_figure(imp), tmp_path / "a.png", {"command": "mine", "unit": "all"})
    assert {"command": "mine", "unit": "all"}.items() <= read_back(tmp_path / "a.png").items()


def test_every_figure_knows_what_it_shows():
    net, other = eg.load("conv3*3", (9, 9)), eg.load("conv5", (9, 9))
    a, b = eg.importance(net), eg.importance(other, measure="edges")
    made = {
        "importance": figures.importance_figure(a, a.erf(0.9, "mass")),
        "compare": figures.compare_figure([a, b]),
        "graph": figures.graph_figure(eg.load("conv3*2", (5, 5)), unit=(0, 0), measure="edges"),
        "centre": figures.centre_figure(net, ["conv1", "conv2"]),
        "coverage": figures.coverage_figure([eg.coverage(net)]),
        "cells": figures.cells_figure(eg.cells(eg.load("conv3p1 max4", (16, 16)))),
        "scale": figures.scale_figure(eg.spectrum(net)),
        "agreement": figures.agreement_figure(eg.compare(a, eg.importance(net, measure="edges"))),
    }
    found = {name: about(figure) for name, figure in made.items()}
    assert found["importance"] | {"threshold": "mass 0.9"} == found["importance"]
    assert found["compare"]["network"] == "conv3*3; conv5"
    assert found["compare"]["measure"] == "paths; edges"
    assert found["graph"]["layer"] == "conv2"
    assert (found["graph"]["unit"], found["graph"]["measure"]) == ("(0, 0)", "edges")
    assert found["centre"]["layer"] == "conv1; conv2"
    assert found["coverage"]["threshold"] == found["cells"]["threshold"] == "peak 0.0455"
    assert found["scale"]["unit"] == "(1, 1)"
    assert found["agreement"]["measure"] == "paths; edges"
    for name, one in found.items():
        assert one["network"]
        assert one["call"].startswith(f"{name}_figure(")
        assert {*one} <= {*FACTS, "call"}


def test_names_cannot_break_a_file(tmp_path):
    """A network file may name anything: a line end would leave a comment, a brace a group."""
    net = eg.load("conv3*2", (7, 7))
    net.name = "a\n\\input{/etc/passwd} 100 % of $x_{ & <b> é(\\"
    imp = eg.importance(net)
    for suffix in SUFFIXES:
        save_figure(importance_figure(imp), tmp_path / f"a{suffix}")
        found = read_back(tmp_path / f"a{suffix}")
        assert found["network"] == "a \\input{/etc/passwd} 100 % of $x_{ & <b> é(\\"
    picture = (tmp_path / "a.pgf").read_text("utf-8").split("\\begingroup")[1]
    assert "\\input" not in picture
    assert r"\textbackslash{}input\{/etc/passwd\} 100 \% of \$x\_\{" in picture


# --- PGF ----------------------------------------------------------------------------------------


def test_pgf_needs_no_tex(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert shutil.which("xelatex") is None
    imp = eg.importance(eg.load("conv3*3", (9, 9)))
    figure = importance_figure(imp)
    before = figure.dpi
    save_figure(figure, tmp_path / "map.pgf")
    assert figure.dpi == before
    text = (tmp_path / "map.pgf").read_text("utf-8")
    pictures = re.findall(
        r"\\includegraphics\[width=([\d.]+)in,height=([\d.]+)in\]\{(.*?)\}", text
    )
    assert {p.name for p in tmp_path.iterdir()} == {"map.pgf", *(name for _, _, name in pictures)}
    wide, high, name = pictures[0]
    assert wide == high  # 3.4 inches of map at 300 dots an inch
    with Image.open(tmp_path / name) as image:
        assert image.size[0] == pytest.approx(300 * float(wide), abs=1.5)
        assert image.mode == "RGB"  # some publishers refuse transparency
    assert "x (pixels)" in text  # text stays text
    assert text.count("{") == text.count("}")
    assert text.count("\\begin{pgfscope}") == text.count("\\end{pgfscope}")
    width, height = figure.get_size_inches()
    assert f"{{\\pgfqpoint{{{width:f}in}}{{{height:f}in}}}}" in text


def test_texts_for_tex_are_plain():
    assert as_tex("a_b & 5 % ≥ 2×10⁻⁵ ∝ depthᵖ, x₁ – 2") == (
        r"a\_b \& 5 \% \ensuremath{\geq} 2\ensuremath{\times}10"
        r"\ensuremath{^{-}}\ensuremath{^{5}} \ensuremath{\propto} depth\ensuremath{^{p}}, "
        r"x\ensuremath{_{1}} -- 2"
    )


def every_kind():
    """A figure of every kind, with all that it can say."""
    net = eg.load(NET, (24, 24))
    imp, edges = eg.importance(net), eg.importance(net, measure="edges")
    head = eg.load("cat(conv1 | conv3p2d2 | gap up16)", (16, 16))
    objects = eg.ObjectSizes([6, 40], [5, 50])
    match = eg.match_objects(net, objects, ["conv2", "conv4"])
    return {
        "agreement": figures.agreement_figure(eg.compare(imp, edges, bootstrap=0)),
        "architecture": figures.architecture_figure(
            eg.load("conv7s2p3 res(conv3p1*2)*3", (32, 32))
        ),
        "cells": figures.cells_figure(eg.cells(eg.load("conv3p1 max4", (12, 12)))),
        "centre": figures.centre_figure(net, object_size=4),
        "checkerboard": figures.checkerboard_figure(eg.checkerboard(eg.load("deconv3s2", (6, 6)))),
        "compare": figures.compare_figure([imp, edges], scale="log", floor=1e-3),
        "coverage": figures.coverage_figure(eg.coverage(net)),
        "graph": figures.graph_figure(eg.load("conv7*3")),
        "gridding": figures.gridding_figure(eg.importance(eg.load("conv3d2*3", (32, 32)))),
        "growth": figures.growth_figure(eg.growth(eg.load("conv3*9", (19, 19))), law=True),
        "importance": importance_figure(imp, thresholds=(0.05, 0.5), scale="power"),
        "match": figures.match_figure(match),
        "radial": figures.radial_figure(imp),
        "scale": figures.scale_figure(eg.spectrum(head)),
    }


# of LaTeX itself, of package pgf and what it loads
KNOWN = re.compile(
    r"pgf\w*|begin\w*|end\w*|makeat(letter|other)|def|mathdefault|color|definecolor|"
    r"makebox|includegraphics|"
    r"font(family|size)|familydefault|selectfont|bfseries|itshape|catcode|active|sp|"
    r"ifmmode|else|fi|ensuremath|l?dots|text(backslash|ascii\w+)|Vert|geq|leq|times|pm|surd|"
    r"cdot|infty|propto"
)


def test_latex_knows_every_command_and_every_letter_of_every_figure(tmp_path):
    made = every_kind()
    assert {f"{name}_figure" for name in made} == {
        name for name in figures.__all__ if name.endswith("_figure") and name != "save_figure"
    }
    for name, figure in made.items():
        save_figure(figure, tmp_path / "a.pgf")
        text = (tmp_path / "a.pgf").read_text("utf-8")
        source = "\n".join(line for line in text.splitlines() if not line.startswith("% "))
        commands = set(re.findall(r"\\([A-Za-z]+)", source))
        assert [c for c in commands if not KNOWN.fullmatch(c)] == [], name
        assert ("mathdefault" in commands) == (r"\def\mathdefault" in source)
        assert source.isascii(), name


def hung(path):
    """Where the texts of a PGF picture hang: by text, the point in inches and the end."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        at = re.match(r"\\pgftext\[x=([-\d.]+)in, y=([-\d.]+)in, left, base", line)
        if at:
            side, text = re.search(r"\\makebox\[0pt\]\[(.)\]\{(.*)\}\}\}%", line).groups()
            found[text] = (float(at[1]), float(at[2]), side)
    return found


def test_texts_of_pgf_hang_where_they_are_aligned_whatever_the_font(tmp_path):
    """A text that the document sets narrower stays in the middle of its axis, at its tick."""
    figure = Figure((4, 3))
    axes = figure.add_axes((0.25, 0.25, 0.5, 0.5))
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0.5], yticks=[0.5])
    axes.set_xticklabels(["upright"], rotation=90)
    axes.set_yticklabels(["tick"])
    axes.set_xlabel("along")
    axes.set_ylabel("upwards")
    axes.text(0.5, 0.9, "first\nsecond line", ha="right", transform=axes.transAxes)
    axes.text(0.1, 0.1, "plain", transform=axes.transAxes)
    save_figure(figure, tmp_path / "a.pgf")
    found = hung(tmp_path / "a.pgf")
    where = {text: at[:2] for text, at in found.items()}
    sides = {"l": "plain", "c": "along upwards", "r": "upright tick first second"}
    assert {text.split()[0]: at[2] for text, at in found.items()} == {
        word: side for side, words in sides.items() for word in words.split()
    }
    assert where["along"][0] == pytest.approx(2, abs=0.01)  # the middle of the axis
    assert where["upwards"][1] == pytest.approx(1.5, abs=0.01)
    assert where["first"][0] == where["second line"][0] == pytest.approx(2, abs=0.01)
    assert where["plain"] == pytest.approx((1.2, 0.9), abs=0.01)
    assert 0.6 < where["upright"][1] < 0.75  # just below the axis, and just left of it
    assert 0.85 < where["tick"][0] < 1


def test_the_command_of_a_figure_is_this_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for layer in ("conv1", "conv2"):
        assert main(["map", "conv3*2", "--layer", layer, "-o", "a.png"]) == 0
        assert read_back(tmp_path / "a.png")["command"] == (
            f"erfgraph map 'conv3*2' --layer {layer} -o a.png"
        )


# --- papers -------------------------------------------------------------------------------------

NET = "conv3p1*2 max2 conv3p1*2"


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_figures_have_the_width_of_a_paper(paper):
    imp = eg.importance(eg.load(NET, (24, 24)))
    for columns, width in enumerate(PAPERS[paper].widths, 1):
        with figures.paper_style(paper, columns):
            made = [importance_figure(imp), figures.compare_figure([imp] * 3)]
            made.append(Figure())
            assert made[0].axes[0].xaxis.label.get_size() == 8 * PAPERS[paper].letters
        for figure in made:
            assert figure.get_figwidth() == pytest.approx(width)
            assert collisions(figure) == []
    with (
        pytest.raises(InputError, match="columns: got 3, on paper"),
        figures.paper_style(paper, 3),
    ):
        pass
    assert importance_figure(imp).get_figwidth() > 5  # outside as before


@pytest.mark.parametrize("columns", [1, 2])
def test_every_figure_keeps_to_the_columns_or_says_that_they_are_narrow(columns):
    net = eg.load(NET, (24, 24))
    imp = eg.importance(net)
    makers = [
        lambda: importance_figure(imp, marginals=True),
        lambda: importance_figure(eg.importance(eg.load("conv7*3"))),
        lambda: importance_figure(eg.importance(eg.load("conv3*3", (9, 9, 9)))),
        lambda: figures.compare_figure([eg.importance(eg.load("conv7*3"))] * 2),
        lambda: figures.compare_figure([imp] * 3, scale="log"),
        lambda: figures.compare_figure([imp, eg.importance(eg.load("conv5", (9, 9)))]),
        lambda: importance_figure(imp, thresholds=(0.01, 0.0455, 0.3)),
        lambda: figures.gridding_figure([imp] * 3),
        lambda: figures.radial_figure([imp] * 2),
        lambda: figures.graph_figure(eg.load("conv7*3")),
        lambda: figures.graph_figure(eg.load("conv3*2", (5, 5))),
        lambda: figures.centre_figure(net, object_size=4),
        lambda: figures.coverage_figure(eg.coverage(net)),
        lambda: figures.cells_figure(eg.cells(eg.load("conv3p1 max4", (12, 12)))),
        lambda: figures.scale_figure(eg.spectrum(net)),
        lambda: figures.agreement_figure(
            eg.compare(imp, eg.importance(net, measure="edges"), bootstrap=0)
        ),
    ]
    refused = 0
    with figures.paper_style("cvpr", columns):
        for make in makers:
            try:
                figure = make()
            except InputError as error:
                refused += "take more columns" in str(error)
            else:
                assert figure.get_figwidth() == PAPERS["cvpr"].widths[columns - 1]
                assert collisions(figure) == []
    assert refused == (1 if columns == 1 else 0)  # side panels


# in TeX's points: what \the\columnwidth and \the\textwidth say in the authors' kits
KITS = {
    "aaai": (239.39, 505.89),
    "acl": (219.08, 455.25),
    "acm": (241.15, 506.30),
    "cvpr": (237.14, 496.86),
    "icml": (234.88, 487.83),
    "ieee": (252.0, 516.0),
    "lncs": (347.13,),
    "neurips": (397.49,),
}


@pytest.mark.parametrize("paper", KITS)
def test_figures_fit_the_columns_of_the_kits(paper):
    """Wider by a hair, and LaTeX warns of an overfull box."""
    for width, column in zip(PAPERS[paper].widths, KITS[paper], strict=True):
        assert 0.985 * column < 72.27 * width < column + 0.01


def test_letters_of_nature_have_five_to_seven_points():
    with figures.paper_style("nature"):
        figure = importance_figure(eg.importance(eg.load(NET, (24, 24))))
    sizes = {text.get_size() for text in figure.findobj(Text) if text.get_text().strip()}
    assert 5 <= min(sizes) <= max(sizes) <= 7 + 1e-9


def test_a_context_inside_another_keeps_its_paper():
    with figures.paper_style("icml", 2), figures.paper_style():
        assert Figure().get_figwidth() == 6.75
        with pytest.raises(RuntimeError), figures.paper_style("acl"):
            raise RuntimeError
        assert Figure().get_figwidth() == 6.75
    with figures.paper_style():
        assert Figure().get_figwidth() == 6.4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--paper", "cvpr"], "--paper: goes with a figure"),
        (["--columns", "2"], "--columns: goes with --paper"),
        (["--paper", "cpvr", "-o", "a.png"], "unknown paper 'cpvr'"),
        (["--paper", "neurips", "--columns", "2", "-o", "a.png"], "its text has one column"),
    ],
)
def test_papers_that_are_refused(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["map", "conv3*3", *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "width"),
    [
        (["map", NET, "--input", "24x24"], 3.487),
        (["map", NET, "conv3*9", "--input", "24x24"], 3.487),
        (["graph", "conv7*3"], 3.487),
        (["centres", NET, "--input", "24x24"], 3.487),
        (["coverage", NET, "--input", "24x24"], 3.487),
        (["scales", NET, "--input", "24x24"], 3.487),
        (["equal", "conv3*2", "conv5", "--input", "24x24"], 3.487),
        (["cells", "conv3p1 max4", "--input", "12x12", "--columns", "2"], 7.14),
        (["compare", NET, "--input", "24x24", "--against", "edges", "--columns", "2"], 7.14),
    ],
)
def test_commands_take_a_paper(tmp_path, capsys, command, width):
    path = tmp_path / "a.png"
    assert main([*command, "--paper", "ieee", "-o", str(path)]) == 0
    with Image.open(path) as image:
        assert image.size[0] == pytest.approx(300 * width, abs=1)
