"""Whole processes, and what importing costs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.timing import Row, Work, process, statement


def command() -> list[str]:
    """The `erfgraph` of this environment: as installed, else as a module."""
    found = shutil.which("erfgraph", path=str(Path(sys.executable).parent))
    return [found] if found else [sys.executable, "-m", "erfgraph"]


def rows() -> list[Row]:
    base = 'python -c "import numpy, scipy.sparse"'
    scipy = [sys.executable, "-c", "import numpy, scipy.sparse"]
    numpy = statement("import numpy")
    first_map = "import erfgraph as eg; eg.importance(eg.load('conv7*3'))"
    return [
        Row(
            Work(
                'erfgraph map "conv7*3" --json, whole process',
                process([*command(), "map", "conv7*3", "--json"]),
            ),
            Work(base, process(scipy)),
            "later",
            0.25,
            note=" s",
        ),
        Row(
            Work("erfgraph --help, whole process", process([*command(), "--help"])),
            Work(base, process(scipy)),
            "later",
        ),
        Row(
            Work("import erfgraph", statement("import erfgraph")),
            Work("import numpy", numpy),
            "as long",
            3,
        ),
        Row(
            Work("import erfgraph and a first map, conv7*3", statement(first_map)),
            Work("import numpy", numpy),
            "as long",
        ),
    ]
