"""The README's examples run, and its commands are those of the command line."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from erfgraph.cli import main

README = Path(__file__).parent.parent / "README.md"


def test_examples() -> None:
    failed, attempted = doctest.testfile(str(README), module_relative=False)
    assert attempted > 10
    assert failed == 0


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", README.read_text())
    assert len(links) >= 4
    for name in links:
        assert (README.parent / name).stat().st_size > 1000, name


def test_commands_run(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = README.read_text()
    calls = re.findall(r"erfgraph ((?:map|graph) \S+(?: -o \S+))", text)
    assert len(calls) >= 2
    for call in calls:
        words = [word.strip("\"'`") for word in call.split()]
        assert main(words) == 0, call
        assert (tmp_path / words[-1]).stat().st_size > 1000
