"""Where Keras keeps channels: behind or before the positions, as each layer says."""

from __future__ import annotations

import sys
from typing import Any


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
