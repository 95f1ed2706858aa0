"""A forward pass of moments through a network: one row a layer, no images, no weights.

Borders and correlations between positions are left out: padding counts as if it held what
the map holds, and an average over k positions has a k-th of their variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from erfgraph import axes
from erfgraph.channels import Mix, listed
from erfgraph.drawn import DRAWN, drawn_variance
from erfgraph.elementwise import KINDS
from erfgraph.errors import InputError
from erfgraph.featuremap import FeatureMap, Link, Pass
from erfgraph.fixed_weights import fixed_term
from erfgraph.layers import Term
from erfgraph.moments import Gain, Moments, largest, passed, product, together, white
from erfgraph.network import Network

LARGEST = 1e150  # mean square of activations: beyond, squares of it leave float64


class Forward:
    """Moments of a network's feature maps for white input, and gains of what passes.

    Parameters
    ----------
    net : Network
    init : str, optional
        A rule of `erfgraph.initial`; None: variance 1/fan-in.
    batch : bool, optional
        Whether batch norms normalise by the batch.
    top : FeatureMap, optional
        Whose unit is asked about; what reads its map does not matter. Default the last map.
    """

    def __init__(
        self,
        net: Network,
        init: str | None = None,
        batch: bool = False,
        top: FeatureMap | None = None,
    ) -> None:
        self.net, self.init, self.batch = net, init, batch
        self._maps: list[Moments] = [white(net.input.channels)]
        self._handles: dict[tuple[int, tuple[Pass, ...]], tuple[Moments, Gain]] = {}
        self._read_through: dict[int, Pass] = {}  # an activation of every map that has one
        top = net.output if top is None else top
        if top.passed and _is_activation(top.passed[-1]):
            self._read_through[top.index] = top.passed[-1]
        for m in net.maps[: top.index + 1]:
            for link in m.links:
                if link.passed and _is_activation(link.passed[-1]):
                    self._read_through.setdefault(link.src, link.passed[-1])

    def of(self, index: int) -> Moments:
        """Moments of a feature map.

        Raises
        ------
        InputError
            If they are too large for float64.
        """
        while len(self._maps) <= index:
            m = self.net.maps[len(self._maps)]
            with np.errstate(over="ignore", invalid="ignore"):
                found = _LAYERS.get(m.op, _fixed)(self, m)
                held = bool((found.square < LARGEST).all())
            if not held:
                raise InputError(
                    f"init: got {self.init!r}, but with it the activations of {m.name!r} leave "
                    f"the range of numbers: a mean square of {LARGEST:g} or more"
                )
            self._maps.append(found)
        return self._maps[index]

    def handle(self, index: int, passes: tuple[Pass, ...]) -> tuple[Moments, Gain]:
        """Moments of a feature map after elementwise functions, and their common gain."""
        key = (index, passes)
        if key not in self._handles:
            if not passes:
                moments = self.of(index)
                one = np.ones(len(moments.mean))
                self._handles[key] = moments, Gain(one, one, drawn=False)
            else:
                before, gain = self.handle(index, passes[:-1])
                after, last = passed(before, passes[-1], self.batch)
                self._handles[key] = after, _both(gain, last)
        return self._handles[key]

    def function(self, index: int, passes: tuple[Pass, ...]) -> Callable[[Any], Any]:
        """The function that a map's numbers pass, of all channels the mean one."""
        steps = []
        for k, by in enumerate(passes):
            before, _ = self.handle(index, passes[:k])
            steps.append((by, before, passed(before, by, self.batch)[1]))

        def run(z: np.ndarray) -> np.ndarray:
            for by, before, gain in steps:
                kind = KINDS[by.kind]
                if kind.function is not None:
                    z = kind.function(z, 0.0 if by.value is None else by.value)
                else:
                    mean = float(before.mean.mean()) if self.normalises(by) else 0.0
                    z = (z - mean * kind.centred) * float(gain.mean.mean())
            return z

        return run

    def normalises(self, by: Pass) -> bool:
        """Whether a function divides by a standard deviation."""
        over = KINDS[by.kind].over
        return over is not None and (over != "batch" or self.batch)

    def read(self, m: FeatureMap, link: Link) -> tuple[Moments, Gain]:
        """What a layer reads through a link, and the gain of what is passed.

        A max pool takes the largest before the last activation: both orders are the same, and
        before it numbers are nearly Gaussian.
        """
        passes = link.passed
        if m.op != "max_pool" or not passes or not _is_activation(passes[-1]):
            moments, gain = self.handle(link.src, passes)
            return (
                (largest(moments, _window(link)), gain) if m.op == "max_pool" else (moments, gain)
            )
        before, gain = self.handle(link.src, passes[:-1])
        after, last = passed(largest(before, _window(link)), passes[-1], self.batch)
        return after, _both(gain, last)

    def together(self, m: FeatureMap, link: Link) -> float:
        """How much likelier a sum's activation and that of an addend pass together than apart."""
        above = self._read_through.get(m.index)
        if m.op != "add" or above is None or not link.passed or len(m.links) < 2:
            return 1.0
        below = link.passed[-1]
        if not _is_activation(below):
            return 1.0
        before = _mean_state([self.handle(link.src, link.passed[:-1])[0]])
        rest = [self.handle(o.src, o.passed)[0] for o in m.links if o is not link]
        others = _mean_state(rest)
        if before[1] <= 0 or others[1] <= 0:
            return 1.0
        return together(below, before, others, above)

    def factor(self, m: FeatureMap, link: Link) -> float:
        """Mean square of what a product multiplies a link by: the other factors."""
        found = 1.0
        for other in m.links:
            if other is not link:
                found *= float(self.handle(other.src, other.passed)[0].square.mean())
        return found


