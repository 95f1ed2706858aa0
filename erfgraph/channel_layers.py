"""Layers that move channels: splits, shuffles, and trades of channels for positions.

A split or a shuffle is transparent: what it returns stands for some channels of a map that is
there already, and adds neither a feature map nor an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph import channels as ch
from erfgraph import layers, params
from erfgraph.channels import Mix
from erfgraph.description import Description, Made, as_map, layer_method
from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap, Part


class ChannelLayers(Description):
    """The layer methods of `erfgraph.network.Network` that move channels."""

    @layer_method
    def channel_slice(
        self,
        x: FeatureMap | str,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        *,
        name: str | None = None,
    ) -> Made:
        """Take channels ``start:stop:step`` as Python slices do (a split); transparent.

        Returns
        -------
        FeatureMap
            Those channels of `x`, as a map of their own to the layers that read it.

        Raises
        ------
        LayerError
            If no channel is left.
        """
        x = as_map(x)
        for key, value in (("start", start), ("stop", stop), ("step", step)):
            if (value is not None and not params.is_int(value)) or (key == "step" and value == 0):
                raise params.bad(key, value, "an integer as in a Python slice, or None")
        taken = range(x.channels)[slice(start, stop, step)]
        if not taken:
            raise LayerError(f"stop: no channel is left of {x.channels} in {start}:{stop}:{step}")
        return Made(through=x, view=taken)

    @layer_method
    def channel_take(
        self, x: FeatureMap | str, order: Sequence[int], *, name: str | None = None
    ) -> Made:
        """Take channels by number, in the order given, also more than once; transparent.

        Raises
        ------
        LayerError
            If a number is no channel of `x`.
        """
        x = as_map(x)
        good = isinstance(order, list | tuple) and all(
            params.is_int(c) and 0 <= c < x.channels for c in order
        )
        if not good or not order:
            long = isinstance(order, list | tuple) and len(order) > 32
            got = f"a list of {len(order)}" if long else repr(order)
            raise LayerError(
                f"order: got {got}, wanted channels from 0 to {x.channels - 1}, at least one"
            )
        ch.check_listed(len(order))
        return Made(through=x, view=tuple(order))

    @layer_method
    def channel_shuffle(
        self, x: FeatureMap | str, groups: int, *, name: str | None = None
    ) -> Made:
        """Shuffle channels as ShuffleNet does: (groups, n) transposed to (n, groups); transparent.

        Raises
        ------
        LayerError
            If the groups do not divide the channels.
        """
        x = as_map(x)
        _check_divisor("groups", groups, x)
        return Made(through=x, view=ch.shuffled(x.channels, groups))

    @layer_method
    def channel_pool(
        self, x: FeatureMap | str, channels: int = 1, *, name: str | None = None
    ) -> Made:
        """Add a pool over channels: a mean, sum or maximum at each position.

        Parameters
        ----------
        x : FeatureMap or str
        channels : int, optional
            Output channels, each of which pools as many consecutive channels of `x`.
        name : str, optional

        Returns
        -------
        FeatureMap
            Each unit reads the unit at the same position.

        Raises
        ------
        LayerError
            If the number of channels does not divide those of `x`.
        """
        x = as_map(x)
        _check_divisor("channels", channels, x)
        mix = ch.dense(x.channels, channels, channels)
        return Made(x.shape, (layers.merge(x.shape),), channels, (mix,))

    @layer_method
    def pixel_shuffle(
        self,
        x: FeatureMap | str,
        block: int | Sequence[int],
        *,
        name: str | None = None,
    ) -> Made:
        """Rearrange channels to positions (sub-pixel convolution, depth to space).

        Parameters
        ----------
        x : FeatureMap or str
        block : int or sequence of int
            Positions that one becomes, per axis. Channel ``c*F + place`` of `x` becomes
            channel ``c`` at one place of the block of F positions, in row-major order, as in
            PyTorch.
        name : str, optional

        Returns
        -------
        FeatureMap
            Each unit reads the one unit that it copies.

        Raises
        ------
        LayerError
            If the places of a block do not divide the channels.
        """
        x = as_map(x)
        shape, terms, places = layers.pixel_shuffle(x.shape, block)
        n = len(places)
        if x.channels % n:
            raise LayerError(f"block: {n} places in a block do not divide {x.channels} channels")
        made = x.channels // n
        parts = tuple(
            Part(place, Mix(range(i, x.channels, n), range(made), made))
            for i, place in enumerate(places)
        )
        return Made(shape, (terms,), made, (parts,))

    @layer_method
    def pixel_unshuffle(
        self,
        x: FeatureMap | str,
        block: int | Sequence[int],
        *,
        name: str | None = None,
    ) -> Made:
        """Rearrange positions to channels (space to depth, patch merging).

        Parameters
        ----------
        x : FeatureMap or str
        block : int or sequence of int
            Positions that become one, per axis; channel order as in `pixel_shuffle`.
        name : str, optional

        Returns
        -------
        FeatureMap
            Each unit reads the units of its block.

        Raises
        ------
        LayerError
            If the block does not divide the map.
        """
        x = as_map(x)
        shape, terms, places = layers.pixel_unshuffle(x.shape, block)
        n = len(places)
        parts = tuple(
            Part(place, Mix(range(x.channels), range(i, x.channels * n, n), x.channels))
            for i, place in enumerate(places)
        )
        return Made(shape, (terms,), x.channels * n, (parts,))


def _check_divisor(field: str, value: Any, x: FeatureMap) -> None:
    if not params.is_int(value) or value < 1:
        raise params.bad(field, value, "an integer >= 1")
    if x.channels % value:
        raise LayerError(f"{field}: {value} does not divide {x.channels} channels")
