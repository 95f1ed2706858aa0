"""`spectrum`: which field sizes a network's branches couple, and the share of paths behind each.

Segmentation classifies blocks of several sizes around each pixel and merges the answers; a
block is a receptive field, so a good segmenter couples many of them, by add or concat.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from erfgraph.display import Shown
from erfgraph.errors import InputError, unknown_name
from erfgraph.network import FeatureMap, Network, unit_of
from erfgraph.params import Shape
from erfgraph.path_classes import By, path_classes

BY = ("size", "depth")
WEIGHTS = ("paths", "subpaths")
Size = tuple[int | None, ...]  # per axis; None: the whole map, however large


@dataclass(frozen=True, slots=True)
class Spectrum(Shown):
    """How many ways, and how many paths, a network has behind every field size.

    A *sub-path* is a way through the feature maps, one branch at every merge (Veit et al.
    2016). A *path* goes through positions: a 3x3 convolution has nine times as many of them.
    Borders are ignored: padding counts as positions.

    Attributes
    ----------
    network : str or None
    input_shape : tuple of int
    layer : str
        The feature map whose units are asked about.
    unit : tuple of int
        The unit at which paths end. It matters only behind transposed, upsampling and other
        layers whose units do not all read alike.
    by : {"size", "depth"}
        What the sub-paths are told apart by.
    keys : tuple of tuples
        By size: the size per axis, of the largest unit; None on an axis on which a sub-path
        passes a layer that reads the whole map (global pool, linear, attention). By depth: the
        number of spatial layers passed. Ascending, None last.
    subpaths, paths : tuple of int
        How many there are behind each key; exact.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.spectrum(eg.load("res(conv3p1)*3"))
    >>> found.sizes
    ((1,), (3,), (5,), (7,))
    >>> found.subpaths, found.paths
    ((1, 3, 3, 1), (1, 9, 27, 27))
    """

    network: str | None
    input_shape: Shape
    layer: str
    unit: Shape
    by: By
    keys: tuple[Size, ...]
    subpaths: tuple[int, ...] = field(repr=False)
    paths: tuple[int, ...] = field(repr=False)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The distinct field sizes, each a tuple per axis, ascending; None: the whole map.

        Raises
        ------
        InputError
            If the spectrum is one by depth.
        """
        self._must_be("size")
        return self.keys

    @property
    def depths(self) -> tuple[int, ...]:
        """The distinct numbers of spatial layers passed, ascending.

        Raises
        ------
        InputError
            If the spectrum is one by size.
        """
        self._must_be("depth")
        return tuple(key[0] or 0 for key in self.keys)

    @property
    def n_sizes(self) -> int:
        """How many distinct field sizes the network couples; InputError if it is by depth."""
        return len(self.sizes)

    @property
    def total_subpaths(self) -> int:
        """All sub-paths."""
        return sum(self.subpaths)

    @property
    def total_paths(self) -> int:
        """All paths to the unit, as if the input had no border."""
        return sum(self.paths)

    @property
    def share_of_subpaths(self) -> tuple[float, ...]:
        """Share of the sub-paths behind each key."""
        return _shares(self.subpaths)

    @property
    def share_of_paths(self) -> tuple[float, ...]:
        """Share of the paths behind each key; all zero where no path leads to the unit."""
        return _shares(self.paths)

    def share_of_whole(self, weight: str = "paths") -> float:
        """Share of the paths (or sub-paths) that pass a layer which reads the whole map.

        Parameters
        ----------
        weight : {"paths", "subpaths"}, optional

        Raises
        ------
        NameLookupError
            If there is no such weight.
        """
        shares = _shares(self._weights(weight))
        return math.fsum(s for key, s in zip(self.keys, shares, strict=True) if None in key)

    def mean(self, weight: str = "paths") -> tuple[float, ...]:
        """Mean size per axis (or mean depth), each sub-path or path weighing the same.

        Parameters
        ----------
        weight : {"paths", "subpaths"}, optional

        Returns
        -------
        tuple of float
            One per axis, by depth one in all. Keys without a size do not count; NaN where
            none is left.

        Raises
        ------
        NameLookupError
            If there is no such weight.
        """
        weights = self._weights(weight)
        found = []
        for axis in range(len(self.keys[0])):
            pairs = [
                (k[axis] or 0, w)
                for k, w in zip(self.keys, weights, strict=True)
                if k[axis] is not None
            ]
            total = sum(w for _, w in pairs)
            found.append(
                float(Fraction(sum(k * w for k, w in pairs), total)) if total else math.nan
            )
        return tuple(found)

    def quantile(self, share: float, weight: str = "paths") -> Size:
        """The smallest size per axis (or depth) that a share of the paths do not exceed.

        Parameters
        ----------
        share : float
            Between 0 and 1; 0.5 for the median.
        weight : {"paths", "subpaths"}, optional

        Returns
        -------
        tuple of int or None
            One per axis, by depth one in all. The whole map (None) is larger than any size.

        Raises
        ------
        InputError
            If the share is not between 0 and 1.
        NameLookupError
            If there is no such weight.

        Examples
        --------
        >>> import erfgraph as eg
        >>> found = eg.spectrum(eg.load("resnet50"))
        >>> found.quantile(0.5), found.quantile(0.5, "subpaths")
        ((395, 395), (219, 219))
        """
        weights = self._weights(weight)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError(f"share: got {share!r}, wanted a number from 0 to 1")
        # the number that the user wrote: 0.1 is one tenth, not the double nearest to it
        wanted = Fraction(repr(float(share))) * sum(weights)
        found: list[int | None] = []
        for axis in range(len(self.keys[0])):
            rows = sorted((_last(k[axis]), w) for k, w in zip(self.keys, weights, strict=True))
            held = itertools.accumulate(w for _, w in rows)
            # a size with no weight of its own is no quantile
            reached = (s for (s, w), h in zip(rows, held, strict=True) if w and h >= wanted)
            at = next(reached, rows[-1][0])
            found.append(None if math.isinf(at) else int(at))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        shares = zip(self.share_of_subpaths, self.share_of_paths, strict=True)
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "layer": self.layer,
            "unit": list(self.unit),
            "by": self.by,
            "total_subpaths": self.total_subpaths,
            "total_paths": self.total_paths,
            "mean": {w: [_number(m) for m in self.mean(w)] for w in WEIGHTS},
            "median": {w: list(self.quantile(0.5, w)) for w in WEIGHTS},
            "share_of_whole": {w: self.share_of_whole(w) for w in WEIGHTS},
            "rows": [
                {
                    self.by: list(key) if self.by == "size" else key[0],
                    "subpaths": ways,
                    "paths": paths,
                    "share_of_subpaths": of_ways,
                    "share_of_paths": of_paths,
                }
                for key, ways, paths, (of_ways, of_paths) in zip(
                    self.keys, self.subpaths, self.paths, shares, strict=True
                )
            ],
        }

    def _must_be(self, by: str) -> None:
        if self.by != by:
            raise InputError(f"this spectrum is by {self.by}; ask spectrum(…, by={by!r})")

    def _weights(self, weight: str) -> tuple[int, ...]:
        if weight not in WEIGHTS:
            raise unknown_name("weight", str(weight), WEIGHTS)
        return self.paths if weight == "paths" else self.subpaths


