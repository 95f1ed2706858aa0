"""Networks from PyTorch modules, by ``torch.export``; nothing is computed, no weight touched."""

from __future__ import annotations

import contextlib
import logging
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erfgraph.errors import ErfgraphError, InputError, LayerError, MissingExtraError, excerpt
from erfgraph.featuremap import input_shape as checked_shape
from erfgraph.importers.names import Names, Step, names
from erfgraph.importers.rows import Row, tensors
from erfgraph.importers.torch_ops import TABLE
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.translate import (
    Translator,
    UnknownOperationError,
    declared,
    is_transparent,
)
from erfgraph.importers.values import Constant, Stopped, Traced
from erfgraph.network import Network


def from_torch(
    module: Any,
    input_shape: Sequence[int],
    layer: str | None = None,
    *,
    stop_at: str | Sequence[str] = (),
    ops: Mapping[str, Row] | None = None,
    gates: str = "transparent",
    name: str | None = None,
) -> Network:
    """The network of a PyTorch module.

    Parameters
    ----------
    module : torch.nn.Module
        Taken as it is, in evaluation mode; its own mode and weights stay as they are.
    input_shape : sequence of int
        ``(channels, *spatial)`` of one input, with 1 to 3 spatial axes.
    layer : str, optional
        Path of the module with which the network ends; default the model's output.
    stop_at : str or sequence of str, optional
        Modules (``"head"``) or operations (``"aten.sort"``) at which to stop: they and all that
        reads them are left out.
    ops : mapping, optional
        Rows for operations that erfgraph does not know, such as
        ``{"mylib.blur": erfgraph.importers.layer(lambda net, x, *a: net.conv(x, 3))}``.
    gates : {"transparent", "follow"}, optional
        As for `Network`.
    name : str, optional
        Name of the network; default that of the module's class.

    Returns
    -------
    Network
        Its feature maps are named by the paths of the modules that return them.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    InputError
        If the module does not run on such an input, or depends on the input's values.
    UnknownOperationError
        If it has an operation that is not known and not declared.
    LayerError
        If an operation connects positions as no layer does.

    Notes
    -----
    ``torch.export`` runs the module's own forward on tensors that have shapes but no numbers.
    Where that fails and ``torch.fx`` can trace the module, that is used, with a warning.

    Examples
    --------
    >>> import torch, erfgraph as eg
    >>> block = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> net = eg.from_torch(block, (3, 32, 32))
    >>> [m.name for m in net.maps]
    ['input', '0']
    """
    torch = _torch()
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"module: got {type(module).__name__}, wanted a torch.nn.Module")
    channels, shape = _shape(input_shape)
    stops = frozenset((stop_at,) if isinstance(stop_at, str) else stop_at)
    if layer is not None and layer not in dict(module.named_modules()):
        from erfgraph.errors import unknown_name

        raise unknown_name("layer", layer, dict(module.named_modules()))
    net = Network(shape, channels, name or type(module).__name__, gates)
    tracer = Tracer(net)
    translator = Translator(tracer, declared(TABLE, ops), stops)
    with _evaluation(module), _quiet():
        program = _exported(torch, module, (1, channels, *shape))
        try:
            graph = ExportedGraph(torch, program, translator, layer)
            graph.run()
        except UnknownOperationError as unknown:
            net = Network(shape, channels, name or type(module).__name__, gates)
            translator = Translator(Tracer(net), declared(TABLE, ops), stops)
            _decomposed(torch, program, translator, layer, unknown)
    return net


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "PyTorch is not installed; pip install 'erfgraph[torch]'"
        ) from error
    return torch


def _shape(given: Any) -> tuple[int, tuple[int, ...]]:
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not 2 <= len(values) <= 4:
        raise InputError(
            f"input_shape: got {given!r}, wanted (channels, *spatial) with 1 to 3 spatial axes"
        )
    whole = checked_shape(values[:1]) + checked_shape(values[1:])
    return whole[0], whole[1:]


