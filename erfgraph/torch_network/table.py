"""What each layer of a network is as a module: one row an operation."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from erfgraph.torch_network import copies, merges, passed, weighted, windows
from erfgraph.torch_network.site import Site

TABLE: dict[str, Callable[[Site], nn.Module]] = {
    "conv": weighted.Conv,
    "conv_transpose": weighted.ConvTranspose,
    "linear": weighted.Linear,
    "max_pool": windows.max_pool,
    "avg_pool": windows.avg_pool,
    "adaptive_pool": windows.adaptive_pool,
    "global_pool": windows.global_pool,
    "attention": windows.attention,
    "pad": copies.pad,
    "crop": copies.crop,
    "slice": copies.slice_,
    "roll": copies.roll,
    "upsample": copies.upsample,
    "add": merges.add,
    "multiply": merges.multiply,
    "gate": merges.gate,
    "concat": merges.concat,
    "channel_slice": merges.channel_slice,
    "channel_take": merges.channel_take,
    "channel_shuffle": merges.channel_shuffle,
    "channel_pool": merges.channel_pool,
    "pixel_shuffle": merges.pixel_shuffle,
    "pixel_unshuffle": merges.pixel_unshuffle,
    "identity": passed.identity,
}
