"""Who may import whom, what importing costs, and what the package says of itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import erfgraph

ROOT = Path(erfgraph.__file__).parent

# each may import those before it, never back
ORDER = [
    "version",
    "errors",
    "display",
    "progress_bar",
    "extras",
    "files",
    "pictures",
    "memory",
    "params",
    "theory",
    "axes",
    "resize",
    "layers",
    "channels",
    "featuremap",
    "elementwise",
    "initial",
    "description",
    "channel_layers",
    "network",
    "patterns",
    "arithmetic",
    "path_classes",
    "scale_spectrum",
    "merges",
    "centre_grid",
    "smallest",
    "tables",
    "layer_labels",
    "repeats",
    "grouping",
    "diagram",
    "notation",
    "netfile",
    "zoo",
    "importers",
    "channel_classes",
    "steps",
    "view",
    "plan",
    "program",
    "blocks",
    "emitting",
    "number_types",
    "lowering",
    "running",
    "fixed_weights",
    "drawn",
    "moments",
    "forward",
    "routes",
    "weighting",
    "weighted_view",
    "coherence",
    "trained",
    "shortest",
    "loading",
    "wide",
    "counts",
    "factors",
    "paths",
    "symmetry",
    "batches",
    "weighted",
    "edges",
    "graphfile",
    "explicit",
    "graphcount",
    "shape",
    "erf",
    "mapfile",
    "importance_map",
    "rings",
    "contribution",
    "torch_network",
    "gradient",
    "results",
    "weighted_maps",
    "sweeps",
    "comparison",
    "growing",
    "agreement",
    "tasks",
    "figures",
    "verification",
    "cli",
    "notebook",
    "__main__",
]


def module_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(source: str) -> set[str]:
    """First-level erfgraph modules that a source imports at run time, wherever it does."""
    tree = ast.parse(source)
    hidden: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            hidden.update(inner for part in node.body for inner in ast.walk(part))
    found = set()
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "erfgraph":
                found |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("erfgraph.")}
    return found


SOURCES = [p for p in sorted(ROOT.rglob("*.py")) if p != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    me = module_of(path)
    assert me in ORDER, f"{me} has no place in the order"
    allowed = {*ORDER[: ORDER.index(me)], me}
    assert imported(path.read_text()) <= allowed


def test_the_import_check_can_fail() -> None:
    assert imported("def f():\n    from erfgraph.sweeps import importance") == {"sweeps"}
    assert imported("from erfgraph import axes, memory") == {"axes", "memory"}
    assert imported("if TYPE_CHECKING:\n    from erfgraph.erf import ERF") == set()


HEAVY = ("scipy", "networkx", "matplotlib", "torch", "onnx", "keras", "rich", "typer", "yaml")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import erfgraph", ("numpy", *HEAVY)),
        ("import erfgraph as eg; eg.importance(eg.load('conv7*3')).erf()", HEAVY),
        ("import erfgraph as eg; eg.graph(eg.load('conv7*3'))", HEAVY[1:]),
    ],
)
def test_libraries_load_on_use(code: str, absent: tuple[str, ...]) -> None:
    script = f"{code}\nimport sys; print([m for m in {absent!r} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_every_public_name_exists_and_is_documented() -> None:
    for name in erfgraph.__all__:
        value = getattr(erfgraph, name)
        assert name.startswith("__") or (value.__doc__ and value.__doc__.strip()), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        erfgraph.nothing  # noqa: B018
    assert "load" in dir(erfgraph)


def test_files_fit_in_one_sitting() -> None:
    long = {p.name: n for p in SOURCES if (n := len(p.read_text().splitlines())) > 450}
    assert set(long) <= {"network.py", "layers.py"}, long
