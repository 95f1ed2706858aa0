"""Whose weights a gradient is of: a copy of the user's module, or fresh ones, drawn by a rule.

The user's module is never touched: draws are made in a copy, or in what the user's function
returns.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.errors import InputError, excerpt, unknown_name
from erfgraph.initial import FIXED, OWN, RULES, check_init, weight_variance

FIXED_WEIGHTS = ("keep", "ones")  # weights that every draw would leave the same
BATCHNORM = ("identity", "batch")


@dataclass(frozen=True)
class Weights:
    """How weights are made.

    Attributes
    ----------
    source : torch.nn.Module or callable
        A module to copy, or a function that returns a fresh one.
    init : str, callable or None
        A rule of `erfgraph.initial`, ``"ones"``, ``"keep"``, the user's function, or None for
        what the module's own layers (or the function) do.
    batchnorm : {"identity", "batch"}
    dtype : torch.dtype, optional
        What weights are cast to.
    seed : int
    """

    source: Any
    init: Any
    batchnorm: str
    dtype: Any
    seed: int

    @property
    def fresh(self) -> bool:
        """Whether the source is a function that returns modules."""
        return not _is_module(self.source)

    @property
    def fixed(self) -> bool:
        """Whether every draw would be the same."""
        return isinstance(self.init, str) and self.init in FIXED_WEIGHTS


def check(source: Any, init: Any, batchnorm: Any) -> None:
    """Refuse a module or options that cannot be run.

    Raises
    ------
    InputError
        If it is neither a module nor a function, or a rule needs what is not known here.
    NameLookupError
        If a name is unknown.
    """
    if not (_is_module(source) or callable(source)):
        kind = type(source).__name__
        hint = "; see erfgraph.to_torch" if kind == "Network" else ""
        raise InputError(
            f"module: got {kind}, wanted a torch.nn.Module or a function that returns one{hint}"
        )
    if batchnorm not in BATCHNORM:
        raise unknown_name("batchnorm", str(batchnorm), BATCHNORM)
    if init is None or callable(init) or (isinstance(init, str) and init in FIXED_WEIGHTS):
        return
    if init == OWN:
        raise InputError(
            f"init: {OWN!r} is a network's own; for a module, pass the function that builds it, "
            "which every draw then calls"
        )
    if not isinstance(init, str) or not (init.startswith(FIXED) or init in RULES):
        raise unknown_name("init", str(init), (*RULES, *FIXED_WEIGHTS, "std=0.01"))
    check_init(init)


class Maker:
    """Makes the module of every draw; holds the copy in which weights are drawn again.

    Parameters
    ----------
    weights : Weights
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._own = None if weights.fresh else self._ready(_copied(weights.source))
        self._last: Any = None

    def kept(self) -> Any:
        """The module with the weights that it has (all ones where ``init="ones"``)."""
        with self._seeded(0):
            module = self._own or self._built()
            if self.weights.init == "ones":
                ones(module)
        return module

    def drawn(self, index: int) -> Any:
        """The module of one draw; the same for the same seed and index, whatever came before."""
        init = self.weights.init
        with self._seeded(index):
            module = self._own or self._built()
            if callable(init):
                init(module)
                module = self._ready(module)
            elif isinstance(init, str) and init not in FIXED_WEIGHTS:
                by_rule(module, init)
            elif init == "ones":
                ones(module)
            elif init is None and not self.weights.fresh:
                by_itself(module)
        return module

    def _built(self) -> Any:
        module = self.weights.source()
        if not _is_module(module):
            kind = type(module).__name__
            raise InputError(f"module: the function returned {kind}, wanted a torch.nn.Module")
        if module is self._last:
            raise InputError(
                "module: the function returned the same module twice, wanted a fresh one"
            )
        self._last = module
        return self._ready(module)

    def _ready(self, module: Any) -> Any:
        """Evaluation mode, no gradients of weights, batch norms as asked, in the type asked."""
        import torch

        module.eval().requires_grad_(False)
        if self.weights.batchnorm == "batch":
            for m in module.modules():
                if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
                    m.train()
        return module if self.weights.dtype is None else module.to(dtype=self.weights.dtype)

    @contextlib.contextmanager
    def _seeded(self, index: int) -> Iterator[None]:
        """PyTorch's random numbers of one draw, and the caller's own again afterwards."""
        import torch

        devices = list(range(torch.cuda.device_count()))
        seeds = np.random.SeedSequence([self.weights.seed, 0, index])
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0]))
            yield


