"""`to_torch`: a PyTorch module from a network's description."""

from __future__ import annotations

from typing import Any

from erfgraph.errors import InputError
from erfgraph.extras import torch_module
from erfgraph.featuremap import FeatureMap
from erfgraph.initial import OWN, check_init
from erfgraph.network import Network
from erfgraph.params import is_int

ONES = "ones"


def to_torch(
    net: Network,
    *,
    init: str = "pytorch",
    seed: int = 0,
    dtype: Any = None,
    stop: str | FeatureMap | None = None,
) -> Any:
    r"""A PyTorch module that computes what a network describes.

    Parameters
    ----------
    net : Network
    init : str, optional
        How weights are drawn: a rule of `importance`, ``"torchvision"`` for the network's own,
        or ``"ones"`` for unit weights, see the notes.
    seed : int, optional
        Of the weights.
    dtype : torch.dtype, optional
        Of the weights; default PyTorch's.
    stop : str or FeatureMap, optional
        Feature map with which the module ends; what it does not need is left out.

    Returns
    -------
    torch.nn.Module
        Takes (batch, channels, \*spatial) of the network's own input, and returns its last
        feature map. Its submodules have the names of the network's feature maps, so that
        ``layer="layer4.2"`` means the same in `importance` and in `gradient_importance`.
        ``reset_parameters`` of its layers draws them again by the same rule.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    NameLookupError
        If there is no such rule or feature map.
    InputError
        If the network has no initialisation of its own, or no layers.

    Notes
    -----
    Convolutions and linear layers have no bias. Adaptive, global and channel pools average.
    Attention averages its window, and has no weights: the graph says who is read, not how
    heavily. A gate multiplies; where paths do not run through gates, neither does the gradient,
    and one that no sigmoid closes passes what it gates as it is. Constant channels are ones.
    Group norm has 32 groups where these divide the channels, else one; layer norm is taken over
    the channels of every position.

    With ``init="ones"`` all weights are one in every kind of layer: pools, interpolations and
    attention add up what they read, products and gates are sums, and elementwise functions do
    nothing. In float64 the gradient of a unit's sum over channels is then the path count,
    ``importance(net, channels="count")``, exactly, as long as it stays below 2**53.

    Examples
    --------
    >>> import torch, erfgraph as eg
    >>> net = eg.load("conv3p1 max2 conv3p1", input_shape=(8, 8), channels=3)
    >>> module = eg.to_torch(net, seed=1)
    >>> module(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 3, 4, 4])

    Unit weights give the path count:

    >>> module = eg.to_torch(net, init="ones", dtype=torch.float64)
    >>> found = eg.gradient_importance(module, (3, 8, 8), init="keep", samples=1, statistic="mean")
    >>> counted = eg.importance(net, channels="count")
    >>> bool((found.values == counted.values).all())
    True
    """
    torch = torch_module()
    from erfgraph.torch_network.module import TorchNetwork

    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if not net.layers:
        raise InputError("net: the network has no layers, so nothing to compute")
    if not is_int(seed) or seed < 0:
        raise InputError(f"seed: got {seed!r}, wanted an integer >= 0")
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InputError(f"dtype: got {dtype!r}, wanted a floating type such as torch.float64")
    if isinstance(stop, str):
        stop = net.returned(stop)
    end = net.output if stop is None else net._resolve(stop, "stop")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TorchNetwork(net, _rule(net, init), None if stop is None else end)
    return module if dtype is None else module.to(dtype)


def _rule(net: Network, init: str) -> str:
    """The rule itself, where the name stands for the network's own."""
    if init == ONES:
        return init
    if check_init(init) != OWN:
        return init
    if net.init is None:
        raise InputError(
            f"init: got {OWN!r}, but network {net.name!r} has no initialisation of its own; name "
            "a rule such as 'kaiming_fan_in'"
        )
    return net.init
