"""Ways through layers with fixed weights: composed first, squared afterwards.

With weights drawn independently and of mean zero, E[(∂o/∂i)²] is a sum over paths of products
of variances: what arrives at a map through drawn weights is uncorrelated from unit to unit
and from channel to channel, so mean squares add. Fixed weights make correlations: the two
branches of ``x + average(x)`` carry the same numbers, so their weights must be added before
they are squared. A `Route` is a linear map, from the map at which numbers are uncorrelated
(its root) to one that they reach through fixed weights alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from erfgraph import axes
from erfgraph.axes import AxisMap, Dense, Sparse, Taps
from erfgraph.channels import Mix, listed
from erfgraph.layers import Term
from erfgraph.params import Shape

MOST_KNOWN = 512  # composed axis maps that are remembered
_KNOWN: dict[Any, Sparse] = {}

Mask = tuple[Any, float, float]  # what draws it, its mean and its mean square


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A way through fixed weights: what a map's gradient is of its root's.

    Attributes
    ----------
    root : int
        Where numbers are uncorrelated.
    term : tuple of AxisMap
        Weights per axis, from positions of the root (outputs) to those of the map (inputs).
    factor : float
        For all entries.
    matrix : scipy.sparse.csr_array, shape (channels of the root, channels of the map)
        Weights of channels; None: each to the one of its number.
    masks : tuple of (key, mean, mean square)
        Factors that differ from unit to unit: slopes of activations.
    """

    root: int
    term: Term
    factor: float = 1.0
    matrix: Any = None
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Squared:
    """Mean squares of weights between two maps: one term of a sum.

    Attributes
    ----------
    term : tuple of AxisMap
    factor : float
    mix : Mix
    gains : float64 array, shape (len(mix.reads),), optional
        Of every channel that is read, in the order of the mix.
    """

    term: Term
    factor: float
    mix: Mix
    gains: np.ndarray | None = None


def root_route(root: int, shape: Shape) -> Route:
    """The way from a map to itself."""
    return Route(root, tuple(axes.identity(n) for n in shape))


def extended(
    route: Route, term: Term, factor: float, matrix: Any, mask: Mask | None = None
) -> Route:
    """A route continued through one more layer with fixed weights."""
    joined = tuple(composed(a, b) for a, b in zip(route.term, term, strict=True))
    for a, b in zip(route.term, term, strict=True):
        if isinstance(a, Dense) and isinstance(b, Dense):
            factor *= a.n_in  # as many ways from any position to any other
    if matrix is None:
        channels = route.matrix
    else:
        channels = matrix if route.matrix is None else route.matrix @ matrix
    masks = route.masks if mask is None else (*route.masks, mask)
    return replace(route, term=joined, factor=route.factor * factor, matrix=channels, masks=masks)


@lru_cache(maxsize=2048)
def composed(upper: AxisMap, lower: AxisMap) -> AxisMap:
    """The axis map of two in a row: weights multiply along ways, and add over them.

    Of two dense ones, every entry is as many as there are ways; that factor is left out.
    """
    if axes.is_identity(upper):
        return lower
    if axes.is_identity(lower):
        return upper
    if isinstance(upper, Dense) and isinstance(lower, Dense):
        return Dense(lower.n_in, upper.n_out)
    product = axes.matrix(upper) @ axes.matrix(lower)
    axes.check_entries(product.nnz)
    return _from_matrix(product)


def _from_matrix(matrix: Any) -> Sparse:
    matrix = matrix.tocsr()
    matrix.sum_duplicates()
    matrix.sort_indices()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)).astype(np.int64)
    columns, weights = matrix.indices.astype(np.int64), matrix.data.astype(float)
    # the same numbers are the same object, so that equal ways are seen to be equal
    key = (matrix.shape, rows.tobytes(), columns.tobytes(), np.round(weights, 12).tobytes())
    if len(_KNOWN) >= MOST_KNOWN:
        _KNOWN.clear()
    return _KNOWN.setdefault(key, Sparse(matrix.shape[1], matrix.shape[0], rows, columns, weights))


@lru_cache(maxsize=2048)
def times(a: AxisMap, b: AxisMap) -> AxisMap | None:
    """Entry by entry; None where no entry is left."""
    if a is b or a == b:
        return _square(a)
    product = axes.matrix(a).multiply(axes.matrix(b))
    return _from_matrix(product) if product.nnz else None


def _square(a: AxisMap) -> AxisMap:
    if isinstance(a, Dense):
        return a
    if isinstance(a, Taps) and axes.once(a) is a:
        return a
    outs, srcs, counts = axes.triplets(a)
    return Sparse(a.n_in, a.n_out, outs, srcs, counts.astype(float) ** 2)


