"""The shortest input on which the centre unit of a notation's last map sees its whole field."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

from erfgraph import axes
from erfgraph.axes import Window
from erfgraph.errors import InputError, LayerError
from erfgraph.network import Network
from erfgraph.notation import Item, Leaf, Net, build, n_axes, n_layers

LONGEST_INPUT = 1 << 20
MOST_OFFSETS = 64  # lengths beside a power of two, units beside the centre
MOST_LAYERS = 150_000  # layers to build in search of a length, some seconds of work
LEAST_TRIES = 64
SEES_ALL = ("global_pool", "linear", "attention")


def shortest_input(net: Net) -> tuple[int, ...]:
    """The shortest input on which the centre unit of the last map sees its whole field.

    Every axis by itself, as axes do not mix.

    Raises
    ------
    InputError
        If a layer sees everything, so that no input is large enough.
    LayerError
        If the layers fit no input.

    Examples
    --------
    >>> from erfgraph.notation import parse
    >>> shortest_input(parse("conv7*3")), shortest_input(parse("conv3x1 max2"))
    ((19,), (4, 2))
    """
    for leaf in _leaves(net):
        if leaf.op in SEES_ALL:
            raise InputError(
                f"notation: {leaf.text!r} ({leaf.op}) sees every position, so no input is the "
                "shortest: give the input's shape (--input)"
            )
    ndim = n_axes(net)
    by_axis = [_on_axis(net, axis, ndim) for axis in range(ndim)]
    found = {one: _shortest_length(one) for one in dict.fromkeys(by_axis)}  # axes are often equal
    lengths = [n for one in by_axis if (n := found[one]) is not None]
    if len(lengths) < ndim:
        build(net, (LONGEST_INPUT,) * ndim)  # raises what is wrong with it
        raise InputError(
            f"notation: found no input of at most {LONGEST_INPUT} positions per axis on which "
            "the centre unit's field is whole; give the input's shape (--input)"
        )
    return tuple(lengths)


def _shortest_length(net: Net) -> int | None:
    """The shortest input of a notation of one axis; None if there is none.

    A long input gives the size of the field, and from there it goes upwards.
    """
    strides = min(_factor(net, "stride"), LONGEST_INPUT)
    tries = max(LEAST_TRIES, MOST_LAYERS // n_layers(net))
    long = (m for n in islice(_long_inputs(strides), tries) if (m := _build(net, n)) is not None)
    fields = ((m, *_field(m)) for m in long)
    found = next(((m, size) for m, size, whole in fields if whole), None)
    if found is None:
        return None
    for n in islice(count(_least_field(net, *found, strides)), tries):
        shorter = _build(net, n)
        if shorter is not None and _field(shorter)[1]:
            return n
    raise InputError(
        f"notation: its shortest input is not among {tries} lengths that were tried; "
        "give the input's shape (--input)"
    )


def _long_inputs(strides: int) -> Iterator[int]:
    """Lengths to try, the longest first as it leaves room for any field."""
    length = LONGEST_INPUT
    while length:
        # branches that stride join only where the input has the right remainder (odd, for one)
        yield from (length + i for i in range(min(strides, MOST_OFFSETS)))
        length //= 2


def _build(net: Net, length: int) -> Network | None:
    try:
        return build(net, (length,))
    except LayerError:
        return None


def _field(made: Network, unit: int | None = None) -> tuple[int, bool]:
    """Positions from end to end of a unit's field, and whether none is cut off at a border."""
    top = made.output
    unit = top.shape[0] // 2 if unit is None else unit
    windows: dict[int, Window] = {top.index: (unit, unit + 1)}
    whole = True
    for m in reversed(made.maps[: top.index + 1]):
        if m.index not in windows:
            continue
        for link in m.links:
            for (axis,) in link.terms:
                reach, padded = axes.reach(axis, windows[m.index])
                whole = whole and not padded
                if reach is not None:
                    known = windows.get(link.src, reach)
                    windows[link.src] = (min(known[0], reach[0]), max(known[1], reach[1]))
    start, stop = windows.get(0, (0, 0))
    return stop - start, whole


def _least_field(net: Net, made: Network, least: int, strides: int) -> int:
    """No input that is shorter than this holds a whole field; `least` is the centre unit's."""
    # beside layers that upsample, neighbouring units have fields of different sizes
    phases, units = _factor(net, "scale"), made.output.shape[0]
    if phases > min(units, MOST_OFFSETS):
        return 1
    first = min(max(units // 2 - phases // 2, 0), units - phases)
    beside = (unit for unit in range(first, first + phases) if unit != units // 2)
    least = min([least, *(_field(made, unit)[0] for unit in beside)])
    # "same" pads by the input's remainder, which can move branches apart
    if any(value == "same" for leaf in _leaves(net) for _, value in leaf.params):
        least -= 2 * (strides - 1)
    return max(least, 1)


def _leaves(net: Net) -> Iterator[Leaf]:
    for item in net:
        if isinstance(item.node, Leaf):
            yield item.node
        else:
            for branch in item.node.branches:
                yield from _leaves(branch)


def _on_axis(net: Net, axis: int, ndim: int) -> Net:
    """The notation with the values of one axis; values for other numbers of axes stay."""
    items = []
    for item in net:
        node = item.node
        if isinstance(node, Leaf):
            params = tuple(
                (key, value[axis] if isinstance(value, tuple) and len(value) == ndim else value)
                for key, value in node.params
                if key != "groups"  # joins no positions, and channels are not known here
            )
            items.append(Item(replace(node, params=params), item.times))
        else:
            branches = tuple(_on_axis(branch, axis, ndim) for branch in node.branches)
            items.append(Item(replace(node, branches=branches), item.times))
    return tuple(items)


def _factor(net: Net, kind: str) -> int:
    """What a notation of one axis divides ("stride") or multiplies ("scale") lengths by.

    Branches count by their least common multiple.
    """
    whole = 1
    for item in net:
        if isinstance(item.node, Leaf):
            factor = _leaf_factor(item.node, kind)
        else:
            factor = math.lcm(*(_factor(branch, kind) for branch in item.node.branches))
        # capped, as no one can use more and powers of powers grow without end
        whole = min(whole * min(factor, LONGEST_INPUT) ** min(item.times, 20), LONGEST_INPUT)
    return whole


def _leaf_factor(leaf: Leaf, kind: str) -> int:
    params = dict(leaf.params)
    if kind == "scale":
        key = {"conv_transpose": "stride", "upsample": "scale"}.get(leaf.op, "")
        value = params.get(key, 1)
    elif leaf.op in ("max_pool", "avg_pool"):
        value = params.get("stride", params["kernel"])
    else:
        value = params.get("stride", 1) if leaf.op == "conv" else 1
    return value if isinstance(value, int) and value > 0 else 1
