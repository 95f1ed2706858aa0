"""Export of an explicit graph: GraphML and node-link JSON."""

from __future__ import annotations

import json
from typing import Any

from erfgraph.files import check_target, write_whole

SUFFIXES = (".graphml", ".json")


def node_id(layer: str, position: tuple[int, ...]) -> str:
    """The text that names a unit in files.

    Examples
    --------
    >>> node_id("conv1", (3, 4))
    'conv1[3,4]'
    """
    return f"{layer}[{','.join(map(str, position))}]"


def save_graph(found: Any, path: Any) -> None:
    """Write a graph of units, its positions as texts, its counts as numbers.

    Parameters
    ----------
    found : networkx.DiGraph
        As `Graph.to_networkx` or `Graph.between` gives it.
    path : path-like
        ``.graphml`` or ``.json``.

    Raises
    ------
    FileError
        If the suffix is another or the file cannot be written.
    """
    import networkx as nx

    target = check_target(path, SUFFIXES)
    plain: nx.DiGraph[str] = nx.DiGraph(name=found.graph.get("name", "network"))
    for unit, data in found.nodes(data=True):
        position = ",".join(map(str, unit.position))
        plain.add_node(node_id(*unit), **{**data, "position": position})
    for u, v, data in found.edges(data=True):
        plain.add_edge(node_id(*u), node_id(*v), **data)
    if target.suffix.lower() == ".graphml":
        write_whole(target, lambda file: nx.write_graphml(plain, file))
        return
    text = json.dumps(nx.node_link_data(plain, edges="edges"), indent=1)
    write_whole(target, lambda file: file.write(text.encode() + b"\n"))
