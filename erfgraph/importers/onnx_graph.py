"""ONNX graphs as plain values: functions inlined, tensors by names that stand for one thing."""

from __future__ import annotations

import functools
import itertools
import re
from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.errors import FileError, excerpt
from erfgraph.extras import onnx_module
from erfgraph.importers.onnx_file import Weights
from erfgraph.importers.values import Constant

MOST_NODES = 100_000  # of a model, its functions' called and subgraphs included
MOST_DEPTH = 24  # of functions that call functions, and of graphs inside graphs
MOST_ELEMENTS = 1 << 16  # of a constant whose numbers are computed with
LARGEST_SIZE = 1 << 40  # of a dimension, and of a constant's number of elements
DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes
    ----------
    op : str
        As the tables name it: ``Conv``, ``com.microsoft.FusedConv``.
    name : str
        Its own name, or that of its first result.
    inputs : tuple of str
        Names of tensors; ``""`` for one that is left out.
    outputs : tuple of str
    attributes : mapping
        Numbers, strings, lists of them, `Constant` for a tensor, `Graph` for a graph.
    hints : mapping of str to str
        What an exporter noted beside it.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    hints: Mapping[str, str]

    @property
    def where(self) -> str:
        """Where it stands, for errors."""
        return f"node {excerpt(self.name)!r}"


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in the order in which they run.

    Attributes
    ----------
    nodes : list of Node
    constants : dict of str to Constant
        Tensors that are stored.
    inputs : dict of str to tuple or None
        For each tensor that is passed in, its dimensions: a size, a symbol, or None; None in
        place of all where not even their number is known.
    outputs : list of str
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)
    inputs: dict[str, tuple[int | str | None, ...] | None] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reader:
    """Turns a model's messages into a `Graph`.

    Attributes
    ----------
    onnx : module
    functions : dict
        The model's own operations, by (domain, name, overload).
    count : int
        Nodes so far.
    weights : Weights, optional
        The file, for numbers that are not read with the rest.
    """

    onnx: Any
    functions: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    count: int = 0
    weights: Weights | None = None

    def graph(
        self, proto: Any, around: Scope | None, prefix: str, bound: Any, depth: int
    ) -> Graph:
        """A graph, in a scope `around` it; `bound` are the attributes of a function's call."""
        if depth > MOST_DEPTH:
            raise FileError(f"graphs or functions nested more than {MOST_DEPTH} deep")
        found = Graph()
        scope = Scope(prefix, around.label if around else "", around)
        for tensor in proto.initializer:
            outer = self.weights if around is None else None
            found.constants[scope.made(tensor.name)] = self.constant(tensor, outer)
        for sparse in proto.sparse_initializer:
            shape = _shape(sparse.dims, sparse.values.name)
            found.constants[scope.made(sparse.values.name)] = Constant(shape)
        for value in proto.input:
            if value.name not in scope.own:
                found.inputs[scope.made(value.name)] = _dimensions(value)
        self.nodes(proto.node, scope, found, bound, depth)
        found.outputs.extend(scope.read(value.name) for value in proto.output)
        return found

    def nodes(self, protos: Any, scope: Scope, into: Graph, bound: Any, depth: int) -> None:
        """The nodes of a graph or function, those of functions in their calls' places."""
        for proto in protos:
            self.count += 1
            if self.count > MOST_NODES:
                raise FileError(f"more than {MOST_NODES} operations")
            domain, kind = domain_of(proto), text(proto.op_type)
            inputs = tuple(scope.read(name) for name in proto.input)
            name = text(proto.name or next((n for n in proto.output if n), f"#{self.count}"))
            key = (domain, kind, text(getattr(proto, "overload", "")))
            if not proto.output:
                raise FileError(f"{kind} at node {excerpt(name)!r} makes nothing")
            inside = f"{scope.prefix}{name}/{self.count}:"
            attributes = {
                text(a.name): self.attribute(a, scope, f"{inside}{a.name}/", bound, depth)
                for a in proto.attribute
                if not a.ref_attr_name or a.ref_attr_name in bound
            }
            outputs = tuple(scope.made(output) if output else "" for output in proto.output)
            if key in self.functions:
                label = f"{scope.label}{name}/"
                call = Call(inputs, outputs, attributes, inside, label)
                self._call(self.functions[key], call, into, depth)
                continue
            op = f"{domain}.{kind}" if domain else kind
            stored = attributes.get("value") if op == "Constant" else None
            if isinstance(stored, Constant) and outputs:
                if len(scope.seen.maps) == 1 and not scope.prefix:  # the file knows its name
                    stored = self.constant(_tensor(proto), self.weights, text(proto.output[0]))
                into.constants[outputs[0]] = stored
                continue
            if op == "Split":  # into equal parts, of which only the results say the number
                attributes.setdefault("num_outputs", len(outputs))
            hints = {text(p.key): text(p.value) for p in getattr(proto, "metadata_props", ())}
            own = f"{scope.label}{name}"
            into.nodes.append(Node(op, own, inputs, outputs, attributes, hints))

    def _call(self, function: Any, call: Call, into: Graph, depth: int) -> None:
        """The nodes of a function, with the call's tensors and attributes."""
        if depth > MOST_DEPTH:
            raise FileError(f"function {function.name!r} calls functions too deeply, or itself")
        scope = Scope(call.prefix, call.label)
        passed = itertools.chain(call.inputs, itertools.repeat(""))
        given = dict(zip(function.input, passed, strict=False))
        bound = {
            text(a.name): self.attribute(a, scope, call.prefix, {}, depth + 1)
            for a in function.attribute_proto
        } | call.attributes
        scope.own.update(given)
        # the results have the call's names
        for own, outer in zip(function.output, call.outputs, strict=False):
            if outer and own not in given:
                scope.own[own] = outer
                scope.promised.add(own)
        self.nodes(function.node, scope, into, bound, depth + 1)
        for own, outer in zip(function.output, call.outputs, strict=False):
            if outer and own in given:  # an input that is passed on
                into.nodes.append(Node("Identity", outer, (given[own],), (outer,), {}, {}))

    def attribute(
        self, proto: Any, scope: Scope, prefix: str, bound: Mapping[str, Any], depth: int
    ) -> Any:
        """The value of an attribute."""
        if proto.ref_attr_name:
            return bound[proto.ref_attr_name]
        kinds = self.onnx.AttributeProto
        kind = proto.type or _kind(proto, kinds)
        if kind == kinds.TENSOR:
            return self.constant(proto.t)
        if kind == kinds.GRAPH:
            return self.graph(proto.g, scope, prefix, bound, depth + 1)
        if kind == kinds.SPARSE_TENSOR:
            return Constant(_shape(proto.sparse_tensor.dims, proto.name))
        if kind == kinds.STRING:
            return proto.s.decode("utf-8", "replace")
        if kind == kinds.STRINGS:
            return [s.decode("utf-8", "replace") for s in proto.strings]
        plain = {kinds.INT: "i", kinds.FLOAT: "f"}
        if kind in plain:
            return getattr(proto, plain[kind])
        lists = {kinds.INTS: "ints", kinds.FLOATS: "floats"}
        return list(getattr(proto, lists[kind])) if kind in lists else None

    def constant(
        self, tensor: Any, weights: Weights | None = None, name: str | None = None
    ) -> Constant:
        """A stored tensor; its numbers are decoded only where they are needed.

        Those that are not read with the rest are in `weights` by a name (default its own), if
        they are anywhere.
        """
        shape = _shape(tensor.dims, tensor.name)
        stored = any(
            len(getattr(tensor, f))
            for f in (
                *("raw_data", "float_data", "int32_data", "int64_data"),
                *("double_data", "uint64_data"),
            )
        )
        count = int(np.prod(shape, dtype=object))
        external = tensor.data_location == self.onnx.TensorProto.EXTERNAL
        name = text(tensor.name) if name is None else name
        if external or (count and not stored):
            found = None if weights is None else functools.partial(weights.read, name, shape)
            return Constant(shape, stored=found)
        label = excerpt(name)

        @functools.cache
        def read() -> Any:
            try:
                return self.onnx.numpy_helper.to_array(tensor)
            except Exception as error:  # whatever the decoder finds wrong
                reason = excerpt(" ".join(str(error).split()), most=200)
                raise FileError(f"tensor {label!r}: cannot be decoded: {reason}") from None

        return Constant(shape, stored=read) if count > MOST_ELEMENTS else Constant(shape, read)


