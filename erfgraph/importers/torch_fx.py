"""PyTorch modules that ``torch.export`` cannot capture.

That is so where a module calls an operation that does not say what shape it makes, or keeps
tensors that its forward made. ``torch.fx`` records the calls without running them; they are
then run one by one on tensors without numbers, and each ATen operation inside is translated as
it comes. Where ``torch.fx`` cannot trace the module, the module itself is run so. A row that
the caller declares stands in for an operation that cannot run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erfgraph.errors import ErfgraphError, InputError, excerpt
from erfgraph.importers.rows import tensors
from erfgraph.importers.torch_names import operation
from erfgraph.importers.translate import Translator, unknown_operation
from erfgraph.importers.values import Constant, Stopped, Traced


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
        if traced is not None:
            runner = _interpreter(torch, traced, recorder, values, translator, layer)
            made = runner.run(x)
            found = runner.found
        else:
            made, found = _hooked(torch, module, x, recorder, values, translator, layer)
    if found is None and layer is not None:
        raise InputError(f"layer: {layer!r} is not called as a module of its own")
    made = made if found is None else found
    translator.finish([values.get(v) for v in _leaves(torch, made)])


def _hooked(
    torch: Any,
    module: Any,
    x: Any,
    recorder: Any,
    values: Values,
    translator: Translator,
    layer: str | None,
) -> tuple[Any, Any]:
    """Run a module with hooks that say where it is."""
    paths = {m: path for path, m in module.named_modules()}
    stack: list[str] = []
    found: list[Any] = []

    def enter(m: Any, args: Any) -> None:
        stack.append(paths[m])
        recorder.path, recorder.stops = paths[m], list(stack)

    def leave(m: Any, args: Any, made: Any) -> None:
        path = stack.pop()
        recorder.path, recorder.stops = stack[-1] if stack else "", list(stack)
        given = [values.get(v) for v in _leaves(torch, made)]
        if path and given and isinstance(given[0], Traced):
            translator.t.alias(given[0], path)
        if path == layer and path:
            found.append(made)

    hooks = [m.register_forward_pre_hook(enter) for m in paths]
    hooks += [m.register_forward_hook(leave) for m in paths]
    try:
        with recorder:
            made = module(x)
    finally:
        for hook in hooks:
            hook.remove()
    return made, found[-1] if found else None


class Values:
    """What the tensors without numbers stand for."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.held: dict[int, tuple[Any, Any]] = {}  # the tensor too, so that its id stays its own

    def get(self, tensor: Any) -> Any:
        """The value of a tensor; a constant for one that nobody made."""
        known = self.held.get(id(tensor))
        return known[1] if known else Constant(tuple(int(n) for n in tensor.shape))

    def set(self, tensor: Any, value: Any) -> None:
        """Remember what a tensor stands for."""
        self.held[id(tensor)] = (tensor, value)

    def translated(self, argument: Any) -> Any:
        """An argument with its tensors replaced by what they stand for."""
        if isinstance(argument, self.torch.Tensor):
            return self.get(argument)
        if isinstance(argument, list | tuple):
            return [self.translated(a) for a in argument]
        return argument


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
            depends = any(
                isinstance(v, Traced | Stopped) for v in tensors([*given, *named.values()])
            )
            declared = op in translator.table and not op.startswith(("aten.", "prim."))
            where = f"{self.path or op!r}"
            if depends and op not in translator.table:
                raise unknown_operation(op, where, translator.table)
            made = None if depends and declared else func(*args, **kwargs)
            if not depends:
                return made
            short = op.rpartition(".")[2].strip("_")
            name = self.path or short
            results = list(made) if isinstance(made, list | tuple) else [made]

            def shapes() -> list[tuple[int, ...]]:
                return [tuple(v.shape) for v in results if isinstance(v, torch.Tensor)]

            value = translator.run(op, name, where, shapes, given, named, self.stops)
            if declared:  # never run: its row says what shape it makes
                shape = value.shape if isinstance(value, Traced) else ()
                made = torch.empty(shape)
                results = [made]
            parts = list(value) if isinstance(value, list | tuple) else [value]
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
) -> Any:
    class Interpreter(torch.fx.Interpreter):  # type: ignore[misc, no-untyped-call, unused-ignore]
        found: Any = None

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
            if module:
                for v in _leaves(torch, made)[:1]:
                    value = values.get(v)
                    if isinstance(value, Traced):
                        translator.t.alias(value, module)
            if module and module == layer:
                self.found = made
            return made

    return Interpreter(traced)


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
        traced = torch.fx.symbolic_trace(module)
    except Exception:
        traced = None
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
