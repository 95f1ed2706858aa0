"""What layers and blocks are called in drawings and listings of an architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

from erfgraph.network import FeatureMap, Network

# what layers are called in the drawings of papers; others by their method's name
NAMES = {
    "conv_transpose": "deconv",
    "max_pool": "max pool",
    "avg_pool": "avg pool",
    "adaptive_pool": "adaptive pool",
    "global_pool": "global pool",
    "pixel_shuffle": "pixel shuffle",
    "pixel_unshuffle": "pixel unshuffle",
    "channel_pool": "channel pool",
}
UP = ("conv_transpose", "upsample")  # their stride or scale makes maps larger
MERGES = ("add", "concat", "multiply", "gate")
Strides = Sequence[int | Fraction]
MOST_NAMED = 4  # layers of a block that its label lists
MOST_LETTERS = 48  # of a label that lists the parts of a stage


def layer_label(m: FeatureMap) -> str:
    """The layer that makes a map, as papers write it.

    Kernel, channels of the result where the layer chooses them, ``/`` stride (``×`` where it
    makes the map larger), ``d`` dilation, ``g`` groups.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv7s2p3 conv3d2 max2 deconv4s2p1 up2", (64, 64))
    >>> [layer_label(m) for m in net.maps]
    ['input 64×64', 'conv 7×7, /2', 'conv 3×3, d2', 'max pool 2×2, /2', 'deconv 4×4, ×2', 'upsample ×2']
    """  # noqa: E501
    if m.op == "input":
        return f"input {'×'.join(map(str, m.shape))}"
    params, ndim = m.params, len(m.shape)
    name = NAMES.get(m.op, m.op.replace("_", " "))
    for key in ("kernel", "window", "block"):
        if params.get(key) is not None:
            name += f" {_window(params[key], ndim)}"
    said = [name]
    if m.op == "upsample":
        return f"{name} {_scale(params, ndim)}"
    if "channels" in params:
        said.append(str(params["channels"]))
    usual = params.get("kernel") if m.op in ("max_pool", "avg_pool") else 1
    stride = params.get("stride") or usual
    if any(s != 1 for s in _values(stride, ndim)):
        said.append(("×" if m.op in UP else "/") + per_axis(_values(stride, ndim)))
    for key, letter in (("dilation", "d"), ("groups", "g")):
        if any(v != 1 for v in _values(params.get(key, 1), ndim)):
            said.append(letter + per_axis(_values(params[key], ndim)))
    return ", ".join(said)


def per_axis(values: Sequence[Any]) -> str:
    """One number where all axes agree, else ``7×11``."""
    texts = [str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _values(value: Any, ndim: int) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] * ndim


def _window(value: Any, ndim: int) -> str:
    return "×".join(map(str, _values(value, ndim)))


def _scale(params: Mapping[str, Any], ndim: int) -> str:
    if params.get("scale") is not None:
        return "×" + per_axis([f"{v:g}" for v in _values(params["scale"], ndim)])
    return "to " + _window(params["size"], ndim)


def core_label(m: FeatureMap) -> str:
    """A layer without its channels and stride: ``conv 3×3``, ``conv 3×3, d2``."""
    name, *said = layer_label(m).split(", ")
    return ", ".join([name, *(one for one in said if one.startswith("d"))])


def with_result(
    core: str, net: Network, maps: Sequence[int], before: Strides, after: Strides
) -> str:
    """What several layers do, with the channels that leave them and their stride in all.

    Parameters
    ----------
    core : str
    net : Network
    maps : sequence of int
        That they make; the last leaves them.
    before, after : sequence of int or Fraction
        Strides of the map that enters and of that which leaves.
    """
    said = [core]
    if any("channels" in net.maps[i].params for i in maps):
        said.append(str(net.maps[maps[-1]].channels))
    if all(before) and all(after) and any(n != 1 for n in net.maps[maps[-1]].shape):
        ratios = [Fraction(b) / Fraction(a) for a, b in zip(before, after, strict=False)]
        if all(r.denominator == 1 for r in ratios) and any(r != 1 for r in ratios):
            said.append("/" + per_axis(ratios))
        elif any(r != 1 for r in ratios) and all(r.numerator == 1 for r in ratios):
            said.append("×" + per_axis([1 / r for r in ratios]))
    return ", ".join(said)


def block_label(net: Network, entry: int, maps: Sequence[int]) -> str:
    """A block that ends in a merge, by its longest branch or by how many there are.

    Parameters
    ----------
    net : Network
    entry : int
        Index of the map that enters.
    maps : sequence of int
        Those that the block makes, in order; the last is the merge.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("res(conv1 conv3p1 conv1) cat(conv1|conv3p1|max3s1p1)", (9, 9))
    >>> block_label(net, 0, range(1, 5)), block_label(net, 4, range(5, 9))
    ('res(1×1, 3×3, 1×1)', 'concat of 3 branches')
    """
    merge = net.maps[maps[-1]]
    inside = [net.maps[i] for i in maps]
    merges = [m for m in inside if m.op in MERGES]
    if len(merges) == 1 and merge.op == "add":
        ways = sorted((_way(net, link.src, entry) for link in merge.links), key=len)
        if len(ways) == 2 and len(ways[0]) <= 1:
            return f"res({_listed(net, ways[1], maps)})"
    sizes = [len(m.links) for m in merges if m.op == "concat"]
    if len(sizes) > 2 and all(a < b for a, b in pairwise(sizes)):
        return f"dense block of {sizes[-1] - 1}"
    if merge.op == "gate":
        ways = [_way(net, link.src, entry) for link in merge.links]
        return f"gated {_listed(net, max(ways, key=len), maps)}"
    return f"{merge.op} of {len(merge.links)} branches"


def _way(net: Network, i: int, entry: int) -> list[int]:
    """The longest way from the map that enters a block to one inside it."""
    longest: dict[int, list[int]] = {entry: []}
    for k in range(entry + 1, i + 1):
        found = [longest[link.src] for link in net.maps[k].links if link.src in longest]
        if found:
            longest[k] = [*max(found, key=len), k]
    return longest.get(i, [])


def _listed(net: Network, way: Sequence[int], maps: Sequence[int]) -> str:
    """The layers of a way: kernels of convolutions, names of others; gates that hang on it."""
    aside = {link.src for i in maps[:-1] if i not in way for link in net.maps[i].links}
    gated = aside & set(way) if len(maps) > len(way) + 2 else set()
    said: list[str] = []
    for i in way:
        m = net.maps[i]
        said.append(core_label(m).removeprefix("conv ").split(",")[0])
        if m.op == "conv" and m.params.get("groups", 1) not in (1, None):
            said[-1] += " dw" if m.params["groups"] == m.channels else " g"
        if i in gated:
            said.append("SE")
    if len(said) <= MOST_NAMED:
        return ", ".join(said)
    runs = [(text, len(list(group))) for text, group in groupby(said)]
    short = [text if n == 1 else f"{n} × {text}" for text, n in runs]
    return ", ".join(short) if len(short) <= MOST_NAMED else f"{len(way)} layers"


def stage_label(cores: Sequence[str]) -> str:
    """Several layers or blocks one after the other, without channels and stride.

    Examples
    --------
    >>> stage_label(["res(3×3, 3×3)"] * 4), stage_label(["max pool 2×2", "conv 3×3", "conv 3×3"])
    ('4 × res(3×3, 3×3)', 'max pool 2×2, 2 × conv 3×3')
    """
    runs = [(core, len(list(group))) for core, group in groupby(cores)]
    if len(runs) > 2 and len(set(cores)) == 2:
        pair = " + ".join(dict.fromkeys(cores))
        if cores[::2] == [cores[0]] * (len(cores) // 2) and len(cores) % 2 == 0:
            return f"{len(cores) // 2} × ({pair})"
    short = [core if n == 1 else f"{n} × {core}" for core, n in runs]
    text = ", ".join(short)
    return text if len(short) <= 3 and len(text) <= MOST_LETTERS else f"{len(cores)} layers"
