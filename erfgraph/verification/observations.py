"""What Luo et al. 2016 report of networks with all-ones and with random weights, by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from erfgraph import shape, theory
from erfgraph.gradient.map import GradientMap
from erfgraph.gradient.running import gradient_importance
from erfgraph.loading import load
from erfgraph.network import Network
from erfgraph.verification import drawing, outcomes
from erfgraph.verification.chains import LUO
from erfgraph.verification.nouns import AUTOGRAD, Claim, Outcome, Request

DEPTHS = (5, 10, 20, 40)  # layers of 3x3, in windows of 11, 21, 41, 81
CHANNELS = 16
DRAWS = 32
ERRORS = 4  # standard errors by which one number must exceed another


def chain(n: int, channels: int = CHANNELS, kind: str | None = None) -> Network:
    """n layers of 3x3 over the whole of their field, an activation after each but the last."""
    net = Network((2 * n + 1,) * 2, channels=channels, name=f"{n} layers")
    x = net.input
    for i in range(n):
        x = net.conv(x, 3)
        x = net.identity(x, kind) if kind and i < n - 1 else x
    return net


def closed(n: int) -> np.ndarray:
    """The path map of n layers, exact."""
    line = np.array(theory.chain_paths([3] * n), dtype=object)
    return np.asarray(np.multiply.outer(line, line))


def closed_share(n: int) -> np.ndarray:
    """Its shares."""
    found = closed(n)
    return np.asarray((found / found.sum()).astype(float))


def ones(request: Request) -> Outcome:
    """All-ones weights give the n-fold convolution."""
    cases = []
    for n in DEPTHS:
        wanted = closed(n).astype(float)
        cases.append((f"{n} layers", wanted, drawing.unit_weights(chain(n, channels=1))))
    return outcomes.all_close(cases, "gradients in float64")


def random(request: Request) -> Outcome:
    """Random weights give its shape in the mean square."""
    return _random(request, None, "lecun")


def random_relu(request: Request) -> Outcome:
    """So they do with ReLUs."""
    return _random(request, "relu", "kaiming_fan_in")


def _random(request: Request, kind: str | None, init: str) -> Outcome:
    return drawing.all_within(
        [
            drawing.within_noise(
                closed_share(n),
                # as wide as deep: in narrower nets a single draw may outweigh all others
                drawing.drawn(chain(n, max(CHANNELS, n), kind), DRAWS, request.seed, init),
                f"{n} layers",
            )
            for n in DEPTHS
        ]
    )


# --- layers between -------------------------------------------------------------------------


def dropout(request: Request) -> Outcome:
    """Dropout keeps the shape."""
    n, channels = 8, 32
    with drawing.few_threads(chain(n, channels)):
        found = gradient_importance(
            _dropping(n, channels, 0.5), (channels, 17, 17), samples=96, seed=request.seed
        )
    return drawing.within_noise(closed_share(n), found, f"{n} layers, half of all values dropped")


def _dropping(n: int, channels: int, p: float) -> Callable[[], Any]:
    """Makes chains that drop values in evaluation mode, too; the masks are part of the draw."""
    import torch

    class Dropping(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seed = int(torch.randint(1 << 31, ()))
            self.layers = torch.nn.ModuleList(
                torch.nn.Conv2d(channels, channels, 3, bias=False) for _ in range(n)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            masks = torch.Generator().manual_seed(self.seed)
            for layer in self.layers:
                keep = torch.bernoulli(torch.full_like(x, 1 - p), generator=masks)
                x = layer(x * keep / (1 - p))
            return x

    return Dropping


VARIANTS = {
    "plain": "conv3p1*8",
    "subsampled": "conv3p1*3 conv3s2p1 conv3p1*4",
    "dilated": "conv3p1*4 conv3p2d2*4",
    "skips": "conv3p1 res(conv3p1)*6 conv3p1",
}


def effects(request: Request) -> Outcome:
    """Subsampling and dilation enlarge the field, skips shrink it."""
    spreads = {}
    for name, text in VARIANTS.items():
        net = load(text, (49, 49), 32)
        sampled = drawing.drawn(net, 64, request.seed, "lecun")
        spreads[name] = _spread(sampled)
    pairs = (("skips", "plain"), ("plain", "subsampled"), ("plain", "dilated"))
    apart = [
        (spreads[b][0] - spreads[a][0]) / float(np.hypot(spreads[a][1], spreads[b][1]))
        for a, b in pairs
    ]
    return Outcome(
        ", ".join(" < ".join(pair) for pair in pairs),
        ", ".join(f"{name} {mean:.3f} ± {error:.3f}" for name, (mean, error) in spreads.items()),
        min(apart) > ERRORS,
        "standard deviation of the mean-square gradient per axis ± standard error (jackknife); "
        f"at least {ERRORS} standard errors apart: {'; '.join(VARIANTS.values())}",
    )


def _spread(sampled: GradientMap) -> tuple[float, float]:
    """Standard deviation per axis of the mean map, and its standard error by the jackknife."""
    groups = sampled.replicates
    whole = groups.sum(axis=0)

    def spread(values: np.ndarray) -> float:
        return float(np.mean(shape.standard_deviation(values / values.sum())))

    n = len(groups)
    left = np.array([spread(whole - group) for group in groups])
    error = float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))
    return spread(whole), error


KINDS = (None, "tanh", "sigmoid")
RUNS = 4  # of 64 draws, as a map keeps the means of 64 groups


def relu_shape(request: Request) -> Outcome:
    """A single net's field looks less Gaussian with ReLUs than without."""
    n = 10
    found = {}
    for kind in ("relu", *KINDS):
        init = "kaiming_fan_in" if kind == "relu" else "lecun"
        net = chain(n, kind=kind)
        seeds = [drawing.seed_of(request.seed, 7, run) for run in range(RUNS)]
        runs = [drawing.drawn(net, 64, seed, init) for seed in seeds]
        off = np.concatenate([_from_closed(sampled, closed_share(n)) for sampled in runs])
        found[kind or "linear"] = (float(off.mean()), float(off.std(ddof=1) / len(off) ** 0.5))
    mean, error = found.pop("relu")
    apart = [(mean - m) / float(np.hypot(error, e)) for m, e in found.values()]
    return Outcome(
        f"ReLU {mean:.3f}, others below",
        ", ".join(f"{name} {m:.3f} ± {e:.3f}" for name, (m, e) in found.items()),
        min(apart) > ERRORS,
        f"mean total variation of single draws to the n-fold convolution, {n} layers of "
        f"{CHANNELS} channels; at least {ERRORS} standard errors apart",
    )


