"""Theoretical fields: their arithmetic, holes, unevenness, and kernels with signs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """One layer on one axis, for `field`."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def field(steps: Sequence[Step | tuple[int, ...]]) -> tuple[int, int, int]:
    """Size, stride and left padding of a unit's field above a chain, on one axis.

    Parameters
    ----------
    steps : sequence of (kernel, stride, padding, dilation)
        From the input upward; what is left out is 1, 0, 1.

    Returns
    -------
    size, stride, padding : int

    Notes
    -----
    Araujo, Norris and Sim (Distill 2019): ``r = 1 + sum (k_l - 1) d_l prod_{i<l} s_i``,
    ``S = prod s_l``, ``P = sum p_l prod_{i<l} s_i``.

    Examples
    --------
    VGG-16: thirteen 3x3 layers and five pools.

    >>> block = lambda n: [(3, 1, 1)] * n + [(2, 2)]
    >>> field([step for n in (2, 2, 3, 3, 3) for step in block(n)])
    (212, 32, 90)
    """
    size, jump, padding = 1, 1, 0
    for step in steps:
        layer = Step(*step)
        size += (layer.kernel - 1) * layer.dilation * jump
        padding += layer.padding * jump
        jump *= layer.stride
    return size, jump, padding


def dilated_support(dilations: Sequence[int], kernel: int = 3) -> list[int]:
    """Positions that a chain of dilated layers sees on one axis, counted from its centre.

    Examples
    --------
    >>> dilated_support([2, 2]), len(dilated_support([1, 2, 5]))
    ([-4, -2, 0, 2, 4], 17)
    """
    reached = {0}
    for d in dilations:
        reached = {p + d * (t - kernel // 2) for p in reached for t in range(kernel)}
    return sorted(reached)


def transposed_coverage(kernel: int, stride: int) -> list[int]:
    """Paths into the units of one period of a transposed layer, far from its borders.

    Output unit o is written by the taps t with ``t = o (mod stride)``: even only where the
    stride divides the kernel (Odena et al. 2016).

    Examples
    --------
    >>> transposed_coverage(3, 2), transposed_coverage(4, 2)
    ([2, 1], [2, 2])
    """
    return [len(range(phase, kernel, stride)) for phase in range(stride)]


def cosine_kernels(n: int) -> list[list[float]]:
    """The n three-tap kernels with signs that compose to ``2n + 1`` ones.

    ``[1, -2 cos(kφ), 1]`` for k = 1 to n, ``φ = 2π / (2n + 1)``: their roots are the
    ``2n + 1``-th roots of unity but 1.

    Examples
    --------
    >>> from erfgraph.theory import compose
    >>> [round(v, 12) for v in compose(cosine_kernels(3))]
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    angle = 2 * math.pi / (2 * n + 1)
    return [[1.0, -2 * math.cos(k * angle), 1.0] for k in range(1, n + 1)]
