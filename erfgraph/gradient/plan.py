"""Which weights see which inputs: steps that each give a few samples.

Either weights are drawn again and again, and every draw is a sample: the average over what it
sees. Or weights stay, and every input is a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from erfgraph.gradient import capture, passthrough, weights
from erfgraph.gradient.inputs import Inputs
from erfgraph.gradient.statistics import Statistic
from erfgraph.params import Shape


@dataclass(frozen=True)
class Plan:
    """A whole run, laid down before it starts.

    Attributes
    ----------
    weights : Weights
    inputs : Inputs
    draws : bool
        Whether every sample has weights of its own.
    samples : int
        How many at most.
    batch : int
        Inputs that are run at once.
    layer : str or None
    unit : int, sequence of int or None
    row : Statistic
    passthrough : tuple of str
    scalar : {"sum", "channel"}
        What is differentiated: the sum of the unit's channels, or one with random signs, whose
        mean square is that of a channel.
    """

    weights: weights.Weights
    inputs: Inputs
    draws: bool
    samples: int
    batch: int
    layer: str | None
    unit: Any
    row: Statistic
    passthrough: tuple[str, ...]
    scalar: str = "sum"

    def signs(self, numbers: range) -> capture.Signs | None:
        """What channels are multiplied by, for inputs of these numbers; None: by nothing."""
        if self.scalar == "sum":
            return None

        def of(n: int, channels: int) -> np.ndarray:
            rows = [
                np.random.default_rng([self.weights.seed, 2, number]).choice((-1.0, 1.0), channels)
                for number in numbers
            ]
            return np.asarray(np.stack(rows[:n]) / np.sqrt(channels))

        return of

    def per_draw(self, index: int) -> range:
        """The numbers of the inputs that one draw sees."""
        if len(self.inputs):
            return range(len(self.inputs))
        # where a batch is normalised by itself, one input would be no batch
        n = self.batch if self.weights.batchnorm == "batch" else 1
        return range(index * n, (index + 1) * n)


class Sample(NamedTuple):
    """One sample.

    Attributes
    ----------
    values : float64 array of the map's shape, or None
        None where no gradient was finite.
    skipped : int
        Gradients that were not.
    """

    values: np.ndarray | None
    skipped: int


@dataclass(frozen=True)
class Step:
    """What one step of a run gave.

    Attributes
    ----------
    first : int
        Number of its first sample.
    samples : list of Sample
    unit : tuple of int
    """

    first: int
    samples: list[Sample]
    unit: Shape


def steps(plan: Plan, start: int) -> Iterator[Step]:
    """Run a plan from one of its samples on."""
    maker = weights.Maker(plan.weights)
    with_weights = _draws if plan.draws else _fixed
    return with_weights(plan, maker, start)


def _draws(plan: Plan, maker: weights.Maker, start: int) -> Iterator[Step]:
    for index in range(start, plan.samples):
        module = maker.drawn(index)
        total: np.ndarray | None = None
        n = 0
        unit: Shape = ()
        every = plan.per_draw(index)
        for first in every[:: plan.batch]:
            found, unit = _run(plan, module, range(first, min(first + plan.batch, every.stop)))
            for sample in found:
                if sample is not None:
                    total = sample if total is None else total + sample
                    n += 1
        mean = None if total is None else total / n
        yield Step(index, [Sample(mean, len(every) - n)], unit)


def _fixed(plan: Plan, maker: weights.Maker, start: int) -> Iterator[Step]:
    module = maker.kept()
    # batches start where they would have without an interruption, and are full where inputs do
    # not run out: the bits of a gradient depend on what else is in its batch
    whole = start - start % plan.batch
    most = len(plan.inputs) or plan.samples + plan.batch
    for first in range(whole, plan.samples, plan.batch):
        found, unit = _run(plan, module, range(first, min(first + plan.batch, most)))
        asked = range(max(start, first), min(first + plan.batch, plan.samples))
        samples = [found[i - first] for i in asked]
        yield Step(asked.start, [Sample(s, int(s is None)) for s in samples], unit)


def _run(plan: Plan, module: Any, numbers: range) -> tuple[list[np.ndarray | None], Shape]:
    """Samples of some inputs, None for those that are not finite; and the unit."""
    import torch

    target = capture.layer_of(module, plan.layer)
    dtype, device = weights.example_type(module)
    x = torch.from_numpy(plan.inputs.get(numbers)).to(dtype=dtype, device=device)
    name = plan.layer or "output"
    with passthrough.passing(plan.passthrough):
        found, unit = capture.gradients(
            module, target, name, x, plan.unit, plan.row.relu_output, plan.signs(numbers)
        )
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is skipped
        maps = plan.row.of(found)
    return [m if np.isfinite(m).all() else None for m in maps], unit
