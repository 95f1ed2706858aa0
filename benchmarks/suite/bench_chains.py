"""Deep chains: linear in depth and in field."""

from __future__ import annotations

from typing import Any

import erfgraph as eg


class Chain:
    """A map of a chain that is built; the unpadded one's field grows with its depth."""

    params = (["padded 64", "padded 64x64", "unpadded"], [1000, 4000], ["exact", "float64"])
    param_names = ("chain", "depth", "numbers")
    timeout = 300

    def setup(self, chain: str, depth: int, numbers: str) -> None:
        if (depth, numbers) == (4000, "exact") and chain != "padded 64":
            raise NotImplementedError("takes long: its numbers have thousands of digits")
        layer = "conv3" if chain == "unpadded" else "conv3p1"
        shape: Any = {"padded 64": (64,), "padded 64x64": (64, 64), "unpadded": None}[chain]
        self.net, self.exact = eg.load(f"{layer}*{depth}", shape), numbers == "exact"
        eg.importance(self.net, exact=False)

    def time_map(self, *_: object) -> None:
        eg.importance(self.net, exact=self.exact).counts.values  # noqa: B018


class LoadChain:
    params = (["conv3", "conv3p1"], [1000, 4000])
    param_names = ("layer", "depth")

    def time_load(self, layer: str, depth: int) -> None:
        eg.load(f"{layer}*{depth}", (64,) if layer == "conv3p1" else None)
