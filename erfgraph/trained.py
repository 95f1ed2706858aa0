"""Trained weights: every edge weighs the size or the square of the weight that it stands for.

What travels on a map has one number per channel; a layer with weights hands them on tap by tap,
each tap a matrix over channels. The sum over paths of the products of sizes is the path norm
of Neyshabur et al. 2015 (arXiv:1503.00036), resolved by input unit; it bounds the gradient.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from erfgraph import layers, memory
from erfgraph.channel_classes import Classes
from erfgraph.channels import Channels, Mix, listed
from erfgraph.drawn import DRAWN, weight_shape
from erfgraph.errors import InputError
from erfgraph.featuremap import FeatureMap, Link, Pass
from erfgraph.fixed_weights import fixed_term
from erfgraph.layers import Terms
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.plan import Plan, compile_plan
from erfgraph.view import Strand, View
from erfgraph.weighted_view import needed

POWERS = {"abs": 1, "square": 2}


@dataclass(frozen=True, eq=False)
class ChannelMatrix:
    """Numbers that the channels of one map hand to those of another; a `Mixing` of all channels.

    Attributes
    ----------
    matrix : array or scipy.sparse array, shape (len(reads), len(makes))
    reads, makes : int64 arrays
        Channels of the map that is pushed to, and of the one that pushes.
    n_into, n_source : int
        Channels of the two maps.
    """

    matrix: Any
    reads: np.ndarray
    makes: np.ndarray
    n_into: int
    n_source: int

    @property
    def plain(self) -> bool:
        """Whether numbers are handed on as they are."""
        return False

    @cached_property
    def collects(self) -> float:
        """The most that one number collects from numbers of size one."""
        return float(np.asarray(self.matrix.sum(axis=1)).max())

    @cached_property
    def hands(self) -> float:
        """The most that a number of size one hands out."""
        return float(np.asarray(self.matrix.sum(axis=0)).max())

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Mix channels: shape (n_source, *window) to (n_into, *window)."""
        window = values.shape[1:]
        flat = values.reshape(self.n_source, -1)
        every = len(self.makes) == self.n_source and bool(
            (self.makes == np.arange(self.n_source)).all()
        )
        taken = flat if every else flat[self.makes]
        mixed = np.asarray(self.matrix @ taken.astype(float, copy=False))
        if values.dtype == bool:
            mixed = mixed > 0
        if len(self.reads) == self.n_into and bool((self.reads == np.arange(self.n_into)).all()):
            return mixed.reshape(self.n_into, *window)
        into = np.zeros((self.n_into, flat.shape[1]), dtype=values.dtype)
        if values.dtype == bool:
            np.logical_or.at(into, self.reads, mixed)
        else:
            np.add.at(into, self.reads, mixed)
        return into.reshape(self.n_into, *window)


def trained_plan(
    net: Network, start: int, unit: Shape, stops: Sequence[int], asked: Channels, power: int
) -> Plan:
    """The compiled sweep over all channels and trained weights; not kept, as it is large.

    Raises
    ------
    InputError
        If a layer has no weights.
    """
    order = needed(net, start, stops)
    held, lowest = set(order), min(stops)
    memory.require(8 * _numbers(net, order), "the weights of this network")
    pushes = {
        i: tuple(s for s in _strands(net, net.maps[i], power) if s.target in held)
        if i > lowest
        else ()
        for i in order
    }
    every = {i: np.arange(net.maps[i].channels) for i in order}
    view = View(
        tuple(m.shape for m in net.maps),
        pushes,
        tuple(order),
        tuple(m.channels for m in net.maps),
        asked,
        weighted=True,
        classes={i: Classes(channels, channels) for i, channels in every.items()},
    )
    return compile_plan(view, start, tuple((u, u + 1) for u in unit))


