"""Names of feature maps, from the modules in which a model's operations stand.

An operation is named after the innermost module that returns what it makes, up to activations
and norms: the sum at the end of a residual block is the block's. Other operations are named
after the module that they stand in and themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Scope = tuple[str, ...]  # keys of the modules around an operation, outermost first


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, as naming sees it.

    Attributes
    ----------
    scope : tuple of str
        One key per call of a module.
    op : str
    sources : tuple of int
        Operations whose results it takes; the first is the one that it hands on.
    transparent : bool
        Whether it makes no feature map.
    """

    scope: Scope
    op: str
    sources: tuple[int, ...]
    transparent: bool


@dataclass(frozen=True, slots=True)
class Names:
    """Names of operations and of what modules return.

    Attributes
    ----------
    maker : tuple of str
        Per operation, the name of its feature map.
    returned : dict of str to tuple of int
        Per call of a module, the operations whose results leave it, in order.
    """

    maker: tuple[str, ...]
    returned: Mapping[str, tuple[int, ...]]


def names(steps: Sequence[Step], paths: Mapping[str, str], outputs: Sequence[int]) -> Names:
    """Name the operations of a model.

    Parameters
    ----------
    steps : sequence of Step
        In the order in which they run.
    paths : mapping of str to str
        Dotted path of every call of a module.
    outputs : sequence of int
        Operations whose results the model returns.
    """
    leaving: dict[str, dict[int, None]] = {}
    users = [(source, step.scope) for step in steps for source in step.sources] + [
        (source, ()) for source in outputs
    ]
    for source, user in users:
        inside = set(user)
        for key in steps[source].scope:
            if key not in inside:
                leaving.setdefault(key, {})[source] = None
    returned = {key: tuple(sorted(found)) for key, found in leaving.items()}
    own: dict[int, str] = {}
    for key, found in returned.items():
        maker = _maker(steps, found[-1], key)
        # the innermost module of several that return it
        inner = maker is not None and len(paths[key]) > len(own.get(maker, ""))
        if len(found) == 1 and maker is not None and inner:
            own[maker] = paths[key]
    made = []
    for i, step in enumerate(steps):
        path = paths[step.scope[-1]] if step.scope else ""
        short = step.op.rpartition(".")[2].strip("_")
        made.append(own.get(i) or (f"{path}.{short}" if path else short))
    return Names(tuple(made), returned)


def _maker(steps: Sequence[Step], at: int, key: str) -> int | None:
    """The operation inside a module that made what an operation hands on."""
    while steps[at].transparent and steps[at].sources:
        at = steps[at].sources[0]
        if key not in steps[at].scope:
            return None
    return None if steps[at].transparent else at
