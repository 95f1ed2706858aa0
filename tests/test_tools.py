"""How the answers of other tools are judged: what is right, and what is said of the rest."""

from __future__ import annotations

import logging
import math
import sys
import warnings
from pathlib import Path

import pytest

import erfgraph as eg

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from benchmarks import tool_peers, tools  # noqa: E402
from benchmarks.timing import Effort  # noqa: E402
from benchmarks.tool_networks import CASES, SMALL, Case, made  # noqa: E402
from benchmarks.tool_peers import Answer, NotGivenError, Tool  # noqa: E402
from benchmarks.tool_truth import Truth, extent, positive, truth  # noqa: E402

RIGHT = Truth(frozenset({7.0}), 2.0, frozenset({-0.5, 1.5}))
CASE = Case("a case", nn.Identity, 64, SMALL)


def chain(base: int = 2) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, base, 3, 2, 1), nn.ReLU(), nn.Conv2d(base, base, 5, padding=1, dilation=2)
    )


def tool(ask: tool_peers.Ask, name: str = "a tool", package: str = "torch") -> Tool:
    return Tool(name, ask, "gives", "needs", package)


# --- what is right ------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_erfgraph_is_right_of_every_network(case: Case) -> None:
    right, ours = truth(case), tool_peers.ours(made(case), case.side)
    assert ours.size == max(right.sizes)
    assert ours.stride == right.stride
    assert ours.start in right.starts


def test_fields_of_a_chain_are_those_of_the_recurrence() -> None:
    # 3 taps, then 9 columns' worth of every second; padding 1 + 2 * 1
    assert truth(Case("chain", chain, 64, SMALL)) == Truth(frozenset({19}), 2.0, frozenset({6.0}))


def test_fields_that_a_border_may_cut_are_no_truth() -> None:
    def wide(base: int = 2) -> nn.Module:
        return nn.Conv2d(3, base, (1, 3), padding=(0, 511), dilation=(1, 511))

    with pytest.raises(ValueError, match="fields of wide do not lie inside 1024 columns"):
        truth(Case("wide", wide, 64, SMALL))


def test_a_copy_is_made_positive() -> None:
    module = nn.Sequential(chain(), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)).eval()
    weight = module[0][0].weight.clone()
    copied = positive(module)
    assert torch.equal(module[0][0].weight, weight)
    assert not any(
        isinstance(m, nn.ReLU | nn.MaxPool2d | nn.BatchNorm2d) for m in copied.modules()
    )
    assert all((p >= 0).all() for p in copied.parameters())
    x = torch.zeros(1, 3, 64, 64, requires_grad=True)
    assert extent(copied(x), x, 8) == (8 * 4 - 2 - 3, 8 * 4 + 2 + 15)


def test_a_nonlinearity_hides_part_of_a_field() -> None:
    """So what is right is not read off the network as it is."""
    module = nn.Sequential(chain(), nn.MaxPool2d(3, 2, 1))
    x = torch.zeros(1, 3, 64, 64, requires_grad=True)
    assert extent(module(x), x, 8) != extent(positive(module)(x), x, 8)


# --- judging ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (tools.Said(Answer(7, 2, 1.5)), "7; 2; 1.5"),
        (tools.Said(Answer(7, 2, -0.5)), "7; 2; −0.5"),
        (tools.Said(Answer(9, 4, 0.0)), "✗ 9; ✗ 4; ✗ 0"),
        (tools.Said(Answer(7, 4, 1.5)), "7; ✗ 4; 1.5"),
        (tools.Said(Answer(7)), "7"),
        (tools.Said(Answer(7, 2)), "7; 2"),
        (tools.Said(Answer(math.nan, math.nan, 0)), "✗ nan; ✗ nan; ✗ 0"),
        (tools.Said(refusal="ValueError: no"), "refuses"),
        (tools.Said(instead="a map"), "–"),
    ],
)
def test_words(said: tools.Said, text: str) -> None:
    assert tools.judged(said, RIGHT, CASE).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_field_cut_by_the_image_is_said_to_be_so() -> None:
    wide = Truth(frozenset({65.0}), 2.0, frozenset({0.0}))
    assert tools.judged(tools.Said(Answer(64, 0, 7)), wide, CASE) == "64 (image)"
    for answer, right in ((63, wide), (64, Truth(frozenset({63.0}), 2.0, frozenset({0.0})))):
        assert tools.judged(tools.Said(Answer(answer)), right, CASE).startswith("✗")


def test_all_that_is_right_is_listed() -> None:
    assert tools.expected(RIGHT) == "7; 2; −0.5, 1.5"


# --- asking -------------------------------------------------------------------------------