@lru_cache(maxsize=2048)
def scatters(a: AxisMap) -> bool:
    """Whether some output position hands its number to more than one input position."""
    if isinstance(a, Dense):
        return a.n_in > 1
    if isinstance(a, Sparse):
        return len(a.outs) > 0 and int(np.bincount(a.outs).max()) > 1
    return int(axes.largest_sums(a)[0]) > 1


def by_root(routes: Iterable[Route]) -> dict[int, list[Route]]:
    """Routes of each root."""
    found: dict[int, list[Route]] = {}
    for route in routes:
        found.setdefault(route.root, []).append(route)
    return found


def signature(routes: Sequence[Route]) -> tuple[Any, ...] | None:
    """What routes from one root are, up to a common factor; None where channels are rearranged.

    Roots with equal signatures, whose numbers are uncorrelated, may be joined.
    """
    if any(r.matrix is not None or not r.factor for r in routes):
        return None
    first = routes[0].factor
    return tuple(
        (r.term, float(f"{r.factor / first:.12g}"), tuple(key for key, *_ in r.masks))
        for r in routes
    )


def stays_diagonal(routes: list[Route]) -> bool:
    """Whether numbers that arrive by these routes are uncorrelated at the map they reach."""
    return all(_apart(group) for group in by_root(routes).values())


def _apart(routes: list[Route]) -> bool:
    """Whether a root's unit reaches at most one unit and channel."""
    first = routes[0]
    if any(scatters(axis) for axis in first.term) or _fans_out(first.matrix):
        return False
    if len(routes) == 1:
        return True
    if any(r.matrix is None for r in routes):
        return all(r.matrix is None and r.term == first.term for r in routes)
    reached = sum(np.diff(r.matrix.indptr) > 0 for r in routes)
    alone = bool((reached <= 1).all())  # each of the root's channels goes by one of the routes
    return alone and not any(scatters(a) or _fans_out(r.matrix) for r in routes for a in r.term)


def _fans_out(matrix: Any) -> bool:
    return matrix is not None and bool((np.diff(matrix.indptr) > 1).any())


def squared(routes: list[Route], channels: tuple[int, int]) -> list[Squared]:
    """Mean squares of the sum of routes from one root to one map.

    Parameters
    ----------
    routes : list of Route
        All of one root.
    channels : (int, int)
        Of the root and of the map.
    """
    found = []
    for i, a in enumerate(routes):
        for j, b in enumerate(routes[: i + 1]):
            part = _product(a, b, channels)
            if part is not None:
                found.append(part if i == j else replace(part, factor=2 * part.factor))
    return found


def _product(a: Route, b: Route, channels: tuple[int, int]) -> Squared | None:
    term = []
    for left, right in zip(a.term, b.term, strict=True):
        axis = times(left, right)
        if axis is None:
            return None
        term.append(axis)
    factor = a.factor * b.factor * _mask_product(a.masks, b.masks)
    if a.matrix is None and b.matrix is None:
        n = channels[1]
        return Squared(tuple(term), factor, Mix(range(n), range(n), n))
    one, two = (_eye(channels[0]) if m is None else m for m in (a.matrix, b.matrix))
    both = one.multiply(two).tocoo()
    both.eliminate_zeros()
    if not both.nnz:
        return None
    reads, makes = tuple(both.col.tolist()), tuple(both.row.tolist())
    gains = both.data.astype(float)
    if (gains == gains[0]).all():
        factor, gains = factor * float(gains[0]), None
    return Squared(tuple(term), factor, Mix(reads, makes, len(reads)), gains)


def _mask_product(a: tuple[Mask, ...], b: tuple[Mask, ...]) -> float:
    """Mean of the product of what two routes pass: a mask that both pass is squared."""
    found = 1.0
    others = {key: (mean, square) for key, mean, square in b}
    for key, mean, square in a:
        found *= square if others.pop(key, None) is not None else mean
    for mean, _ in others.values():
        found *= mean
    return found


@lru_cache(maxsize=64)
def _eye(n: int) -> Any:
    from scipy.sparse import eye_array

    return eye_array(n, format="csr")


def channel_matrix(mix: Mix, n_made: int, n_read: int, gains: np.ndarray | None) -> Any:
    """A mix as a matrix of shape (made, read), times a factor per channel that is read.

    None where every channel goes to the one of its number, unchanged.
    """
    each = mix.groups == len(mix.makes) == len(mix.reads)
    plain = each and mix.reads == range(n_read) and mix.makes == range(n_made)
    if plain and gains is None:
        return None
    from scipy.sparse import csr_array

    n, m = len(mix.makes) // mix.groups, len(mix.reads) // mix.groups
    makes = listed(mix.makes).reshape(mix.groups, n, 1)
    reads = listed(mix.reads).reshape(mix.groups, 1, m)
    rows, columns = (np.broadcast_to(v, (mix.groups, n, m)).ravel() for v in (makes, reads))
    values = np.ones(len(rows)) if gains is None else gains[columns]
    return csr_array((values, (rows, columns)), shape=(n_made, n_read))
