"""Backward passes that take a function as linear: ReLU as the identity, max-pool as an average.

By a `torch.overrides.TorchFunctionMode`, which meets functions however a module calls them; a
scripted or compiled module hides its own.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from erfgraph.errors import InputError, unknown_name

PASSTHROUGH = ("relu", "max_pool")


def checked(passthrough: Any) -> tuple[str, ...]:
    """The names of functions to pass through, in the table's order.

    Raises
    ------
    InputError
        If it is neither a name nor a sequence of names.
    NameLookupError
        If there is no such function.

    Examples
    --------
    >>> checked("relu"), checked(["max_pool", "relu"])
    (('relu',), ('relu', 'max_pool'))
    """
    names = (passthrough,) if isinstance(passthrough, str) else passthrough
    if not isinstance(names, list | tuple | set | frozenset):
        raise InputError(f"passthrough: got {passthrough!r}, wanted any of {PASSTHROUGH}")
    for name in names:
        if name not in PASSTHROUGH:
            raise unknown_name("passthrough", str(name), PASSTHROUGH)
    return tuple(name for name in PASSTHROUGH if name in names)


def passing(names: Sequence[str]) -> contextlib.AbstractContextManager[Any]:
    """A context in which the backward pass takes the named functions as linear."""
    if not names:
        return contextlib.nullcontext()
    from torch.overrides import TorchFunctionMode

    rows = _table(names)

    class Passing(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            row = rows.get(func)
            return row(*args, **kwargs or {}) if row else func(*args, **kwargs or {})

    return Passing()


def _table(names: Sequence[str]) -> dict[Any, Callable[..., Any]]:
    """Which function of PyTorch is replaced by which."""
    import torch

    functional, tensor = torch.nn.functional, torch.Tensor
    rows: dict[Any, Callable[..., Any]] = {}
    if "relu" in names:
        rows |= dict.fromkeys((torch.relu, functional.relu, tensor.relu), _relu)
        rows |= dict.fromkeys((torch.relu_, functional.relu_, tensor.relu_), _relu_inplace)
        rows |= {functional.relu6: _relu6, functional.hardtanh: _hardtanh}
    if "max_pool" in names:
        pools = ("max_pool1d", "max_pool2d", "max_pool3d")
        for ndim, name in enumerate(pools, start=1):
            for place, suffix in ((torch, ""), (functional, ""), (functional, "_with_indices")):
                if hasattr(place, name + suffix):
                    found = _max_pool(ndim, suffix != "")
                    rows[getattr(place, name + suffix)] = found
    return rows


def _through(value: Any, linear: Any) -> Any:
    """A value whose gradient is that of something else: the difference is exactly zero."""
    return value.detach() + (linear - linear.detach())


def _relu(input: Any, inplace: bool = False) -> Any:  # noqa: A002 - PyTorch's name for it
    import torch

    found = _through(torch.relu(input.detach()), input)
    return input.copy_(found) if inplace else found


def _relu_inplace(input: Any) -> Any:  # noqa: A002
    return _relu(input, inplace=True)


def _relu6(input: Any, inplace: bool = False) -> Any:  # noqa: A002
    return _hardtanh(input, 0.0, 6.0, inplace)


def _hardtanh(
    input: Any,  # noqa: A002
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Any:
    """ReLU6 is one that starts at zero; others stay as they are."""
    import torch

    if min_val != 0:
        return torch.nn.functional.hardtanh(input, min_val, max_val, inplace)
    found = _through(torch.clamp(input.detach(), min_val, max_val), input)
    return input.copy_(found) if inplace else found


def _max_pool(ndim: int, indexed: bool) -> Callable[..., Any]:
    """A max-pool over so many axes whose gradient is that of the average of what it reads."""
    import torch

    functional = torch.nn.functional
    pools: Any = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
    run = pools[ndim - 1]

    def pool(
        input: Any,  # noqa: A002
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        wants = return_indices or indexed
        with torch.no_grad():
            found = run(input, kernel_size, stride or None, padding, dilation, ceil_mode, wants)
        value = found[0] if wants else found
        geometry = (kernel_size, stride or kernel_size, padding, dilation)
        passed = _through(value, _window_means(input, value.shape[-ndim:], *geometry))
        return (passed, found[1]) if wants else passed

    return pool


def _window_means(
    x: Any, sizes: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """The mean of the positions that each window of a pool reads, padding left out.

    A max-pool never takes padding, and takes each position of a window equally likely.
    """
    import torch

    functional = torch.nn.functional
    ndim = len(sizes)
    kernel, stride, padding, dilation = (
        tuple(v) if isinstance(v, list | tuple) and len(v) == ndim else (_single(v),) * ndim
        for v in (kernel, stride, padding, dilation)
    )
    spatial = x.shape[-ndim:]
    flat = x.reshape(-1, 1, *spatial)
    ends = [  # in ceil mode windows hang over the end, without it the end may go unread
        (m - 1) * s + d * (k - 1) + 1 - n - p
        for m, s, d, k, n, p in zip(sizes, stride, dilation, kernel, spatial, padding, strict=True)
    ]
    pads = [v for p, e in zip(reversed(padding), reversed(ends), strict=True) for v in (p, e)]
    weight = torch.ones(1, 1, *kernel, dtype=x.dtype, device=x.device)
    run = (functional.conv1d, functional.conv2d, functional.conv3d)[ndim - 1]

    def sums(of: Any) -> Any:
        return run(functional.pad(of, pads), weight, stride=stride, dilation=dilation)

    counts = sums(torch.ones_like(flat[:1]))
    means = sums(flat) / counts
    return means.reshape(*x.shape[:-ndim], *sizes)


def _single(value: Any) -> int:
    """PyTorch takes a sequence of one for all axes."""
    if isinstance(value, list | tuple):
        return int(math.prod(value[:1]))
    return int(value)
