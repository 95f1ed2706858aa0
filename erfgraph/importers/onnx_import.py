"""Networks from ONNX files. Nothing in a file is run.

The numbers of its large tensors stay in it, until a measure of trained weights asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erfgraph.errors import (
    FileError,
    InputError,
    LayerError,
    UnknownOperationError,
    excerpt,
    unknown_name,
)
from erfgraph.extras import onnx_module
from erfgraph.importers.onnx_file import Weights, read_model
from erfgraph.importers.onnx_fold import Lacking, fold, shapes_of
from erfgraph.importers.onnx_graph import Graph, Node, graph_of, text
from erfgraph.importers.onnx_input import Image, find_image
from erfgraph.importers.onnx_names import Naming, naming
from erfgraph.importers.onnx_ops import BINARY, TABLE
from erfgraph.importers.onnx_rolls import Cut, cut_of, only_joined, rolled
from erfgraph.importers.rows import Row, tensors
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.translate import (
    Translator,
    declared,
    is_transparent,
    leaves,
)
from erfgraph.importers.values import Broken, Constant, Stopped, Traced
from erfgraph.network import Network

MOST_CHANNELS = 1 << 20  # of a tensor, batch and copies included


def from_onnx(
    path: Any,
    input_shape: int | Sequence[int] | None = None,
    layer: str | None = None,
    *,
    channels: int | None = None,
    input: str | None = None,  # noqa: A002, as ONNX calls it
    stop_at: str | Sequence[str] = (),
    ops: Mapping[str, Row] | None = None,
    gates: str = "transparent",
    name: str | None = None,
) -> Network:
    """The network of an ONNX model.

    Parameters
    ----------
    path : str, path-like or onnx.ModelProto
    input_shape : int or sequence of int, optional
        Spatial shape of the input, as ``(224, 224)``; default the model's own. A model that was
        exported for one size takes another where its graph allows it: what the exporter worked
        out from the old size (the size of a Resize or a Reshape) stays as it is.
    layer : str, optional
        What the network ends with: the name of a node, of a tensor, or of a module of the
        model that was exported; default the model's first output.
    channels : int, optional
        Channels of the input, where the model leaves them open; default those that its first
        convolution takes, else 3.
    input : str, optional
        Which of the model's inputs is the network's; default the first that a convolution
        reads. The others are constants.
    stop_at : str or sequence of str, optional
        Operations (``"NonMaxSuppression"``), nodes, tensors or modules at which to stop: they
        and all that reads them are left out.
    ops : mapping, optional
        Rows for operations that erfgraph does not know, such as
        ``{"com.acme.Blur": erfgraph.importers.layer(lambda net, x, *a, **k: net.conv(x, 3))}``.
        Operations of the standard have no domain in front: ``"Conv"``.
    gates : {"transparent", "follow"}, optional
        As for `Network`.
    name : str, optional
        Name of the network; default the file's.

    Returns
    -------
    Network
        A model that PyTorch exported has the names of its modules; others have their nodes'.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    FileError
        If the file cannot be read, is no ONNX model, or a broken one.
    InputError
        If the input's size is open, or does not fit.
    UnknownOperationError
        If the model has an operation that is not known and not declared.
    LayerError
        If an operation connects positions as no layer does.

    Notes
    -----
    Operations of opset 9 and later are known. A batch of a fixed size stands for one image.
    The file is not run: shapes are computed by erfgraph itself, from the standard.

    Examples
    --------
    >>> from onnx.parser import parse_model
    >>> model = parse_model('''<ir_version: 10, opset_import: ["" : 21]>
    ... net (float[1, 3, H, W] image) => (float[1, 8, H, W] out)
    ... <float[8, 3, 3, 3] weight = {}>
    ... { y = Conv <pads = [1, 1, 1, 1]> (image, weight)  out = Relu (y) }''')
    >>> from_onnx(model, (32, 32)).output.shape
    (32, 32)
    """
    onnx = onnx_module()
    if isinstance(path, onnx.ModelProto):
        model, label, weights = path, "the model", None
    elif isinstance(path, str | bytes | os.PathLike):
        model, label, weights = read_model(path), os.fsdecode(path), Weights(path)
    else:
        raise InputError(f"path: got {type(path).__name__}, wanted the path of an ONNX file")
    with _of_file(label):
        graph = graph_of(model, weights)
        plain = Path(label).stem if label != "the model" else text(model.graph.name)
    image = find_image(graph, input)
    shape, features = image.sizes(input_shape, channels)
    net = Network(shape, features, name or plain or None, gates)
    stops = frozenset((stop_at,) if isinstance(stop_at, str) else stop_at)
    translator = Translator(Tracer(net), declared(TABLE, ops), stops)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    run = OnnxRun(graph, image, translator, int(opset), frozenset(ops or ()))
    with _of_file(label), _of_size(image, shape):
        run.run(layer)
    return translator.finished(label)


@contextmanager
def _of_file(label: str) -> Iterator[None]:
    """Faults of the file, with its name in front."""
    try:
        yield
    except FileError as error:
        raise FileError(f"{label}: {error}") from None


@contextmanager
def _of_size(image: Image, shape: tuple[int, ...]) -> Iterator[None]:
    """Faults that may come from another size than the model was exported for, with that."""
    own = tuple(image.declared[d] for d in image.spatial)
    try:
        yield
    except LayerError as error:
        if own == shape or not all(isinstance(n, int) for n in own):
            raise
        raise type(error)(f"{error}; the model was exported for an input of {own}") from error


class OnnxRun:
    """A graph on its way through the translator.

    Parameters
    ----------
    graph : Graph
    image : Image
    translator : Translator
    opset : int
    own : frozenset of str
        Operations for which the caller gave a row.
    """

    def __init__(
        self,
        graph: Graph,
        image: Image,
        translator: Translator,
        opset: int,
        own: frozenset[str] = frozenset(),
    ) -> None:
        self.graph = graph
        self.image = image
        self.translator = translator
        self.opset = opset
        self.own = own
        self.values: dict[str, Any] = {}
        self.net = translator.t.net
        self.cuts = only_joined(graph)
        table = translator.table
        handed_on = {
            i: is_transparent(table.get(node.op)) or node.op in BINARY
            for i, node in enumerate(graph.nodes)
        }
        self.naming: Naming = naming(graph, image.name, handed_on)

    def run(self, layer: str | None) -> None:
        """Translate all operations, up to the layer with which the network ends."""
        self._inputs()
        self.values.update(self.graph.constants)
        last, target = self._last(layer)
        for i, node in enumerate(self.graph.nodes[: last + 1]):
            stops = [*node.outputs, *(self.naming.places[i].modules or ())]
            self._node(node, self.naming.maker(i, node), stops)
            self._alias(i, node)
        self._finish([target] if target else self.graph.outputs)

    def _inputs(self) -> None:
        features = self.net.input.channels
        shape = self.net.input.shape
        symbols = self.image.symbols(shape, features)
        for name, dims in self.graph.inputs.items():
            if name == self.image.name:
                self.values[name] = Traced(self.net.input, self.image.dims(shape, features))
                continue
            sizes = [symbols.get(d) if isinstance(d, str) else d for d in dims or ()]
            if sizes and sizes[0] is None:
                sizes[0] = 1  # the batch
            if dims is None or None in sizes:
                why = f"input {excerpt(name)!r} of the model has an open shape {dims}"
                self.values[name] = Lacking(why)
            else:
                self.values[name] = Constant(tuple(n for n in sizes if n is not None))

    def _last(self, layer: str | None) -> tuple[int, str]:
        """The last operation to translate, and the tensor with which the network ends."""
        nodes = self.graph.nodes
        if layer is None:
            return len(nodes) - 1, ""
        found = [
            i
            for i, node in enumerate(nodes)
            if layer in node.outputs or layer == self.naming.maker(i, node) or layer == node.name
        ]
        if not found:
            found = list(self.naming.names.returned.get(layer, ()))
        if not found:
            known = {name for i, node in enumerate(nodes) for name in self.naming.labels(i, node)}
            raise unknown_name("layer", layer, known, where=" of the model")
        node = nodes[found[-1]]
        return found[-1], layer if layer in node.outputs else node.outputs[0]

    # --- one operation ---

    def _node(self, node: Node, name: str, stops: Sequence[str]) -> None:
        results = self._results(node, name, stops)
        for output, value in zip(node.outputs, results, strict=False):
            self._set(node, output, value)
        for output in node.outputs[len(results) :]:
            why = f"{node.op} at {node.where}: its result {excerpt(output)!r} is not represented"
            self._set(node, output, Lacking(why))

    def _results(self, node: Node, name: str, stops: Sequence[str]) -> list[Any]:
        if node.op == "If":
            return self._branch(node)
        inputs = [self._value(node, tensor) for tensor in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        stopped = next((v for v in inputs if isinstance(v, Stopped)), None)
        if stopped is not None:
            return [stopped] * len(node.outputs)
        if not any(isinstance(v, Traced | Broken | Cut) for v in leaves(inputs)):
            return fold(node, inputs, self.opset)
        if node.op in ("Shape", "Size") and node.op not in self.own:
            return fold(node, [_of_shape(v) for v in inputs], self.opset)
        if node.outputs[0] in self.cuts and not self.translator.stop_at & {*stops, node.name}:
            later = cut_of(self.translator.t, name, node, inputs)
            if later is not None:
                return [later]
        if any(isinstance(v, Cut) for v in inputs):
            roll = rolled(self.translator.t, name, inputs, node.attributes.get("axis", 0))
            if roll is not None:
                return [roll]
            inputs = [v.make() if isinstance(v, Cut) else v for v in inputs]
        lacking = next((v for v in inputs if isinstance(v, Lacking)), None)
        if lacking is not None and node.op in self.translator.table:
            raise LayerError(f"{node.op} at {node.where}: needs what is not known: {lacking.why}")
        given = [None if isinstance(v, Lacking) else v for v in inputs]
        made = self._translated(node, name, given, [node.name, *stops])
        if isinstance(made, Stopped):
            return [made] * len(node.outputs)
        several = isinstance(made, list | tuple) and len(node.outputs) > 1
        results = list(made) if several else [made]
        for value in tensors(results):
            self._check_size(node, value)
        return results

    def _translated(
        self, node: Node, name: str, inputs: Sequence[Any], stops: Sequence[str]
    ) -> Any:
        """The results by the operation's row; broken ones, which nothing may need, if it fails."""
        broken = next((v for v in inputs if isinstance(v, Broken)), None)
        shapes = self._shapes(node, inputs) if broken is not None else []
        if broken is not None and not shapes:
            raise broken.error
        try:
            return self.translator.run(
                node.op, name, node.where, lambda: shapes, inputs, node.attributes, stops
            )
        except UnknownOperationError:
            raise
        except LayerError as error:
            made = [Broken(shape, error) for shape in self._shapes(node, inputs)]
            if not made:
                raise
            return made[0] if len(made) == 1 else made

    def _shapes(self, node: Node, inputs: Sequence[Any]) -> list[tuple[int, ...]]:
        """Shapes of the results, if all are known."""
        known = [_of_shape(v) for v in inputs]
        found = shapes_of(node, known, self.opset)
        return [] if None in found else [shape for shape in found if shape is not None]

    def _value(self, node: Node, name: str) -> Any:
        if not name:
            return None
        if name not in self.values:
            raise FileError(
                f"{node.op} at {node.where} reads {excerpt(name)!r}, which neither the model's "
                "inputs nor an operation before it make"
            )
        return self.values[name]

    def _set(self, node: Node, name: str, value: Any) -> None:
        if not name:
            return
        if name in self.values:
            raise FileError(f"{node.op} at {node.where} makes {excerpt(name)!r} a second time")
        self.values[name] = value

    def _check_size(self, node: Node, value: Traced | Constant) -> None:
        """Refuse what would take the place of a million channels."""
        if not isinstance(value, Traced):
            return
        count = 1
        for dim in value.dims:
            for atom in dim:
                count *= atom.size if atom.axis < 0 else 1
        if max(count, value.map.channels) > MOST_CHANNELS:
            raise LayerError(
                f"{node.op} at {node.where}: makes {count} channels, wanted at most "
                f"{MOST_CHANNELS}"
            )

    def _branch(self, node: Node) -> list[Any]:
        """The results of the branch that is taken."""
        condition = self._value(node, node.inputs[0] if node.inputs else "")
        if isinstance(condition, Stopped):
            return [condition] * len(node.outputs)
        if not isinstance(condition, Constant) or condition.read is None:
            raise LayerError(f"If at {node.where}: which branch is taken depends on the input")
        key = "then_branch" if bool(condition.read().all()) else "else_branch"
        branch = node.attributes.get(key)
        if not isinstance(branch, Graph):
            raise FileError(f"If at {node.where}: has no {key}")
        self.values.update(branch.constants)
        for inner in branch.nodes:
            self._node(inner, inner.name, inner.outputs)
        return [self._value(node, name) for name in branch.outputs]

    # --- names and the end ---

    def _alias(self, i: int, node: Node) -> None:
        value = self.values.get(node.outputs[0]) if node.outputs else None
        if isinstance(value, Traced):
            for label in self.naming.labels(i, node):
                self.translator.t.alias(value, label)

    def _finish(self, outputs: Sequence[str]) -> None:
        """Make what the model returns the network's output."""
        results = [self.values.get(name) for name in outputs]
        self.translator.finish([v.make() if isinstance(v, Cut) else v for v in results])


def _of_shape(value: Any) -> Any:
    """A tensor of which only the shape is used."""
    return Constant(value.shape) if isinstance(value, Traced | Broken) else value
