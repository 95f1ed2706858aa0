"""`Description`: what every network has beside its layers: maps, names, calls, and growth."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from erfgraph import channels as ch
from erfgraph import params
from erfgraph.channels import Channels, Mix
from erfgraph.display import Shown
from erfgraph.errors import InputError, LayerError, SizeError, unknown_name
from erfgraph.featuremap import LARGEST_AXIS, FeatureMap, Layer, Link, Part, Pass, input_shape
from erfgraph.layers import Terms
from erfgraph.params import Shape

GATES = ("transparent", "follow")
MOST_MAPS = 200_000


@dataclass(frozen=True, slots=True)
class Made:
    """What a layer method hands back: a new map's parts, or a map to pass through.

    Attributes
    ----------
    shape, channels
        Of the new map.
    terms : tuple of Terms
        One per input, channels collapsed.
    mixes : tuple
        One per input: how its channels are joined, a `Mix`, or several `Part` where that
        depends on the position.
    through : FeatureMap, optional
        What is passed on, in place of a new map.
    view : range or tuple of int, optional
        Which channels of `through` are passed on; default all, as they are.
    passed : Pass, optional
        An elementwise function of `through` that is passed on.
    """

    shape: Shape = ()
    terms: tuple[Terms, ...] = ()
    channels: int = 1
    mixes: tuple[Mix | tuple[Part, ...], ...] = ()
    through: FeatureMap | None = None
    view: Channels | None = None
    passed: Pass | None = None


P = ParamSpec("P")
D = TypeVar("D", bound="Description")
INPUTS = ("x", "factor", "xs")  # names under which layer methods take feature maps


def layer_method(
    method: Callable[Concatenate[D, P], Made],
) -> Callable[Concatenate[D, P], FeatureMap]:
    """Make a layer method: look its inputs up, name it, record the call, add the map."""
    op = method.__name__
    bind = _binder(method)
    defaults = {key: p.default for key, p in inspect.signature(method).parameters.items()}

    @functools.wraps(method)
    def call(self: D, /, *args: P.args, **kwargs: P.kwargs) -> FeatureMap:
        try:
            xs, arguments = bind(self, args, kwargs)
        except TypeError as error:
            raise TypeError(f"{op}: {error}") from None
        name = arguments.get("name")
        where = f"{op} {name!r}" if name else op
        inputs = [self._resolve(x, where) for x in xs]
        made_from = tuple(inputs)
        for key in INPUTS:
            if key in arguments:
                arguments[key] = self._resolve(arguments[key], where)
                inputs.append(arguments[key])
        params: dict[str, Any] = {}
        try:
            for key, value in arguments.items():
                if key != "name" and key not in INPUTS:
                    arguments[key] = _checked(op, key, value, defaults[key])
                    if (plain := _plain(arguments[key])) != defaults[key]:
                        params[key] = plain
            made = call_with(self, *made_from, **arguments)
        except LayerError as error:
            read = ", ".join(f"{x.name!r} of shape {x.shape}" for x in inputs)
            raise LayerError(f"{where}: {error}" + (f"; reads {read}" if read else "")) from None
        return self._append(Layer(op, name, tuple([x.key for x in inputs]), params), inputs, made)

    call_with: Callable[..., Made] = method
    return call


Bound = tuple[tuple[Any, ...], dict[str, Any]]  # the maps of *xs, and all else by name


def _binder(method: Callable[..., Made]) -> Callable[[Any, Any, Mapping[str, Any]], Bound]:
    """What `inspect.Signature.bind` does for a layer method, in a fraction of its time.

    A call that does not fit is left to it, for what it says of that.
    """
    signature = inspect.signature(method)
    _, first, *rest = signature.parameters.values()  # without self
    many = first.kind is first.VAR_POSITIONAL  # what else there is then goes by name
    by_name = rest if many else [first, *rest]
    places = () if many else tuple(p.name for p in by_name if p.kind is not p.KEYWORD_ONLY)
    names = {p.name: None for p in by_name}  # a dict, for their order
    needed = {p.name for p in by_name if p.default is p.empty}

    def bind(self: Any, args: Any, kwargs: Mapping[str, Any]) -> Bound:
        xs, placed = (args, ()) if many else ((), args)
        given = {**dict(zip(places, placed, strict=False)), **kwargs}
        if len(given) < len(placed) + len(kwargs) or not needed <= given.keys() <= names.keys():
            signature.bind(self, *args, **kwargs)  # raises
        return xs, {key: given[key] for key in names if key in given}

    return bind


def as_map(x: FeatureMap | str) -> FeatureMap:
    """An input of a layer method, which `layer_method` has looked up before."""
    assert isinstance(x, FeatureMap)
    return x


def _checked(op: str, key: str, value: Any, default: Any) -> Any:
    """A parameter in Python's types, if its type and size fit any map at all."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(default, bool) and not isinstance(value, bool):
        raise LayerError(f"{key}: got {value!r}, wanted True or False")
    # a slice may end anywhere, and a mask is checked against its kernel
    if op not in ("slice", "channel_slice") and key != "mask" and _largest(value) > LARGEST_AXIS:
        raise LayerError(f"{key}: got {value!r}, wanted numbers of at most {LARGEST_AXIS}")
    return value


