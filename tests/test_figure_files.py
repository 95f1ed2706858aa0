"""Figures as files: the same bytes every time, text that stays text, and what is known of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

import erfgraph as eg
from erfgraph import figures
from erfgraph.cli import main
from erfgraph.figures import importance_figure, save_figure
from erfgraph.figures.about import FACTS, about
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
    pictures = re.findall(r"\\pgfimage\[width=([\d.]+)in,height=([\d.]+)in\]\{(.*?)\}", text)
    assert {p.name for p in tmp_path.iterdir()} == {"map.pgf", *(name for _, _, name in pictures)}
    wide, high, name = pictures[0]
    assert wide == high  # 3.4 inches of map at 300 dots an inch
    with Image.open(tmp_path / name) as image:
        assert image.size[0] == pytest.approx(300 * float(wide), abs=1.5)
    assert "x (pixels)" in text  # text stays text
    assert text.count("{") == text.count("}")
    assert text.count("\\begin{pgfscope}") == text.count("\\end{pgfscope}")
    width, height = figure.get_size_inches()
    assert f"{{\\pgfqpoint{{{width:f}in}}{{{height:f}in}}}}" in text


def test_texts_for_tex_are_plain():
    assert as_tex("a_b & 5 % ≥ 2×10⁻⁵") == (
        r"a\_b \& 5 \% \ensuremath{\geq} 2\ensuremath{\times}10"
        r"\ensuremath{^{-}}\ensuremath{^{5}}"
    )


def test_the_command_of_a_figure_is_this_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for layer in ("conv1", "conv2"):
        assert main(["map", "conv3*2", "--layer", layer, "-o", "a.png"]) == 0
        assert read_back(tmp_path / "a.png")["command"] == (
            f"erfgraph map 'conv3*2' --layer {layer} -o a.png"
        )
