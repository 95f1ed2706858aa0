"""Gradients without autograd: what small changes of a block of pixels do to units.

Each pixel of a block is moved by ``+epsilon`` or ``-epsilon``, signs drawn at random. Up to
what is not linear, the unit then moves by ``epsilon`` times the sum of signs times derivatives,
and the mean of its square over the signs is the sum of the squared derivatives over the block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]  # (n, 3, rows, columns) to (n, rows, columns)
BATCH = 16


def detector_path() -> Path:
    """The text detector that rapidocr_onnxruntime carries.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    import rapidocr_onnxruntime  # type: ignore[import-untyped]

    folder = Path(rapidocr_onnxruntime.__file__).parent / "models"
    (found,) = folder.glob("*det_infer.onnx")
    return found


def detector(path: Path) -> Run:
    """The detector's last map before its sigmoid, by onnxruntime in float32."""
    import onnx
    import onnxruntime  # type: ignore[import-untyped]

    model = onnx.load(path)
    last = model.graph.node[-1]
    if last.op_type != "Sigmoid":
        raise ValueError(f"{path}: got {last.op_type} as its last node, wanted Sigmoid")
    shown = onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None)
    del model.graph.output[:]
    model.graph.output.append(shown)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def run(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, {name: images})[0])[:, 0]

    return run


@dataclass(frozen=True)
class Probe:
    """How pixels are moved.

    Attributes
    ----------
    block : int
        Side of a block.
    epsilon : float
        How far each pixel moves, in the network's own units.
    draws : int
        Of the signs, for every block.
    """

    block: int = 16
    epsilon: float = 0.0025
    draws: int = 1


def derivatives(
    run: Run,
    image: np.ndarray,
    units: Sequence[tuple[int, int]],
    blocks: Sequence[tuple[int, int]],
    probe: Probe,
    random: np.random.Generator,
) -> np.ndarray:
    """Central differences of units along random signs on one block after the other.

    Returns
    -------
    float64 array, shape (len(units), len(blocks))
        ``(o(x + epsilon s) - o(x - epsilon s)) / (2 epsilon)``, signs s zero off the block.
    """
    rows, columns = (list(axis) for axis in zip(*units, strict=True))
    found = np.empty((len(units), len(blocks)))
    half = BATCH // 2
    for start in range(0, len(blocks), half):
        some = blocks[start : start + half]
        moved = np.repeat(image[None], 2 * len(some), axis=0)
        for i, (y, x) in enumerate(some):
            down, across = (slice(probe.block * a, probe.block * (a + 1)) for a in (y, x))
            signs = random.choice([-1, 1], size=image[:, down, across].shape)
            moved[2 * i, :, down, across] += np.float32(probe.epsilon) * signs
            moved[2 * i + 1, :, down, across] -= np.float32(probe.epsilon) * signs
        seen = run(moved).astype(float)[:, rows, columns]
        found[:, start : start + half] = (seen[0::2] - seen[1::2]).T / (2 * probe.epsilon)
    return found


def block_squares(
    run: Run,
    image: np.ndarray,
    units: Sequence[tuple[int, int]],
    probe: Probe,
    random: np.random.Generator,
) -> np.ndarray:
    """Estimates of the sum of squared derivatives of every block: shape (units, *grid)."""
    grid = tuple(n // probe.block for n in image.shape[1:])
    blocks = [(y, x) for y in range(grid[0]) for x in range(grid[1])]
    squares = sum(
        derivatives(run, image, units, blocks, probe, random) ** 2 for _ in range(probe.draws)
    )
    return np.asarray(squares / probe.draws).reshape(len(units), *grid)


def linearity(
    run: Run, image: np.ndarray, units: Sequence[tuple[int, int]], probe: Probe, seed: int
) -> Iterator[tuple[float, float]]:
    """For smaller and smaller steps, how far the differences are from those of half the step.

    Yields
    ------
    epsilon, distance : float
        The same signs both times, on blocks near the units; relative, in the Euclidean norm.
    """
    near = sorted({(y // probe.block + a, x // probe.block + b)
                   for y, x in units for a in (-1, 0) for b in (-1, 0)})  # fmt: skip

    def found(epsilon: float) -> Any:
        step = Probe(probe.block, epsilon)
        return derivatives(run, image, units, near, step, np.random.default_rng(seed))

    for epsilon in (4 * probe.epsilon, probe.epsilon, probe.epsilon / 4):
        here, finer = found(epsilon), found(epsilon / 2)
        yield epsilon, float(np.linalg.norm(here - finer) / np.linalg.norm(finer))
