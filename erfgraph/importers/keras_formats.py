"""Where Keras keeps channels: behind or before the positions, as each layer says."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from erfgraph.importers.trained import numbers_of, then
from erfgraph.importers.values import Constant, Numbers


def channels_last(layer: Any) -> bool:
    """Whether a layer or operation takes its channels last; those that do not say do."""
    given = getattr(layer, "data_format", "channels_last")
    if given is None:  # as Keras is set
        given = sys.modules["keras"].config.image_data_format()
    return bool(given == "channels_last")


def channel_of(layer: Any, x: Any) -> int:
    """The dimension of channels of what a layer reads; batch and channels are no positions."""
    return len(x.shape) - 1 if channels_last(layer) else 1


def spatial_of(layer: Any, x: Any) -> range:
    """The dimensions of positions."""
    return range(1, len(x.shape) - 1) if channels_last(layer) else range(2, len(x.shape))


def constant_of(layer: Any, name: str) -> Constant | None:
    """A weight of a layer, if it has it."""
    return constant(getattr(layer, name, None))


def constant(v: Any) -> Constant | None:
    """A variable or tensor of whatever backend; its numbers are read only if they are needed."""
    shape = getattr(v, "shape", None)
    if shape is None or not hasattr(v, "dtype"):
        return None
    return Constant(tuple(int(n) for n in shape), lambda: _numbers(v))


def _numbers(v: Any) -> Any:
    """A constant tensor, on whatever backend, as an array."""
    keras = sys.modules["keras"]
    with warnings.catch_warnings():  # from what the backend's own conversion uses
        warnings.simplefilter("ignore")
        return keras.ops.convert_to_numpy(v.value if isinstance(v, keras.Variable) else v)


def as_torch(kernel: Any) -> Numbers | None:
    """(*window, channels of a group, channels made) as PyTorch has it."""
    return then(numbers_of(kernel), lambda w: np.moveaxis(w, (-1, -2), (0, 1)))


def as_depthwise(kernel: Any) -> Numbers | None:
    """(*window, channels, multiplier) as a weight of as many groups as there are channels."""

    def change(w: np.ndarray) -> np.ndarray:
        channels, times = w.shape[-2:]
        return np.moveaxis(w, (-2, -1), (0, 1)).reshape(channels * times, 1, *w.shape[:-2])

    return then(numbers_of(kernel), change)


def as_matrix(weight: np.ndarray) -> np.ndarray:
    """The weight of a window of one position as (channels made, channels read)."""
    return weight.reshape(weight.shape[:2])
