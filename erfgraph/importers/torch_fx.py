"""PyTorch modules that ``torch.export`` cannot capture.

That is so where a module calls an operation that does not say what shape it makes, or keeps
tensors that its forward made. ``torch.fx`` records the calls without running them; they are
then run one by one on tensors without numbers, and each ATen operation inside is translated as
it comes. Where ``torch.fx`` cannot trace the module, the module itself is run so. A row that
the caller declares stands in for an operation that cannot run.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from erfgraph.errors import ErfgraphError, InputError, LayerError, excerpt
from erfgraph.importers.torch_names import array, operation
from erfgraph.importers.torch_writes import argument, shared
from erfgraph.importers.translate import Translator, is_transparent, unknown_operation
from erfgraph.importers.values import Broken, Constant, Stopped, Traced

_OLDER = (
    "writes into a tensor whose memory another tensor shares, which is read afterwards; "
    "torch.export follows such writes, but fails on this module"
)


# what these give is a number or a shape that only the input's values decide
READS_VALUES = ("aten._local_scalar_dense", "aten.item", "aten.nonzero", "aten.masked_select")


class _NeedsValuesError(Exception):
    """The module cannot run without numbers."""


class _Ended(Exception):  # noqa: N818  # nothing failed
    """An operation at which to stop cannot run."""


def run(
    torch: Any,
    module: Any,
    traced: Any,
    example: Any,
    translator: Translator,
    layer: str | None,
) -> None:
    """Translate a module's operations as they run.

    Parameters
    ----------
    torch : module
    module : torch.nn.Module
    traced : torch.fx.GraphModule or None
        The module as ``torch.fx`` traced it; None to run the module itself.
    example : Tensor
        An input.
    translator : Translator
    layer : str, optional
        Module with which to end.

    Raises
    ------
    LayerError, InputError
        As `from_torch` does.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    values = Values(torch)
    recorder = _recorder(torch, translator, values)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        x = torch.empty(example.shape, dtype=example.dtype, device=example.device)
        values.set(x, translator.t.input())
        found: list[Any] = []  # what the module to end with returned, call by call
        try:
            if traced is not None:
                runner = _interpreter(torch, traced, recorder, values, translator, layer, found)
                made = runner.run(x)
            else:
                made = _hooked(torch, module, x, recorder, values, translator, layer, found)
            results = [values.get(v) for v in _leaves(torch, made)]
        except _Ended:
            results = []
        except Exception:
            if not found:  # what comes after the module to end with may fail
                raise
    if layer is not None and not found:
        raise InputError(f"layer: {layer!r} is not called as a module of its own")
    translator.finish(found[-1] if found else results)


def _hooked(
    torch: Any,
    module: Any,
    x: Any,
    recorder: Any,
    values: Values,
    translator: Translator,
    layer: str | None,
    found: list[Any],
) -> Any:
    """Run a module with hooks that say where it is."""
    paths = {m: path for path, m in module.named_modules()}
    stack: list[str] = []

    def enter(m: Any, args: Any) -> None:
        stack.append(paths[m])
        recorder.path, recorder.stops = paths[m], list(stack)

    def leave(m: Any, args: Any, made: Any) -> None:
        path = stack.pop()
        recorder.path, recorder.stops = stack[-1] if stack else "", list(stack)
        given = [values.get(v) for v in _leaves(torch, made)]
        if path and given and isinstance(given[0], Traced):
            translator.name(given[0], path)
        if path and layer in (path, *translator.other_names.get(path, ())):
            found.append(given)

    hooks = [m.register_forward_pre_hook(enter) for m in paths]
    hooks += [m.register_forward_hook(leave) for m in paths]
    try:
        with recorder:
            return module(x)
    finally:
        for hook in hooks:
            hook.remove()


class Values:
    """What the tensors without numbers stand for."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        # the tensor too, so that its id stays its own, and when it was made
        self.held: dict[int, tuple[Any, Any, int]] = {}
        self.changed: dict[int, tuple[int, LayerError]] = {}  # by memory, and when
        self.now = 0

    def get(self, tensor: Any) -> Any:
        """The value of a tensor; a constant for one that nobody made."""
        _, value, made = self.held.get(id(tensor), (None, None, -1))
        shape = tuple(int(n) for n in tensor.shape)
        changed, error = self.changed.get(_memory(tensor), (-1, None))
        if error is not None and made < changed:
            return Broken(shape, error)
        return self._constant(tensor, shape) if value is None else value

    def _constant(self, tensor: Any, shape: tuple[int, ...]) -> Constant:
        """A tensor that nobody made; the numbers of the module's own weights are at hand."""
        own = isinstance(tensor, self.torch.nn.Parameter) or len(shape) < 2
        fake = isinstance(tensor, self.torch._subclasses.FakeTensor)
        read = own and not fake and tensor.is_floating_point()
        return Constant(shape, (lambda: self._numbers(tensor)) if read else None)

    def _numbers(self, tensor: Any) -> Any:
        """The numbers of a tensor that has some, also while others are without."""
        with self.torch.utils._python_dispatch._disable_current_modes():
            return array(tensor)

    def set(self, tensor: Any, value: Any) -> None:
        """Remember what a tensor stands for."""
        self.held[id(tensor)] = (tensor, value, self.now)

    def change(self, tensor: Any, error: LayerError) -> None:
        """Of tensors that share the memory of one, only what is set from now on is known."""
        self.now += 1
        self.changed[_memory(tensor)] = (self.now, error)

    def translated(self, argument: Any) -> Any:
        """An argument with its tensors replaced by what they stand for."""
        if isinstance(argument, self.torch.Tensor):
            return self.get(argument)
        if isinstance(argument, list | tuple):
            return [self.translated(a) for a in argument]
        return argument


