"""In-place operations that change what an older name still reads.

A recorded program names what an in-place operation returns anew, and later operations read
that: ``x.add_(y)`` is an addition like any other. But where two names share memory
(``x[:, :2] += y``, a view and what it is a view of), the other name changes too, which no
record of results says. Such a program is rewritten without in-place operations.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from erfgraph.importers.rows import Row
from erfgraph.importers.torch_names import operation
from erfgraph.importers.translate import is_transparent


def shared(target: Any) -> Iterator[tuple[str, int, bool]]:
    """Arguments whose memory an operation returns or writes: name, place, whether it writes."""
    for i, declared in enumerate(getattr(getattr(target, "_schema", None), "arguments", ())):
        if declared.alias_info is not None:
            yield declared.name, i, declared.alias_info.is_write


def argument(name: str, i: int, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """An operation's argument."""
    return args[i] if i < len(args) else kwargs.get(name)


def writes_through_views(program: Any, table: Mapping[str, Row]) -> bool:
    """Whether an operation of a program reads memory under a name older than its last change.

    Parameters
    ----------
    program : torch.export.ExportedProgram
    table : mapping of str to Row
        An operation that is transparent there may change memory: it makes no edge.
    """
    modules = [m for m in program.graph_module.modules() if hasattr(m, "graph")]
    return any(_in_graph(m.graph, m is not program.graph_module, table) for m in modules)


def _in_graph(graph: Any, inner: bool, table: Mapping[str, Row]) -> bool:
    memory: dict[Any, Any] = {}  # the node whose memory a node's result shares
    changed: dict[Any, int] = {}  # and when that was last written
    place = {node: i for i, node in enumerate(graph.nodes)}
    for i, node in enumerate(graph.nodes):
        for source in node.all_input_nodes:
            if changed.get(memory.get(source, source), -1) > place[source]:
                return True
        if node.target is operator.getitem:
            memory[node] = memory.get(node.args[0], node.args[0])
        for name, k, writes in shared(node.target):
            source = argument(name, k, node.args, node.kwargs)
            home = memory.get(source, source)
            memory.setdefault(node, home)
            if writes and not is_transparent(table.get(operation(node.target))):
                changed[home] = i
                if inner and home.op == "placeholder":  # the graph around it may read it
                    return True
    return False
