"""The description of a network: feature maps, the layers that make them, their shapes.

`Network` grows by layer calls and never changes what it has; `FeatureMap`, `Link` and
`Layer` are frozen. Nothing here counts or builds a graph.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

import numpy as np

from erfgraph import layers, params
from erfgraph.errors import InputError, LayerError, SizeError, unknown_name
from erfgraph.layers import Terms
from erfgraph.params import Shape

PerAxis = int | Sequence[int]
PerSide = int | Sequence[int | Sequence[int]]
Padding = str | PerSide
Scale = int | float | Sequence[int | float]

GATES = ("transparent", "follow")
MOST_MAPS = 200_000
LARGEST_AXIS = 1 << 31  # positions of one axis; products of two stay exact in int64


@dataclass(frozen=True, slots=True)
class Link:
    """What one feature map reads of another: a sum of Kronecker products of axis maps."""

    src: int  # index of the feature map that is read
    terms: Terms


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """One tensor of a network; its units are its spatial positions.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Spatial shape: 1, 2 or 3 axes.
    channels : int
    index : int
        Position among the network's feature maps; the input is 0, sources come before.
    op : str
        Name of the `Network` method that made it; ``"input"`` for the input.
    params : mapping
        The parameters that the method was given, without those at their defaults.
    links : tuple of Link
        What it reads.
    """

    name: str
    shape: Shape
    channels: int
    index: int
    op: str = "input"
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    links: tuple[Link, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer call as it was made, enough to make it again."""

    op: str
    name: str | None  # None where the caller gave none
    inputs: tuple[str, ...]
    params: Mapping[str, Any]  # only those that differ from the method's defaults


@dataclass(frozen=True, slots=True)
class _Made:
    """What a layer method hands back: a new map's parts, or a map to pass through."""

    shape: Shape = ()
    terms: tuple[Terms, ...] = ()
    channels: int = 1
    through: FeatureMap | None = None


P = ParamSpec("P")
_INPUTS = ("x", "factor", "xs")  # names under which layer methods take feature maps


def _layer(
    method: Callable[Concatenate[Network, P], _Made],
) -> Callable[Concatenate[Network, P], FeatureMap]:
    """Make a layer method: look its inputs up, name it, record the call, add the map."""
    signature = inspect.signature(method)
    op = method.__name__

    @functools.wraps(method)
    def call(self: Network, /, *args: P.args, **kwargs: P.kwargs) -> FeatureMap:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{op}: {error}") from None
        arguments = bound.arguments
        name = arguments.get("name")
        where = f"{op} {name!r}" if name else op
        inputs: list[FeatureMap] = []
        for key in _INPUTS:
            if key == "xs" and "xs" in signature.parameters:
                arguments["xs"] = tuple(self._resolve(x, where) for x in arguments.get("xs", ()))
                inputs += arguments["xs"]
            elif key in arguments:
                arguments[key] = self._resolve(arguments[key], where)
                inputs.append(arguments[key])
        given = [key for key in arguments if key not in ("self", "name", *_INPUTS)]
        try:
            for key in given:
                default = signature.parameters[key].default
                arguments[key] = _checked(op, key, arguments[key], default)
            made = method(*bound.args, **bound.kwargs)
        except LayerError as error:
            read = ", ".join(f"{x.name!r} of shape {x.shape}" for x in inputs)
            raise LayerError(f"{where}: {error}" + (f"; reads {read}" if read else "")) from None
        params = {
            key: _plain(arguments[key])
            for key in given
            if _plain(arguments[key]) != signature.parameters[key].default
        }
        return self._append(Layer(op, name, tuple(x.name for x in inputs), params), inputs, made)

    return call


def _checked(op: str, key: str, value: Any, default: Any) -> Any:
    """A parameter in Python's types, if its type and size fit any map at all."""
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(default, bool) and not isinstance(value, bool):
        raise LayerError(f"{key}: got {value!r}, wanted True or False")
    # a slice may end anywhere, and a mask is checked against its kernel
    if op != "slice" and key != "mask" and _largest(value) > LARGEST_AXIS:
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


