"""Gradients of networks by autograd: unit weights, given weights, random ones."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from erfgraph.gradient.map import GradientMap
from erfgraph.gradient.running import gradient_importance
from erfgraph.initial import fans, weight_variance
from erfgraph.network import FeatureMap, Network
from erfgraph.torch_network.building import to_torch
from erfgraph.verification.nouns import Outcome, Request

Weight = Callable[[tuple[int, ...]], float]
Run = Callable[[Request], Outcome]

MANY_VALUES = 1 << 18  # of a feature map, from which on several threads help
NOISE = 1.5  # how many times its expectation a total variation may be, if it is noise


@contextlib.contextmanager
def few_threads(net: Network) -> Iterator[None]:
    """PyTorch on one thread where maps are small: several would only wait for each other."""
    import torch

    before = torch.get_num_threads()
    if max(m.channels * math.prod(m.shape) for m in net.maps) < MANY_VALUES:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def inputs_of(net: Network) -> tuple[int, ...]:
    """Channels and spatial shape of a network's input."""
    return (net.input.channels, *net.input.shape)


def unit_weights(net: Network, unit: Any = None, stop: FeatureMap | None = None) -> np.ndarray:
    """Gradient of a unit's sum over channels where all weights are 1, float64.

    The unit is one of the last feature map, or of that with which the network is to stop.
    """
    module = to_torch(net, init="ones", dtype=_float64(), stop=stop)
    with few_threads(net):
        found = gradient_importance(
            module, inputs_of(net), unit=unit, samples=1, statistic="mean", init="keep"
        )
    return found.values


def given_weights(net: Network, weight: Weight) -> np.ndarray:
    """Gradient of a unit's mean over channels where a layer's weights are all the same number.

    Parameters
    ----------
    net : Network
        Without activations.
    weight : callable
        The number, from the shape ``(out, in / groups, *kernel)`` of the weights.
    """

    def fill(module: Any) -> None:
        for p in module.parameters():
            p.data.fill_(weight(tuple(p.shape)))

    module = to_torch(net, dtype=_float64())
    with few_threads(net):
        found = gradient_importance(
            module, inputs_of(net), samples=1, statistic="mean", init=fill, inputs="ones"
        )
    return np.asarray(found.values / net.output.channels)


def _float64() -> Any:
    import torch

    return torch.float64


def fan_in_inverse(shape: tuple[int, ...]) -> float:
    """The weight with which a layer averages what it reads."""
    return 1 / fans(shape)[0]


def lecun(shape: tuple[int, ...]) -> float:
    """The variance 1/fan-in, as a weight."""
    return weight_variance("lecun", shape)


def drawn(
    net: Network,
    samples: int,
    seed: int,
    init: str,
    statistic: str = "mean_square",
    **options: Any,
) -> GradientMap:
    """Gradient of the centre unit's sum over channels over random draws of the weights.

    The unit is one of the feature map itself, before any function that follows it: behind a
    last ReLU all channels would grow with what they read, and their sum's mean square would not
    be the sum of theirs.
    """
    with few_threads(net):
        return gradient_importance(
            to_torch(net, init=init, stop=last_map(net)),
            inputs_of(net),
            samples=samples,
            statistic=statistic,
            seed=seed,
            **options,
        )


def last_map(net: Network) -> FeatureMap:
    """The last feature map, before any function that follows it."""
    return net.maps[net.output.index]


def seed_of(*parts: int) -> int:
    """A seed of its own for every run; the runs of two seeds do not meet."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


# --- comparing ------------------------------------------------------------------------------


def variation(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation between two maps of shares: half the sum of absolute differences."""
    return float(np.abs(a - b).sum() / 2)


def within_noise(
    expected: np.ndarray, found: GradientMap, what: str, times: float = NOISE
) -> Outcome:
    """Whether a sampled map differs from shares by no more than sampling explains.

    The expected total variation of a map from its own expectation is known from the spread of
    its samples (`GradientMap.relative_error`); the allowed multiple of it is stated.
    """
    noise = found.relative_error
    distance = variation(found.share, expected)
    return Outcome(
        f"at most {times * noise:.4f}",
        round(distance, 4),
        distance <= times * noise,
        f"{what}: total variation; {times:g} × noise {noise:.4f} of {found.samples} draws",
    )


def all_within(outcomes: list[Outcome]) -> Outcome:
    """Several verdicts as one: all expected values, all found."""
    return Outcome(
        [o.expected for o in outcomes],
        [o.found for o in outcomes],
        all(o.passed for o in outcomes),
        " | ".join(o.detail for o in outcomes),
    )
