"""What a Keras model does, recorded call by call; nothing is computed.

Keras writes down which operation was called on which symbolic tensors (`KerasTensor`) and what
it returned. A functional or sequential model holds that record. A layer or model with a
``call`` of its own gets one by running its ``call`` once more on symbolic tensors, which is how
composite layers, subclassed models, `Lambda` and attention layers are seen through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erfgraph.errors import InputError, LayerError
from erfgraph.importers.keras_graph import is_known, leaves, mapped, ordered, said, untouched

PACKAGE = "keras."  # modules of Keras' own classes start so
Scope = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A tensor that an operation takes or makes."""

    index: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One call of an operation.

    Attributes
    ----------
    key : str
        Its name in the table.
    operation : keras.Operation
        A layer is one too.
    args, kwargs
        With a `Slot` in place of every tensor.
    results : tuple of Slot
    scope : tuple of str
        Calls of layers and models around it, its own included, outermost first.
    why : str
        Why it was not looked into, if that was tried.
    """

    key: str
    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: tuple[Slot, ...]
    scope: Scope
    why: str = ""

    @property
    def sources(self) -> list[Slot]:
        """The tensors that it takes."""
        return [v for v in leaves([*self.args, *self.kwargs.values()]) if isinstance(v, Slot)]


@dataclass
class Recorder:
    """Records a model's operations, those inside its layers included.

    Attributes
    ----------
    keras : module
    known : collection of str
        Names in the table, the caller's own included.
    declared : collection of str
        The caller's own.
    steps : list of Recorded
        In an order in which they can run.
    paths : dict of str to str
        Dotted path of every call of a layer or model.
    kinds : dict of str to str
        Name of its class.
    """

    keras: Any
    known: frozenset[str]
    declared: frozenset[str]
    steps: list[Recorded] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    _slots: int = 0
    # by the path around them: labels given so far, and names of all operations
    _labels: dict[str, set[str]] = field(default_factory=dict)
    _siblings: dict[str, set[str]] = field(default_factory=dict)

    def slot(self, shape: Sequence[int], dtype: str) -> Slot:
        """A new tensor."""
        self._slots += 1
        return Slot(self._slots - 1, tuple(shape), dtype)

    def model(self, model: Any, given: Sequence[Slot]) -> list[Any]:
        """Record a whole model; returns its results, each a `Slot` or a constant.

        Raises
        ------
        InputError
            If its own ``call`` does not run on symbolic tensors.
        """
        graph = self._graph_of(model)
        if graph is not None:
            return self._graph(*graph, given, ())
        args = (given[0] if len(given) == 1 else list(given),)
        try:
            return self._called(model, model.call, args, {}, ())
        except Exception as error:  # the model's own code may raise anything
            raise InputError(
                f"{type(model).__name__}: its own call() does not run on symbolic tensors "
                f"({said(error)}); write it with keras.ops, or give a functional model"
            ) from error

    # --- graphs ---

    def _graph_of(self, operation: Any) -> tuple[list[Any], list[Any]] | None:
        """Inputs and outputs of the graph that a functional or sequential model holds."""
        if not isinstance(operation, self.keras.Function | self.keras.Sequential):
            return None
        inputs = getattr(operation, "inputs", None)
        if not inputs or not type(operation).call.__module__.startswith(PACKAGE):
            return None  # not built, or with a call of its own
        return list(inputs), list(operation.outputs)

    def _graph(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        given: Sequence[Any],
        scope: Scope,
        called: bool = False,
    ) -> list[Any]:
        """Record a graph with its inputs replaced by what is given."""
        held = {id(x): v for x, v in zip(inputs, given, strict=True)}
        nodes = ordered(inputs, outputs)
        self._siblings.setdefault(self._path(scope), set()).update(n.operation.name for n in nodes)

        def replaced(v: Any) -> Any:
            if not isinstance(v, self.keras.KerasTensor):
                return v
            if id(v) not in held:
                raise LayerError(f"tensor {v.name!r} does not come from the model's inputs")
            return held[id(v)]

        for node in nodes:
            args = mapped(replaced, tuple(node.arguments.args))
            kwargs = mapped(replaced, dict(node.arguments.kwargs))
            found = self._call(node.operation, args, kwargs, scope, node.outputs, called)
            held.update((id(x), v) for x, v in zip(node.outputs, found, strict=True))
        return [replaced(x) for x in outputs]

    def _called(
        self,
        operation: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        scope: Scope,
    ) -> list[Any]:
        """Run a ``call`` on symbolic tensors and record what it does."""
        made: dict[int, tuple[Slot, Any]] = {}

        def symbolic(v: Any) -> Any:
            if not isinstance(v, Slot):
                return v
            if v.index not in made:
                made[v.index] = v, self.keras.KerasTensor(v.shape, v.dtype)
            return made[v.index][1]

        given_args, named = mapped(symbolic, tuple(args)), mapped(symbolic, dict(kwargs))
        if "training" in inspect.signature(call).parameters:
            named["training"] = False
        with untouched(operation):
            outputs = list(leaves(call(*given_args, **named)))
            given, inputs = zip(*made.values(), strict=True)
            return self._graph(inputs, outputs, given, scope, called=True)

    # --- calls ---

    def _call(
        self,
        operation: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        scope: Scope,
        like: Sequence[Any],
        called: bool,
    ) -> list[Any]:
        """Record one call, or what happens inside it; returns its results."""
        if not args:  # called by keywords only: rows take what they read by position
            first = next(iter(inspect.signature(operation.call).parameters), "")
            args = tuple(kwargs[key] for key in kwargs if key == first)
            kwargs = {key: v for key, v in kwargs.items() if key != first}
        is_layer = isinstance(operation, self.keras.Layer)
        if is_layer or not called:  # operations inside a call have no name that anyone gave
            scope = self._entered(operation, scope)
        key, row = self._key(operation)
        why = ""
        if not row:
            mark = len(self.steps)
            try:
                found = self._inside(operation, args, kwargs, scope)
                if found is not None:
                    return self._handed_on(found, mark, scope)
            except Exception as error:  # the layer's own code may raise anything
                del self.steps[mark:]
                why = said(error)
        results = self._results(operation, args, kwargs, like)
        self.steps.append(Recorded(key, operation, args, kwargs, results, scope, why))
        return list(results)

    def _key(self, operation: Any) -> tuple[str, bool]:
        """Name of an operation in the table, and whether it has a row there."""
        kind: Any = type(operation)
        prefix = "" if isinstance(operation, self.keras.Layer) else "ops."
        for name in (prefix + kind.__name__, kind.__name__, f"{kind.__module__}.{kind.__name__}"):
            if name in self.declared:
                return name, True
        for base in kind.__mro__:  # a subclass that only sets parameters is what it was
            name = prefix + base.__name__
            if base.__module__.startswith(PACKAGE) and name in self.known:
                if getattr(base, "call", None) is kind.call:
                    return name, True
                break
        name = prefix + kind.__name__
        clash = name in self.known and not kind.__module__.startswith(PACKAGE)
        return (f"{kind.__module__}.{kind.__name__}" if clash else name), False

    def _inside(
        self, operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], scope: Scope
    ) -> list[Any] | None:
        """Record what an operation does inside; None for one that cannot be looked into."""
        graph = self._graph_of(operation)
        if graph is not None:
            return self._graph(*graph, _matched(graph[0], [*args, *kwargs.values()]), scope)
        if type(operation).__name__ in CALLS and type(operation).__module__.startswith(PACKAGE):
            call = CALLS[type(operation).__name__](self.keras, operation)
            return self._called(operation, call, args, kwargs, scope)
        own = not type(operation).__module__.startswith(PACKAGE)
        if isinstance(operation, self.keras.Layer) or own:
            return self._called(operation, operation.call, args, kwargs, scope)
        return None

    def _results(
        self, operation: Any, args: Any, kwargs: Any, like: Sequence[Any]
    ) -> tuple[Slot, ...]:
        """What a call returns, by Keras' shape inference; `like` is what it once returned."""

        def symbolic(v: Any) -> Any:
            return self.keras.KerasTensor(v.shape, v.dtype) if isinstance(v, Slot) else v

        given, named = mapped(symbolic, args), mapped(symbolic, dict(kwargs))
        reason = "it has open dimensions"
        for infer in (type(operation), self.keras.Operation):  # its own way, and the general one
            try:
                spec = infer.compute_output_spec(operation, *given, **named)
            except Exception as error:  # the layer's own code may raise anything
                reason = said(error)
                continue
            found = [v for v in leaves(spec) if isinstance(v, self.keras.KerasTensor)]
            if is_known(found):
                break
        else:
            found = list(like)
            if not is_known(found):
                raise LayerError(f"{operation.name!r}: what it makes is not known: {reason}")
        return tuple(self.slot([n or 1 for n in x.shape], x.dtype) for x in found)

    def _handed_on(self, found: Sequence[Any], mark: int, scope: Scope) -> list[Any]:
        """The results of a call, those that it only passes on being named after it too."""
        own = {v.index for step in self.steps[mark:] for v in step.results}
        handed = []
        for v in found:
            if isinstance(v, Slot) and v.index not in own:
                made = self.slot(v.shape, v.dtype)
                self.steps.append(Recorded("Identity", None, (v,), {}, (made,), scope))
                v = made
            handed.append(v)
        return handed

    # --- names ---

    def _path(self, scope: Scope) -> str:
        return self.paths[scope[-1]] if scope else ""

    def _entered(self, operation: Any, scope: Scope) -> Scope:
        """The scope of a call; the second call of a layer is named name_1."""
        around = self._path(scope)
        given = self._labels.setdefault(around, set())
        name = label = operation.name
        count = 0
        while label in given or (count and label in self._siblings.get(around, ())):
            count += 1
            label = f"{name}_{count}"
        given.add(label)
        key = str(len(self.paths))
        self.paths[key] = f"{around}.{label}" if around else label
        self.kinds[key] = type(operation).__name__
        return (*scope, key)


def _matched(inputs: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """What a nested model is given, in the order of its inputs."""
    if given and isinstance(given[0], Mapping) and all(x.name in given[0] for x in inputs):
        return [given[0][x.name] for x in inputs]
    return [v for v in leaves(given) if isinstance(v, Slot)][: len(inputs)]


# --- calls of Keras' own layers, written on whole tensors ---------------------------------


def _time_distributed(keras: Any, layer: Any) -> Callable[..., Any]:
    """Time steps are a batch, to all of which the inner layer is applied."""

    def call(x: Any, **kwargs: Any) -> Any:
        made = layer.layer(keras.ops.reshape(x, (-1, *x.shape[2:])))
        return keras.ops.reshape(made, (*x.shape[:2], *made.shape[1:]))

    return call


def _wrapped(keras: Any, layer: Any) -> Callable[..., Any]:
    """Only the weights of the inner layer are changed."""
    return lambda x, **kwargs: layer.layer(x)


CALLS = {"TimeDistributed": _time_distributed, "SpectralNormalization": _wrapped}
