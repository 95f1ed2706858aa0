"""What a process loads: each command only what it needs, the package itself next to nothing."""

from __future__ import annotations

import inspect
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer.main

import erfgraph as eg
from erfgraph import notation, zoo
from erfgraph.cli import main
from erfgraph.cli.app import COMMANDS, app
from erfgraph.cli.compare import compare_command
from erfgraph.cli.coverage import coverage_command
from erfgraph.cli.examples import EXAMPLES, LINE
from erfgraph.cli.lazy import help_of
from erfgraph.gradient.statistics import STATISTICS
from erfgraph.sweeps import MEASURES

OURS = (
    "agreement", "cli.compare", "cli.verify", "figures", "gradient", "importers", "netfile",
    "tasks", "theory", "torch_network", "verification", "zoo",
)  # fmt: skip
# pydantic is not among them: newer versions of typer check every value with it
LIBRARIES = (
    "keras", "matplotlib", "msgspec", "networkx", "onnx", "rich", "scipy", "torch", "yaml",
)  # fmt: skip


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )


def loaded(*arguments: str) -> set[str]:
    """Every module that is there when a command has done its work."""
    done = run(
        "import sys\n"
        "from erfgraph.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "print(*sys.modules, file=sys.stderr)",
        *arguments,
    )
    assert done.stdout
    return set(done.stderr.split())


def unwanted(found: set[str], *more: str) -> set[str]:
    return found & {*LIBRARIES, *more, *(f"erfgraph.{name}" for name in OURS)}


# --- what is loaded -----------------------------------------------------------------------


def test_the_package_loads_nothing_else() -> None:
    done = run("import erfgraph, sys; print(*(m for m in sys.modules if 'erfgraph' in m))")
    assert done.stdout.split() == ["erfgraph.version", "erfgraph"]


def test_a_map_of_a_notation() -> None:
    found = loaded("map", "conv7*3", "--json")
    assert {"numpy", "erfgraph.sweeps", "erfgraph.cli.map"} <= found
    assert unwanted(found) == set()


def test_a_map_of_the_zoo_loads_one_family() -> None:
    found = loaded("map", "vgg11", "--json")
    assert unwanted(found) == {"erfgraph.zoo"}
    families = {name.removeprefix("erfgraph.zoo.") for name in found if "erfgraph.zoo." in name}
    assert families == {"architecture", "blocks", "vgg"}


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)],
    ids=" ".join,
)
def test_help_loads_nothing_that_counts(arguments: list[str]) -> None:
    own = {"rich", f"erfgraph.cli.{arguments[0]}"}
    assert unwanted(loaded(*arguments), "numpy", "pydantic") <= own


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [("erfgraph ma", "1", ["map", "match"]), ("erfgraph map --count", "2", ["--count-channels"])],
)
def test_completion(words: str, at: str, expected: list[str]) -> None:
    """What a shell asks for at Tab."""
    asked = {"_ERFGRAPH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": at}
    script = (
        "import sys\n"
        "from erfgraph.cli import run\n"
        "sys.argv = ['erfgraph']\n"
        "try:\n"
        "    run()\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)"
    )
    done = run(script, **asked)
    assert done.stdout.split() == expected
    assert unwanted(set(done.stderr.split()), "numpy") == set()


def test_the_check_can_fail() -> None:
    assert unwanted(loaded("table", "vgg11")) == {"rich", "erfgraph.zoo"}


# --- what stands in two places for that -----------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_a_line_of_the_list_is_the_first_of_its_command(name: str) -> None:
    row = COMMANDS[name]
    assert help_of(row.load()).split("\n\n")[0] == row.line


def test_the_group_holds_the_commands_themselves() -> None:
    group = typer.main.get_command(app)
    assert list(group.commands) == list(COMMANDS)  # type: ignore[attr-defined]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        assert command.name == name
        assert {"--json", "-o"} & {option for p in command.params for option in p.opts}


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["covrage", "vgg11"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("erfgraph: error: No such command 'covrage'. Did you mean 'coverage'")
    assert err.count("\n") == 1


def test_defaults_and_names_in_help() -> None:
    own = inspect.signature(eg.coverage).parameters
    shown = inspect.signature(coverage_command).parameters
    for key in ("cover", "cover_effective"):
        assert shown[key].default == own[key].default
    hints = inspect.get_annotations(compare_command, eval_str=True)
    for key, names in (("measure", MEASURES), ("against", STATISTICS)):
        assert ", ".join(names) in hints[key].__metadata__[0].help


def test_no_name_of_the_zoo_reads_as_a_notation() -> None:
    assert [name for name in zoo.ZOO if notation.reads(name) or not name.isidentifier()] == []


def test_a_row_of_the_user_has_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("my.net-1", "conv3"):
        monkeypatch.setitem(zoo.ZOO, name, replace(zoo.ZOO["vgg11"], name=name))
        assert eg.load(name).name == name
        assert list(zoo.ZOO)[-1] == name
    assert eg.load("conv3*2").name == "conv3*2"


# --- examples in help -------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_are_commands(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([name, "--help"]) == 0
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    for line in EXAMPLES[name]:
        assert len(line) <= LINE
        assert line in shown
        program, called, *rest = shlex.split(line, comments=True)
        assert (program, called) == ("erfgraph", name)
        # raises what bad usage raises, and does not run
        assert command.make_context(name, rest).params


def test_examples_that_need_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of each command is small; what it needs is there."""
    monkeypatch.chdir(tmp_path)
    for name in ("map", "graph", "equal", "scales", "zoo"):
        assert main(shlex.split(EXAMPLES[name][0], comments=True)[1:]) == 0
    assert "37" in capsys.readouterr().out
