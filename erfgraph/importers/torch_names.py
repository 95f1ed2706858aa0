"""What PyTorch calls things: operations, modules, and the shapes of results."""

from __future__ import annotations

from typing import Any


def operation(target: Any) -> str:
    """Name of an operation in the table: ``aten.relu`` for ``aten.relu_.default``."""
    schema = getattr(target, "_schema", None)
    if schema is None:
        return str(getattr(target, "__name__", target))
    name: str = schema.name.replace("::", ".")
    in_place = name.endswith("_") and not name.endswith("__")
    return name[:-1] if in_place else name


def shapes_of(node: Any) -> list[tuple[int, ...]]:
    """Shapes of the results of a recorded operation."""
    value = node.meta.get("val")
    values = value if isinstance(value, list | tuple) else [value]
    return [tuple(int(n) for n in v.shape) for v in values if hasattr(v, "shape")]


def path_of(path: str) -> str:
    """A module's path without the mark of its second call."""
    return path.partition("@")[0]
