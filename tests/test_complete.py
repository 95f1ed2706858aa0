"""What a shell offers at Tab for the values of options."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, get_type_hints

import pytest

import erfgraph as eg
from erfgraph.cli import complete
from erfgraph.cli.app import COMMANDS
from erfgraph.zoo import ZOO

# texts that are no name of a list
FREE = {
    "anchors", "coco", "colours", "extent", "fit", "image", "images", "only", "output", "save",
    "shape", "source", "strides", "thresholds", "unit", "until",
}  # fmt: skip


def parameters() -> list[tuple[str, str, Any]]:
    """Command, parameter and type."""
    return [
        (command, name, hint)
        for command, row in COMMANDS.items()
        for name, hint in get_type_hints(row.load()).items()
        if name != "return"
    ]


def offered(words: list[str], shell: str = "bash") -> list[str]:
    """What the shell is told after these words, the last one unfinished."""
    asked = {
        "_ERFGRAPH_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    return told(asked).split()


def told(asked: dict[str, str]) -> str:
    """The answer to what a shell asks by its environment."""
    script = "import sys; sys.argv = ['erfgraph']\nfrom erfgraph.cli import run\nrun()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_every_text_that_is_a_name_is_offered() -> None:
    kinds = (str, str | None, list[str], list[str] | None)
    texts = [(c, name) for c, name, hint in parameters() if hint in kinds and name not in FREE]
    assert len(texts) > 60
    assert [pair for pair in texts if complete.completer(*pair) is None] == []


def test_every_row_belongs_to_an_option() -> None:
    known = {name for _, name, _ in parameters()}
    known |= {f"{command}.{name}" for command, name, _ in parameters()}
    assert set(complete.NAMES) <= known
    assert set(complete.BESIDE) <= set(complete.NAMES)
    assert known >= FREE


@pytest.mark.parametrize("key", complete.NAMES)
def test_rows_hold_names(key: str) -> None:
    found = complete.names_for(key)
    assert len(found) > 1
    assert all(isinstance(name, str) for name in found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("map resnet_v1", ["resnet_v1_50", "resnet_v1_101", "resnet_v1_152"]),
        ("map vgg11 --measure ", ["paths", "edges", "uniform", "variance"]),
        ("map vgg11 --scale ", ["linear", "log", "power"]),
        ("growth vgg11 --scale ", ["linear", "log"]),
        ("compare vgg11 --against mean_s", ["mean_square"]),
        ("table vgg11 --format ma", ["markdown"]),
        ("map vgg11 --paper ne", ["neurips"]),
        ("graph conv7*3 --layer ", ["input", "conv1", "conv2", "conv3"]),
        ("match resnet18 --level layer4.1", ["layer4.1.conv1", "layer4.1.conv2", "layer4.1"]),
    ],
)
def test_values(line: str, expected: list[str]) -> None:
    assert offered(["erfgraph", *line.split(" ")]) == expected


@pytest.mark.parametrize("source", ["no_such_network", "no/such.onnx", "os:abort", "conv7**"])
def test_no_layers_of_what_is_no_network(source: str) -> None:
    assert offered(["erfgraph", "map", source, "--layer", ""]) == []


def test_nothing_is_run_to_find_layers(tmp_path, monkeypatch) -> None:
    (tmp_path / "mine.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    assert offered(["erfgraph", "map", "mine.py:net", "--layer", ""]) == []
    assert not (tmp_path / "ran").exists()
    with pytest.raises(eg.ErfgraphError):  # the same name, used, runs it
        eg.load("mine.py:net")
    assert (tmp_path / "ran").exists()


def test_an_answer_is_one_line() -> None:
    """Fish takes a second line of a help text for another name to offer."""
    asked = {
        "_ERFGRAPH_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_ARGS": "erfgraph map --",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    lines = [line for line in told(asked).splitlines() if line]
    assert len(lines) > 20
    assert all(line.startswith("--") for line in lines)


def test_networks_are_those_of_the_zoo() -> None:
    assert complete.networks("") == list(ZOO)
