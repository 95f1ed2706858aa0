"""Names in single backticks must lead somewhere: to a documented object, or be a parameter.

With ``nitpicky`` Sphinx warns about every name that it does not find. Here it finds three kinds
more: parameters of documented functions and classes, which are no objects of their own; public
names of the package, whatever module speaks of them; and fields, which their class describes.
"""

from __future__ import annotations

import contextlib
import inspect
import pydoc
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


def collect(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Note what the parameters of a documented object are called."""
    names = getattr(app.env, "parameter_names", set())
    with contextlib.suppress(TypeError, ValueError):
        names |= set(inspect.signature(obj).parameters)
    app.env.parameter_names = names  # type: ignore[attr-defined]


def find(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """A link to what a name means, or the name itself where it is a parameter's."""
    name = str(node.get("reftarget"))
    if name in getattr(env, "parameter_names", set()):
        return content
    objects = env.domains.python_domain.objects
    owner, _, field = name.rpartition(".")
    for full, entry in objects.items():
        if full.endswith(f".{name}") or (
            owner and full.endswith(f".{owner}") and has_field(pydoc.locate(full), field)
        ):
            page = node.get("refdoc", env.docname)
            return make_refnode(app.builder, page, entry.docname, entry.node_id, content, full)
    return None


def has_field(kind: object, field: str) -> bool:
    """Whether a class has such a field or attribute."""
    return hasattr(kind, field) or field in getattr(kind, "__dataclass_fields__", {})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register both."""
    app.connect("autodoc-process-docstring", collect)
    app.connect("missing-reference", find)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
