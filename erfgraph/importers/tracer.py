"""`Tracer`: a network under construction, and the names of what is being added to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from erfgraph.channels import Channels
from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap
from erfgraph.importers.layout import Dims, channels, whole
from erfgraph.importers.values import Late, Pieces, Traced
from erfgraph.network import Network

POOLS = ("global_pool", "adaptive_pool")


def tidy(values: Sequence[Any]) -> Any:
    """One value where all axes have the same, as a person would write it."""
    first = values[0]
    if any(v != first for v in values[1:]):
        return list(values)
    if isinstance(first, list | tuple):
        return first[0] if first[0] == first[1] else [list(v) for v in values]
    return first


class Tracer:
    """Adds layers to a network on behalf of a model's operations.

    Parameters
    ----------
    net : Network

    Attributes
    ----------
    net : Network
    name : str
        Name of the operation that is translated: its feature map gets it.
    pooled : set of int
        Maps that stand for all positions together, by pooling; they gate what they multiply.
    """

    def __init__(self, net: Network) -> None:
        self.net = net
        self.name = ""
        self.pooled: set[int] = set()
        self._views: dict[tuple[str, Channels], FeatureMap] = {}
        self._made: dict[tuple[str, ...], FeatureMap] = {}

    def input(self, leading: int = 1) -> Traced:
        """The network's input as a tensor: batch, channels, positions."""
        x = self.net.input
        dims: Dims = ((),) * leading + (channels(x.channels),)
        return Traced(x, dims + tuple(whole(a, n) for a, n in enumerate(x.shape)))

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Add layers under another name for a while."""
        before, self.name = self.name, name
        try:
            yield
        finally:
            self.name = before

    def free(self, name: str) -> str:
        """A name that is not taken yet."""
        found, count = name, 0
        while found in self.net:
            count += 1
            found = f"{name}_{count}"
        return found

    def add(
        self, op: str, *inputs: FeatureMap, between: bool = False, **params: Any
    ) -> FeatureMap:
        """Add a layer.

        Parameters
        ----------
        op : str
            Name of the `Network` method.
        *inputs : FeatureMap
        between : bool, optional
            Whether this is a step on the way to what the operation is named after.
        **params
            A value of None is left out.
        """
        given = {key: value for key, value in params.items() if value is not None}
        base = f"{self.name}.{op}" if between and self.name else self.name
        name = self.free(base) if base else None
        made: FeatureMap = getattr(self.net, op)(*inputs, **given, name=name)
        if self._pools(op, made, inputs):
            self.pooled.add(made.index)
        return made

    def once(self, op: str, x: FeatureMap, **params: Any) -> FeatureMap:
        """A step on the way that several may need: the same map for all of them."""
        key = (op, x.name, repr((x.view, params)))
        if key not in self._made:
            self._made[key] = self.add(op, x, between=True, **params)
        return self._made[key]

    def _pools(self, op: str, made: FeatureMap, inputs: Sequence[FeatureMap]) -> bool:
        if all(x.index in self.pooled for x in inputs):
            return True
        if max(made.shape) > 1:
            return False
        shrinks = op in ("avg_pool", "max_pool") and max(inputs[0].shape) > 1
        return op in POOLS or shrinks

    def view(self, x: FeatureMap, order: Channels) -> FeatureMap:
        """Some channels of a map, in an order."""
        if order == range(x.channels) or (x.channels == 1 and len(order) == 1):
            return x
        key = (x.name, order)
        if key not in self._views:
            if isinstance(order, range):
                made = self.add("channel_slice", x, between=True, **_slice(order, x.channels))
            else:
                made = self.add("channel_take", x, between=True, order=list(order))
            self._views[key] = made
        return self._views[key]

    def real(self, v: Traced) -> Traced:
        """The same tensor, its late steps made.

        Raises
        ------
        LayerError
            If it is of several maps in a row, which no layer but attention reads together.
        """
        if isinstance(v, Pieces):
            raise cannot("positions of different maps stand in one dimension", v)
        if not v.late:
            return v
        last = v.late[-1]
        if last.made is None:
            last.made = last.make()
            for name in last.names:
                self.alias(last.made, name)
        return last.made

    def late(self, v: Traced, dims: Dims, make: Any, statistic: bool = False) -> Traced:
        """A value that is made only when a layer reads it, under the present name."""
        name = self.name

        def run() -> Traced:
            with self.named(name):
                made: Traced = make()
            return made

        return Traced(v.map, dims, (*v.late, Late(run, statistic)))

    def alias(self, v: Traced, name: str) -> None:
        """Another name for a value's map, now or when it is made."""
        if isinstance(v, Pieces):
            v = v.largest
        if v.late and v.late[-1].made is None:
            v.late[-1].names.append(name)
        elif name and name not in self.net:
            self.net.identity(self.real(v).map, name=name)


def _slice(order: range, n: int) -> dict[str, int | None]:
    """A range as the start, stop and step of a Python slice, as short as can be."""
    step = order.step if len(order) > 1 else 1
    stop = order.start + len(order) * step if step > 0 else order.stop
    return {
        "start": order.start if order.start or step < 0 else None,
        "stop": None if stop < 0 or (step > 0 and stop >= n) else stop,
        "step": None if step == 1 else step,
    }


def cannot(what: str, v: Traced) -> LayerError:
    """The error for an arrangement of positions that no layer of a network has."""
    axes = {0: "y", 1: "x", 2: "z", -1: "channel", -2: "copy", -3: "row"}
    dims = ", ".join(
        "".join(f"({axes.get(a.axis, 'key')} {a.size})" for a in dim) or "1" for dim in v.dims
    )
    return LayerError(f"{what}; the tensor's dimensions are [{dims}]")
