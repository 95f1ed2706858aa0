"""Every example in a docstring runs, on the package as it is installed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import erfgraph

MODULES = [
    "erfgraph",
    *(m.name for m in pkgutil.walk_packages(erfgraph.__path__, "erfgraph.")),
]
# modules whose examples use a package that need not be there
NEEDS = {f"erfgraph.importers.{name}_import": name for name in ("torch", "onnx", "keras")}
NEEDS |= dict.fromkeys(("erfgraph.gradient.map", "erfgraph.gradient.running"), "torch")
NEEDS |= {name: "torch" for name in MODULES if name.startswith("erfgraph.torch_network.")}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)  # what an example writes is gone with it
    failed, _ = doctest.testmod(module, optionflags=FLAGS)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        case
        for name in MODULES
        if name not in NEEDS
        for case in finder.find(importlib.import_module(name))
        if case.examples
    ]
    assert len(found) > 25
