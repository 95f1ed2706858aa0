"""``erfgraph compare`` between measures of the graph, which needs no PyTorch."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from test_cli import call, document

import erfgraph as eg
from erfgraph.cli import main

NUMBERS = (
    "total_variation", "relative_l2", "pearson", "spearman", "kl_a_b", "kl_b_a", "iou",
    "iou_mean", "side_difference", "centre_distance",
)  # fmt: skip


def test_json_agrees_with_python(capsys):
    found = document(
        capsys, "compare", "resnet18", "--against", "paths", "--measure", "edges",
        "--layer", "layer2.1", "--unit", "3,-2", "--input", "96x80",
    )  # fmt: skip
    net = eg.load("resnet18", (96, 80))
    maps = [
        eg.importance(net, "layer2.1", (3, -2), measure=measure) for measure in ("edges", "paths")
    ]
    wanted = eg.compare(*maps).to_dict()
    costs = found.pop("costs")
    assert {key: found[key] for key in wanted if key != "costs"} == {
        key: value for key, value in wanted.items() if key != "costs"
    }
    assert found["network"] == "resnet18"
    assert found["input_shape"] == [96, 80]
    assert (found["layer"], found["unit"]) == ("layer2.1", [3, 8])
    for name in NUMBERS:
        assert set(found[name]) == {"value", "low", "high"}
    assert len(found["std_difference"]) == 2
    for cost in costs:
        assert cost["memory"] == "allocated"
        assert 0 < cost["seconds"] < 60
        assert 0 < cost["bytes"] < 1 << 30


def test_variance_by_the_networks_own_initialisation(capsys):
    found = document(capsys, "compare", "resnet18", "--input", "64x64", "--against", "uniform")
    assert found["init"] == eg.load("resnet18").init
    assert found["a"]["measure"] == "variance"
    given = document(
        capsys, "compare", "resnet18", "--input", "64x64", "--against", "uniform",
        "--init", "lecun", "--batchnorm", "batch",
    )  # fmt: skip
    assert (given["init"], given["batchnorm"]) == ("lecun", "batch")
    net = eg.load("resnet18", (64, 64))
    wanted = eg.importance(net, measure="variance", init="lecun", batchnorm="batch")
    assert given["a"]["total"] == wanted.total
    assert document(capsys, "compare", "conv3*3", "--against", "paths")["init"] == "kaiming_fan_in"


def test_equal_maps_of_a_chain(capsys):
    """In a chain the variance is the path count up to a factor."""
    found = document(capsys, "compare", "conv3*9", "--against", "paths")
    assert found["total_variation"]["value"] < 1e-12
    assert found["iou"]["value"] == 1
    assert found["noise"] is None


def test_text(capsys):
    status, out, err = call(capsys, "compare", "res(conv3p1)*3", "--against", "edges")
    assert (status, err) == (0, "")
    for words in ("a: variance", "b: edges", "KiB allocated", "total variation", "std"):
        assert words in out
    assert "noise alone" not in out
    assert "interval" not in out


def test_files(capsys, tmp_path):
    figure, arrays, numbers = (tmp_path / name for name in ("a.png", "a.npz", "a.json"))
    arguments = ("compare", "res(conv3p1)*3", "--against", "paths", "--input", "9x9")
    status, out, _ = call(capsys, *arguments, "-o", str(figure), "--save", str(arrays))
    assert status == 0
    assert f"wrote {figure}" in out
    assert figure.read_bytes()[:4] == b"\x89PNG"
    with np.load(arrays, allow_pickle=False) as data:
        assert data["a"].shape == data["b"].shape == (9, 9)
        assert data["a"].sum() == pytest.approx(1)
        assert data["iou"].shape == data["thresholds"].shape
        assert json.loads(str(data["about"]))["network"] == "res(conv3p1)*3"
        distance = abs(data["a"] - data["b"]).sum() / 2
    found = document(capsys, *arguments, "--save", str(numbers))
    assert found["total_variation"]["value"] == pytest.approx(distance)
    saved = json.loads(numbers.read_text())
    assert {**saved, "costs": 0} == {**found, "costs": 0}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.npz", "a.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["resnet18", "--against", "path"], "unknown --against 'path'; did you mean 'paths'"),
        (["resnet18", "--measure", "mean"], "unknown measure 'mean'"),
        (["resnet19", "--against", "paths"], "unknown network 'resnet19'"),
        (["conv3", "--against", "paths", "--samples", "3"], "--samples: goes with a statistic"),
        (["conv3", "--against", "paths", "--until", "0.1"], "--until: goes with a statistic"),
        (["conv3", "--against", "paths", "--images", "."], "--images: goes with a statistic"),
        (["conv3", "--against", "paths", "--passthrough", "relu"], "--passthrough: goes with"),
        (["conv3", "--passthrough", "tanh"], "unknown --passthrough 'tanh'"),
        (["conv3", "--against", "paths", "--init", "he"], "unknown init 'he'"),
        (["conv3", "--against", "paths", "--batchnorm", "off"], "unknown batchnorm 'off'"),
        (["conv3", "--against", "paths", "--unit", "7"], "unit"),
        (["conv3", "--against", "paths", "--bootstrap", "-1"], "bootstrap: got -1"),
        (["conv3", "--against", "paths", "--scale", "x"], "unknown scale 'x'"),
        (["conv3", "--against", "paths", "-o", "a.txt"], "got suffix '.txt'"),
        (["conv3", "--against", "paths", "--save", "a.csv"], "got suffix '.csv'"),
        (["json:missing", "--against", "paths"], "unknown attribute 'missing' of json"),
        (["json:dumps", "--against", "paths"], "json:dumps: TypeError"),
        (["math:pi", "--against", "paths"], "wanted a"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, arguments, words):
    status, out, err = call(capsys, "compare", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert words in err


def test_without_torch_one_line_says_so(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    status, out, err = call(capsys, "compare", "conv3*3")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "pip install 'erfgraph[torch]'" in err
    assert call(capsys, "compare", "conv3*3", "--against", "paths")[0] == 0


def test_ctrl_c_leaves_nothing(capsys, tmp_path, monkeypatch):
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("erfgraph.compare", interrupted)
    target = tmp_path / "a.png"
    assert main(["compare", "conv3", "--against", "paths", "-o", str(target)]) == 130
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