def first_numbers(net: Network, top: FeatureMap, asked: Channels, power: int) -> np.ndarray:
    """What the channels of the unit start with: what its own norms and scales multiply by.

    Returns
    -------
    float64 array, shape (channels, 1, …)
        Zero for channels that are not asked for; one that is asked for twice counts twice.
    """
    channels = net.maps[top.index].channels
    times = np.bincount(np.asarray(asked), minlength=channels).astype(float)
    scale = _passed_scale(net, top.passed, channels, power)
    return (times if scale is None else times * scale).reshape(-1, *(1,) * net.ndim)


def _numbers(net: Network, order: Sequence[int]) -> int:
    """How many weights the layers have together."""
    return sum(
        math.prod(weight_shape(m, net.maps[link.src], link.parts[0].mix))
        for m in (net.maps[i] for i in order)
        if m.op in DRAWN
        for link in m.links
    )


def _strands(net: Network, m: FeatureMap, power: int) -> Iterator[Strand]:
    for link in m.links:
        read = net.maps[link.src]
        scale = _passed_scale(net, link.passed, read.channels, power)
        if m.op in DRAWN:
            mix = link.parts[0].mix
            for terms, matrix in _taps(net, m, read, mix, power):
                yield _strand(link, terms, mix, matrix, scale, (read.channels, m.channels))
            continue
        for part in link.parts:
            for term in part.terms:
                found = fixed_term(m, read, term)
                term, factor = (term, 1.0) if found is None else found
                if m.op == "channel_pool":
                    factor *= part.mix.groups / len(part.mix.reads)
                squared = term if power == 1 else tuple(map(_square, term))
                matrix = _group_matrix(part.mix, abs(factor) ** power)
                yield _strand(
                    link, (squared,), part.mix, matrix, scale, (read.channels, m.channels)
                )


def _square(axis: Any) -> Any:
    from erfgraph.axes import Sparse

    if not isinstance(axis, Sparse) or axis.counts.dtype.kind != "f":
        return axis  # counts are edges, each of weight one
    return Sparse(axis.n_in, axis.n_out, axis.outs, axis.srcs, axis.counts**2)


def _strand(
    link: Link, terms: Terms, mix: Mix, matrix: Any, scale: np.ndarray | None, sizes: Any
) -> Strand:
    reads, makes = listed(mix.reads), listed(mix.makes)
    if scale is not None:
        factors = scale[reads][:, None]
        matrix = matrix * factors if isinstance(matrix, np.ndarray) else matrix.multiply(factors)
        matrix = matrix if isinstance(matrix, np.ndarray) else matrix.tocsr()
    return Strand(link.src, terms, mixing=ChannelMatrix(matrix, reads, makes, sizes[0], sizes[1]))


def _group_matrix(mix: Mix, value: float) -> Any:
    """A mix as a matrix in the order of its own channels: shape (reads, makes)."""
    from scipy.sparse import csr_array, kron

    n, m = len(mix.makes) // mix.groups, len(mix.reads) // mix.groups
    eye = csr_array(
        (np.full(mix.groups, value), (np.arange(mix.groups), np.arange(mix.groups))),
        shape=(mix.groups, mix.groups),
    )
    return eye if n == m == 1 else kron(eye, np.ones((m, n)), format="csr")