def _shares(weights: Sequence[int]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(float(Fraction(w, total)) if total else 0.0 for w in weights)


def _last(size: int | None) -> float:
    return math.inf if size is None else size


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def spectrum(
    net: Network,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    by: By = "size",
) -> Spectrum:
    """The field sizes that a network's branches couple, and the share of paths behind each.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Feature map of the unit; default the last.
    unit : int or sequence of int, optional
        Where paths end; default the centre. It matters only behind transposed, upsampling and
        other layers whose units do not all read alike.
    by : {"size", "depth"}, optional
        Tell sub-paths apart by the size of their field, or by how many spatial layers (those
        that read more than one position of an axis) they pass.

    Returns
    -------
    Spectrum

    Raises
    ------
    NameLookupError
        If there is no such layer, or `by` is another.
    InputError
        If the unit lies outside its map.
    SizeError
        If there are too many different fields, as behind non-integer resizing.

    Notes
    -----
    With layer l of kernel k, dilation d, stride s and t taps kept by its mask, a polynomial in
    two variables, z for the size and y for the stride, is carried from the input upward::

        P_0 = z^1 y^1
        z^r y^S  ->  c z^(r + (k_l - 1) d_l S) y^(S s_l)     through layer l
        P_m = sum of the P of its branches                   at an add or a concat

    with c = 1 for sub-paths and c = t for paths. The exponents are those of Araujo, Norris and
    Sim (Distill 2019); the coefficients of a residual chain of n equal blocks are the binomial
    law of Veit et al. ("Residual Networks Behave Like Ensembles of Relatively Shallow
    Networks", 2016): C(n, k) sub-paths pass k blocks. Where fields differ from unit to unit
    (transposed convolutions, upsampling) the exponent is the whole period of fields, exactly,
    and the size that of the largest. All numbers are exact integers.

    Examples
    --------
    Half of the sub-paths of 54 residual blocks pass 27 of them or fewer, and more than 95 %
    pass 19 to 35; of the paths, which a block of three taps multiplies by three, few do:

    >>> import erfgraph as eg
    >>> found = eg.spectrum(eg.load("res(conv3p1)*54"), by="depth")
    >>> found.quantile(0.5, "subpaths"), found.quantile(0.5, "paths")
    ((27,), (41,))
    >>> round(sum(found.share_of_subpaths[19:36]), 3), round(sum(found.share_of_paths[19:36]), 3)
    (0.98, 0.062)
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if by not in BY:
        raise unknown_name("by", str(by), BY)
    top = net.output if layer is None else net._resolve(layer, "layer")
    at = unit_of(top, unit)
    found: dict[Size, tuple[int, int]] = {}
    for each in path_classes(net, top, by):
        key = each.size if by == "size" else (each.depth,)
        ways, paths = found.get(key, (0, 0))
        found[key] = (ways + each.subpaths, paths + each.paths_to(at))
    keys = sorted(found, key=lambda key: [_last(size) for size in key])
    return Spectrum(
        network=net.name,
        input_shape=net.input.shape,
        layer=top.name,
        unit=at,
        by=by,
        keys=tuple(keys),
        subpaths=tuple(found[key][0] for key in keys),
        paths=tuple(found[key][1] for key in keys),
    )
