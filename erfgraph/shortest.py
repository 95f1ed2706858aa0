"""The shortest input on which the centre unit of a notation's last map sees its whole field."""

from __future__ import annotations

from erfgraph import axes
from erfgraph.errors import InputError, LayerError
from erfgraph.network import Network, unit_of
from erfgraph.notation import Net, build, n_axes
from erfgraph.plan import plan_for

LONGEST_INPUT = 1 << 20
SEES_ALL = ("global_pool", "linear", "attention")


def shortest_input(net: Net) -> tuple[int, ...]:
    """The shortest input on which the centre unit of the last map sees its whole field.

    Each axis by itself: first by doubling until the field is whole, then upwards from the
    size of that field.

    Raises
    ------
    InputError
        If a layer sees everything, so that no input is large enough.
    """
    ndim = n_axes(net)
    length = 1
    while True:
        made, whole = _try(net, (length,) * ndim)
        if made is not None and all(whole):
            break
        length *= 2
        if length > LONGEST_INPUT:
            if made is None:
                build(net, (length // 2,) * ndim)  # raises what is wrong with it
            raise InputError(
                f"the centre unit's field is not whole even on {LONGEST_INPUT} positions; "
                "give the input's shape (--input)"
            )
    plan = plan_for(made, "backward", made.output.index, unit_of(made.output))
    shape = [length] * ndim
    for axis, (start, stop) in enumerate(plan.windows.get(0, ((0, 1),) * ndim)):
        for n in range(stop - start, length):
            found = _try(net, (*shape[:axis], n, *shape[axis + 1 :]))
            if found[0] is not None and found[1][axis]:
                shape[axis] = n
                break
    return tuple(shape)


def _try(net: Net, shape: tuple[int, ...]) -> tuple[Network | None, list[bool]]:
    """The network on an input, if it fits, and per axis whether the centre's field is whole."""
    try:
        made = build(net, shape)
    except LayerError:
        return None, []
    for m in made.maps:
        if m.op in SEES_ALL:
            raise InputError(
                f"{m.op} sees every position, so no input is the shortest: "
                "give the input's shape (--input)"
            )
    plan = plan_for(made, "backward", made.output.index, unit_of(made.output))
    whole = [True] * len(shape)
    for index in plan.order:
        for link in made.maps[index].links:
            for term in link.terms:
                for a, (axis, window) in enumerate(zip(term, plan.windows[index], strict=True)):
                    whole[a] = whole[a] and not axes.reads_padding(axis, window)
    return made, whole
