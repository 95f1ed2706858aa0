"""`Site`: where a layer stands, all that its module needs to know; and modules without weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from erfgraph.params import Shape


@dataclass(frozen=True)
class Site:
    """One layer call.

    Attributes
    ----------
    op : str
        Name of the `Network` method.
    params : mapping
        Its parameters, without those at their defaults.
    shape, channels
        Of the first map that it reads.
    made_shape, made_channels
        Of what it makes.
    rule : str
        How weights are drawn; ``"ones"`` for unit weights in every kind of layer.
    gates : {"transparent", "follow"}
        Whether paths run through gates.
    """

    op: str
    params: Mapping[str, Any]
    shape: Shape
    channels: int
    made_shape: Shape
    made_channels: int
    rule: str
    gates: str

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    @property
    def ones(self) -> bool:
        """Whether every kind of layer has unit weights."""
        return self.rule == "ones"

    def per_axis(self, key: str, default: Any = None) -> tuple[Any, ...]:
        """A parameter, one value per axis."""
        value = self.params.get(key, default)
        return tuple(value) if isinstance(value, list | tuple) else (value,) * self.ndim


class Plain(nn.Module):
    """An operation without weights: a function of one or more tensors.

    Parameters
    ----------
    run : callable
    """

    def __init__(self, run: Callable[..., Tensor]) -> None:
        super().__init__()
        self.run = run

    def forward(self, *xs: Tensor) -> Tensor:
        """The function's result."""
        return self.run(*xs)

    def extra_repr(self) -> str:
        """The function's name."""
        name: str = getattr(getattr(self.run, "func", self.run), "__name__", "")
        return name


class PerAxis(nn.Module):
    """A matrix for every spatial axis, of shape (positions made, positions read), or None."""

    def __init__(self, matrices: list[Tensor | None]) -> None:
        super().__init__()
        for a, matrix in enumerate(matrices):
            self.register_buffer(f"axis{a}", matrix, persistent=False)
        self.n_axes = len(matrices)

    def forward(self, x: Tensor) -> Tensor:
        """The map, multiplied axis by axis."""
        for a in range(self.n_axes):
            matrix = getattr(self, f"axis{a}")
            if matrix is not None:
                x = (x.movedim(2 + a, -1) @ matrix.to(x.dtype).T).movedim(-1, 2 + a)
        return x


def flat_pads(pads: Any) -> list[int]:
    """Padding in the order of PyTorch's `pad`: last axis first."""
    return [int(side) for pair in reversed(list(pads)) for side in pair]
