"""`Tracer`: a network under construction, and the names of what is being added to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from erfgraph.channels import Channels
from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap, Pass
from erfgraph.importers.layout import Dims, channels, whole
from erfgraph.importers.passing import Told, passes
from erfgraph.importers.values import Late, Numbers, Pieces, Statistic, Through, Traced, in_a_row
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
        self._handles: dict[tuple[str, Pass, Numbers | None], FeatureMap] = {}

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
        key = (op, x.key, repr(params))
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
        key = (x.key, order)
        if key not in self._views:
            if isinstance(order, range):
                made = self.add("channel_slice", x, between=True, **_slice(order, x.channels))
            else:
                made = self.add("channel_take", x, between=True, order=list(order))
            self._views[key] = made
        return self._views[key]

    # --- elementwise functions ---

    def handle(self, x: FeatureMap, told: Sequence[Told], name: str | None = None) -> FeatureMap:
        """A map to be read through functions; the same one each time.

        Parameters
        ----------
        x : FeatureMap
        told : sequence of Told
        name : str, optional
            The last of them gets it, if it is new.
        """
        for i, (function, scales) in enumerate(told):
            key = (x.key, function, scales)
            if key not in self._handles:
                named = name if name and i == len(told) - 1 else None
                named = named or self.free(f"{x.key}:{function.kind}")
                made = self.net.identity(x, function.kind, function.value, name=named)
                if scales is not None:
                    self.net.scales[made.key] = scales
                self._handles[key] = made
            x = self._handles[key]
        return x

    def plain(self, x: FeatureMap, n: int = 0, whole: bool = False) -> FeatureMap:
        """What a handle stands for, read through only the first of its functions.

        Parameters
        ----------
        x : FeatureMap
        n : int, optional
            How many of them.
        whole : bool, optional
            Whether all channels of the map are wanted, where `x` is some of them.
        """
        view = None if whole else x.view
        if len(x.passed) == n and x.view == view:
            return x
        base = self.net.maps[x.index]
        known = self.net[x.passed[n - 1].of] if n else base
        if known.view == view:
            return known
        if known.view is not None:  # it went through them after the channels were taken
            known = self.handle(base, [(p, None) for p in x.passed[:n]])
        return known if view is None else self.view(known, view)

    def weigh(self, made: FeatureMap, numbers: Numbers | None) -> None:
        """Keep what reads a layer's trained weight."""
        if numbers is not None and made.op in ("conv", "conv_transpose", "linear"):
            self.net.weights.setdefault(made.index, numbers)

    def through(self, v: Any, *functions: Through | None) -> Any:
        """A value after elementwise functions; None is one that changes nothing.

        Attention weights stay what they are, and constants too.
        """
        added = tuple(f for f in functions if f is not None)
        if not added or not isinstance(v, Traced) or v.keys is not None:
            return v
        if isinstance(v, Pieces):
            return in_a_row(v.d, [self.through(part, *added) for part in v.parts])
        return replace(v, passed=(*v.passed, *added))

    # --- late values ---

    def real(self, v: Traced) -> Traced:
        """The same tensor, its late steps made, of a map to be read as it is.

        Raises
        ------
        LayerError
            If it is of several maps in a row, which no layer but attention reads together.
        """
        v = self.made(v)
        return replace(v, map=self.handle(v.map, passes(v.passed)), passed=()) if v.passed else v

    def made(self, v: Traced) -> Traced:
        """The same tensor, its late steps made, still before the functions it goes through."""
        if isinstance(v, Pieces):
            raise cannot("positions of different maps stand in one dimension", v)
        if not v.late:
            return v
        last = v.late[-1]
        if last.made is None:
            last.made = last.make()
            for name, passed in last.names:
                self.alias(replace(last.made, passed=(*last.made.passed, *passed)), name)
        return replace(last.made, passed=(*last.made.passed, *v.passed))

    def late(
        self,
        v: Traced,
        dims: Dims,
        make: Any,
        statistic: bool = False,
        mean: Statistic | None = None,
        passed: tuple[Through, ...] | None = None,
    ) -> Traced:
        """A value that is made only when a layer reads it, under the present name."""
        name = self.name

        def run() -> Traced:
            with self.named(name):
                made: Traced = make()
            return made

        step = Late(run, statistic, mean if statistic else None, passed)
        return Traced(v.map, dims, (*v.late, step))

    def alias(self, v: Traced, name: str) -> None:
        """Another name for a value's map, now or when it is made."""
        if isinstance(v, Pieces):
            v = v.largest
        if v.late and v.late[-1].made is None:
            v.late[-1].names.append((name, v.passed))
        elif name and name not in self.net:
            v = self.made(v)
            x = self.handle(v.map, passes(v.passed), name)
            if name not in self.net:
                self.net.identity(x, name=name)
        elif name and v.passed and self.net[name].index == v.map.index:
            # a block that has the name of its map, and ends with a function of it
            self.net.returns[name] = self.handle(v.map, passes(v.passed)).key


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
