"""Networks from PyTorch modules, by ``torch.export``; nothing is computed, no weight touched."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import operator
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from erfgraph.errors import (
    ErfgraphError,
    InputError,
    MissingExtraError,
    UnknownOperationError,
    excerpt,
    unknown_name,
)
from erfgraph.featuremap import input_shape as checked_shape
from erfgraph.importers.names import Names, Step, names
from erfgraph.importers.rows import Row, constant, tensors
from erfgraph.importers.torch_fx import fallback
from erfgraph.importers.torch_names import operation, path_of, shapes_of
from erfgraph.importers.torch_ops import TABLE
from erfgraph.importers.torch_writes import writes_through_views
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.translate import (
    Translator,
    declared,
    is_transparent,
)
from erfgraph.importers.values import Broken, Constant, Stopped, Traced
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
    Where that fails, ``torch.fx`` traces the module, and its calls are run so one by one; this
    is said in a warning.

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
        raise unknown_name("layer", layer, dict(module.named_modules()))
    table = declared(TABLE, ops)
    label = name or type(module).__name__

    def start() -> Translator:
        tracer = Tracer(Network(shape, channels, label, gates))
        return Translator(tracer, table, stops, exact=True)

    example = _example(torch, module, (1, channels, *shape))
    with _evaluation(module), _quiet():
        try:
            program = _exported(torch, module, example)
        except ErfgraphError as failure:
            done = fallback(torch, module, example, start, layer, failure)
        else:
            done = _translated(torch, program, start, layer)
    return done.finished(label)


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
    """Neither warnings, log messages nor prints of the capture on the screen.

    What the module's own forward prints goes to standard error, away from a command's output.
    """
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _example(torch: Any, module: Any, shape: Sequence[int]) -> Any:
    """An input without memory of its own, in the type and place of the module's weights."""
    weights = [p for p in module.parameters() if p.is_floating_point()]
    like = weights[0] if weights else torch.zeros(())
    return torch.zeros((), dtype=like.dtype, device=like.device).expand(*shape)


def _exported(torch: Any, module: Any, example: Any) -> Any:
    try:
        with torch.no_grad():
            return torch.export.export(module, (example,), strict=False)
    except Exception as error:  # the module's own code may raise anything
        raise _failed(module, example.shape, error) from error


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


def _translated(
    torch: Any, program: Any, start: Callable[[], Translator], layer: str | None
) -> Translator:
    """Translate a program; if it has an unknown operation, once more with all taken apart.

    If that fails too, the first error holds, as it names what the user wrote.
    """
    translator = start()
    if writes_through_views(program, translator.table):
        program = program.run_decompositions({})  # the same operations, none in place
    try:
        ExportedGraph(torch, program, translator, layer).run()
    except UnknownOperationError as unknown:
        if any(operation(node.target) in RECURRENT for node in program.graph.nodes):
            raise
        translator = start()
        try:
            parts = program.run_decompositions()
            ExportedGraph(torch, parts, translator, layer).run()
        except Exception:
            raise unknown from None
    return translator


# taken apart, these are thousands of steps that no layer represents
RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")


def _is_known(argument: Any) -> bool:
    if isinstance(argument, Constant):
        return argument.read is not None
    return not isinstance(argument, Traced | Broken | Stopped)


