"""Rolls, which exporters write as two slices joined the other way round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from erfgraph.importers import moves
from erfgraph.importers.layout import is_spatial
from erfgraph.importers.onnx_graph import Graph, Node
from erfgraph.importers.onnx_shapes import cuts
from erfgraph.importers.rows import Call
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.values import Pieces, Traced


@dataclass(frozen=True, slots=True)
class Cut:
    """A slice that has not been made yet.

    Attributes
    ----------
    source : Traced
    d : int
        The dimension that it cuts.
    where : range
    make : callable
        Makes it.
    """

    source: Traced
    d: int
    where: range
    make: Callable[[], Traced]


def only_joined(graph: Graph) -> set[str]:
    """Slices that nothing but a Concat reads."""
    readers: dict[str, set[str]] = {}
    for node in graph.nodes:
        if any(isinstance(value, Graph) for value in node.attributes.values()):
            return set()  # it may read anything
        for name in node.inputs:
            readers.setdefault(name, set()).add(node.op)
    for name in graph.outputs:
        readers.setdefault(name, set()).add("")
    return {
        node.outputs[0]
        for node in graph.nodes
        if node.op == "Slice" and node.outputs and readers.get(node.outputs[0]) == {"Concat"}
    }


def cut_of(t: Tracer, name: str, node: Node, inputs: Sequence[Any]) -> Cut | None:
    """A slice to be made later, if it is one of positions."""
    x = inputs[0]
    if not isinstance(x, Traced) or isinstance(x, Pieces):
        return None
    picked = cuts(Call(t, node.op, ()), x.shape, *inputs[1:], **node.attributes)
    if len(picked) != 1:
        return None
    ((d, where),) = picked
    dim = x.dims[d]
    if where.step != 1 or not where or len(dim) != 1 or not is_spatial(dim[0]):
        return None

    def make() -> Traced:
        with t.named(name):
            return moves.take(t, x, d, where)

    return Cut(x, d, where, make)


def rolled(t: Tracer, name: str, values: Sequence[Any], axis: int) -> Traced | None:
    """The roll that a Concat of slices is, if it is one."""
    if len(values) != 2 or not all(isinstance(v, Cut) for v in values):
        return None
    first, last = values
    x, d = first.source, first.d
    n = x.shape[d]
    same = last.source is x and last.d == d and axis % x.ndim == d
    whole = first.where.stop == n and last.where == range(first.where.start)
    if not same or not whole or not first.where.start:
        return None
    with t.named(name):
        return moves.roll(t, x, [-first.where.start], [d])