def _tensor(proto: Any) -> Any:
    """The tensor of a node that makes a constant."""
    return next(a.t for a in proto.attribute if a.name == "value")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of the model's own operations.

    Attributes
    ----------
    inputs, outputs : tuple of str
    attributes : dict
    prefix : str
        Of the names of tensors inside it.
    label : str
        Of the names of nodes inside it.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    prefix: str
    label: str


class Scope:
    """Which tensor a name means, in one graph or function.

    Parameters
    ----------
    prefix : str
        Of the names of tensors that are made here.
    label : str
        Of the names of nodes.
    around : Scope, optional
        The graph whose tensors can be read too.
    """

    def __init__(self, prefix: str, label: str, around: Scope | None = None) -> None:
        self.prefix = prefix
        self.label = label
        self.own: dict[str, str] = {}
        self.promised: set[str] = set()  # results of a function, named before they are made
        outer: list[MutableMapping[str, str]] = around.seen.maps if around else []
        self.seen: ChainMap[str, str] = ChainMap(self.own, *outer)

    def made(self, name: str) -> str:
        """The name of a new tensor."""
        if text(name) in self.promised:
            self.promised.discard(name)
            return self.own[name]
        if name in self.own:
            raise FileError(f"tensor {excerpt(name)!r} is made twice")
        self.own[name] = f"{self.prefix}{name}"
        return self.own[name]

    def read(self, name: str) -> str:
        """The tensor that a node reads."""
        return self.seen.get(text(name), f"{self.prefix}{name}") if name else ""


