"""PyTorch beside us in the same run; left out where it is not installed."""

from __future__ import annotations

import importlib.util

import erfgraph as eg


class PyTorch:
    """ResNet-50's centre unit: a gradient sample, the one-channel pass, and the path map."""

    params = ([224, 512],)
    param_names = ("size",)
    timeout = 300

    def setup(self, size: int) -> None:
        if importlib.util.find_spec("torch") is None:
            raise NotImplementedError("torch is not installed")
        import torch

        from benchmarks import peers

        torch.set_num_threads(peers.THREADS)
        self.peers, self.model, self.one = peers, peers.resnet50(), peers.one_channel_resnet50()
        self.net = eg.load("resnet50", (size, size))
        eg.importance(self.net, exact=False)

    def peakmem_gradient(self, size: int) -> None:
        self.peers.gradient_sample(self.model, size)

    def time_gradient(self, size: int) -> None:
        self.peers.gradient_sample(self.model, size)

    def time_one_channel(self, size: int) -> None:
        self.peers.one_channel_pass(self.one, size)

    def time_path_map(self, _: int) -> None:
        eg.importance(self.net, exact=False).values  # noqa: B018