def _largest(value: Any) -> int:
    if isinstance(value, list | tuple):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, int) else 0


def _plain(value: Any) -> Any:
    """A parameter as numbers, strings and lists, which every file format knows."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


class Description(Shown):
    """Feature maps, their names and the layer calls that made them; only ever grows.

    `Network` adds the layer methods.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        channels: int = 1,
        name: str | None = None,
        gates: str = "transparent",
    ) -> None:
        if gates not in GATES:
            raise InputError(f"gates: got {gates!r}, wanted one of {GATES}")
        if not params.is_int(channels) or channels < 1:
            raise InputError(f"channels: got {channels!r}, wanted an integer >= 1")
        self.name = name
        self.gates = gates
        self._maps = [FeatureMap("input", input_shape(shape), int(channels), 0)]
        self._layers: list[Layer] = []
        self._names = {"input": self._maps[0]}
        self._counts: dict[str, int] = {}
        self._results: list[FeatureMap] = []  # what each layer call returned
        # trained numbers of the model that it was imported from, read when they are asked for:
        # by index of the map that a layer made, and by key of what a norm returned
        self.weights: dict[int, Callable[[], Any]] = {}
        self.scales: dict[str, Callable[[], Any]] = {}
        # by name of a block that ends with a function of its map, the key of what it returns
        self.returns: dict[str, str] = {}
        self.init: str | None = None  # the initialisation that its authors give it, by name
        # of the model that it was imported from: how often each operation was translated
        self.operations: dict[str, int] = {}
        self.plans: dict[Any, Any] = {}  # compiled sweeps, valid for good as maps never change

    # --- looking ---

    @property
    def input(self) -> FeatureMap:
        """The input map."""
        return self._maps[0]

    @property
    def output(self) -> FeatureMap:
        """The feature map that the last layer call returned."""
        return self._results[-1] if self._results else self.input

    @property
    def maps(self) -> tuple[FeatureMap, ...]:
        """All feature maps, each after those that it reads; the input first."""
        return tuple(self._maps)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layer calls in order, transparent ones included."""
        return tuple(self._layers)

    @property
    def results(self) -> tuple[str, ...]:
        """For every layer call, the name under which what it returned is found."""
        return tuple(m.key for m in self._results)

    @property
    def names(self) -> Mapping[str, FeatureMap]:
        """Every name and the feature map that it stands for; several may name one map."""
        return dict(self._names)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.input.shape)

    def __getitem__(self, name: str) -> FeatureMap:
        try:
            return self._names[name]
        except (KeyError, TypeError):
            where = f" in network {self.name!r}" if self.name else ""
            raise unknown_name("layer", str(name), self._names, where=where) from None

    def returned(self, name: str) -> FeatureMap:
        """What the layer or block of a name returns.

        That is the map of that name, but where a block ends with a function of it (the ReLU
        after a residual block's sum): then the map read through that function.

        Raises
        ------
        NameLookupError
            If there is no such name.
        """
        return self[self.returns.get(name, name)]

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return len(self._maps)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input.shape))
        label = f" {self.name!r}" if self.name else ""
        return f"<{type(self).__name__}{label}: input {size}, {len(self._maps)} feature maps>"

    def to_dict(self) -> dict[str, Any]:
        """The network as numbers, strings and lists: the content of a network file."""
        document: dict[str, Any] = {"name": self.name} if self.name else {}
        document["input"] = list(self.input.shape)
        if self.input.channels != 1:
            document["channels"] = self.input.channels
        if self.gates != "transparent":
            document["gates"] = self.gates
        document["layers"] = []
        before = self.input.name
        for layer, result in zip(self._layers, self._results, strict=True):
            row: dict[str, Any] = {"op": layer.op}
            if layer.name:
                row["name"] = layer.name
            if layer.inputs != (before,):  # the default: the layer before
                row["inputs"] = list(layer.inputs)
            document["layers"].append(row | dict(layer.params))
            before = result.key
        return document

    # --- growing ---

    def _resolve(self, x: Any, where: str) -> FeatureMap:
        if isinstance(x, str):
            return self[x]
        if not isinstance(x, FeatureMap):
            raise LayerError(f"{where}: x: got {x!r}, wanted a feature map of this network")
        if self._names.get(x.key) is not x:
            raise LayerError(f"{where}: x: feature map {x.name!r} belongs to another network")
        return x

    def _append(self, layer: Layer, inputs: Sequence[FeatureMap], made: Made) -> FeatureMap:
        name = layer.name
        if name is not None and (not isinstance(name, str) or not name):
            raise LayerError(f"{layer.op}: name: got {name!r}, wanted a string that is not empty")
        if name in self._names:
            raise LayerError(f"{layer.op} {name!r}: name: {name!r} is taken already")
        if made.through is not None:
            result = made.through
            if made.view is not None:
                name = name or self._free_name(layer.op)
                result = self._viewed(name, result, made.view)
            if made.passed is not None:
                name = name or self._free_name(layer.op)
                passed = (*result.passed, replace(made.passed, of=name))
                result = replace(result, passed=passed, key=name)
        else:
            if len(self._maps) >= MOST_MAPS:
                raise SizeError(f"{layer.op}: a network holds at most {MOST_MAPS} feature maps")
            if max(made.shape) > LARGEST_AXIS:
                raise LayerError(
                    f"{layer.op}: an axis of the output would have {max(made.shape)} positions, "
                    f"wanted at most {LARGEST_AXIS}"
                )
            name = name or self._free_name(layer.op)
            links = tuple(
                _link(x, terms, mix)
                for x, terms, mix in zip(inputs, made.terms, made.mixes, strict=True)
            )
            result = FeatureMap(
                name,
                made.shape,
                made.channels,
                len(self._maps),
                layer.op,
                layer.params,
                links,
            )
            self._maps.append(result)
        if name:
            self._names[name] = result
        self._layers.append(layer)
        self._results.append(result)
        return result

    def _viewed(self, name: str, x: FeatureMap, view: Channels) -> FeatureMap:
        """Some channels of a map, which a layer can read as if they were a map."""
        view = view if x.view is None else ch.pick(x.view, view)
        base = self._maps[x.index]
        return FeatureMap(
            name,
            base.shape,
            len(view),
            base.index,
            base.op,
            base.params,
            base.links,
            view,
            x.passed,
        )

    def _free_name(self, op: str) -> str:
        while True:
            self._counts[op] = self._counts.get(op, 0) + 1
            name = f"{op}{self._counts[op]}"
            if name not in self._names:
                return name


def _link(x: FeatureMap, terms: Terms, mix: Mix | tuple[Part, ...]) -> Link:
    """What a layer reads of a map or of a view of one."""
    parts = (Part(terms, mix),) if isinstance(mix, Mix) else mix
    if x.view is not None:
        parts = tuple(Part(part.terms, ch.through(part.mix, x.view)) for part in parts)
    return Link(x.index, terms, parts, x.passed)
