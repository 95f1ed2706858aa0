"""`Network`: one method a layer. Nothing here counts or builds a graph.

`erfgraph.description` holds what the methods share, `erfgraph.layers` what each connects;
layers that only move channels stand in `erfgraph.channel_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph import channels as ch
from erfgraph import elementwise, layers, params
from erfgraph.channel_layers import ChannelLayers
from erfgraph.channels import Mix
from erfgraph.description import Made, as_map, layer_method
from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap, unit_of

__all__ = ["LAYER_METHODS", "FeatureMap", "Network", "PerAxis", "unit_of"]

PerAxis = int | Sequence[int]
PerSide = int | Sequence[int | Sequence[int]]
Padding = str | PerSide
Scale = int | float | Sequence[int | float]


class Network(ChannelLayers):
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

    @layer_method
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
    ) -> Made:
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
        x = as_map(x)
        shape, terms = layers.conv(x.shape, kernel, stride, padding, dilation, padding_mode, mask)
        return _mixed(x, shape, terms, groups, channels)

    @layer_method
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
    ) -> Made:
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
        x = as_map(x)
        params.one_of("padding_mode", padding_mode, ("zeros",))
        shape, terms = layers.conv_transpose(
            x.shape, kernel, stride, padding, dilation, output_padding, mask
        )
        return _mixed(x, shape, terms, groups, channels)

    @layer_method
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
    ) -> Made:
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
        return _pooled(as_map(x), kernel, stride, padding, dilation, ceil_mode)

    @layer_method
    def avg_pool(
        self,
        x: FeatureMap | str,
        kernel: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        name: str | None = None,
    ) -> Made:
        """Add an average pool; parameters, result and errors as for `max_pool`.

        `count_include_pad` says whether padding is averaged too, as a zero (PyTorch's default),
        or only what lies inside the map (ONNX's and Keras'); only weighted measures ask.
        """
        return _pooled(as_map(x), kernel, stride, padding, dilation, ceil_mode)

    @layer_method
    def adaptive_pool(
        self, x: FeatureMap | str, size: PerAxis, *, name: str | None = None
    ) -> Made:
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
        x = as_map(x)
        shape, terms = layers.adaptive_pool(x.shape, size)
        return _each(x, shape, terms)

    @layer_method
    def global_pool(self, x: FeatureMap | str, *, name: str | None = None) -> Made:
        """Add a pool over all positions; the result has one unit."""
        x = as_map(x)
        shape, terms = layers.dense(x.shape)
        return _each(x, shape, terms)

    @layer_method
    def linear(
        self, x: FeatureMap | str, channels: int | None = None, *, name: str | None = None
    ) -> Made:
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
        x = as_map(x)
        shape, terms = layers.dense(x.shape)
        return _mixed(x, shape, terms, 1, channels)

    @layer_method
    def attention(
        self,
        x: FeatureMap | str,
        window: PerAxis | None = None,
        shift: PerAxis = 0,
        dilation: PerAxis = 1,
        *,
        name: str | None = None,
    ) -> Made:
        """Add self-attention: every position reads every position of its window.

        What is read are the values, channel by channel; queries and keys only weigh them.

        Parameters
        ----------
        x : FeatureMap or str
        window : int or sequence of int, optional
            Side of the windows that tile the map; without one, the whole map.
        shift : int or sequence of int, optional
            Where the first whole window starts (shifted windows, masked at the border).
        dilation : int or sequence of int, optional
            Spacing of the positions of one window (grid attention).
        name : str, optional

        Returns
        -------
        FeatureMap
        """
        x = as_map(x)
        shape, terms = layers.attention(x.shape, window, shift, dilation)
        return _each(x, shape, terms)

    @layer_method
    def identity(
        self,
        x: FeatureMap | str,
        kind: str | None = None,
        value: float | None = None,
        *,
        name: str | None = None,
    ) -> Made:
        """Pass `x` through: an activation, a normalisation, dropout, any elementwise layer.

        Transparent: adds no feature map and no edge.

        Parameters
        ----------
        x : FeatureMap or str
        kind : str, optional
            Which function it is, for the measures that look at weights: ``"relu"``,
            ``"gelu"``, ``"batch_norm"``, ``"layer_norm"``, ``"scale"``, … (the table is
            `erfgraph.elementwise.KINDS`). Default: one that changes nothing.
        value : float, optional
            Its parameter: the slope of ``"leaky_relu"``, the gain of a norm (0 for a residual
            branch that starts at zero), the factor of ``"scale"``.
        name : str, optional

        Returns
        -------
        FeatureMap
            `x` itself; with a kind, the same feature map to be read through that function.

        Raises
        ------
        LayerError
            If there is no such kind, or it takes no such value.
        """
        return Made(through=as_map(x), passed=elementwise.passing(kind, value))

    @layer_method
    def gate(
        self, x: FeatureMap | str, factor: FeatureMap | str, *, name: str | None = None
    ) -> Made:
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
            `x` itself, as a gate only scales what passes (after a sigmoid, to the measures that
            look at weights, by a half: what it is at initialisation); with ``gates="follow"`` on
            the network, a new map that reads both.

        Raises
        ------
        LayerError
            If the factor cannot be broadcast to `x`.
        """
        x, factor = as_map(x), as_map(factor)
        pairs = zip(factor.shape, x.shape, strict=True)
        if any(n not in (1, m) for n, m in pairs):
            raise LayerError(
                f"factor: shape {factor.shape} cannot be broadcast to {x.shape}, "
                "wanted 1 or the same size on every axis"
            )
        if factor.channels not in (1, x.channels):
            raise LayerError(f"factor: channels: got {factor.channels}, wanted 1 or {x.channels}")
        if self.gates == "transparent":
            return Made(through=x, passed=elementwise.gating(factor.passed))
        terms = (layers.merge(x.shape), layers.broadcast(factor.shape, x.shape))
        mixes = (ch.each(x.channels), ch.spread(factor.channels, x.channels))
        return Made(x.shape, terms, x.channels, mixes)

    @layer_method
    def upsample(
        self,
        x: FeatureMap | str,
        scale: Scale | None = None,
        mode: str = "nearest",
        size: PerAxis | None = None,
        align_corners: bool = False,
        coordinates: str | None = None,
        rounding: str | None = None,
        *,
        name: str | None = None,
    ) -> Made:
        """Add an interpolation to a scale or to a size.

        Parameters
        ----------
        x : FeatureMap or str
        scale : number or sequence of numbers, optional
            Output size over input size; below 1 it shrinks.
        mode : {"nearest", "linear", "cubic", "nearest_exact"}, optional
            ``"bilinear"``, ``"trilinear"`` and ``"bicubic"`` are taken too. A unit has one
            edge from each source whose weight is not zero by position. ``"nearest_exact"``
            is PyTorch's: nearest between the centres of pixels.
        size : int or sequence of int, optional
            Output size, in place of `scale`.
        align_corners : bool, optional
            Whether the corner positions of both grids coincide (linear and cubic).
        coordinates : str, optional
            Where output position y lies in the input, by ONNX's names: ``"asymmetric"`` at
            y / scale (the default of nearest), ``"half_pixel"`` at (y + 1/2) / scale - 1/2
            (of the others), ``"half_pixel_symmetric"`` so too but centred where the size was
            rounded, ``"align_corners"`` at y (n - 1) / (m - 1) for n input and m output
            positions.
        rounding : {"floor", "ceil", "half_down", "half_up"}, optional
            Which position is nearest; the last two round to nearest, and halves as they say.
        name : str, optional

        Returns
        -------
        FeatureMap

        Raises
        ------
        LayerError
            If not exactly one of `scale` and `size` is given, or it does not fit.
        """
        x = as_map(x)
        shape, terms = layers.upsample(
            x.shape, scale, mode, size, align_corners, coordinates, rounding
        )
        return _each(x, shape, terms)

    @layer_method
    def pad(
        self,
        x: FeatureMap | str,
        padding: PerSide,
        mode: str = "zeros",
        *,
        name: str | None = None,
    ) -> Made:
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
        x = as_map(x)
        shape, terms = layers.pad(x.shape, padding, mode)
        return _each(x, shape, terms)

    @layer_method
    def crop(self, x: FeatureMap | str, amount: PerSide, *, name: str | None = None) -> Made:
        """Take positions away: `amount` for all sides, per axis, or (before, after) per axis."""
        x = as_map(x)
        shape, terms = layers.crop(x.shape, amount)
        return _each(x, shape, terms)

    @layer_method
    def slice(
        self,
        x: FeatureMap | str,
        start: int | Sequence[int | None] | None = None,
        stop: int | Sequence[int | None] | None = None,
        step: int | Sequence[int | None] | None = None,
        *,
        name: str | None = None,
    ) -> Made:
        """Take positions ``start:stop:step`` as Python slices do, for all axes or per axis."""
        x = as_map(x)
        shape, terms = layers.slice_(x.shape, start, stop, step)
        return _each(x, shape, terms)

    @layer_method
    def roll(self, x: FeatureMap | str, shift: PerAxis, *, name: str | None = None) -> Made:
        """Shift positions circularly, as ``numpy.roll`` does, by one shift or one per axis."""
        x = as_map(x)
        shape, terms = layers.roll(x.shape, shift)
        return _each(x, shape, terms)

    @layer_method
    def add(self, *xs: FeatureMap | str, name: str | None = None) -> Made:
        """Add maps of the same shape, position by position (a residual connection).

        Raises
        ------
        LayerError
            If there is none, or shapes or channels differ.
        """
        return _merged(_same_shape(xs))

    @layer_method
    def multiply(self, *xs: FeatureMap | str, name: str | None = None) -> Made:
        """Multiply maps of the same shape; connects as `add` does (see also `gate`)."""
        return _merged(_same_shape(xs))

    @layer_method
    def concat(self, *xs: FeatureMap | str, constant: int = 0, name: str | None = None) -> Made:
        """Concatenate the channels of maps of the same spatial shape.

        Parameters
        ----------
        *xs : FeatureMap or str
        constant : int, optional
            Channels at the end that depend on no input (coordinates, a mask).
        name : str, optional

        Returns
        -------
        FeatureMap

        Raises
        ------
        LayerError
            If there is none, or spatial shapes differ.
        """
        maps = _same_shape(xs)
        if not params.is_int(constant) or constant < 0:
            raise params.bad("constant", constant, "an integer >= 0")
        mixes, start = [], 0
        for x in maps:
            stop = start + x.channels
            mixes.append(Mix(range(x.channels), range(start, stop), x.channels))
            start = stop
        terms = tuple(layers.merge(x.shape) for x in maps)
        return Made(maps[0].shape, terms, start + constant, tuple(mixes))


LAYER_METHODS: tuple[str, ...] = tuple(
    name
    for kind in reversed(Network.__mro__)
    for name, value in vars(kind).items()
    if callable(value) and hasattr(value, "__wrapped__")
)


def _same_shape(xs: Sequence[FeatureMap | str]) -> list[FeatureMap]:
    maps = [as_map(x) for x in xs]
    if not maps:
        raise LayerError("xs: got no feature map, wanted at least one")
    if len({x.shape for x in maps}) > 1:
        shapes = ", ".join(f"{x.shape}" for x in maps)
        raise LayerError(f"xs: spatial shapes differ: {shapes}")
    return maps


def _merged(maps: Sequence[FeatureMap]) -> Made:
    """Maps joined position by position; a single channel is broadcast to the others' number."""
    channels = {x.channels for x in maps} - {1} or {1}
    if len(channels) > 1:
        raise LayerError(f"xs: channels differ: {[x.channels for x in maps]}")
    n = channels.pop()
    terms = tuple(layers.merge(x.shape) for x in maps)
    return Made(maps[0].shape, terms, n, tuple(ch.spread(x.channels, n) for x in maps))


def _pooled(
    x: FeatureMap, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Made:
    shape, terms = layers.conv(
        x.shape,
        kernel,
        kernel if stride is None else stride,
        padding,
        dilation,
        ceil_mode=ceil_mode,
    )
    return _each(x, shape, terms)


def _each(x: FeatureMap, shape: params.Shape, terms: layers.Terms) -> Made:
    """A layer that treats every channel alike and by itself."""
    return Made(shape, (terms,), x.channels, (ch.each(x.channels),))


def _mixed(
    x: FeatureMap, shape: params.Shape, terms: layers.Terms, groups: Any, channels: Any
) -> Made:
    """A layer whose output channels read all input channels of their group."""
    channels = x.channels if channels is None else channels
    for key, value in (("groups", groups), ("channels", channels)):
        if not params.is_int(value) or value < 1:
            raise LayerError(f"{key}: got {value!r}, wanted an integer >= 1")
    if x.channels % groups or channels % groups:
        raise LayerError(
            f"groups: {groups} does not divide {x.channels} input and {channels} output channels"
        )
    mix = ch.dense(x.channels, int(channels), int(groups))
    return Made(shape, (terms,), int(channels), (mix,))
