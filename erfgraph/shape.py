"""Measures of a map's shape: box, moments, entropy, radial profile, isotropy. NumPy only.

All but the box take `share`, a float64 array that sums to 1, and give lengths in units
(positions).
"""

from __future__ import annotations

import numpy as np

Box = tuple[tuple[int, int], ...]  # (start, stop) per axis, stop exclusive


def bounding_box(mask: np.ndarray, offset: tuple[int, ...] | None = None) -> Box | None:
    """The smallest box that holds every true position, shifted by an offset."""
    if not mask.any():
        return None
    box = []
    for a in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(b for b in range(mask.ndim) if b != a)))
        base = offset[a] if offset else 0
        box.append((int(hit[0]) + base, int(hit[-1]) + 1 + base))
    return tuple(box)


def _marginal(share: np.ndarray, axis: int) -> np.ndarray:
    rest = tuple(a for a in range(share.ndim) if a != axis)
    return np.asarray(share.sum(axis=rest))


def _centred(n: int) -> np.ndarray:
    """Positions counted from the middle, so that a symmetric map's mean is exactly there."""
    return np.arange(n) - (n - 1) / 2


def centre_of_mass(share: np.ndarray) -> tuple[float, ...]:
    """Mean position per axis."""
    return tuple(
        float((n - 1) / 2 + (_marginal(share, a) * _centred(n)).sum())
        for a, n in enumerate(share.shape)
    )


def central_moment(share: np.ndarray, axis: int, order: int) -> float:
    """Central moment of an axis: sum of share times (position - mean)**order."""
    marginal = _marginal(share, axis)
    position = _centred(len(marginal))
    mean = (marginal * position).sum()
    return float((marginal * (position - mean) ** order).sum())


def standard_deviation(share: np.ndarray) -> tuple[float, ...]:
    """Standard deviation per axis."""
    return tuple(float(np.sqrt(central_moment(share, a, 2))) for a in range(share.ndim))


def excess_kurtosis(share: np.ndarray) -> tuple[float, ...]:
    """Fourth central moment over squared variance, minus 3, per axis; NaN where variance is 0.

    Zero for a Gaussian, -1.5/n for a chain of n 3-tap layers.
    """
    result = []
    for a in range(share.ndim):
        variance = central_moment(share, a, 2)
        ratio = central_moment(share, a, 4) / variance**2 if variance > 0 else np.nan
        result.append(float(ratio - 3))
    return tuple(result)


def entropy(share: np.ndarray) -> float:
    """Shannon entropy in nats: 0 for one unit, ln(n) for n equal ones."""
    positive = share[share > 0]
    return float(max(0.0, -(positive * np.log(positive)).sum()))


def distances(shape: tuple[int, ...], centre: tuple[float, ...]) -> np.ndarray:
    """Euclidean distance of every position from a centre, shape `shape`."""
    squares = [
        ((np.arange(n) - c) ** 2).reshape([-1 if a == b else 1 for b in range(len(shape))])
        for a, (n, c) in enumerate(zip(shape, centre, strict=True))
    ]
    return np.sqrt(sum(squares))


def _framed(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map in a frame of zeros that holds the whole disc around it, and all distances.

    Without the frame a filled square would look isotropic: the zeros beyond its sides, as far
    from the centre as its corners, would be missing.
    """
    centre = centre_of_mass(share)
    support = np.argwhere(share > 0)
    radius = np.sqrt(((support - np.array(centre)) ** 2).sum(axis=1)).max(initial=0.0)
    before = [max(0, int(np.ceil(radius - c))) for c in centre]
    after = [
        max(0, int(np.ceil(radius - (n - 1 - c))))
        for n, c in zip(share.shape, centre, strict=True)
    ]
    framed = np.pad(share, list(zip(before, after, strict=True)))
    shifted = tuple(c + b for c, b in zip(centre, before, strict=True))
    return framed, distances(framed.shape, shifted)


def radial_profile(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean share in rings one unit wide around the centre of mass.

    Parameters
    ----------
    share : float64 array that sums to 1

    Returns
    -------
    radius : float64 array
        0, 1, 2, …; ring r holds the units at a distance in [r - 1/2, r + 1/2).
    mean : float64 array of the same length
        Mean share of a unit of the ring; positions beyond the map count as 0. NaN for a ring
        without a position.
    """
    framed, distance = _framed(share)
    ring = np.floor(distance + 0.5).astype(np.int64).ravel()
    n = int(ring[framed.ravel() > 0].max(initial=0)) + 1
    members = np.bincount(ring, minlength=n)[:n]
    sums = np.bincount(ring, framed.ravel(), minlength=n)[:n]
    mean = np.divide(sums, members, out=np.full(n, np.nan), where=members > 0)
    return np.arange(n, dtype=float), mean


def isotropy(share: np.ndarray) -> float:
    """How near a map is to radial symmetry around its centre of mass: 1 if it is symmetric.

    One minus the total-variation distance between the map and the best function of the
    distance alone (least squares, piecewise linear with knots one unit apart). Positions
    beyond the map count as 0, so a filled square is not isotropic.

    Parameters
    ----------
    share : float64 array that sums to 1

    Returns
    -------
    float
        In [0, 1].
    """
    framed, distance = _framed(share)
    flat, d = framed.ravel(), distance.ravel()
    inside = d <= d[flat > 0].max(initial=0.0) + 1
    flat, d = flat[inside], d[inside]
    knot = np.floor(d).astype(np.int64)
    right = d - knot
    n = int(knot.max(initial=0)) + 2
    # normal equations of the hat functions: tridiagonal, so three sums suffice
    diagonal = np.bincount(knot, (1 - right) ** 2, n) + np.bincount(knot + 1, right**2, n)
    beside = np.bincount(knot, right * (1 - right), n)[:-1]
    moment = np.bincount(knot, (1 - right) * flat, n) + np.bincount(knot + 1, right * flat, n)
    profile = _solve_tridiagonal(diagonal, beside, moment)
    fitted = (1 - right) * profile[knot] + right * profile[knot + 1]
    return float(np.clip(1 - 0.5 * np.abs(flat - fitted).sum(), 0, 1))


def _solve_tridiagonal(diagonal: np.ndarray, beside: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Solve a symmetric, semidefinite tridiagonal system by elimination (Thomas).

    A pivot that vanishes belongs to a knot that no position determines; it gets zero. Plain
    loops: the knots are as many as the radius, and a dense system would need their square.
    """
    n = len(diagonal)
    tiny = 1e-12 * float(diagonal.max(initial=0.0))
    pivots, rest, upper = diagonal.tolist(), moment.tolist(), [*beside.tolist(), 0.0]
    for i in range(1, n):
        if pivots[i - 1] > tiny:
            factor = upper[i - 1] / pivots[i - 1]
            pivots[i] -= factor * upper[i - 1]
            rest[i] -= factor * rest[i - 1]
    found = [0.0] * (n + 1)
    for i in range(n - 1, -1, -1):
        if pivots[i] > tiny:
            found[i] = (rest[i] - upper[i] * found[i + 1]) / pivots[i]
    return np.array(found[:n])
