"""The gallery's examples: what they must have and must not do. The docs build runs them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from erfgraph import figures

GALLERY = Path(__file__).parent.parent / "docs" / "gallery"
EXAMPLES = sorted(GALLERY.rglob("plot_*.py"))
NETWORK = {"urllib", "http", "socket", "requests", "ftplib", "httpx", "torchvision", "timm"}

WRITES = {"save_figure", "save_network", "save", "savefig", "write_text", "write_bytes"}

each = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages that a script imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def names(tree: ast.AST) -> set[str]:
    """Names and attributes that a script calls."""
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {getattr(f, "attr", None) or getattr(f, "id", "") for f in called}


def faults(text: str) -> list[str]:
    """What is wrong with an example."""
    tree = ast.parse(text)
    found = []
    title = re.match(r"(\S.*)\n(=+)\n\n(.+)", ast.get_docstring(tree) or "", re.DOTALL)
    if title is None or len(title[1]) != len(title[2]):
        found.append("no underlined title")
    elif title[3].count(".") < 1 or len(title[3].split()) < 20:
        found.append("no text below the title")
    if "# %%\n" not in text:
        found.append("no blocks")
    if imported(tree) & NETWORK:
        found.append("may want the network")
    if names(tree) & {"show", "use", "urlopen", "urlretrieve", "hub"}:
        found.append("opens a window or a page")
    if not any(isinstance(node, ast.Name) and node.id == "figure" for node in ast.walk(tree)):
        found.append("draws nothing")
    if names(tree) & WRITES and "tempfile.TemporaryDirectory()" not in text:
        found.append("writes beside itself")
    return found


@each
def test_has_title_text_and_figures_and_needs_nothing(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


def test_faults_are_found() -> None:
    text = '"""Title\n=====\n\nToo short.\n"""\nimport requests\nimport matplotlib.pyplot as plt\n'
    assert faults(text + "plt.show()\nplt.savefig()\n") == [
        "no text below the title",
        "no blocks",
        "may want the network",
        "opens a window or a page",
        "draws nothing",
        "writes beside itself",
    ]
    assert faults("figure = 1\n# %%\n") == ["no underlined title"]


def test_every_figure_is_in_an_example() -> None:
    called = set().union(*(names(ast.parse(path.read_text("utf-8"))) for path in EXAMPLES))
    assert {name for name in figures.__all__ if "figure" in name} - called == set()
    assert "paper_style" in called


def test_every_folder_has_a_heading() -> None:
    for folder in {path.parent for path in EXAMPLES} | {GALLERY}:
        text = (folder / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
        title, line = text.splitlines()[:2]
        assert len(title) == len(line)
        assert set(line) <= set("=-")
