"""What PyTorch calls things: operations, modules, and the shapes of results."""

from __future__ import annotations

from typing import Any

from erfgraph.errors import LayerError


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
    shapes = []
    for v in values:
        if hasattr(v, "shape"):
            if not all(isinstance(n, int) for n in v.shape):
                raise LayerError(
                    f"{operation(node.target)} at {node.name!r}: its result's shape depends on "
                    "the values of the input"
                )
            shapes.append(tuple(v.shape))
    return shapes


def path_of(path: str) -> str:
    """A module's path without the mark of its second call."""
    return path.partition("@")[0]


def array(tensor: Any) -> Any:
    """The numbers of a tensor, as NumPy has them."""
    held = tensor.detach().cpu()
    return (held.float() if str(held.dtype) == "torch.bfloat16" else held).numpy()
