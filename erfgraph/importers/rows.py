"""What rows of the importers' tables are made of.

A row translates one operation: a function of a `Call` and of the operation's own arguments,
in which traced tensors are `Traced`, others `Constant`, and numbers are numbers. It returns
the result, a list of results, or None for an operation that only has side effects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap
from erfgraph.importers.arrange import arrange
from erfgraph.importers.merging import Operand, combine, same_channels, with_constant
from erfgraph.importers.passing import scale
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.values import Constant, Curve, Through, Traced

Ints: TypeAlias = Sequence[int] | int  # one per dimension, or one for all
Result: TypeAlias = Traced | Constant | Sequence[Operand] | Operand


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation.

    Attributes
    ----------
    t : Tracer
        The network under construction.
    op : str
        Name of the operation.
    shapes : tuple of tuple of int
        Shapes of its results, where they are known.
    """

    t: Tracer
    op: str
    shapes: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first result."""
        return self.shapes[0]


Row: TypeAlias = Callable[..., Result]


def each(values: Ints | None, n: int, default: int = 0) -> list[int]:
    """One value per dimension; PyTorch lets one stand for all."""
    if values is None or (not isinstance(values, int) and not values):
        return [default] * n
    given = [values] if isinstance(values, int) else list(values)
    return given * n if len(given) == 1 else given


def words(text: str) -> list[str]:
    """Names of operations that share a row, as a table lists them."""
    return text.split()


def tensors(arguments: Sequence[Any]) -> list[Traced | Constant]:
    """The tensors among arguments, lists of them included."""
    found: list[Traced | Constant] = []
    for value in arguments:
        if isinstance(value, Traced | Constant):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors(value)
    return found


def transparent(c: Call, *args: Any, **kwargs: Any) -> Result:
    """A row for elementwise operations of one tensor that change nothing: dropout, casts.

    Of several results (``sort``: values and indices), each of the tensor's shape is one.
    """
    given = tensors([*args, *kwargs.values()])
    v = next(v for v in given if isinstance(v, Traced))
    if len(c.shapes) > 1:
        return [v if shape == v.shape else Constant(shape) for shape in c.shapes]
    if c.shapes and c.shape != v.shape and len(c.shape) >= v.ndim:
        return with_constant(c.t, v, Constant(c.shape))
    return v


def constant(c: Call, *args: Any, **kwargs: Any) -> list[Constant] | Constant:
    """A row for operations that use only the shape of a tensor (``zeros_like``)."""
    made = [Constant(shape) for shape in c.shapes]
    return made[0] if len(made) == 1 else made


@dataclass(frozen=True, slots=True)
class Passing:
    """A row for an elementwise operation of one tensor of which it is known what it does.

    Attributes
    ----------
    function : callable
        Gives it, as a `Through`, from the operation's arguments; None for what changes
        nothing.
    """

    function: Callable[..., Through | None]

    def __call__(self, c: Call, *args: Any, **kwargs: Any) -> Result:
        """The tensor, which from here on is read through that function."""
        made = transparent(c, *args, **kwargs)
        found: Result = c.t.through(made, self.function(*args, **kwargs))
        return found


def passing(function: Through | None) -> Passing:
    """A row for an elementwise operation that does the same whatever its arguments."""
    return Passing(lambda *args, **kwargs: function)


def merge(kind: str, curve: Curve | None = None) -> Row:
    """A row for elementwise operations of two tensors: ``"add"``, ``"sub"``, ``"mul"``.

    `curve` is the operation as a function of two arrays.
    """

    def row(
        c: Call, a: Operand, b: Operand = None, *args: Any, alpha: Any = 1, **kwargs: Any
    ) -> Result:
        if alpha != 1:  # torch.add(x, y, alpha=2) is x + 2 y
            b = b * alpha if isinstance(b, int | float) else c.t.through(b, scale(alpha))
        return combine(c.t, kind, a, b, curve)

    return row


def either(t: Tracer, a: Operand, b: Operand, curve: Curve | None = None) -> Operand:
    """One of two tensors, element by element (`where`, `maximum`): an activation, or a merge."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        kind = "mul" if same_channels(a, b) else "max"
        return combine(t, kind, a, b, curve)
    if isinstance(a, Traced) or isinstance(b, Traced):
        return combine(t, "max", a, b, curve)
    return a if isinstance(a, Constant) else b


def layer(add: Callable[..., FeatureMap], spatial: int | None = None) -> Row:
    """A row for an operation that is a layer of a network: the way to declare one's own.

    Parameters
    ----------
    add : callable
        ``add(net, x, *args)`` adds layers to a `Network` and returns the feature map. `x` is
        the map of the operation's first traced tensor, laid out (batch, channels, positions);
        the other arguments are the operation's own.
    spatial : int, optional
        How many trailing dimensions of the tensor are positions; default as many as the
        network has axes.

    Returns
    -------
    callable
        For the `ops` of an importer.

    Examples
    --------
    >>> from erfgraph import importers
    >>> blur = importers.layer(lambda net, x, *args: net.conv(x, 3, padding=1, groups=x.channels))
    >>> rows = {"mylib.blur": blur}
    """

    def row(c: Call, *args: Any, **kwargs: Any) -> Traced:
        given = list(args)
        at = next((i for i, v in enumerate(given) if isinstance(v, Traced)), None)
        if at is None:
            raise LayerError(f"{c.op}: none of its positional arguments depends on the input")
        v = given[at]
        n = len(c.t.net.input.shape) if spatial is None else spatial
        if v.ndim < n:
            raise LayerError(f"{c.op}: its tensor of shape {v.shape} has no {n} spatial axes")
        where = range(v.ndim - n, v.ndim)
        channel = v.ndim - n - 1 if v.ndim > n else None
        read = arrange(c.t, v, channel, where)
        made = add(c.t.net, read.map, *given[at + 1 :], **kwargs)
        if not isinstance(made, FeatureMap):
            raise LayerError(f"{c.op}: its row returned {made!r}, wanted a feature map")
        found = read.result(made)
        c.t.alias(found, c.t.name)
        return found

    return row