def _is_activation(by: Pass) -> bool:
    return KINDS[by.kind].function is not None


def _mean_state(addends: list[Moments]) -> tuple[float, float]:
    """Mean and variance of a sum, the same for all channels; rounded, so that few differ."""
    mean = sum(float(m.mean.mean()) for m in addends)
    variance = sum(float((m.shared + m.own).mean()) for m in addends)
    return float(f"{mean:.4g}"), float(f"{variance:.4g}")


def _both(a: Gain, b: Gain) -> Gain:
    return Gain(a.mean * b.mean, a.square * b.square, a.drawn or b.drawn)


def _window(link: Link) -> int:
    """The most positions that a unit reads."""
    return math.prod(int(axes.largest_sums(axis)[0]) for axis in link.terms[0])


def _nothing(m: FeatureMap) -> Moments:
    return Moments(*(np.zeros(m.channels) for _ in range(3)))


def _groups(values: np.ndarray, mix: Mix) -> np.ndarray:
    """Sums over what each group of a mix reads, shape (groups,)."""
    reads = values[listed(mix.reads)]
    return np.asarray(reads.reshape(mix.groups, -1).sum(axis=1))


def _add(into: Moments, mix: Mix, *groups: np.ndarray) -> None:
    """Add numbers per group to what the group makes."""
    makes, n = listed(mix.makes), len(mix.makes) // mix.groups
    for array, values in zip((into.mean, into.shared, into.own), groups, strict=True):
        array[makes] += np.repeat(values, n)


def _drawn(f: Forward, m: FeatureMap) -> Moments:
    """Sums with independent weights of mean zero."""
    made = _nothing(m)
    for link in m.links:
        source, _ = f.read(m, link)
        for part in link.parts:
            read = f.net.maps[link.src]
            variance = drawn_variance(m, read, part.mix, f.init)
            reads = variance * sum(_mean_reads(term) for term in link.terms)
            shared = reads * _groups(source.mean_square, part.mix)
            _add(made, part.mix, 0 * shared, shared, reads * _groups(source.own, part.mix))
    return made


def _mean_reads(term: Term) -> float:
    """Positions that a unit reads, padding included; of uneven layers the mean."""
    return math.prod(_axis_reads(axis) for axis in term)