# --- drawing ------------------------------------------------------------------------------


def by_itself(module: Any) -> None:
    """Draw weights as the module's own layers do, PyTorch's defaults.

    Parameters that no layer draws by itself keep their values.
    """
    for m in module.modules():
        reset = getattr(m, "reset_parameters", None) or getattr(m, "_reset_parameters", None)
        if callable(reset):
            reset()


def by_rule(module: Any, rule: str) -> None:
    """Draw weights normal, of zero mean and the variance of a rule; biases are zero.

    Norms and embeddings start as PyTorch's; other parameters (a layer's scale, positions, a
    class token) keep their values.

    Raises
    ------
    InputError
        If a layer makes its weight from other parameters.
    """
    import torch

    for path, m in module.named_modules():
        if hasattr(m, "parametrizations"):
            raise InputError(
                f"init: {rule!r} cannot draw the weights of {path!r}, which are parametrized; "
                "pass a function as init"
            )
        if _is_norm(m) or isinstance(m, torch.nn.Embedding | torch.nn.EmbeddingBag):
            _reset_norm(m)
            continue
        for name, p in m.named_parameters(recurse=False):
            if name.endswith("bias"):
                p.data.zero_()
            elif name.endswith("weight") and p.ndim >= 2:
                p.data.normal_(0, math.sqrt(weight_variance(rule, tuple(p.shape))))


def ones(module: Any) -> None:
    """Set all weights to one and biases to zero; batch norms do nothing at all.

    The gradient of a module that is linear and has no norms is then the path count.
    """
    import torch

    for m in module.modules():
        for name, p in m.named_parameters(recurse=False):
            p.data.fill_(0 if name.endswith("bias") else 1)
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
            m.reset_running_stats()
            m.eps = 0.0  # dividing by sqrt(1 + eps) would not be exact


def _is_norm(m: Any) -> bool:
    return "norm" in type(m).__name__.lower()


def _reset_norm(m: Any) -> None:
    reset = getattr(m, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for name, p in m.named_parameters(recurse=False):
        p.data.fill_(0 if name.endswith("bias") else 1)


# --- the module itself --------------------------------------------------------------------


def _is_module(value: Any) -> bool:
    import torch

    return isinstance(value, torch.nn.Module)


def _copied(module: Any) -> Any:
    try:
        return copy.deepcopy(module)
    except Exception as error:  # the module's own attributes may be anything
        text = excerpt(" ".join(str(error).split()), most=200)
        raise InputError(
            f"module: {type(module).__name__} cannot be copied ({text}); pass a function that "
            "returns a fresh one"
        ) from error


def example_type(module: Any) -> tuple[Any, Any]:
    """Type and device of the module's weights, for its inputs."""
    import torch

    for p in module.parameters():
        if p.is_floating_point():
            return p.dtype, p.device
    return torch.get_default_dtype(), torch.device("cpu")


def fingerprint(weights: Weights, draws: bool) -> dict[str, str]:
    """Texts that tell one source of weights from another.

    Where weights are drawn, those of the first draw are looked at: what was there before does
    not matter.
    """
    import torch

    if weights.fresh:
        return {"module": name_of(weights.source), "weights": "fresh"}
    digest = hashlib.sha256()
    module = Maker(weights).drawn(0) if draws else weights.source
    for key, value in module.state_dict().items():
        digest.update(f"{key}{tuple(value.shape)}{value.dtype}".encode())
        flat = value.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())  # NumPy has no bfloat16
    return {"module": name_of(type(weights.source)), "weights": digest.hexdigest()}


def name_of(function: Any) -> str:
    """Where a function or class is defined."""
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', '')}.{name}"