class Network:
    """A network over an input of one, two or three spatial axes.

    Parameters
    ----------
    shape : int or sequence of int
        Spatial shape of the input.
    channels : int, optional
        Channels of the input.
    name : str, optional
        Shown in tables and figures.
    gates : {"transparent", "follow"}, optional
        Whether paths also run through the gates of `gate` (squeeze-and-excitation).

    Raises
    ------
    InputError
        If the shape is not 1 to 3 positive integers.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.Network((19,))
    >>> x = net.conv(net.input, 7)
    >>> x = net.conv(x, 7)
    >>> x = net.conv(x, 7, name="top")
    >>> x.shape
    (1,)
    >>> [m.name for m in net.maps]
    ['input', 'conv1', 'conv2', 'top']
    """

    def __init__(
        self,
        shape: PerAxis,
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

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return len(self._maps)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input.shape))
        label = f" {self.name!r}" if self.name else ""
        return f"<Network{label}: input {size}, {len(self._maps)} feature maps>"

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
            before = result.name
        return document

    # --- growing ---

    def _resolve(self, x: Any, where: str) -> FeatureMap:
        if isinstance(x, str):
            return self[x]
        if not isinstance(x, FeatureMap):
            raise LayerError(f"{where}: x: got {x!r}, wanted a feature map of this network")
        if x.index >= len(self._maps) or self._maps[x.index] is not x:
            raise LayerError(f"{where}: x: feature map {x.name!r} belongs to another network")
        return x

    def _append(self, layer: Layer, inputs: Sequence[FeatureMap], made: _Made) -> FeatureMap:
        name = layer.name
        if name is not None and (not isinstance(name, str) or not name):
            raise LayerError(f"{layer.op}: name: got {name!r}, wanted a string that is not empty")
        if name in self._names:
            raise LayerError(f"{layer.op} {name!r}: name: {name!r} is taken already")
        if made.through is not None:
            result = made.through
        else:
            if len(self._maps) >= MOST_MAPS:
                raise SizeError(f"{layer.op}: a network holds at most {MOST_MAPS} feature maps")
            if max(made.shape) > LARGEST_AXIS:
                raise LayerError(
                    f"{layer.op}: an axis of the output would have {max(made.shape)} positions, "
                    f"wanted at most {LARGEST_AXIS}"
                )
            name = name or self._free_name(layer.op)
            links = tuple(Link(x.index, t) for x, t in zip(inputs, made.terms, strict=True))
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

    def _free_name(self, op: str) -> str:
        while True:
            self._counts[op] = self._counts.get(op, 0) + 1
            name = f"{op}{self._counts[op]}"
            if name not in self._names:
                return name

    @_layer
    def conv(
        self,
        x: FeatureMap | str,
        kernel: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        channels: int | None = None,
        padding_mode: str = "zeros",
        mask: Any = None,
        *,
        name: str | None = None,
    ) -> _Made:
        """Add a convolution.

        Parameters
        ----------
        x : FeatureMap or str
            What it reads.
        kernel, stride, dilation : int or sequence of int
            One for all axes or one per axis.
        padding : int, sequence, or str, optional
            One for all, one per axis, or (before, after) per axis; ``"valid"`` for none;
            ``"same"`` for an output of ceil(size / stride), as TensorFlow (and PyTorch, at
            stride 1) places it; ``"same_lower"`` with the odd position before.
        groups : int, optional
            Groups of channels.
        channels : int, optional
            Output channels; default those of `x`.
        padding_mode : {"zeros", "reflect", "replicate", "circular"}, optional
            What a tap outside the map reads: nothing, or the real unit it is mapped to.
        mask : array of bool, shape of the kernel, optional
            Which taps are kept.
        name : str, optional
            Default: the operation and a number.

        Returns
        -------
        FeatureMap
            Each axis has ``(n + padding - dilation*(kernel - 1) - 1) // stride + 1``
            positions.

        Raises
        ------
        LayerError
            If a parameter does not fit the map that is read.
        """
        x = _map(x)
        shape, terms = layers.conv(x.shape, kernel, stride, padding, dilation, padding_mode, mask)
        return _Made(shape, (terms,), _out_channels(x, groups, channels))

    @_layer
    def conv_transpose(
        self,
        x: FeatureMap | str,
        kernel: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        channels: int | None = None,
        padding_mode: str = "zeros",
        mask: Any = None,
        output_padding: PerAxis = 0,
        *,
        name: str | None = None,
    ) -> _Made:
        """Add a transposed convolution: the reversed edges of `conv`'s of the same parameters.

        Parameters as for `conv`; `padding` takes positions away from the output,
        `output_padding` adds positions at its end; ``"same"`` and ``"valid"`` as TensorFlow
        defines them.

        Returns
        -------
        FeatureMap
            Each axis has ``(n - 1)*stride - padding + dilation*(kernel - 1) + 1 +
            output_padding`` positions.

        Raises
        ------
        LayerError
            If a parameter does not fit the map that is read.
        """
        x = _map(x)
        params.one_of("padding_mode", padding_mode, ("zeros",))
        shape, terms = layers.conv_transpose(
            x.shape, kernel, stride, padding, dilation, output_padding, mask
        )
        return _Made(shape, (terms,), _out_channels(x, groups, channels))

    @_layer
    def max_pool(
        self,
        x: FeatureMap | str,
        kernel: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        *,
        name: str | None = None,
    ) -> _Made:
        """Add a max pool, which reads every position of its window.

        Parameters as for `conv`; the default stride is the kernel; `ceil_mode` rounds the
        output's size up, as in PyTorch.

        Returns
        -------
        FeatureMap

        Raises
        ------
        LayerError
            If a parameter does not fit the map that is read.
        """
        return _pooled(_map(x), kernel, stride, padding, dilation, ceil_mode)

    @_layer
    def avg_pool(
        self,
        x: FeatureMap | str,
        kernel: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        *,
        name: str | None = None,
    ) -> _Made:
        """Add an average pool; parameters, result and errors as for `max_pool`."""
        return _pooled(_map(x), kernel, stride, padding, dilation, ceil_mode)

    @_layer
    def adaptive_pool(
        self, x: FeatureMap | str, size: PerAxis, *, name: str | None = None
    ) -> _Made:
        """Add a pool to a given size; windows as in PyTorch's AdaptiveAvgPool.

        Parameters
        ----------
        x : FeatureMap or str
        size : int or sequence of int
            Output positions per axis.
        name : str, optional

        Returns
        -------
        FeatureMap
        """
        x = _map(x)
        shape, terms = layers.adaptive_pool(x.shape, size)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def global_pool(self, x: FeatureMap | str, *, name: str | None = None) -> _Made:
        """Add a pool over all positions; the result has one unit."""
        x = _map(x)
        shape, terms = layers.dense(x.shape)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def linear(
        self, x: FeatureMap | str, channels: int | None = None, *, name: str | None = None
    ) -> _Made:
        """Add a linear layer over all positions and channels; the result has one unit.

        Parameters
        ----------
        x : FeatureMap or str
        channels : int, optional
            Output features; default the channels of `x`.
        name : str, optional

        Returns
        -------
        FeatureMap
        """
        x = _map(x)
        shape, terms = layers.dense(x.shape)
        return _Made(shape, (terms,), _out_channels(x, 1, channels))

    @_layer
    def attention(
        self,
        x: FeatureMap | str,
        window: PerAxis | None = None,
        shift: PerAxis = 0,
        *,
        name: str | None = None,
    ) -> _Made:
        """Add self-attention: every position reads every position of its window.

        Parameters
        ----------
        x : FeatureMap or str
        window : int or sequence of int, optional
            Side of the windows that tile the map; without one, the whole map.
        shift : int or sequence of int, optional
            Where the first whole window starts (shifted windows, masked at the border).
        name : str, optional

        Returns
        -------
        FeatureMap
        """
        x = _map(x)
        shape, terms = layers.attention(x.shape, window, shift)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def identity(self, x: FeatureMap | str, *, name: str | None = None) -> _Made:
        """Pass `x` through: an activation, a normalisation, dropout, any elementwise layer.

        Transparent: adds no feature map and no edge. Returns `x` itself; `name` becomes
        another name for it.
        """
        return _Made(through=_map(x))

    @_layer
    def gate(
        self, x: FeatureMap | str, factor: FeatureMap | str, *, name: str | None = None
    ) -> _Made:
        """Multiply `x` by a factor that is broadcast over positions (squeeze-and-excitation).

        Parameters
        ----------
        x : FeatureMap or str
            What passes.
        factor : FeatureMap or str
            The gate; its shape is 1 on every axis on which it differs from `x`.
        name : str, optional

        Returns
        -------
        FeatureMap
            `x` itself, as a gate only scales what passes; with ``gates="follow"`` on the
            network, a new map that reads both.

        Raises
        ------
        LayerError
            If the factor cannot be broadcast to `x`.
        """
        x, factor = _map(x), _map(factor)
        pairs = zip(factor.shape, x.shape, strict=True)
        if any(n not in (1, m) for n, m in pairs):
            raise LayerError(
                f"factor: shape {factor.shape} cannot be broadcast to {x.shape}, "
                "wanted 1 or the same size on every axis"
            )
        if self.gates == "transparent":
            return _Made(through=x)
        terms = (layers.merge(x.shape), layers.broadcast(factor.shape, x.shape))
        return _Made(x.shape, terms, x.channels)

    @_layer
    def upsample(
        self,
        x: FeatureMap | str,
        scale: Scale | None = None,
        mode: str = "nearest",
        size: PerAxis | None = None,
        align_corners: bool = False,
        *,
        name: str | None = None,
    ) -> _Made:
        """Add an interpolation to a scale or to a size.

        Parameters
        ----------
        x : FeatureMap or str
        scale : number or sequence of numbers, optional
            Output size over input size; below 1 it shrinks.
        mode : {"nearest", "linear", "cubic"}, optional
            ``"bilinear"``, ``"trilinear"`` and ``"bicubic"`` are taken too. A unit has one
            edge from each source whose weight is not zero by position.
        size : int or sequence of int, optional
            Output size, in place of `scale`.
        align_corners : bool, optional
            Whether the corner positions of both grids coincide (linear and cubic).
        name : str, optional

        Returns
        -------
        FeatureMap

        Raises
        ------
        LayerError
            If not exactly one of `scale` and `size` is given, or it does not fit.
        """
        x = _map(x)
        shape, terms = layers.upsample(x.shape, scale, mode, size, align_corners)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def pad(
        self,
        x: FeatureMap | str,
        padding: PerSide,
        mode: str = "zeros",
        *,
        name: str | None = None,
    ) -> _Made:
        """Add positions around a map.

        Parameters
        ----------
        x : FeatureMap or str
        padding : int or sequence
            One for all, one per axis, or (before, after) per axis.
        mode : {"zeros", "reflect", "replicate", "circular", "symmetric"}, optional
            A zero reads nothing; the others copy a unit.
        name : str, optional

        Returns
        -------
        FeatureMap

        Raises
        ------
        LayerError
            If the mode cannot fill as much padding from this map.
        """
        x = _map(x)
        shape, terms = layers.pad(x.shape, padding, mode)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def crop(self, x: FeatureMap | str, amount: PerSide, *, name: str | None = None) -> _Made:
        """Take positions away: `amount` for all sides, per axis, or (before, after) per axis."""
        x = _map(x)
        shape, terms = layers.crop(x.shape, amount)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def slice(
        self,
        x: FeatureMap | str,
        start: int | Sequence[int | None] | None = None,
        stop: int | Sequence[int | None] | None = None,
        step: int | Sequence[int | None] | None = None,
        *,
        name: str | None = None,
    ) -> _Made:
        """Take positions ``start:stop:step`` as Python slices do, for all axes or per axis."""
        x = _map(x)
        shape, terms = layers.slice_(x.shape, start, stop, step)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def roll(self, x: FeatureMap | str, shift: PerAxis, *, name: str | None = None) -> _Made:
        """Shift positions circularly, as `numpy.roll` does, by one shift or one per axis."""
        x = _map(x)
        shape, terms = layers.roll(x.shape, shift)
        return _Made(shape, (terms,), x.channels)

    @_layer
    def add(self, *xs: FeatureMap | str, name: str | None = None) -> _Made:
        """Add maps of the same shape, position by position (a residual connection).

        Raises
        ------
        LayerError
            If there is none, or shapes or channels differ.
        """
        return _merged(_same_shape(xs))

    @_layer
    def multiply(self, *xs: FeatureMap | str, name: str | None = None) -> _Made:
        """Multiply maps of the same shape; connects as `add` does (see also `gate`)."""
        return _merged(_same_shape(xs))

    @_layer
    def concat(self, *xs: FeatureMap | str, name: str | None = None) -> _Made:
        """Concatenate the channels of maps of the same spatial shape.

        Raises
        ------
        LayerError
            If there is none, or spatial shapes differ.
        """
        maps = _same_shape(xs)
        channels = sum(x.channels for x in maps)
        return _Made(maps[0].shape, tuple(layers.merge(x.shape) for x in maps), channels)