def _axis_reads(axis: axes.AxisMap) -> float:
    if isinstance(axis, axes.Dense):
        return axis.n_in
    if isinstance(axis, axes.Taps):
        return sum(run.length for run in axis.runs) / axis.n_out
    return float(axis.counts.sum()) / axis.n_out


def _fixed(f: Forward, m: FeatureMap) -> Moments:
    """Sums with fixed weights: averages, interpolations, copies, sums of maps."""
    made = _nothing(m)
    times: dict[tuple[int, tuple[Pass, ...], Mix], int] = {}
    for link in m.links:
        for part in link.parts:
            key = (link.src, link.passed, part.mix)
            if len(m.links) > 1 and key in times:
                times[key] += 1  # the same signal again: amplitudes add, not variances
                continue
            times[key] = 1
    for link in m.links:
        source, _ = f.read(m, link)
        read = f.net.maps[link.src]
        for part in link.parts:
            n = times.pop((link.src, link.passed, part.mix), 0)
            if not n:
                continue
            found = fixed_term(m, read, part.terms[0])
            size, spread = (1.0, 1.0) if found is None else _spread(*found)
            share = part.mix.groups / len(part.mix.reads) if m.op == "channel_pool" else 1.0
            one, two = n * size * share, (n * share) ** 2
            _add(
                made,
                part.mix,
                one * _groups(source.mean, part.mix),
                two * size**2 * _groups(source.shared, part.mix),
                two * spread * _groups(source.own, part.mix),
            )
    return made


def _spread(term: Term, factor: float) -> tuple[float, float]:
    """Of an output's weights, the mean of their sum and of the sum of their squares.

    Copies weigh 1: where padding gives nothing, moments are taken as if it did.
    """
    size, square = 1.0, 1.0
    for axis in term:
        if isinstance(axis, axes.Dense):
            size, square = size * axis.n_in, square * axis.n_in
        elif isinstance(axis, axes.Taps):
            n = max(1, int(axes.largest_sums(axis)[0]))
            size, square = size * n, square * n
        else:
            rows = max(1, len(np.unique(axis.outs)))
            size *= float(axis.counts.sum()) / rows
            square *= float((axis.counts**2).sum()) / rows
    return size * factor, square * factor**2


def _largest(f: Forward, m: FeatureMap) -> Moments:
    source, _ = f.read(m, m.links[0])
    reads = listed(m.links[0].parts[0].mix.reads)
    return source.taken(reads)


def _multiplied(f: Forward, m: FeatureMap) -> Moments:
    found: Moments | None = None
    for link in m.links:
        moments, _ = f.read(m, link)
        mix = link.parts[0].mix
        reads = listed(mix.reads)
        taken = moments.taken(reads if mix.groups > 1 else np.repeat(reads, m.channels))
        found = taken if found is None else product(found, taken)
    assert found is not None
    return found


_LAYERS: dict[str, Callable[[Forward, FeatureMap], Moments]] = {
    **dict.fromkeys(DRAWN, _drawn),
    "max_pool": _largest,
    "multiply": _multiplied,
    "gate": _multiplied,
}


def depths(net: Network) -> list[int]:
    """The most layers with drawn weights on a way from the input, of every map."""
    found: list[int] = []
    for m in net.maps:
        below = max((found[link.src] for link in m.links), default=0)
        found.append(below + (m.op in DRAWN))
    return found


def ends_branch(m: FeatureMap, link: Link, depth: list[int]) -> bool:
    """Whether a link is the residual branch of a sum: it ends with a norm, and is the deepest."""
    if m.op != "add" or not _ends_with_norm(link):
        return False
    others = [other for other in m.links if other is not link]
    return bool(others) and all(
        depth[other.src] < depth[link.src] or not _ends_with_norm(other) for other in others
    )


def _ends_with_norm(link: Link) -> bool:
    return bool(link.passed) and KINDS[link.passed[-1].kind].over is not None
