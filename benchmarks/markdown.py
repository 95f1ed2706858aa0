"""Tables in Markdown, as the benchmarks print and keep them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erfgraph.files import write_whole


def cells(*texts: str) -> str:
    """One row."""
    return "| " + " | ".join(texts) + " |"


def head(names: Sequence[str]) -> list[str]:
    """The two lines that a table begins with."""
    return [cells(*names), "|" + "---|" * len(names)]


def keep(path: Path | None, lines: Sequence[str]) -> None:
    """Write lines to a file, if one is wanted; all of it or nothing."""
    if path:
        whole = "\n".join([*lines, ""])
        write_whole(path, lambda file: file.write(whole.encode()))
