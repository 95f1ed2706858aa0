"""The peers, beside us in the same run; skipped where torch is not installed."""

from __future__ import annotations

import erfgraph as eg


class GradientSample:
    params = ([224],)
    param_names = ("size",)
    timeout = 300

    def setup(self, size: int) -> None:
        try:
            from benchmarks import peers
        except ImportError:
            raise NotImplementedError("torch is not installed") from None
        self.peers, self.model = peers, peers.resnet50()
        self.net = eg.load("resnet50", (size, size))
        eg.importance(self.net, exact=False)

    def time_gradient(self, size: int) -> None:
        self.peers.gradient_sample(self.model, size)

    def time_path_map(self, _: int) -> None:
        eg.importance(self.net, exact=False)
