"""From recorded operations to a network: tables, constants, where to stop, and errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from erfgraph.errors import (
    ErfgraphError,
    InputError,
    LayerError,
    UnknownOperationError,
    excerpt,
)
from erfgraph.importers.arrange import laid_out
from erfgraph.importers.rows import Call, Passing, Row, tensors, transparent
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.values import Broken, Constant, Pieces, Stopped, Traced
from erfgraph.network import Network


@dataclass
class Translator:
    """Translates operations one by one, in the order in which a model runs them.

    Attributes
    ----------
    t : Tracer
    table : mapping of str to Row
        By name of the operation, the caller's own rows included.
    stop_at : collection of str
        Names of operations, of modules or of nodes, at which to stop.
    exact : bool
        Whether the shapes of results that it is given are known in full.
    other_names : mapping of str to sequence of str
        Other paths of a module that stands in several places of a model.
    met : set of str
        Those of `stop_at` that there were.
    done : dict
        How often each operation was translated.
    notes : list of str
        What the caller should be warned of.
    """

    t: Tracer
    table: Mapping[str, Row]
    stop_at: frozenset[str] = frozenset()
    exact: bool = False
    other_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def run(
        self,
        op: str,
        name: str,
        where: str,
        shapes: Callable[[], Sequence[tuple[int, ...]]],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        stops: Iterable[str] = (),
    ) -> Any:
        """Translate one operation.

        Parameters
        ----------
        op : str
            Its name in the table.
        name : str
            Name that its feature map gets.
        where : str
            Where it stands in the model, for errors.
        shapes : callable
            Gives the shapes of its results.
        args, kwargs
            With traced tensors as `Traced`, others as `Constant`.
        stops : iterable of str
            Other names that `stop_at` may mean it by.

        Returns
        -------
        Traced, Constant, Stopped, list of them, or None

        Raises
        ------
        UnknownOperationError
            If the table has no such row.
        LayerError
            If the row cannot represent the operation; the message says where it stands.
        """
        given = [*args, *kwargs.values()]
        stopped = _first(given, Stopped)
        if stopped is not None:
            return stopped
        for stop in (op, name, *stops):
            if stop in self.stop_at:
                self.met.add(stop)
                return Stopped(stop)
        row = self.table.get(op)
        weighs = getattr(row, "weighs", None)
        if weighs is not None and len(args) > weighs and isinstance(args[weighs], Broken):
            args = [*args[:weighs], None, *args[weighs + 1 :]]  # it only biases weights
            given = [*args, *kwargs.values()]
        broken = _first(given, Broken)
        if broken is not None:
            return self._with_broken(broken, given, row, shapes())
        if not any(isinstance(v, Traced) for v in tensors(given)):
            made = [Constant(shape) for shape in shapes()]
            return made[0] if len(made) == 1 else made
        if row is None:
            raise unknown_operation(op, where, self.table)
        self.done[op] = self.done.get(op, 0) + 1
        with self.t.named(name):
            try:
                result = row(Call(self.t, op, tuple(shapes())), *args, **kwargs)
                if self.exact:
                    _check_shapes(result, shapes())
                return result
            except UnknownOperationError:
                raise
            except ErfgraphError as error:
                problem = located(error, op, where)
            except ROW_ERRORS as error:
                reason = (
                    f"{type(error).__name__}: {excerpt(' '.join(str(error).split()), most=200)}"
                )
                problem = LayerError(
                    f"{op} at {where}: cannot be translated as it stands ({reason}); {_WAYS}"
                )
        found = [Broken(shape, problem) for shape in shapes()]
        if not found:
            raise problem
        return found[0] if len(found) == 1 else found

    def _with_broken(
        self, broken: Broken, given: Sequence[Any], row: Row | None, shapes: Sequence[Any]
    ) -> Any:
        """What comes of an operation on a broken result: attention weights do not need it."""
        weights = next((v for v in tensors(given) if is_weights(v)), None)
        if weights is not None and row is not None and len(shapes) == 1:
            return weights
        made = [Broken(shape, broken.error) for shape in shapes]
        return made[0] if len(made) == 1 else made

    def name(self, v: Traced, name: str) -> None:
        """A name for what a module returns."""
        with self.t.named(name), suppress(LayerError):
            v = laid_out(self.t, v)
        for known in (name, *self.other_names.get(name, ())):
            self.t.alias(v, known)

    def finish(self, results: Sequence[Any]) -> None:
        """Make what a model returns first the network's output.

        Raises
        ------
        LayerError
            If that is broken; other results that are broken are left out, with a note.
        """
        flat = list(leaves(results))
        kept = [v for v in flat if isinstance(v, Traced | Broken)]
        if flat and all(isinstance(v, Constant) for v in flat):
            raise InputError("what the model returns does not depend on its input")
        for i, v in enumerate(kept):
            if isinstance(v, Broken):
                if i == 0:
                    raise v.error
                self.notes.append(f"result {i} of the model is left out: {v.error}")
        traced = [v.largest if isinstance(v, Pieces) else v for v in kept if isinstance(v, Traced)]
        made = [self.t.real(v) for v in traced if v.keys is None]
        if made:
            first = laid_out(self.t, made[0], heads=False).map
            if self.t.net.output is not first:
                self.t.net.identity(first)

    def finished(self, what: str) -> Network:
        """The network, once all operations are translated; notes become warnings.

        Raises
        ------
        InputError
            If it has no layer.
        """
        for note in self.notes:
            warnings.warn(f"{what}: {note}", stacklevel=3)
        if len(self.t.net.maps) == 1:
            raise InputError(f"{what}: makes no feature map of its input")
        self.t.net.operations = dict(self.done)
        return self.t.net


def leaves(values: Any) -> Iterator[Any]:
    """All values in lists inside lists."""
    if isinstance(values, list | tuple):
        for value in values:
            yield from leaves(value)
    else:
        yield values


def _check_shapes(made: Any, wanted: Sequence[tuple[int, ...]]) -> None:
    """Ensure that a row made what the operation makes: no wrong map from a wrong row."""
    if len(wanted) > 1 and not isinstance(made, list):
        raise LayerError(f"its row made one result, wanted {len(wanted)}")
    for v, shape in zip(made if isinstance(made, list) else [made], wanted, strict=False):
        if isinstance(v, Traced) and v.keys is None and v.shape != tuple(shape):
            raise LayerError(f"its row made a tensor of shape {v.shape}, wanted {tuple(shape)}")


def is_weights(v: Traced | Constant) -> bool:
    """Whether a tensor is attention weights."""
    return isinstance(v, Traced) and v.keys is not None


# what a row raises on arguments that it was not written for
ROW_ERRORS = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
)
_WAYS = "stop_at= ends the import before it, ops= declares what it connects"


def _first(values: Sequence[Any], kind: type) -> Any:
    for value in values:
        if isinstance(value, kind):
            return value
        if isinstance(value, list | tuple) and (found := _first(value, kind)) is not None:
            return found
    return None


def located(error: ErfgraphError, op: str, where: str) -> ErfgraphError:
    """An error of a row, with the operation and its place in front."""
    return type(error)(f"{op} at {where}: {str(error).removeprefix(f'{op}: ')}; {_WAYS}")


def unknown_operation(op: str, where: str, table: Mapping[str, Row]) -> UnknownOperationError:
    """The error for an operation without a row: its name, its place, what there is, what to do."""
    import difflib

    known = sorted(table)
    near = difflib.get_close_matches(op, known, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return UnknownOperationError(
        f"unknown operation {excerpt(op)!r} at {where}{hint}; {_WAYS} (as "
        f"ops={{{op!r}: erfgraph.importers.transparent}}); supported: {', '.join(known)}"
    )


def declared(table: Mapping[str, Row], ops: Mapping[str, Any] | None) -> dict[str, Row]:
    """A table with the caller's own rows."""
    for name, row in (ops or {}).items():
        if not callable(row):
            raise LayerError(f"ops[{name!r}]: got {row!r}, wanted a row (see erfgraph.importers)")
    return {**table, **(ops or {})}


def is_transparent(row: Row | None) -> bool:
    """Whether a row hands its tensor on."""
    return row is transparent or isinstance(row, Passing)
