"""The command line as a user's shell sees it: standard output, standard error, exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import erfgraph as eg
from erfgraph.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


def document(capsys, *arguments):
    status, out, err = call(capsys, *arguments, "--json")
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    return json.loads(out)


# --- map ----------------------------------------------------------------------------------


def test_map_37(capsys):
    found = document(capsys, "map", "conv7 conv7 conv7")
    assert found["peak"] == {"position": [9], "value": 37}
    assert found["total"] == 343
    assert found["network"] == "conv7 conv7 conv7"
    assert found["input_shape"] == [19]
    assert (found["layer"], found["unit"], found["measure"]) == ("conv3", [0], "paths")
    assert found["trf"]["bbox"] == [[0, 19]]
    assert found["trf"]["size"] == [19]
    assert found["erf"]["rule"] == "peak"
    assert found["erf"]["threshold"] == 0.0455
    assert found["erf"]["area"] == 17  # 37 * 0.0455 = 1.68: the two ends have 1 path
    assert found["erf"]["bbox"] == [[1, 18]]
    assert found["erf"]["size"] == 17
    assert found["erf"]["share_of_trf"] == found["erf"]["share_of_input"] == 17 / 19


def test_map_37_by_edges(capsys):
    found = document(capsys, "map", "conv3*5", "--measure", "edges")
    assert found["peak"] == {"position": [5], "value": 37}


def test_map_json_agrees_with_python(capsys):
    found = document(
        capsys, "map", "resnet18", "--layer", "layer3.1", "--unit", "3,-2", "--rule", "mass",
        "--threshold", "0.5", "--input", "160x192",
    )  # fmt: skip
    imp = eg.importance(eg.load("resnet18", (160, 192)), layer="layer3.1", unit=(3, -2))
    assert found == {**imp.to_dict(), "erf": imp.erf(0.5, "mass").to_dict()}
    assert found["unit"] == [3, 10]


def test_map_of_channels(capsys):
    arguments = ("map", "conv3 conv3", "--channels", "4")
    found = document(capsys, *arguments, "--count-channels")
    assert (found["total"], found["channels"]) == (9 * 4**3, "count")
    assert document(capsys, *arguments)["channels"] == "collapse"
    assert document(capsys, *arguments, "--collapse-channels")["total"] == 9
    assert "channel paths, total" in call(capsys, *arguments, "--count-channels")[1]
    status, out, err = call(capsys, *arguments, "--count-channels", "--measure", "edges")
    assert (status, out) == (2, "")
    assert "channels: 'count' goes with measure 'paths', got measure 'edges'" in err


def test_map_of_an_inner_map_says_so(capsys):
    found = document(capsys, "map", "resnet18", "--of", "layer1")
    assert (found["of"], found["shape"], found["input_shape"]) == (
        "layer1.1",
        [56, 56],
        [224, 224],
    )


def test_map_several_networks_is_an_array_in_order(capsys):
    found = document(capsys, "map", "conv3*5", "conv7*3")
    assert [row["network"] for row in found] == ["conv3*5", "conv7*3"]


def test_map_big_integers_are_exact_in_json(capsys):
    found = document(capsys, "map", "conv3*80")
    assert found["total"] == 3**80


def test_map_counts_of_thousands_of_digits(capsys):
    """More than Python turns into text, or reads from it, by itself."""
    arguments = ("map", "conv3p1*10500", "--input", "5")
    usual = sys.get_int_max_str_digits()
    status, out, err = call(capsys, *arguments, "--json")
    assert (status, err, sys.get_int_max_str_digits()) == (0, "", usual)
    digits = re.search(r'"total": (\d+)', out)[1]
    assert len(digits) > 4300
    total = eg.importance(eg.load("conv3p1*10500", 5)).total
    assert int(digits[:9]) == total // 10 ** (len(digits) - 9)
    assert "e+" in call(capsys, *arguments)[1]


def test_map_float(capsys):
    found = document(capsys, "map", "conv3*2000", "--float")
    assert found["exact"] is False
    assert found["log10_scale"] > 0
    log10 = np.log10(found["total"]) + found["log10_scale"]
    assert log10 == pytest.approx(2000 * np.log10(3), rel=1e-12)


def test_map_text_shows_values_and_numbers(capsys):
    status, out, err = call(capsys, "map", "conv7*3")
    assert (status, err) == (0, "")
    assert "37 at (9)" in out
    assert "1 3 6 10 15 21 28 33 36 37 36 33 28 21 15 10 6 3 1" in out


def test_map_side_by_side_text(capsys):
    _, out, _ = call(capsys, "map", "vgg16", "resnet50")
    header = out.splitlines()[0].split()
    assert header == ["vgg16", "resnet50"]
    assert "2602870608208896" in out


def test_map_saves_data_that_loads_back(capsys, tmp_path):
    path = tmp_path / "map.npz"
    status, out, _ = call(capsys, "map", "conv7*3", "--save", str(path))
    assert status == 0
    assert f"wrote {path}" in out
    assert eg.ImportanceMap.load(path) == eg.importance(eg.load("conv7*3"))
    with np.load(path, allow_pickle=False) as data:
        assert data["values"].max() == 37
    path = tmp_path / "map.json"
    assert call(capsys, "map", "conv7*3", "--save", str(path))[0] == 0
    assert max(json.loads(path.read_text())["values"]) == 37


def test_map_of_a_network_file(capsys, tmp_path):
    path = tmp_path / "net.toml"
    eg.save_network(eg.load("conv7*3"), path)
    assert document(capsys, "map", str(path))["total"] == 343


def test_map_writes_figures(capsys, tmp_path):
    for suffix in ("png", "pdf", "svg"):
        path = tmp_path / f"one.{suffix}"
        assert call(capsys, "map", "resnet18", "-o", str(path))[0] == 0
        assert path.stat().st_size > 1000
    path = tmp_path / "two.png"
    assert call(capsys, "map", "vgg11", "resnet18", "--scale", "log", "-o", str(path))[0] == 0
    assert path.read_bytes()[:4] == b"\x89PNG"


# --- graph, zoo ---------------------------------------------------------------------------


def test_graph_size(capsys):
    found = document(capsys, "graph", "conv3*5")
    assert (found["n_units"], found["n_edges"]) == (36, 75)
    assert found["blocks"][0] == {"source": "input", "target": "conv1", "n_edges": 27}
    status, out, _ = call(capsys, "graph", "conv3*5")
    assert status == 0
    assert "36 units, 75 edges" in out


def test_graph_exports(capsys, tmp_path):
    import networkx as nx

    for suffix in ("graphml", "json"):
        assert call(capsys, "graph", "conv3*5", "-o", str(tmp_path / f"g.{suffix}"))[0] == 0
    made = nx.read_graphml(tmp_path / "g.graphml")
    read = nx.node_link_graph(json.loads((tmp_path / "g.json").read_text()), edges="edges")
    for g in (made, read):
        assert (g.number_of_nodes(), g.number_of_edges()) == (36, 75)
        assert g.nodes["conv1[4]"]["layer"] == "conv1"
        assert g["input[4]"]["conv1[4]"]["multiplicity"] == 1


def test_graph_exports_the_paths_between_two_units(capsys, tmp_path):
    import networkx as nx

    path = tmp_path / "part.json"
    assert call(capsys, "graph", "conv7*3", "--from", "9", "-o", str(path))[0] == 0
    part = nx.node_link_graph(json.loads(path.read_text()), edges="edges")
    assert part.nodes["conv3[0]"]["paths"] == part.nodes["input[9]"]["paths"] == 37


def test_graph_draws(capsys, tmp_path):
    path = tmp_path / "graph.svg"
    assert call(capsys, "graph", "conv3*5", "--measure", "edges", "-o", str(path))[0] == 0
    assert ">37<" in path.read_text()  # text stays text in SVG


def test_zoo(capsys):
    rows = {row["name"]: row for row in document(capsys, "zoo")}
    assert rows["resnet50"]["convolutions"] == 53
    assert rows["vgg16"]["stride"] == [32, 32]
    assert "arXiv:1512.03385" in call(capsys, "zoo")[1]


def test_version(capsys):
    assert call(capsys, "--version") == (0, f"erfgraph {eg.__version__}\n", "")


# --- bad input: one line on standard error, status 2, nothing on standard output ------------

BAD = [
    (["map", "resnt50"], "unknown network 'resnt50'.*did you mean 'resnet50'"),
    (["map", "convv3"], "column 1: unknown layer 'convv3'.*did you mean 'conv'"),
    (["map", "conv3q1"], "unknown parameter 'q'"),
    (["map", "conv9", "--input", "5"], "kernel: spans 9 positions on axis 0.*padded input has 5"),
    (["map", "add(conv3|conv5)", "--input", "9"], r"spatial shapes differ: \(7,\), \(5,\)"),
    (["map", "vgg16", "--unit", "7,7"], r"\(7, 7\) lies outside 'features.30' of shape \(7, 7\)"),
    (["map", "vgg16", "--unit", "3"], "wanted 2 integers"),
    (["map", "vgg16", "--unit", "a,b"], "--unit: got 'a,b'"),
    (["map", "vgg16", "--input", "axb"], "--input: got 'axb'"),
    (["map", "vgg16", "--input", "0x0"], "wanted 1 to 3 positive integers"),
    (["map", "vgg16", "--input", "9x9x9x9"], "wanted 1 to 3 positive integers"),
    (["map", "resnet50", "--layer", "layer4.3"], "unknown layer 'layer4.3'.*'layer4.2'"),
    (["map", "resnet50", "--of", "layr1"], "unknown layer 'layr1'"),
    (["map", "vgg16", "--threshold", "1.5"], "threshold: got 1.5, rule 'peak' wants a share"),
    (["map", "vgg16", "--threshold", "0"], "threshold: got 0.0"),
    (["map", "vgg16", "--threshold", "nan"], "threshold"),
    (["map", "vgg16", "--threshold", "x"], "--threshold"),
    (["map", "vgg16", "--rule", "count", "--threshold", "-1"], "0 or more"),
    (["map", "vgg16", "--rule", "pick"], "unknown rule 'pick'.*'peak'"),
    (["map", "vgg16", "--measure", "path"], "unknown measure 'path'.*'paths'"),
    (["map", "vgg16", "--scale", "cubic"], "unknown scale 'cubic'"),
    (["map", ""], "empty"),
    (["map", "conv3 gap"], "give the input's shape"),
    (["map", "model.onnx"], "model.onnx: cannot be read: No such file or directory"),
    (["map", "model.pt"], "model.pt: .pt files are not read, as that could run what they hold"),
    (["map", "nofile.toml"], "nofile.toml: cannot be read"),
    (["map", "nomodule_xyz:net"], "ModuleNotFoundError"),
    (["map"], "Missing argument"),
    (["map", "vgg16", "--bogus"], "No such option"),
    (["mapp", "vgg16"], "No such command"),
    (["map", "vgg16", "-o", "x.bmp"], r"got suffix '.bmp', wanted .png or .pdf or .svg or .pgf"),
    (["map", "vgg16", "-o", "no_such_folder/x.png"], "folder 'no_such_folder' does not exist"),
    (["map", "vgg16", "--save", "no_such_folder/x.npz"], "does not exist"),
    (["map", "vgg16", "vgg11", "--save", "x.npz"], "--save: takes one network, got 2"),
    (["graph", "vgg16", "--max-edges", "1000"], "1295388 edges.*erfgraph.importance"),
    (["graph", "vgg16", "--max-edges", "-1"], "wanted 0 or more"),
    (["graph", "vgg16", "-o", "vgg.png"], "204673 units"),
    (["graph", "vgg16", "-o", "vgg.graphml"], "too many for networkx"),
    (["graph", "conv3", "--from", "0"], "--from: goes with an export"),
    (["graph", "conv3", "--from", "9", "-o", "x.json"], r"\(9,\) lies outside 'input'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda v: " ".join(v)[:40])
def test_bad_input(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("unknown.json", b'{"input": 9, "layers": [{"op": "convv"}]}', r"layers\[0\].op: unknown"),
        (
            "kernel.json",
            b'{"input": 9, "layers": [{"op": "conv"}]}',
            r"layers\[0\].kernel: missing",
        ),
        (
            "parameter.toml",
            b'input = 9\n[[layers]]\nop = "conv"\nkernel = 3\nstrid = 2\n',
            r"layers\[0\].strid: unknown field",
        ),
        (
            "cycle.yaml",
            b"input: 9\nlayers:\n- {op: conv, kernel: 3, name: a, inputs: b}\n"
            b"- {op: conv, kernel: 3, name: b}\n",
            r"layers\[0\].inputs: 'b' is made only by layers\[1\]",
        ),
        (
            "dangling.json",
            b'{"input": 9, "layers": [{"op": "conv", "kernel": 3, "inputs": ["cnov1"]}]}',
            r"layers\[0\].inputs\[0\]: unknown layer 'cnov1'",
        ),
        ("empty.json", b'{"input": 9, "layers": []}', "layers: is empty"),
        ("nothing.toml", b"", "input: missing"),
        ("latin.json", b'{"name": "\xe9"}', "not UTF-8"),
        ("broken.json", b'{"input": 9,', "not JSON"),
        ("tag.yaml", b"input: !!python/object/apply:os.system [ls]\nlayers: []\n", "not YAML"),
    ],
)
def test_bad_files(capsys, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    status, out, err = call(capsys, "map", str(path))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_a_folder_that_cannot_be_written(capsys, tmp_path, monkeypatch):
    # by asking, as root may write into a read-only folder …
    monkeypatch.setattr(os, "access", lambda *_: False)
    status, _, err = call(capsys, "map", "conv3", "--save", str(tmp_path / "x.npz"))
    assert status == 2
    assert "cannot be written" in err
    # … and by trying, where asking said yes and the system refuses all the same
    monkeypatch.undo()

    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    status, _, err = call(capsys, "map", "conv3", "--save", str(tmp_path / "x.npz"))
    assert status == 2
    assert "cannot be written: Permission denied" in err
    assert list(tmp_path.iterdir()) == []


def test_the_folder_vanishes_while_writing(capsys, tmp_path, monkeypatch):
    """Whatever fails while writing leaves neither the file nor a part of it."""
    target = tmp_path / "x.npz"

    def broken(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", broken)
    status, _, err = call(capsys, "map", "conv3", "--save", str(target))
    assert status == 2
    assert "No space left on device" in err
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failure(capsys, tmp_path, monkeypatch):
    target = tmp_path / "x.npz"
    assert call(capsys, "map", "conv3", "--save", str(target))[0] == 0
    before = target.read_bytes()

    def interrupted(file, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    assert call(capsys, "map", "conv5", "--save", str(target))[0] == 130
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


# --- as a process -------------------------------------------------------------------------


def shell(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erfgraph", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_process_status_and_streams():
    good = shell("map", "conv7*3", "--json")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["peak"]["value"] == 37
    bad = shell("map", "nonsense")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "Traceback" not in bad.stderr


def test_module_attribute_from_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import erfgraph as eg\n"
        "def net():\n"
        "    n = eg.Network(7)\n"
        "    n.conv(n.input, 3)\n"
        "    return n\n"
    )
    for source in ("mine:net", "mine.py:net"):
        run = shell("map", source, "--json", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)["total"] == 3


def test_a_closed_pipe_is_no_error():
    script = f"{sys.executable} -m erfgraph zoo | head -1"
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in run.stderr
    assert run.returncode == 0