@contextlib.contextmanager
def _evaluation(module: Any) -> Iterator[None]:
    """Evaluation mode, and every submodule's own mode again afterwards."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings nor log messages of the capture."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _example(torch: Any, module: Any, shape: Sequence[int]) -> Any:
    """An input without memory of its own, in the type and place of the module's weights."""
    weights = [p for p in module.parameters() if p.is_floating_point()]
    like = weights[0] if weights else torch.zeros(())
    return torch.zeros((), dtype=like.dtype, device=like.device).expand(*shape)


def _exported(torch: Any, module: Any, shape: Sequence[int]) -> Any:
    example = _example(torch, module, shape)
    try:
        with torch.no_grad():
            return torch.export.export(module, (example,), strict=False)
    except Exception as error:  # the module's own code may raise anything
        raise _failed(module, shape, error) from error


def _failed(module: Any, shape: Sequence[int], error: Exception) -> ErfgraphError:
    if isinstance(error, ErfgraphError):
        return error
    text = " ".join(str(error).split())
    kind = type(error).__name__
    what = f"{type(module).__name__} on an input of shape {tuple(shape)}"
    if "DataDependent" in kind or "data-dependent" in text:
        return InputError(
            f"{what}: its control flow depends on the values of its input, so that it is no one "
            f"network ({excerpt(text, most=160)})"
        )
    return InputError(f"{what}: {kind}: {excerpt(text, most=300)}")


def _decomposed(
    torch: Any, program: Any, translator: Translator, layer: str | None, unknown: LayerError
) -> None:
    """Once more with every operation taken apart; if that fails too, the first error holds."""
    try:
        program = program.run_decompositions()
        ExportedGraph(torch, program, translator, layer).run()
    except Exception:
        raise unknown from None


