"""The gradient of one unit with respect to the input, by a forward pass that ends at its layer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from erfgraph.errors import ErfgraphError, InputError, SizeError, excerpt, unknown_name
from erfgraph.featuremap import FeatureMap, unit_of
from erfgraph.params import Shape


class _ReachedError(Exception):
    """Carries what a layer returned out of the forward pass, which need not go on."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


Signs = Callable[[int, int], np.ndarray]


def layer_of(module: Any, layer: str | None) -> Any:
    """The submodule at a path; None for the module itself.

    Raises
    ------
    NameLookupError
        If there is none.
    """
    if layer is None:
        return None
    modules = dict(module.named_modules(remove_duplicate=False))
    if not isinstance(layer, str) or not layer or layer not in modules:
        kind = type(module).__name__
        raise unknown_name("layer", str(layer), filter(None, modules), where=f" in module {kind}")
    ends = getattr(module, "block_ends", {})  # of `to_torch`: what a block returns
    return modules[ends.get(layer, layer) if ends.get(layer) in modules else layer]


def forward(module: Any, target: Any, x: Any) -> Any:
    """What a submodule returns the first time it is called, or what the module returns."""
    if target is None:
        return module(x)

    def stop(_module: Any, _inputs: Any, output: Any) -> None:
        raise _ReachedError(output)

    handle = target.register_forward_hook(stop)
    try:
        module(x)
    except _ReachedError as reached:
        return reached.output
    finally:
        handle.remove()
    raise InputError("layer: the module's forward pass does not call it")


def first_tensor(output: Any) -> Any:
    """The first tensor in what a module returned, in the order of tuples, lists and dicts."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    parts = output.values() if hasattr(output, "values") else output
    if isinstance(parts, list | tuple) or hasattr(output, "values"):
        for part in parts:
            found = first_tensor(part)
            if found is not None:
                return found
    return None


def position(output: Any, name: str, n_axes: int, unit: Any) -> Shape:
    """The unit's position in an output of shape (batch, channels, *spatial).

    Raises
    ------
    InputError
        If the output has not as many spatial axes as the input, or the unit lies outside.
    """
    if output is None:
        raise InputError(f"layer: {name!r} returns no tensor")
    shape = tuple(output.shape)
    if len(shape) != n_axes + 2:
        hint = "name a layer before the positions are pooled or flattened"
        if len(shape) == 3:
            hint = (
                "a sequence of tokens has no spatial axes; wrap the module in one that reshapes it"
            )
        raise InputError(
            f"layer: {name!r} returns shape {shape}, wanted (batch, channels, *spatial) with "
            f"{n_axes} spatial axes as the input has; {hint}"
        )
    return unit_of(FeatureMap(name, shape[2:], shape[1], 0), unit)


def gradients(
    module: Any,
    target: Any,
    name: str,
    x: Any,
    unit: Any,
    relu_output: bool = False,
    signs: Signs | None = None,
) -> tuple[np.ndarray, Shape]:
    """Gradients of a unit's sum over channels with respect to inputs.

    Parameters
    ----------
    module, target
        The module, and the submodule of the unit or None.
    name : str
        Of the unit's layer, for messages.
    x : tensor of shape (batch, channels, *spatial)
    unit : int or sequence of int, optional
    relu_output : bool, optional
        Whether the unit's channels pass a ReLU before they are summed.
    signs : callable, optional
        Gives, for numbers of samples and channels, what the channels are multiplied by before
        they are summed.

    Returns
    -------
    gradients : float64 array of the shape of `x`
    unit : tuple of int

    Raises
    ------
    InputError
        If the module fails on such an input, or its output has no such unit.
    """
    import torch

    leaf = x.clone().requires_grad_()
    with _failures(module, x):
        # a copy, as the module may overwrite what it is given
        output = first_tensor(forward(module, target, leaf.clone()))
    where = position(output, name, x.ndim - 2, unit)
    value = output[(slice(None), slice(None), *where)]
    if relu_output:
        value = torch.nn.functional.relu(value)
    if signs is not None:
        value = value * torch.from_numpy(signs(*value.shape)).to(value)
    found = None
    if value.requires_grad:
        with _failures(module, x):
            (found,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    if found is None:  # no path
        return np.zeros(tuple(x.shape)), where
    # squares of float32 would underflow below 1e-23
    return found.detach().cpu().to(torch.float64).numpy(), where


@contextlib.contextmanager
def _failures(module: Any, x: Any) -> Iterator[None]:
    """Errors of the module's own code as ours, which say on what it ran."""
    try:
        yield
    except (ErfgraphError, _ReachedError):
        raise
    except Exception as error:  # the module's own code may raise anything
        text = excerpt(" ".join(str(error).split()), most=300)
        what = f"{type(module).__name__} on an input of shape {tuple(x.shape)}"
        if "memory" in text.lower() and isinstance(error, RuntimeError | MemoryError):
            raise SizeError(f"{what}: {text}; take a smaller batch") from error
        if "more than 1 value per channel" in text:
            text += "; take a larger batch"
        raise InputError(f"{what}: {type(error).__name__}: {text}") from error
