"""`Architecture`: one row of the zoo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from erfgraph.network import FeatureMap


@dataclass(frozen=True, slots=True)
class Architecture:
    """A named architecture.

    Attributes
    ----------
    name : str
    layers : callable
        ``layers(net, x, head=False)`` adds the layers to a network and returns the last map.
    paper : str
        Where it was published.
    input_shape : tuple of int
        Spatial shape of the input it was trained on.
    channels : int
        Channels of that input.
    init : str
        The initialisation that its authors, or the implementation that it follows, give its
        convolutions, by the names of `erfgraph.initial.weight_variance`. Where layers of one
        network differ, it is that of most of them.
    """

    name: str
    layers: Callable[..., FeatureMap]
    paper: str
    input_shape: tuple[int, ...] = (224, 224)
    channels: int = 3
    init: str = "pytorch"