def _taps(
    net: Network, m: FeatureMap, read: FeatureMap, mix: Mix, power: int
) -> Iterator[tuple[Terms, Any]]:
    """Of every tap, what it joins, and its weights: shape (reads, makes)."""
    weights = trained_weights(net, m, read, mix, power)
    kernel = weights.shape[2:]
    mask = m.params.get("mask")
    read_taps = np.ones(kernel, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    for tap in itertools.product(*map(range, kernel)):
        if read_taps[tap]:
            terms = _tap_terms(m, read, kernel, tap)
            here = np.moveaxis(weights, (0, 1), (-2, -1))[tap]
            yield terms, _tap_matrix(here, mix, m.op == "conv_transpose")


def _tap_terms(m: FeatureMap, read: FeatureMap, kernel: Shape, tap: tuple[int, ...]) -> Terms:
    if m.op == "linear":  # every position a tap of its own
        alone = tuple(slice(t, t + 1) for t in tap)
        starts, stops = [s.start for s in alone], [s.stop for s in alone]
        return layers.slice_(read.shape, starts, stops)[1]
    only = np.zeros(kernel, dtype=bool)
    only[tap] = True
    given = {k: v for k, v in m.params.items() if k not in ("groups", "channels", "mask")}
    made = layers.conv if m.op == "conv" else layers.conv_transpose
    given.pop("padding_mode", None) if m.op == "conv_transpose" else None
    return made(read.shape, **given, mask=only)[1]


def _tap_matrix(weights: np.ndarray, mix: Mix, transposed: bool) -> Any:
    """One tap's weights, (out, in / groups) or (in, out / groups), as (reads, makes)."""
    if mix.groups == 1:
        return weights if transposed else np.ascontiguousarray(weights.T)
    from scipy.sparse import block_diag, csr_array, diags_array

    blocks = weights.reshape(mix.groups, -1, weights.shape[1])
    if blocks.shape[1:] == (1, 1):
        return csr_array(diags_array(blocks[:, 0, 0]))
    return block_diag([b if transposed else b.T for b in blocks], format="csr")


def trained_weights(
    net: Network, m: FeatureMap, read: FeatureMap, mix: Mix, power: int
) -> np.ndarray:
    """A layer's weights, their sizes to a power, as PyTorch lays them out.

    Raises
    ------
    InputError
        If there are none, or they have another shape.
    """
    reader = net.weights.get(m.index)
    if reader is None:
        raise InputError(
            f"weights: {m.op} {m.name!r} has none; import the network from a PyTorch module or an "
            "ONNX file that carries them"
        )
    held = np.asarray(reader(), dtype=float)
    wanted = weight_shape(m, read, mix)
    if m.op == "linear":
        wanted = (wanted[0], len(mix.reads), *read.shape)
    if held.size != math.prod(wanted):
        raise InputError(
            f"weights: {m.op} {m.name!r}: got an array of shape {held.shape}, wanted {wanted}"
        )
    return _sizes(held.reshape(wanted), power, f"{m.op} {m.name!r}")


def _sizes(held: np.ndarray, power: int, what: str) -> np.ndarray:
    """Sizes to a power, if all of them are numbers."""
    if not np.isfinite(held).all():
        raise InputError(f"weights: {what}: some are NaN or infinite")
    sizes = np.asarray(np.abs(held))
    if power == 1:
        return sizes
    with np.errstate(over="ignore"):
        squares: np.ndarray = sizes * sizes
    if not np.isfinite(squares).all():
        raise InputError(
            f"weights: {what}: squares of some, up to {sizes.max():.3g}, leave float64"
        )
    return squares


def _passed_scale(
    net: Network, passed: tuple[Pass, ...], channels: int, power: int
) -> np.ndarray | None:
    """What norms and scales multiply every channel by; None: nothing."""
    found: np.ndarray | None = None
    for p in passed:
        reader = net.scales.get(p.of)
        factor: Any = reader() if reader is not None else p.value if p.kind in _SCALING else None
        if factor is None:
            continue
        held = np.asarray(factor, dtype=float)
        view = net[p.of].view if p.of in net else None
        if view is not None and held.ndim:  # in the order of the channels that were taken
            whole = np.ones(channels)
            whole[np.asarray(view)] = held
            held = whole
        values = _sizes(np.broadcast_to(held, (channels,)), power, f"{p.kind} {p.of!r}")
        found = values if found is None else found * values
    return found


_SCALING = ("scale", "batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")


def check_power(weights: Any) -> int:
    """The power of the weights' sizes that a name stands for.

    Raises
    ------
    InputError
        If it is no such name.
    """
    if not isinstance(weights, str) or weights not in POWERS:
        raise InputError(f"weights: got {weights!r}, wanted 'abs' or 'square'")
    return POWERS[weights]
