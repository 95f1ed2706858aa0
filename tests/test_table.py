"""`erfgraph table`: every format, several networks, misaligned branches, bad input."""

from __future__ import annotations

import csv
import io
import json

import pytest

import erfgraph as eg
from erfgraph.cli import main
from erfgraph.cli.table import COLUMNS
from erfgraph.tables import latex, markdown


def printed(capsys, *arguments):
    assert main(["table", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_json_is_what_python_says(capsys):
    found = json.loads(printed(capsys, "resnet18", "--json"))
    net = eg.load("resnet18")
    assert found["network"] == "resnet18"
    assert found["input_shape"] == [224, 224]
    assert found["rows"] == [rf.to_dict() for rf in eg.receptive_fields(net)]
    assert len(found["rows"]) == len(net)
    last = found["rows"][-1]
    assert (last["name"], last["size"], last["stride"]) == ("layer4.1", [435, 435], [32, 32])
    assert (last["padding"], last["start"]) == ([217, 217], [0.0, 0.0])
    assert last["aligned"] == [True, True]


def test_json_of_several_is_an_array(capsys):
    found = json.loads(printed(capsys, "conv3", "conv5", "--json"))
    assert [d["rows"][-1]["size"] for d in found] == [[3], [5]]


def test_one_layer(capsys):
    found = json.loads(printed(capsys, "resnet50", "--layer", "layer3", "--json"))
    assert [row["size"] for row in found["rows"]] == [[267, 267]]


def test_csv_reads_back(capsys):
    rows = list(csv.reader(io.StringIO(printed(capsys, "conv3 max2", "--format", "csv"))))
    assert rows[0] == list(COLUMNS)
    assert rows[1:] == [
        ["input", "4", "1", "1", "0", "0", "yes"],
        ["conv1", "2", "3", "1", "0", "1", "yes"],
        ["max_pool1", "1", "4", "2", "0", "1.5", "yes"],
    ]


def test_markdown_has_a_line_per_map(capsys):
    lines = printed(capsys, "vgg16", "--format", "markdown").splitlines()
    assert len(lines) == 2 + len(eg.load("vgg16"))
    assert all(line.count("|") == len(COLUMNS) + 1 for line in lines)
    assert lines[-1] == "| features.30 | 7×7 | 212 | 32 | 90 | 15.5 | yes |"


def test_latex_escapes(capsys):
    out = printed(capsys, "conv3 max2", "--format", "latex")
    assert r"max\_pool1 & 1 & 4 & 2 & 0 & 1.5 & yes \\" in out
    assert out.startswith(r"\begin{tabular}{lrrrrrr}")
    for rule in ("toprule", "midrule", "bottomrule"):
        assert out.count(f"\\{rule}") == 1
    special = "a_b & 50% #1 $x$ {y} ~ ^ \\"
    escaped = r"a\_b \& 50\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{}"
    assert escaped + r" \textbackslash{}" in latex(["h"], [[special]])


def test_markdown_escapes_bars():
    assert "add(a\\|b)" in markdown(["h"], [["add(a|b)"]])


def test_axes_that_differ_are_both_shown(capsys):
    assert "3×1" in printed(capsys, "conv3x1")


def test_side_by_side(capsys):
    lines = printed(capsys, "conv3*3", "conv7", "--input", "9").splitlines()
    assert lines[0].split() == ["conv3*3", "conv7"]
    assert lines[1].split().count("size") == 2
    assert len(lines) == 2 + 4  # the shorter network's last lines are blank
    assert lines[3].split()[-7:] == ["conv1", "3", "7", "1", "0", "3", "yes"]


def test_misaligned_merges_are_named(capsys):
    out = printed(capsys, "add(conv3|conv1 conv3)", "--input", "9")
    assert "not aligned" not in out
    out = printed(capsys, "cat(conv3s2p1 up2|conv3p1)", "--input", "16")
    assert "axis 0, unit 1: upsample1 (stride 1, centre 0), conv2 (stride 1, centre 1)" in out
    out = printed(capsys, "cat(max2|conv3s2psame)", "--input", "8")
    assert "not aligned: concat1, axis 0, unit 0: max_pool1 (stride 2, centre 0.5), conv1" in out
    assert out.splitlines()[-2].split()[-1] == "no"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv3", "--format", "html"], "unknown format 'html'"),
        (
            ["conv3", "--layer", "conv2"],
            "unknown layer 'conv2' in network 'conv3'; did you mean 'conv1'?",
        ),
        (["convv"], "convv"),
    ],
)
def test_bad_input(capsys, arguments, message):
    assert main(["table", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