# operations that only run an inner graph in some mode
WRAPPERS = ("wrap_with_set_grad_enabled", "wrap_with_autocast")


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
        self.same: dict[Any, Any] = {}  # nodes of inner graphs, and what they stand for
        self.stored: list[Any] = []
        self.nodes: list[Any] = []
        self._flatten(program.graph_module, ())
        self.index = {node: i for i, node in enumerate(self.nodes)}
        self.paths: dict[str, str] = {}
        self.names = self._named()
        self.values: dict[Any, Any] = {}

    def _flatten(self, module: Any, operands: Sequence[Any]) -> Any:
        """List the operations of a graph and of the graphs inside it (``with no_grad():``)."""
        inputs = iter(operands)
        result: Any = None
        for node in module.graph.nodes:
            inner = self._inner(module, node)
            if node.op == "placeholder" and operands:
                self.same[node] = next(inputs)
            elif inner is not None:
                graph, given = inner
                self.same[node] = self._flatten(graph, [self._real(n) for n in given])
            elif node.op == "output":
                result = node.args[0]
            elif node.op == "call_function":
                self._list(node)
            else:
                self.stored.append((module, node))
        return result

    def _list(self, node: Any) -> None:
        if node.target is operator.getitem:
            held = self._real(node.args[0])
            if isinstance(held, list | tuple):
                self.same[node] = held[node.args[1]]
                return
        self.nodes.append(node)

    def _inner(self, module: Any, node: Any) -> tuple[Any, Sequence[Any]] | None:
        """The graph that a wrapper calls, and its operands."""
        if getattr(node.target, "__name__", "") not in WRAPPERS:
            return None
        for i, argument in enumerate(node.args):
            if isinstance(argument, self.torch.fx.Node) and argument.op == "get_attr":
                return getattr(module, argument.target), node.args[i + 1 :]
        return None

    def _real(self, node: Any) -> Any:
        """The node that a node stands for."""
        while not isinstance(node, list | tuple) and node in self.same:
            node = self.same[node]
        return node

    def _named(self) -> Names:
        steps = []
        for node in self.nodes:
            stack = node.meta.get("nn_module_stack") or {}
            keys = tuple(stack)
            for key, (path, _) in stack.items():
                self.paths[key] = path_of(path)
            sources = tuple(self.index[n] for n in node.all_input_nodes if n in self.index)
            op = operation(node.target)
            row = self.translator.table.get(op)
            passes = is_transparent(row) or node.target is operator.getitem
            steps.append(Step(keys, op, sources, passes))
        outputs = [self.index[n] for n in self._outputs() if n in self.index]
        return names(steps, self.paths, outputs)

    def _outputs(self) -> list[Any]:
        # beside what the model returns, a program may return what it wrote into buffers
        wanted = set(self.program.graph_signature.user_outputs)
        output = next(n for n in self.program.graph.nodes if n.op == "output")
        return [self._real(n) for n in output.all_input_nodes if n.name in wanted]

    def run(self) -> None:
        """Translate all operations and give the modules' names to what they return."""
        self._placeholders()
        last = self._last()
        for i, node in enumerate(self.nodes):
            self.values[node] = self._translate(i, node)
            self._alias(i)
            if i == last:
                break
        self.translator.finish(self.results())

    def _placeholders(self) -> None:
        signature = self.program.graph_signature
        user = set(signature.user_inputs)
        tracer = self.translator.t
        for module, node in self.stored:
            if node.op == "placeholder" and node.name in user:
                self.values[node] = tracer.input()
            elif node.op == "placeholder":
                self.values[node] = self._constant(node, self._stored(node))
            elif node.op == "get_attr":
                found = module
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
            held = self.values[self._real(source)]
            return held if isinstance(held, Stopped | Broken | None) else held[index]
        args = [self._value(a) for a in node.args]
        kwargs = {key: self._value(a) for key, a in node.kwargs.items()}
        keys = node.meta.get("nn_module_stack") or {}
        stops = [self.paths[key] for key in keys]
        path = stops[-1] if stops else ""
        op = operation(node.target)
        where = f"{path!r}" if path else f"{node.name!r}"
        made = self.translator.run(
            op, self.names.maker[i], where, lambda: shapes_of(node), args, kwargs, stops
        )
        if isinstance(made, Constant) and made.read is None:
            made = Constant(made.shape, self._computed(node, args, kwargs))
        return made

    def _computed(
        self, node: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Callable[[], Any] | None:
        """Gives what an operation makes of constants, should an index need its numbers."""
        given = self.torch.utils._pytree.tree_leaves((args, list(kwargs.values())))
        schema = getattr(node.target, "_schema", None)
        writes = schema is not None and schema.is_mutable and schema.name != "aten::detach_"
        if schema is None or writes:
            return None
        # of the input's tensors only the shape is used
        shape_only = self.translator.table.get(operation(node.target)) is constant
        if not all(_is_known(v) or (shape_only and isinstance(v, Traced)) for v in given):
            return None

        def real(argument: Any) -> Any:
            if isinstance(argument, Constant):
                assert argument.read is not None
                return self.torch.as_tensor(argument.read())
            if isinstance(argument, Traced):
                return self.torch.zeros(()).expand(argument.shape)
            return [real(a) for a in argument] if isinstance(argument, list) else argument

        @functools.cache  # what is computed of it may ask for it more than once
        def read() -> Any:
            named = {key: real(a) for key, a in kwargs.items()}
            return node.target(*map(real, args), **named).detach().cpu().numpy()

        return read

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, self.torch.fx.Node):
            real = self._real(argument)
            return self._value(real) if isinstance(real, list | tuple) else self.values[real]
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
                    self.translator.name(v, label if len(given) == 1 else f"{label}:{k}")
            elif path and given:
                self.translator.name(given[0], label)

    def results(self) -> list[Any]:
        """What the model, or the module with which to end, returns."""
        if self.layer is not None:
            return [self.values[self.nodes[self._last()]]]
        return [self.values.get(n) for n in self._outputs()]
