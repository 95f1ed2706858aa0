"""Gradients of networks by autograd: unit weights, given weights, random ones."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
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

SURE, RESAMPLED = 0.999, 2000  # of noise
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
    # the squares of very many paths overflow in the standard error, which nobody asks for here
    with few_threads(net), np.errstate(over="ignore"):
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


def kernel_gradient(kernels: Sequence[Sequence[float]]) -> np.ndarray:
    """Gradient of the one unit above a chain of layers on one axis, each of a given kernel."""
    import torch

    size = 1 + sum(len(kernel) - 1 for kernel in kernels)
    x = torch.zeros(1, 1, size, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel in kernels:
        weight = torch.tensor([[list(kernel)]], dtype=torch.float64)
        y = torch.nn.functional.conv1d(y, weight)
    (found,) = torch.autograd.grad(y.sum(), x)
    return np.asarray(found[0, 0].numpy())


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
    *,
    scalar: str = "sum",
    **options: Any,
) -> GradientMap:
    """Gradient of the centre unit over random draws of the weights.

    Parameters
    ----------
    net : Network
    samples, seed
        As for `gradient_importance`.
    init : str
        The rule by which weights are drawn.
    statistic : str, optional
    scalar : {"sum", "channel"}, optional
        What is differentiated: the sum of the unit's channels; or, in the mean square, one of
        them, averaged over all. That is the sum with a random sign for every channel and draw,
        which removes what channels have in common: behind a last ReLU all of them grow with
        what they read.
    options
        As for `gradient_importance`.
    """
    module = to_torch(net, init=init)
    if scalar == "channel":
        module = _signed(module, net.output)
    with few_threads(net):
        return gradient_importance(
            module,
            inputs_of(net),
            samples=samples,
            statistic=statistic,
            seed=seed,
            **options,
        )


def _signed(module: Any, last: FeatureMap) -> Any:
    """The module with a random sign for every channel of its result."""
    import torch

    class Signs(torch.nn.Module):
        signs: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("signs", torch.ones(last.channels, *(1,) * len(last.shape)))

        def reset_parameters(self) -> None:
            """Draw the signs, as layers draw their weights."""
            self.signs.copy_(2.0 * torch.randint(2, self.signs.shape) - 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.signs

    return torch.nn.Sequential(module, Signs())


def seed_of(*parts: int) -> int:
    """A seed of its own for every run; the runs of two seeds do not meet."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


# --- comparing ------------------------------------------------------------------------------


def variation(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation between two maps of shares: half the sum of absolute differences."""
    return float(np.abs(a - b).sum() / 2)


def noise_quantile(found: GradientMap, sure: float = SURE) -> float:
    """Total variation from its expectation that a sampled map stays below so surely.

    By a multiplier bootstrap of the groups of samples: with group sums m of total T and the
    share p, half the absolute sum of ``z (m - p T)`` with standard normal z, over the total.
    """
    sums = found.replicates * found.replicate_sizes.reshape(-1, *(1,) * found.share.ndim)
    sums = sums.reshape(len(sums), -1)
    totals = sums.sum(axis=1)
    off = (sums - totals[:, None] * found.share.ravel()) / totals.sum()
    off *= math.sqrt(len(off) / (len(off) - 1))
    rng = np.random.default_rng(0)  # a number of the map, not a draw: always the same
    parts = [
        np.abs(rng.normal(size=(RESAMPLED // 40, len(off))) @ off).sum(axis=1) / 2
        for _ in range(40)  # in parts, as large maps would not fit 2000 times
    ]
    return float(np.quantile(np.concatenate(parts), sure))


def within_noise(
    expected: np.ndarray, found: GradientMap, what: str, times: float = NOISE
) -> Outcome:
    """Whether a sampled map differs from shares by no more than sampling explains.

    The expected total variation of a map from its own expectation is known from the spread of
    its samples (`GradientMap.relative_error`). A stated multiple of it is allowed, or, where a
    few units make it fluctuate more, what it stays below in all but one case in a thousand.
    """
    noise = found.relative_error
    bound = max(times * noise, noise_quantile(found))
    distance = variation(found.share, expected)
    return Outcome(
        f"at most {bound:.4f}",
        round(distance, 4),
        distance <= bound,
        f"{what}: total variation; {bound / noise:.2f} × noise {noise:.4f} of {found.samples} "
        f"draws ({times:g} ×, or the {SURE:g} quantile)",
    )


def all_within(outcomes: list[Outcome]) -> Outcome:
    """Several verdicts as one: all expected values, all found."""
    return Outcome(
        [o.expected for o in outcomes],
        [o.found for o in outcomes],
        all(o.passed for o in outcomes),
        " | ".join(o.detail for o in outcomes),
    )
