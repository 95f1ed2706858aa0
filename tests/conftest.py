"""Test files that need a package that is not installed are left out, and named at the end."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

# the benchmarks, which are not installed; at the end, so that erfgraph is the installed one
sys.path.append(str(Path(__file__).parents[1]))

NEEDS = {
    "test_onnx_hostile.py": ("onnx",),
    "test_onnx_import.py": ("onnx", "onnxscript", "torch", "transformers", "monai"),
    "test_onnx_ops.py": ("onnx", "onnxruntime"),
}


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those of some packages that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


LEFT_OUT = {file: gone for file, packages in NEEDS.items() if (gone := missing(packages))}
collect_ignore = list(LEFT_OUT)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was left out, and for want of what."""
    for file, gone in LEFT_OUT.items():
        terminalreporter.write_line(f"left out: {file}, for want of {', '.join(gone)}")