def graph_of(model: Any, weights: Weights | None = None) -> Graph:
    """The graph of a model; `weights` is the file that it was read from.

    Raises
    ------
    FileError
        If it is not built as the standard has it.
    """
    reader = Reader(onnx_module(), weights=weights)
    if model.ir_version >= 3 and not model.opset_import:
        raise FileError("says no version of the operations (opset_import)")
    for function in model.functions:
        overload = text(getattr(function, "overload", ""))
        reader.functions[domain_of(function), text(function.name), overload] = function
    return reader.graph(model.graph, None, "", {}, 0)


def text(value: Any) -> str:
    """A name; the parser hands bytes on where they are no text."""
    if not isinstance(value, str):
        raise FileError(f"a name is no UTF-8 text: {excerpt(repr(value))}")
    return value


def domain_of(proto: Any) -> str:
    """The domain of an operation, empty for the standard's."""
    domain = text(proto.domain)
    return "" if domain in DEFAULT_DOMAINS else domain


def _shape(dims: Any, name: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in dims)
    if any(n < 0 for n in shape) or np.prod(shape, dtype=object) > LARGEST_SIZE:
        raise FileError(f"tensor {excerpt(text(name))!r}: impossible shape {excerpt(str(shape))}")
    return shape


def _dimensions(value: Any) -> tuple[int | str | None, ...] | None:
    """Sizes and symbols of an input's dimensions."""
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        return None
    found: list[int | str | None] = []
    for dim in value.type.tensor_type.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value > 0:
            found.append(int(dim.dim_value))
        else:
            symbol = text(dim.dim_param)
            found.append(symbol if re.search(r"\w", symbol) else None)
    return tuple(found)


def _kind(proto: Any, kinds: Any) -> int:
    """The kind of an attribute in files older than the field that says it."""
    for name in ("f", "i", "s", "t", "g"):
        if proto.HasField(name):
            kind = {"f": "FLOAT", "i": "INT", "s": "STRING", "t": "TENSOR", "g": "GRAPH"}[name]
            return int(getattr(kinds, kind))
    for name in ("ints", "floats", "strings"):
        if len(getattr(proto, name)):
            return int(getattr(kinds, name.upper()))
    return int(kinds.INTS)
