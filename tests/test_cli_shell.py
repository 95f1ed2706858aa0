"""The command in a shell that is not as usual: outputs closed or full, encodings, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erfgraph.cli import main

START = (sys.executable, "-m", "erfgraph")
MAP = ("map", "conv3p1*3", "--input", "12x12")


def run(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell, where `erfgraph` is this one."""
    line = f'erfgraph() {{ "{sys.executable}" -m erfgraph "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", line],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_outputs_may_be_closed(tmp_path, closed):
    done = run(f"erfgraph map 'conv7*3' -o a.png {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "a.png").exists()
    assert run(f"erfgraph map nonsense {closed}", tmp_path).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", ["zoo", "map 'conv7*3' --json", "--help", "zoo --json"])
def test_a_full_disk_is_one_line(tmp_path, command):
    done = run(f"erfgraph {command} > /dev/full", tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"erfgraph: error: standard output: No space left on device\n"


@pytest.mark.parametrize("command", ["zoo", "table resnet152", "map --help", "table vgg11 --json"])
def test_a_reader_that_leaves_is_no_error(tmp_path, command):
    done = run(f"set -o pipefail; erfgraph {command} | true; echo $?", tmp_path)
    assert done.stderr == b""
    assert done.stdout == b"0\n"


def test_an_encoding_without_our_signs(tmp_path):
    done = run("erfgraph table 'conv3x1' --input 9x9", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" 3x1 " in done.stdout
    for command in ("map --help", "growth --help", "match --help"):
        assert run(f"erfgraph {command}", tmp_path, PYTHONIOENCODING="ascii").returncode == 0
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("erfgraph map 'conv7*3' -o ü.svg", tmp_path, **plain)
    assert done.stdout.endswith("wrote ü.svg\n".encode())


def test_a_backend_that_there_is_not(tmp_path):
    done = run("erfgraph map 'conv7*3' -o a.png", tmp_path, MPLBACKEND="nonsense")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("after", "command"),
    [
        (0.0, ("map", "conv3p1*10000", "--input", "64x64", "-o", "a.png")),
        (0.5, ("map", "conv3p1*10000", "--input", "64x64", "-o", "a.png")),
        (0.3, ("verify", "--no-torch", "-o", "a.json")),
    ],
)
def test_ctrl_c_leaves_one_line_and_no_file(tmp_path, after, command):
    # says when Python is up: before that nobody could catch it
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from erfgraph.cli import run\nprint('up', file=sys.stderr, flush=True); run()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script, *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stderr.readline() == "up\n"
        time.sleep(0.03 + after)
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (130, "", "erfgraph: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_without_arguments_there_is_help_and_no_error(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "Usage: " in out
    assert err == ""


def test_no_option_is_passed_over_for_being_empty(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in (
        [*MAP, "-o", ""],
        [*MAP, "--save", ""],
        ["graph", "conv3", "-o", ""],
        ["coverage", *MAP[1:], "-o", ""],
        ["verify", "--quick", "-o", ""],
    ):
        assert main(command) == 2
        assert capsys.readouterr().err == "erfgraph: error: '': no path of a file\n"


def test_names_that_no_file_can_have(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for path, said in (("x" * 300, "File name too long"), ("a\0b", "no path of a file")):
        assert main([*MAP, "-o", f"{path}.png"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert said in err
    longest = "x" * 251 + ".png"
    assert main([*MAP, "-o", longest]) == 0
    assert [p.name for p in tmp_path.iterdir()] == [longest]


def test_what_a_model_prints_is_no_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = "import erfgraph as eg\nprint('here I am')\nnet = eg.load('conv3*2', (9, 9))\n"
    Path("own_model.py").write_text(model)
    for command in ("map", "table", "graph", "coverage"):
        assert main([command, "own_model.py:net", "--json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)
        assert err == "here I am\n"
    assert main(["compare", "own_model.py:net", "--against", "edges", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_the_limit_of_edges_is_one_of_drawings_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["graph", "conv3*2", "--max-edges", "1", "-o", "a.png"]) == 2
    assert "the limit (max_edges) is 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(["graph", "conv3*2", "--max-edges", "12", "-o", "a.png"]) == 0


def test_growth_of_the_input_alone_has_no_logarithm(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["growth", *MAP[1:], "--layer", "input", "--scale", "log"]
    assert main([*command, "-o", "a.png"]) == 2
    assert "scale: log wants a layer of depth 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_signs_without_a_letter_are_named_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("网络.toml").write_text('input = [9, 9]\nlayers = [{op = "conv", kernel = 3}]\n')
    for suffix in ("png", "pdf"):
        assert main(["map", "网络.toml", "-o", f"a.{suffix}"]) == 0
        err = capsys.readouterr().err
        assert err.startswith(f"erfgraph: warning: a.{suffix}: the figures' font has no 网 络:")
        assert err.count("\n") == 1
    for suffix in ("svg", "pgf"):
        assert main(["map", "网络.toml", "-o", f"a.{suffix}"]) == 0
        assert capsys.readouterr().err == ""
        assert "网络" in Path(f"a.{suffix}").read_text("utf-8").split("begingroup")[-1]


def test_a_name_is_no_formula(tmp_path, monkeypatch, capsys):
    """Between two dollars matplotlib reads a formula, and stops at one that it cannot read."""
    monkeypatch.chdir(tmp_path)
    layers = '[{op = "conv", kernel = 3, name = "$\\\\bad$"}]'
    Path("a.toml").write_text(f'name = "$x^2$"\ninput = [9, 9]\nlayers = {layers}\n')
    for command in (
        "map",
        "graph",
        "diagram",
        "centres",
        "coverage",
        "growth",
        "radial",
        "scales",
    ):
        assert main([command, "a.toml", "-o", "a.svg"]) == 0
        assert capsys.readouterr().err == ""
        drawn = Path("a.svg").read_text("utf-8").split("</metadata>")[1]
        assert "$x^2$" in drawn or "$\\bad$" in drawn
    # but formulas of ticks are formulas
    assert main(["map", "conv3p1*5", "--input", "12x12", "--scale", "log", "-o", "a.svg"]) == 0
    assert "mathdefault" not in Path("a.svg").read_text("utf-8").split("</metadata>")[1]
