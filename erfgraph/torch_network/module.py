"""`TorchNetwork`: layers of a network, run one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from erfgraph.errors import InputError
from erfgraph.featuremap import FeatureMap, Layer
from erfgraph.network import Network
from erfgraph.torch_network.site import Site
from erfgraph.torch_network.table import TABLE


class Step(NamedTuple):
    """One layer call.

    Attributes
    ----------
    path : tuple of str
        Names of its module and of those around it; empty where it does nothing.
    reads : tuple of str
        Keys of the maps that it is given.
    makes : str
        Key of its result.
    drops : tuple of str
        Keys that no later step reads.
    """

    path: tuple[str, ...]
    reads: tuple[str, ...]
    makes: str
    drops: tuple[str, ...] = ()


class TorchNetwork(nn.Module):
    """A module that computes what a network describes; `to_torch` makes it.

    Parameters
    ----------
    net : Network
    rule : str
        How weights are drawn.
    end : FeatureMap, optional
        With which the module ends; by default with the last, and nothing is left out.
    """

    def __init__(self, net: Network, rule: str, end: FeatureMap | None = None) -> None:
        super().__init__()
        self.erfgraph_name = net.name or "network"
        self.input_shape = (net.input.channels, *net.input.shape)
        self.returns = net.output.key if end is None else end.key
        self.block_ends = dict(net.returns)  # of blocks that are named after their map
        steps = []
        for layer, key in _needed(net, end):
            # what it makes is what it reads: an identity, or a gate that no measure sees
            passes = layer.op in ("identity", "gate") and key == layer.inputs[0]
            name = layer.name if passes else layer.name or key
            reads = layer.inputs[:1] if passes else layer.inputs
            if name is None:
                continue
            path = tuple(name.split("."))
            module = nn.Identity() if passes else TABLE[layer.op](_site(net, layer, key, rule))
            _insert(self, path, module)
            steps.append(Step(path, reads, reads[0] if passes else key))
        self.steps = _with_drops(steps, self.returns)

    def forward(self, x: Tensor) -> Tensor:
        r"""The last feature map.

        Parameters
        ----------
        x : tensor of shape (batch, channels, \*spatial)

        Returns
        -------
        tensor

        Raises
        ------
        InputError
            If the input is not the network's.
        """
        if tuple(x.shape[1:]) != self.input_shape:
            wanted = ", ".join(map(str, self.input_shape))
            raise InputError(f"x: got shape {tuple(x.shape)}, wanted (batch, {wanted})")
        held = {"input": x}
        for step in self.steps:
            held[step.makes] = _find(self, step.path)(*[held[key] for key in step.reads])
            for key in step.drops:
                del held[key]
        return held[self.returns]


def _needed(net: Network, end: FeatureMap | None) -> list[tuple[Layer, str]]:
    """The layer calls on the way to a map, with the keys of their results."""
    calls = list(zip(net.layers, net.results, strict=True))
    if end is None:
        return calls
    kept, wanted = [], {end.key}
    for layer, key in reversed(calls):
        if key in wanted:
            kept.append((layer, key))
            wanted.update(layer.inputs)
    return kept[::-1]


def _site(net: Network, layer: Layer, key: str, rule: str) -> Site:
    x, made = net[layer.inputs[0]], net[key]
    return Site(
        layer.op,
        layer.params,
        x.shape,
        x.channels,
        made.shape,
        made.channels,
        rule,
        net.gates,
    )


def _with_drops(steps: Sequence[Step], returned: str) -> list[Step]:
    """The same steps, each with the maps that may be forgotten after it."""
    alive, done = {returned}, []
    for step in reversed(steps):
        last = {*step.reads, step.makes} - alive
        alive |= last
        done.append(step._replace(drops=tuple(sorted(last))))
    return done[::-1]


# Names of feature maps may be those of attributes of a module, which `add_module` refuses, and
# a map may be named after a block whose layers are named below it. So modules are put into the
# tables of their parents as such.


def _insert(root: nn.Module, path: Sequence[str], module: nn.Module) -> None:
    for part in path[:-1]:
        if part not in root._modules:
            root._modules[part] = nn.Module()
        root = _find(root, (part,))
    before = root._modules.get(path[-1])
    if before is not None:  # a block, whose layers came first
        module._modules.update(before._modules)
    root._modules[path[-1]] = module


def _find(root: nn.Module, path: Sequence[str]) -> nn.Module:
    for part in path:
        found = root._modules[part]
        assert found is not None
        root = found
    return root