class ExportedGraph:
    """One walk through an exported program.

    Parameters
    ----------
    torch : module
    program : torch.export.ExportedProgram
    translator : Translator
    layer : str, optional
        Module with which to end.
    """

    def __init__(
        self, torch: Any, program: Any, translator: Translator, layer: str | None
    ) -> None:
        self.torch = torch
        self.program = program
        self.translator = translator
        self.layer = layer
        self.nodes = [n for n in program.graph.nodes if n.op == "call_function"]
        self.index = {node: i for i, node in enumerate(self.nodes)}
        self.paths: dict[str, str] = {}
        self.names = self._named()
        self.values: dict[Any, Any] = {}

    def _named(self) -> Names:
        steps = []
        for node in self.nodes:
            stack = node.meta.get("nn_module_stack") or {}
            keys = tuple(stack)
            for key, (path, _) in stack.items():
                self.paths[key] = _path_of(path)
            sources = tuple(self.index[n] for n in node.all_input_nodes if n in self.index)
            op = operation(node.target)
            row = self.translator.table.get(op)
            passes = is_transparent(row) or node.target is operator.getitem
            steps.append(Step(keys, op, sources, passes))
        outputs = [self.index[n] for n in self._outputs() if n in self.index]
        return names(steps, self.paths, outputs)

    def _outputs(self) -> list[Any]:
        output = next(n for n in self.program.graph.nodes if n.op == "output")
        return list(output.all_input_nodes)

    def run(self) -> None:
        """Translate all operations and give the modules' names to what they return."""
        self._placeholders()
        last = self._last()
        for i, node in enumerate(self.nodes):
            self.values[node] = self._translate(i, node)
            self._alias(i)
            if i == last:
                break
        self._finish()

    def _placeholders(self) -> None:
        signature = self.program.graph_signature
        user = set(signature.user_inputs)
        tracer = self.translator.t
        for node in self.program.graph.nodes:
            if node.op == "placeholder" and node.name in user:
                self.values[node] = tracer.input()
            elif node.op == "placeholder":
                self.values[node] = self._constant(node, self._stored(node))
            elif node.op == "get_attr":
                found = self.program.graph_module
                for part in node.target.split("."):
                    found = getattr(found, part)
                self.values[node] = self._constant(node, found)

    def _stored(self, node: Any) -> Any:
        signature = self.program.graph_signature
        for table in (
            signature.inputs_to_buffers,
            signature.inputs_to_lifted_tensor_constants,
            signature.inputs_to_parameters,
        ):
            if node.name in table:
                key = table[node.name]
                state = self.program.state_dict
                return state[key] if key in state else self.program.constants.get(key)
        return None

    def _constant(self, node: Any, tensor: Any) -> Any:
        """A tensor of the module; its numbers are read only if an index needs them."""
        if tensor is not None and not isinstance(tensor, self.torch.Tensor):
            return tensor
        known = node.meta.get("val") if tensor is None else tensor
        if known is None or not hasattr(known, "shape"):
            return None
        read = None if tensor is None else (lambda: tensor.detach().cpu().numpy())
        return Constant(tuple(int(n) for n in known.shape), read)

    def _last(self) -> int:
        if self.layer is None:
            return len(self.nodes) - 1
        found = [
            i
            for key, where in self.names.returned.items()
            if self.paths[key] == self.layer
            for i in where
        ]
        if not found:
            raise InputError(f"layer: {self.layer!r} does not run on this input")
        return max(found)

    def _translate(self, i: int, node: Any) -> Any:
        if node.target is operator.getitem:
            source, index = node.args
            held = self.values[source]
            return held if isinstance(held, Stopped | None) else held[index]
        args = [self._value(a) for a in node.args]
        kwargs = {key: self._value(a) for key, a in node.kwargs.items()}
        keys = node.meta.get("nn_module_stack") or {}
        stops = [self.paths[key] for key in keys]
        path = stops[-1] if stops else ""
        op = operation(node.target)
        where = f"{path!r}" if path else f"{node.name!r}"
        return self.translator.run(
            op, self.names.maker[i], where, lambda: shapes_of(node), args, kwargs, stops
        )

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, self.torch.fx.Node):
            return self.values[argument]
        if isinstance(argument, list | tuple):
            return [self._value(a) for a in argument]
        return argument

    def _alias(self, i: int) -> None:
        """Give the names of the modules that an operation leaves to its result."""
        node = self.nodes[i]
        for key in reversed(node.meta.get("nn_module_stack") or {}):
            found = self.names.returned.get(key, ())
            if i not in found:
                continue
            path = self.paths[key]
            label = path if len(found) == 1 else f"{path}:{found.index(i)}"
            given = [v for v in tensors([self.values[node]]) if isinstance(v, Traced)]
            if path and given and node.target is not operator.getitem:
                for k, v in enumerate(given):
                    self.translator.t.alias(v, label if len(given) == 1 else f"{label}:{k}")
            elif path and given:
                self.translator.t.alias(given[0], label)

    def _finish(self) -> None:
        """Make what the model returns the network's output."""
        tracer = self.translator.t
        net = tracer.net
        nodes = self._outputs() if self.layer is None else []
        results = [v for n in nodes for v in tensors([self.values.get(n)])]
        if self.layer is not None:
            results = tensors([self.values[self.nodes[self._last()]]])
        made = [tracer.real(v) for v in results if isinstance(v, Traced) and v.keys is None]
        if len(net.maps) == 1:
            raise InputError("the model makes no feature map of its input")
        if made and net.output is not made[0].map:
            net.identity(made[0].map)


def operation(target: Any) -> str:
    """Name of an operation in the table: ``aten.relu`` for ``aten.relu_.default``."""
    schema = getattr(target, "_schema", None)
    if schema is None:
        return getattr(target, "__name__", str(target))
    name: str = schema.name.replace("::", ".")
    in_place = name.endswith("_") and not name.endswith("__")
    return name[:-1] if in_place else name


def shapes_of(node: Any) -> list[tuple[int, ...]]:
    """Shapes of an operation's results."""
    value = node.meta.get("val")
    values = value if isinstance(value, list | tuple) else [value]
    return [tuple(int(n) for n in v.shape) for v in values if hasattr(v, "shape")]


def _path_of(path: str) -> str:
    """A module's path without the mark of its second call."""
    return path.partition("@")[0]
