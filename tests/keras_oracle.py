"""Path counts of Keras models by Keras itself on PyTorch, for checking the importer.

`gradient` is a plain gradient, right for layers that are linear with all weights one.
`collapsed` is that of `module_oracle`, which knows pools, norms and gates too: a Keras model on
the torch backend runs PyTorch's operations.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

import module_oracle  # noqa: E402

assert keras.backend.backend() == "torch"
torch.set_num_threads(1)  # of small maps, several threads spend most of their time on waiting


def unit_weights(model: Any) -> None:
    """All kernels one, all else zero."""
    for v in model.weights:
        v.assign(np.ones(v.shape) * ("kernel" in v.path.rpartition("/")[2]))


def gradient(
    model: Any, unit: Sequence[int], shape: Sequence[int], last: bool = True
) -> np.ndarray:
    """The gradient of a unit with respect to the input, both summed over channels.

    The unit is of an output of that spatial shape, axes of size 1 that the model drops included.
    """
    unit_weights(model)
    x = torch.ones((1, *model.input_shape[1:]), requires_grad=True)
    y = model(x, training=False)[0]
    y = y.sum(-1 if last else 0).reshape(tuple(shape))[tuple(unit)]
    (found,) = torch.autograd.grad(y, x, allow_unused=True)
    found = torch.zeros_like(x) if found is None else found
    return found[0].sum(-1 if last else 0).numpy()


class ChannelsFirst(torch.nn.Module):
    """A model that has its channels last, as PyTorch would have them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.model(x.movedim(1, -1), training=False)
        return y.movedim(-1, 1) if y.ndim > 2 else y


def collapsed(
    model: Any,
    unit: Sequence[int] | None = None,
    shape: Sequence[int] | None = None,
    exact: bool = True,
) -> np.ndarray:
    """Paths to a unit of the output, with one edge per tap, of a model with channels last."""
    *spatial, channels = model.input_shape[1:]
    known = dict(module_oracle.ONE_MAP), dict(module_oracle.ALIASES)
    # Keras pads pools on this backend by copies of the border, which are not there on others
    module_oracle.ONE_MAP["pad"] = lambda call, x, pad, *args, **kw: module_oracle.pad(
        call, x, pad, "constant"
    )
    module_oracle.ALIASES["divide"] = "div"
    try:
        given = (channels, *spatial)
        return module_oracle.collapsed(ChannelsFirst(model), given, unit=unit, exact=exact)
    finally:
        module_oracle.ONE_MAP.update(known[0])
        module_oracle.ALIASES.clear()
        module_oracle.ALIASES.update(known[1])