def _memory(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)


def _leaves(torch: Any, made: Any) -> list[Any]:
    leaves, _ = torch.utils._pytree.tree_flatten(made)
    return [v for v in leaves if isinstance(v, torch.Tensor)]


def _recorder(torch: Any, translator: Translator, values: Values) -> Any:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recorder(TorchDispatchMode):  # type: ignore[misc, no-untyped-call, unused-ignore]
        path = ""
        stops: Sequence[str] = ()

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            op = operation(func)
            given = [values.translated(a) for a in args]
            named = {key: values.translated(a) for key, a in kwargs.items()}
            read = torch.utils._pytree.tree_leaves([given, list(named.values())])
            if not any(isinstance(v, Traced | Stopped | Broken) for v in read):
                return func(*args, **kwargs)
            declared = op in translator.table and not op.startswith(("aten.", "prim."))
            where = f"{self.path or op!r}"
            name = self.path or op.rpartition(".")[2].strip("_")
            stopped = any(isinstance(v, Stopped) for v in read)
            stopped = stopped or not translator.stop_at.isdisjoint((op, name, *self.stops))
            if op in READS_VALUES and not stopped:
                raise _NeedsValuesError(op)
            if op not in translator.table and not stopped:
                raise unknown_operation(op, where, translator.table)
            try:
                made = None if declared else func(*args, **kwargs)
            except Exception as error:  # nothing after it can run, and nothing has to
                raise _Ended if stopped else error from None
            results = list(made) if isinstance(made, list | tuple) else [made]

            def shapes() -> list[tuple[int, ...]]:
                return [tuple(v.shape) for v in results if isinstance(v, torch.Tensor)]

            value = translator.run(op, name, where, shapes, given, named, self.stops)
            if not is_transparent(translator.table.get(op)):
                for key, i, writes in shared(func):
                    if writes:
                        shared_by = argument(key, i, args, kwargs)
                        values.change(shared_by, LayerError(f"{op} at {where}: {_OLDER}"))
            many = isinstance(value, list | tuple)
            if declared:  # never run: its row says what shapes it makes
                like = _leaves(torch, [args, kwargs])[0]
                results = [like.new_empty(v.shape) for v in (value if many else [value])]
                made = results if many else results[0]
            parts = list(value) if many else [value] * len(results)
            for tensor, part in zip(results, parts, strict=False):
                if isinstance(tensor, torch.Tensor):
                    values.set(tensor, part)
            return made

    return Recorder()  # type: ignore[no-untyped-call, unused-ignore]


def _interpreter(
    torch: Any,
    traced: Any,
    recorder: Any,
    values: Values,
    translator: Translator,
    layer: str | None,
    found: list[Any],
) -> Any:
    class Interpreter(torch.fx.Interpreter):  # type: ignore[misc, no-untyped-call, unused-ignore]
        def run_node(self, node: Any) -> Any:
            if node.op not in ("call_function", "call_module", "call_method"):
                return super().run_node(node)
            stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
            module = str(node.target) if node.op == "call_module" else ""
            within = f"{stack[-1]}.{node.name}" if stack and stack[-1] else ""
            recorder.path = module or within
            recorder.stops = [*stack, module]
            with recorder:
                made = super().run_node(node)
            given = [values.get(v) for v in _leaves(torch, made)]
            if module and given and isinstance(given[0], Traced):
                translator.name(given[0], module)
            if module and layer in (module, *translator.other_names.get(module, ())):
                found.append(given)
            return made

    interpreter = Interpreter(traced)
    interpreter.extra_traceback = False  # which it would write into the messages of errors
    return interpreter


def _symbolic_trace(torch: Any, module: Any) -> Any:
    """``torch.fx.symbolic_trace``, but ``x += y`` stays in place, as it changes views of x."""

    def in_place(name: str) -> Callable[[Any, Any], Any]:
        target = getattr(operator, name)
        return lambda x, y: x.tracer.create_proxy("call_function", target, (x, y), {})

    names = ("iadd", "isub", "imul", "itruediv", "ipow", "iand", "ior", "ixor")
    own = {f"__{name}__": in_place(name) for name in names}
    proxy = type("Proxy", (torch.fx.Proxy,), own)

    class Tracer(torch.fx.Tracer):  # type: ignore[misc, no-untyped-call, unused-ignore]
        def proxy(self, node: Any) -> Any:
            return proxy(node, self)

    tracer = Tracer()
    graph = tracer.trace(module)
    return torch.fx.GraphModule(tracer.root, graph)


def fallback(
    torch: Any,
    module: Any,
    example: Any,
    start: Callable[[], Translator],
    layer: str | None,
    failure: ErfgraphError,
) -> Translator:
    """Import without export; where that fails too, the failure of export holds.

    Parameters
    ----------
    torch : module
    module : torch.nn.Module
    example : Tensor
    start : callable
        Gives a translator of an empty network.
    layer : str, optional
    failure : ErfgraphError
        Why export failed.

    Returns
    -------
    Translator
    """
    try:
        traced = _symbolic_trace(torch, module)
    except Exception:
        traced = None
    called = set() if traced is None else {node.target for node in traced.graph.nodes}
    if layer is not None and layer not in called:
        traced = None  # which keeps no calls but those of the modules of torch.nn
    translator = start()
    try:
        run(torch, module, traced, example, translator, layer)
    except ErfgraphError:
        raise
    except Exception:  # what fails without numbers failed under export too, and said why
        raise failure from None
    how = "torch.fx" if traced is not None else "running it on tensors without numbers"
    reason = excerpt(str(failure), most=200)
    translator.notes.append(f"imported by {how}, as torch.export failed: {reason}")
    return translator
