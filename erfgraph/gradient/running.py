"""`gradient_importance`: the gradient ERF of a PyTorch module."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from erfgraph.counts import Counts
from erfgraph.errors import InputError, unknown_name
from erfgraph.extras import torch_module
from erfgraph.featuremap import input_shape as checked_shape
from erfgraph.gradient import checkpoint, passthrough, weights
from erfgraph.gradient.inputs import Inputs, inputs_of
from erfgraph.gradient.map import GradientMap
from erfgraph.gradient.plan import Plan, Sample, steps
from erfgraph.gradient.statistics import statistic_of
from erfgraph.gradient.sums import Sums
from erfgraph.params import Shape, is_int
from erfgraph.weighting import SCALARS

Progress = Callable[[int, int], Any]

DRAWS = 32  # by default
MOST_DRAWS = 1024  # by default, where a run stops by itself
FEWEST_DRAWS = 8  # before a run may stop by itself
BATCH = {"identity": 8, "batch": 16}
SECONDS = 5.0  # between two writes of a run's file
CHECKS = 16  # how often the error is looked at while the number of samples doubles


def gradient_importance(
    module: Any,
    input_shape: Sequence[int],
    layer: str | None = None,
    unit: Any = None,
    samples: int | None = None,
    statistic: str = "mean_square",
    images: Any = None,
    seed: int = 0,
    *,
    init: Any = None,
    batchnorm: str = "identity",
    passthrough: str | Sequence[str] = (),
    inputs: str = "normal",
    batch: int | None = None,
    dtype: Any = None,
    until: float | None = None,
    resume: Any = None,
    preprocess: Any = None,
    scalar: str = "sum",
    progress: Progress | None = None,
) -> GradientMap:
    r"""The gradient of one unit of a PyTorch module with respect to its input, by autograd.

    Parameters
    ----------
    module : torch.nn.Module or callable
        A module, which stays exactly as it is (a copy is run); or a function that returns a
        fresh one, which every draw calls, so that the model's own initialisation is drawn.
    input_shape : sequence of int
        ``(channels, *spatial)`` of one input, with 1 to 3 spatial axes.
    layer : str, optional
        Path of the submodule whose output has the unit, by default the module itself. The
        forward pass ends there, the first time that it is called. Its output must have the
        shape (batch, channels, \*spatial); of a tuple, list or dict, the first tensor is taken.
    unit : int or sequence of int, optional
        Position in that output; default the centre, ``size // 2`` on every axis. Negative
        positions count from the end. What is differentiated is its sum over channels.
    samples : int, optional
        Draws of weights, each a sample; default 32 where there are no images (with `until`, at
        most 1024). With images and no samples the weights stay, and every image is a sample.
    statistic : {"mean_square", "mean_abs", "mean", "median", "mean_relu"}, optional
        With g the gradient of one sample: the mean over samples of g², of the absolute value
        of g, or of g (then its size), each summed over the input's channels; the median over
        samples of the absolute value, summed over channels; or the large-kernel papers' (Ding
        et al. 2022): the unit's channels pass a ReLU before they are summed, g after.
    images : str, Path, list of paths, or array, optional
        A folder, image files, or an array (n, channels, \*spatial). With `samples` every draw
        sees all of them, and its sample is the average. Image files are scaled to 0…1.
    seed : int, optional
        The same seed gives the same result, whatever `batch` is, up to rounding.
    init : str or callable, optional
        How a draw makes weights. By default as the module's layers do themselves
        (``reset_parameters``), or as the function's. A rule, ``"lecun"``, ``"kaiming_fan_in"``,
        ``"kaiming_fan_out"``, ``"xavier"``, ``"pytorch"``, ``"std=0.01"``: normal weights of
        that variance, biases zero, norms reset. A function of the module, which sets its
        weights. ``"ones"``: all weights 1, biases 0. ``"keep"``: the weights that it has, and
        every sample is another random input.
    batchnorm : {"identity", "batch"}, optional
        Batch norms in evaluation mode (the identity, where nothing was trained), or by the
        statistics of the batch; then every draw sees `batch` random inputs (default 16; the
        more, the less a sample's own share in the statistics matters).
    passthrough : str or sequence of str, optional
        ``"relu"``: the backward pass takes ReLU (and ReLU6) as the identity. ``"max_pool"``:
        it takes a max-pool as the average of the positions that it reads.
    inputs : {"normal", "uniform", "ones"}, optional
        What is seen where there are no images: standard normal, uniform in 0…1, or ones.
    batch : int, optional
        Inputs that are run at once where weights stay the same; default 8.
    dtype : torch.dtype or str, optional
        In which the module runs; default that of its weights. With ``"float64"`` and unit
        weights the gradient is exact below 2**53.
    until : float, optional
        Stop once `GradientMap.relative_error` is at most this, after 8 samples at the least.
    resume : str or Path, optional
        An ``.npz`` file in which the run is kept every few seconds, and on Ctrl-C. If it is
        there, the run goes on from it, and ends with the same bits as one never interrupted.
        `samples` and `until` may be others than before, nothing else.
    preprocess : callable, optional
        What an image file passes: a function of the float64 array (channels, rows, columns),
        0…1, that returns one of `input_shape`.
    scalar : {"sum", "channel"}, optional
        What is differentiated: the sum of the unit's channels, or their sum with random signs
        over the root of their number, other signs for every input: the mean square of its
        gradient is that of one channel's, on average. The plain sum's has a part that all
        channels share, see ``importance(scalar=)``.
    progress : callable, optional
        Called with (done, all) samples.

    Returns
    -------
    GradientMap

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    NameLookupError
        If a layer, statistic, rule or option does not exist.
    InputError
        If the module does not run on such an input, its output has no such unit, an image has
        another size, every gradient is NaN or infinite, or `resume` is of another run.
    FileError
        If an image or the run's file cannot be read or written.
    SizeError
        If it does not fit into memory.

    Warns
    -----
    RuntimeWarning
        If gradients were NaN or infinite; they are skipped and counted.

    Notes
    -----
    In a network that is linear in its activations, with independent zero-mean weights, the
    expected squared gradient is the sum over paths of the product of the weights' variances:
    ``importance(measure="variance")``, of which the path count is a special case. The mean
    absolute gradient is about its square root. Compare each with its own kind.

    Squares are taken in float64, whatever the module runs in.

    Examples
    --------
    >>> import torch, erfgraph as eg
    >>> chain = torch.nn.Sequential(torch.nn.Conv1d(64, 64, 3), torch.nn.Conv1d(64, 1, 3))
    >>> found = eg.gradient_importance(chain, (64, 5), init="ones", statistic="mean")
    >>> (found.values / 64**2).tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]

    Over random draws the mean square tends to shares of 1, 2, 3, 2, 1 too, those of the path
    count:

    >>> found = eg.gradient_importance(chain, (64, 5), samples=64, init="lecun")
    >>> (9 * found.share).round(1).tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    >>> found.relative_error < 0.02
    True
    """
    torch = torch_module()
    row = statistic_of(statistic)
    shape = _shape(input_shape)
    seed = _whole("seed", seed, 0)
    weights.check(module, init, batchnorm)
    source = inputs_of(shape, inputs, images, seed, preprocess)
    made = weights.Weights(module, init, batchnorm, _dtype(torch, dtype), seed)
    draws, most = _how_many(made, source, samples, until)
    plan = Plan(
        weights=made,
        inputs=source,
        draws=draws,
        samples=most,
        batch=_whole("batch", BATCH[batchnorm] if batch is None else batch, 1),
        layer=layer,
        unit=unit,
        row=row,
        passthrough=_passed(passthrough),
        scalar=_scalar(scalar),
    )
    settings = _settings(plan, init)
    # hashing weights and images takes time
    arguments = {} if resume is None else _arguments(plan, settings, statistic, until)
    sums = Sums(shape[1:], row, most)
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller is in
        where = _run(plan, sums, until, resume, arguments, progress)
    if not sums.n:
        raise InputError(
            f"module: every gradient was NaN or infinite ({sums.skipped} of them), wanted numbers"
        )
    if sums.skipped:
        warnings.warn(
            f"{sums.skipped} gradients were NaN or infinite and are left out of the average of "
            f"{sums.n} samples",
            RuntimeWarning,
            stacklevel=2,
        )
    return _result(plan, sums, where, statistic, settings)


def _run(
    plan: Plan,
    sums: Sums,
    until: float | None,
    resume: Any,
    arguments: dict[str, Any],
    progress: Progress | None,
) -> Shape:
    """Fill the sums; returns the unit."""
    at, where = (0, ()) if resume is None else checkpoint.read(resume, arguments, sums)
    if at >= plan.samples or _enough(sums, until):
        return where
    written, whole = time.monotonic(), True
    try:
        for step in steps(plan, at):
            whole = False  # sums that are half added are not to be kept
            taken, stop = _take(sums, step.samples, until)
            at, where, whole = step.first + taken, step.unit, True
            if progress is not None:
                progress(at, plan.samples)
            if resume is not None and time.monotonic() - written > SECONDS:
                checkpoint.write(resume, arguments, sums, at, where)
                written = time.monotonic()
            if stop:
                break
    finally:
        if resume is not None and whole and where:
            checkpoint.write(resume, arguments, sums, at, where)
    return where


def _take(sums: Sums, samples: Sequence[Sample], until: float | None) -> tuple[int, bool]:
    """Add samples one by one until they are enough: how many were, and whether they are."""
    for taken, sample in enumerate(samples, start=1):
        sums.skipped += sample.skipped
        if sample.values is not None:
            sums.add(sample.values)
            if _enough(sums, until):
                return taken, True
    return len(samples), False


def _enough(sums: Sums, until: float | None) -> bool:
    if until is None or sums.n < FEWEST_DRAWS:
        return False
    # looking takes as long as adding a few samples
    seldom = max(1, sums.n // CHECKS)
    return sums.n % seldom == 0 and sums.relative_error() <= until


def _result(
    plan: Plan, sums: Sums, where: Shape, statistic: str, settings: dict[str, Any]
) -> GradientMap:
    shape = plan.inputs.shape[1:]
    source = plan.weights.source
    kind = source if plan.weights.fresh else type(source)
    # what `to_torch` made has the network's own name
    name = getattr(source, "erfgraph_name", None) or getattr(kind, "__name__", None)
    return GradientMap(
        layer=plan.layer or "output",
        unit=where,
        of="input",
        measure=f"gradient {statistic}",
        shape=shape,
        input_shape=shape,
        network=name or type(kind).__name__,
        offset=(0,) * len(shape),
        counts=Counts(sums.values()),
        channels="count",
        statistic=statistic,
        samples=sums.n,
        skipped=sums.skipped,
        relative_error=sums.relative_error(),
        standard_error=sums.standard_error(),
        replicates=sums.replicates(),
        replicate_sizes=sums.group_sizes(),
        settings=settings,
    )


# --- arguments ----------------------------------------------------------------------------


def _shape(given: Any) -> Shape:
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not 2 <= len(values) <= 4:
        raise InputError(
            f"input_shape: got {given!r}, wanted (channels, *spatial) with 1 to 3 spatial axes"
        )
    return checked_shape(values[:1]) + checked_shape(values[1:])


def _whole(field: str, value: Any, least: int) -> int:
    if not is_int(value) or value < least:
        raise InputError(f"{field}: got {value!r}, wanted an integer >= {least}")
    return int(value)


def _dtype(torch: Any, dtype: Any) -> Any:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if found is None and dtype is None:
        return None
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(f"dtype: got {dtype!r}, wanted a floating type such as 'float64'")
    return found


def _passed(names: Any) -> tuple[str, ...]:
    return passthrough.checked(names)


def _how_many(made: weights.Weights, source: Inputs, samples: Any, until: Any) -> tuple[bool, int]:
    """Whether weights are drawn, and how many samples there are at most."""
    if until is not None and not (
        isinstance(until, int | float) and not isinstance(until, bool) and 0 < until < math.inf
    ):
        raise InputError(f"until: got {until!r}, wanted a positive number such as 0.02")
    if samples is not None:
        samples = _whole("samples", samples, 1)
    if len(source):
        if samples is None:
            if made.init is not None and not made.fixed:
                name = made.init if isinstance(made.init, str) else weights.name_of(made.init)
                raise InputError(
                    f"init: got {name!r}, but with images and no samples the weights stay as "
                    "they are; say how many draws"
                )
            return False, len(source)
        if made.fixed:
            raise InputError(
                f"samples: got {samples} beside images, but with init {made.init!r} weights are "
                "not drawn, and every image is a sample; leave samples out"
            )
        return True, samples
    default = DRAWS if until is None else MOST_DRAWS
    if made.init == "ones" and until is None:
        default = 1  # there is nothing to average over in a linear module
    return not made.fixed, default if samples is None else samples


def _scalar(scalar: Any) -> str:
    if scalar not in SCALARS:
        raise unknown_name("scalar", str(scalar), SCALARS)
    return str(scalar)


def _settings(plan: Plan, init: Any) -> dict[str, Any]:
    """What a map depends on beside its unit, ready for JSON."""
    name = init if init is None or isinstance(init, str) else weights.name_of(init)
    if not plan.draws and init is None:
        name = "keep"
    images = len(plan.inputs)
    return {
        "init": name or "own",
        "batchnorm": plan.weights.batchnorm,
        "inputs": f"{images} images" if images else plan.inputs.kind,
        "passthrough": list(plan.passthrough),
        "scalar": plan.scalar,
        "batch": plan.batch,
        "seed": plan.weights.seed,
        "dtype": str(plan.weights.dtype or "own").removeprefix("torch."),
    }


def _arguments(
    plan: Plan, settings: dict[str, Any], statistic: str, until: float | None
) -> dict[str, Any]:
    """What a run's file is checked against: texts and numbers, as JSON gives them back."""
    unit = plan.unit
    if isinstance(unit, list | tuple | np.ndarray):
        unit = [int(v) if is_int(v) else str(v) for v in unit]
    elif unit is not None:
        unit = int(unit) if is_int(unit) else str(unit)
    preprocess = plan.inputs.preprocess
    return {
        **settings,
        **weights.fingerprint(plan.weights, plan.draws),
        **plan.inputs.fingerprint(),
        "input_shape": list(plan.inputs.shape),
        "layer": plan.layer,
        "unit": unit,
        "statistic": statistic,
        "preprocess": None if preprocess is None else weights.name_of(preprocess),
        "samples": plan.samples,
        "until": until,
    }
