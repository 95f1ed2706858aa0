"""`halo`: how far tiles must overlap, for inference on images too large for one piece."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.arithmetic import AxisField, receptive_fields
from erfgraph.display import Shown
from erfgraph.errors import InputError
from erfgraph.network import FeatureMap, Network
from erfgraph.params import Shape, is_int
from erfgraph.path_classes import reads_whole
from erfgraph.shape import Box


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of an image: the part that is its own, and the larger part to feed.

    Attributes
    ----------
    own : tuple of (start, stop)
        The input units whose output the tile is to give.
    crop : tuple of (start, stop)
        The input units to cut out and feed to the network.
    """

    own: Box
    crop: Box


@dataclass(frozen=True, slots=True)
class Halo(Shown):
    """How far tiles must overlap so that their results are those of the whole image.

    Per axis, in input units. A tile owns ``[a, b)`` of the input, both multiples of
    `alignment` (or the image's end), and with them the output units ``a/stride`` to
    ``b/stride``. It has to be fed ``[a - before, b + after)`` at least, less what lies beyond
    the image's border, where the network's own padding takes over.

    Attributes
    ----------
    layer : str
    input_shape : tuple of int
    before, after : tuple of int or None
        What a tile's outputs read before and after its own part; None where they read
        everything, wherever they are, or branches differ in stride.
    alignment : tuple of int or None
        Where cuts are allowed: multiples of this, the least common multiple of the strides of
        all feature maps on the way, so that the tile's grids are those of the whole image.
    whole : tuple of str
        The layers that read the whole map, or whose reads depend on the map's size or
        direction: with them there are no tiles on some axis.
    """

    layer: str
    input_shape: Shape
    before: tuple[int | None, ...]
    after: tuple[int | None, ...]
    alignment: tuple[int | None, ...]
    whole: tuple[str, ...] = ()

    @property
    def overlap(self) -> tuple[tuple[int, int] | None, ...]:
        """Per axis `before` and `after`, both rounded up to the alignment."""
        return tuple(
            None if a is None or b is None or c is None else (-(-b // a) * a, -(-c // a) * a)
            for a, b, c in zip(self.alignment, self.before, self.after, strict=True)
        )

    def crop(self, own: Sequence[tuple[int, int]]) -> Box:
        """What a tile has to be fed, cut at aligned positions or at the image's border.

        Parameters
        ----------
        own : sequence of (start, stop), one per axis
            Its own part of the input.

        Returns
        -------
        tuple of (start, stop)

        Raises
        ------
        InputError
            If a bound is not aligned or lies outside the image, or there are no tiles on an
            axis that is cut.

        Examples
        --------
        >>> import erfgraph as eg
        >>> eg.halo(eg.load("conv3p1 max2 conv3p1", 64)).crop([(16, 32)])
        ((12, 36),)
        """
        if len(own) != len(self.input_shape):
            raise InputError(f"own: got {own!r}, wanted {len(self.input_shape)} (start, stop)")
        found = []
        for axis, ((start, stop), n) in enumerate(zip(own, self.input_shape, strict=True)):
            overlap, step = self.overlap[axis], self.alignment[axis] or n
            fits = 0 <= start < stop <= n and start % step == 0 and (stop % step == 0 or stop == n)
            if not fits:
                raise InputError(
                    f"own: got {start}:{stop} on axis {axis}, wanted multiples of {step} "
                    f"within 0:{n}"
                )
            before, after = overlap or (n, n)
            found.append((max(0, start - before), min(n, stop + after)))
        return tuple(found)

    def tiles(self, size: int | Sequence[int]) -> Iterator[Tile]:
        """Tiles that cover the image, in raster order; those at the end may be smaller.

        Parameters
        ----------
        size : int or sequence of int
            Sides of the own part; multiples of the alignment, or the image's side.

        Raises
        ------
        InputError
            If a side is not.

        Examples
        --------
        >>> import erfgraph as eg
        >>> for tile in eg.halo(eg.load("conv3p1*2", 20)).tiles(10):
        ...     print(tile.own, tile.crop)
        ((0, 10),) ((0, 12),)
        ((10, 20),) ((8, 20),)
        """
        ndim = len(self.input_shape)
        sides: tuple[Any, ...] = tuple(size) if isinstance(size, list | tuple) else (size,) * ndim
        if len(sides) != ndim or not all(is_int(s) and s > 0 for s in sides):
            raise InputError(f"size: got {size!r}, wanted a positive integer, or {ndim} of them")
        for corner in np.ndindex(
            *(-(-n // s) for n, s in zip(self.input_shape, sides, strict=True))
        ):
            own = tuple(
                (i * s, min((i + 1) * s, n))
                for i, s, n in zip(corner, sides, self.input_shape, strict=True)
            )
            yield Tile(own, self.crop(own))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "layer": self.layer,
            "before": list(self.before),
            "after": list(self.after),
            "alignment": list(self.alignment),
            "overlap": [None if o is None else list(o) for o in self.overlap],
            "whole": list(self.whole),
        }


def halo(net: Network, layer: str | FeatureMap | None = None) -> Halo:
    """How far tiles must overlap so that their results are those of the whole image.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Feature map whose units are wanted; default the last.

    Returns
    -------
    Halo

    Raises
    ------
    NameLookupError
        If there is no such layer.
    SizeError
        As `receptive_fields`.

    Notes
    -----
    Let the fields of the feature map repeat every p units and A input units, unit j*p + i
    seeing ``[A*j + first_i, A*j + last_i]`` (`receptive_field`). Then, for tiles that start
    and stop at multiples of A::

        before = max(0, -min_i first_i)        after = max(0, max_i last_i + 1 - A)

    Exact: no smaller overlap gives all units of a tile all of their paths. A transparent gate
    (the default) is not on any path, though its factor may see the whole image; with
    ``gates="follow"`` such a network says that it cannot be cut.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.halo(eg.load("resnet50", (1024, 1024)))
    >>> found.before, found.after, found.alignment, found.overlap
    ((213, 213), (182, 182), (32, 32), ((224, 192), (224, 192)))
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    top = net.output if layer is None else net._resolve(layer, "layer")
    fields = receptive_fields(net)
    leading = {top.index}
    for m in reversed(net.maps[: top.index + 1]):
        if m.index in leading:
            leading.update(link.src for link in m.links)
    ways = [net.maps[i] for i in sorted(leading)]
    ndim = len(top.shape)
    bound = [[m.name for m in ways if not _local(net, m, axis)] for axis in range(ndim)]
    before: list[int | None] = []
    after: list[int | None] = []
    alignment: list[int | None] = []
    for axis in range(ndim):
        found = fields[top.index].fields[axis]
        reach = None if bound[axis] else _reach(found)
        before.append(reach and reach[0])
        after.append(reach and reach[1])
        steps = [p.advance for m in ways for p in fields[m.index].fields[axis]]
        alignment.append(None if reach is None else math.lcm(*steps))
    return Halo(
        layer=top.name,
        input_shape=net.input.shape,
        before=tuple(before),
        after=tuple(after),
        alignment=tuple(alignment),
        whole=tuple(dict.fromkeys(name for names in bound for name in names)),
    )


def _reach(found: AxisField) -> tuple[int, int] | None:
    """What units read before and after their own part of an axis; None where it has no bound."""
    if len({p.stride for p in found}) > 1 or any(p.advance <= 0 for p in found):
        return None
    ends = [(h[0], h[1] + 1 - p.advance) for p in found for h in p.hulls if h is not None]
    return (
        max(0, max((-first for first, _ in ends), default=0)),
        max(0, max((last for _, last in ends), default=0)),
    )


def _local(net: Network, m: FeatureMap, axis: int) -> bool:
    """Whether what a layer's units read on an axis only depends on where they are."""
    if not m.links:
        return True
    shapes = [net.maps[link.src].shape for link in m.links]
    if any(reads_whole(m, shape[axis], axis) for shape in shapes):
        return False
    if m.op == "adaptive_pool":
        return shapes[0][axis] == m.shape[axis]
    if m.op == "gate":
        return shapes[0][axis] == shapes[1][axis]
    if m.op == "upsample":
        grid = m.params.get("coordinates")
        whole = m.params.get("align_corners") or grid in ("align_corners", "half_pixel_symmetric")
        return not whole or shapes[0][axis] == m.shape[axis]
    if m.op == "roll":
        shift = m.params["shift"]
        return not (shift[axis] if isinstance(shift, list | tuple) else shift)
    if m.op == "slice":
        step = m.params.get("step")
        step = step[axis] if isinstance(step, list | tuple) else step
        return step is None or step > 0
    return True