def _from_closed(sampled: GradientMap, wanted: np.ndarray) -> np.ndarray:
    draws = sampled.replicates
    shares = draws / draws.sum(axis=tuple(range(1, draws.ndim)), keepdims=True)
    return np.array([drawing.variation(share, wanted) for share in shares])


def root(request: Request) -> Outcome:
    """The gradient's field, too, grows as the root of depth."""
    depths = (5, 7, 10, 14, 20, 28)
    slopes = []
    for run in range(4):
        seed = drawing.seed_of(request.seed, 9, run)
        sides = [max(drawing.drawn(chain(n), 16, seed, "lecun").std) for n in depths]
        slopes.append(theory.fit_power(depths, sides).slope)
    return outcomes.exponent(
        0.5,
        theory.mean_interval(slopes, 0.999),
        0.2,
        f"standard deviation of the mean-square gradient, {depths} layers; mean of 4 runs",
        0.999,
    )


def _claim(name: str, text: str, run: drawing.Run) -> Claim:
    return Claim(f"observations/{name}", text, LUO, (AUTOGRAD,), run)


CLAIMS = (
    _claim(
        "ones", "All-ones weights, 5, 10, 20, 40 layers: the gradient is the convolution.", ones
    ),
    _claim(
        "random", "Random weights, 5, 10, 20, 40 layers: so is the mean-square gradient.", random
    ),
    _claim("random-relu", "With ReLUs, too.", random_relu),
    _claim("root", "The gradient's field grows as √n, too.", root),
    _claim("dropout", "Dropout keeps the shape.", dropout),
    _claim("effects", "Subsampling and dilation enlarge the field, skips shrink it.", effects),
    _claim(
        "relu", "ReLU looks less Gaussian than linear, tanh or sigmoid, net by net.", relu_shape
    ),
)
