"""Walking through a program that ``torch.export`` recorded."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from erfgraph.errors import (
    InputError,
)
from erfgraph.importers.names import Names, Step, names
from erfgraph.importers.rows import constant, tensors
from erfgraph.importers.torch_names import array, operation, path_of, shapes_of
from erfgraph.importers.translate import (
    Translator,
    is_transparent,
)
from erfgraph.importers.values import Broken, Constant, Stopped, Traced


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
        read = None if tensor is None else (lambda: array(tensor))
        return Constant(tuple(int(n) for n in known.shape), read)

    def _last(self) -> int:
        if self.layer is None:
            return len(self.nodes) - 1
        others = self.translator.other_names
        found = [
            i
            for key, where in self.names.returned.items()
            if self.layer in (self.paths[key], *others.get(self.paths[key], ()))
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
            return array(node.target(*map(real, args), **named))

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