LAYER_METHODS: tuple[str, ...] = tuple(
    name
    for name, value in vars(Network).items()
    if callable(value) and hasattr(value, "__wrapped__")
)


def input_shape(shape: Any) -> Shape:
    """Check a spatial shape: one to three positive integers.

    Examples
    --------
    >>> input_shape([224, 224])
    (224, 224)
    """
    values = tuple(shape) if isinstance(shape, list | tuple | np.ndarray) else (shape,)
    if not 1 <= len(values) <= 3 or not all(
        params.is_int(v) and 1 <= v <= LARGEST_AXIS for v in values
    ):
        raise InputError(f"input shape: got {shape!r}, wanted 1 to 3 positive integers")
    return tuple(int(v) for v in values)


def unit_of(rated: FeatureMap, unit: Any = None) -> Shape:
    """A unit of a feature map from what the user gave; the centre by default.

    Raises
    ------
    InputError
        If it is no position of the map.
    """
    if unit is None:
        return tuple(n // 2 for n in rated.shape)
    values = tuple(unit) if isinstance(unit, list | tuple | np.ndarray) else (unit,)
    if len(values) != len(rated.shape) or not all(params.is_int(v) for v in values):
        raise InputError(
            f"unit: got {unit!r}, wanted {len(rated.shape)} integers for {rated.name!r} "
            f"of shape {rated.shape}"
        )
    if not all(-n <= v < n for v, n in zip(values, rated.shape, strict=True)):
        raise InputError(
            f"unit: {tuple(map(int, values))} lies outside {rated.name!r} of shape {rated.shape}"
        )
    return tuple(int(v) % n for v, n in zip(values, rated.shape, strict=True))


def _map(x: FeatureMap | str) -> FeatureMap:
    assert isinstance(x, FeatureMap)  # looked up by `_layer` before the method runs
    return x


def _same_shape(xs: Sequence[FeatureMap | str]) -> list[FeatureMap]:
    maps = [_map(x) for x in xs]
    if not maps:
        raise LayerError("xs: got no feature map, wanted at least one")
    if len({x.shape for x in maps}) > 1:
        shapes = ", ".join(f"{x.shape}" for x in maps)
        raise LayerError(f"xs: spatial shapes differ: {shapes}")
    return maps


def _merged(maps: Sequence[FeatureMap]) -> _Made:
    """Maps joined position by position; a single channel is broadcast to the others' number."""
    channels = {x.channels for x in maps} - {1} or {1}
    if len(channels) > 1:
        raise LayerError(f"xs: channels differ: {[x.channels for x in maps]}")
    return _Made(maps[0].shape, tuple(layers.merge(x.shape) for x in maps), channels.pop())


def _pooled(
    x: FeatureMap, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> _Made:
    shape, terms = layers.conv(
        x.shape,
        kernel,
        kernel if stride is None else stride,
        padding,
        dilation,
        ceil_mode=ceil_mode,
    )
    return _Made(shape, (terms,), x.channels)


def _out_channels(x: FeatureMap, groups: Any, channels: Any) -> int:
    channels = x.channels if channels is None else channels
    for key, value in (("groups", groups), ("channels", channels)):
        if not params.is_int(value) or value < 1:
            raise LayerError(f"{key}: got {value!r}, wanted an integer >= 1")
    if x.channels % groups or channels % groups:
        raise LayerError(
            f"groups: {groups} does not divide {x.channels} input and {channels} output channels"
        )
    return int(channels)