def test_what_a_tool_raises_is_its_answer() -> None:
    def refuses(module: nn.Module, side: int) -> Answer:
        raise ValueError("not\n  like this")

    def other(module: nn.Module, side: int) -> Answer:
        raise NotGivenError("a map")

    assert tools.asked(tool(refuses), CASES[-1]).refusal == "ValueError: not\n  like this"
    assert tools.asked(tool(other), CASES[-1]) == tools.Said(instead="a map")


def test_messages_are_gathered_by_what_they_say() -> None:
    who = tool(tool_peers.ours)
    answers = {(who.name, case.name): tools.Said(Answer(1)) for case in CASES}
    assert list(tools.messages([who], answers)) == []
    for case in CASES[:2]:
        answers[who.name, case.name] = tools.Said(refusal="ValueError: not\n  " + 100 * "this ")
    answers[who.name, CASES[2].name] = tools.Said(refusal="AssertionError: ")
    first, second = tools.messages([who], answers)
    assert first.startswith("- a tool (VGG-16; ResNet-18): `ValueError: not this this")
    assert first.endswith("this …`")
    assert second == "- a tool (ResNet-50): `AssertionError`"
    answers = {(who.name, case.name): tools.Said(instead="a map") for case in CASES}
    assert list(tools.messages([who], answers)) == ["- a tool (all): a map"]


def test_what_a_tool_prints_is_not_seen(capsys: pytest.CaptureFixture[str]) -> None:
    def talks(module: nn.Module, side: int) -> Answer:
        print("on one stream")
        print("on the other", file=sys.stderr)
        logging.getLogger("a tool").warning("in a log")
        warnings.warn("as a warning", stacklevel=1)
        return Answer(side)

    assert tools.asked(tool(talks), CASES[-1]).answer.size == CASES[-1].side
    assert capsys.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_every_question_is_asked_of_a_new_network() -> None:
    def spoils(module: nn.Module, side: int) -> Answer:
        total = sum(float(p.abs().sum()) for p in module.parameters())
        for p in module.parameters():
            nn.init.zeros_(p)
        return Answer(total)

    first, second = (tools.asked(tool(spoils), CASES[-1]).answer.size for _ in range(2))
    assert first == second
    assert first


def test_times_are_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "EFFORT", Effort(rounds=1, least=0.0, budget=10))

    def other(module: nn.Module, side: int) -> Answer:
        raise NotGivenError("a map")

    def refuses(module: nn.Module, side: int) -> Answer:
        raise ValueError

    ours = tool(tool_peers.ours)
    assert " × (" in tools.compared(tool(other), ours, CASES[-1])
    assert tools.compared(tool(refuses), ours, CASES[-1]) == "–"


# --- who is installed ---------------------------------------------------------------------


def test_what_is_missing_has_no_version(tmp_path: Path) -> None:
    assert tool(tool_peers.ours, package="no-such-package").version() is None
    clone = Tool("a clone", tool_peers.ours, "", "", file=tmp_path / "a.py")
    assert clone.version() is None
    (tmp_path / "a.py").touch()
    assert clone.version() == "clone"
    assert tool(tool_peers.ours, package="erfgraph").version() == eg.__version__


def test_licences_come_from_metadata() -> None:
    assert tool(tool_peers.ours, package="erfgraph").licence() == "MIT"
    assert Tool("a clone", tool_peers.ours, "", "", file=Path("a.py")).licence() == ""


# --- command ------------------------------------------------------------------------------


def test_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def everyone(clones: Path) -> tuple[Tool, ...]:
        assert clones == tmp_path
        missing = tool(tool_peers.ours, "gone", "no-such-package")
        return tool(tool_peers.ours, "erfgraph", "erfgraph"), missing

    monkeypatch.setattr(tools, "tools", everyone)
    monkeypatch.setattr(tools, "CASES", CASES[-3:])
    file = tmp_path / "table.md"
    threads = torch.get_num_threads()
    try:
        assert tools.main(["--no-times", "--clones", str(tmp_path), "-o", str(file)]) == 0
    finally:
        torch.set_num_threads(threads)
    text = file.read_text(encoding="utf-8")
    printed = capsys.readouterr()
    assert printed.out == text
    assert printed.err == "asking erfgraph\n"
    assert "| *right* | 15; 1; 0 | 5; 1; −1, 0 | 5; 4; 1 |" in text
    assert "| erfgraph | 15; 1; 0 | 5; 1; −1 | 5; 4; 1 |" in text
    assert "| gone | not installed |  | gives | needs |  |" in text
    assert "- nothing" in text


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        tools.main(["nobody"])
    assert "no tool 'nobody'; there are erfgraph, " in capsys.readouterr().err
