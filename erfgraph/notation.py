"""The one-line notation: ``conv3s2p1 res(conv3p1 conv3p1)*4 max2``.

`parse` makes a tree, `build` turns it into a `Network`.

Grammar::

    net    = item+                                  one after the other
    item   = (layer | group) ["*" count]
    layer  = word [value] (key value)*              conv3s2p1d2, conv3x1p1x0, max2, up2, gap
    group  = ["res" | "add" | "cat"] "(" net ("|" net)* ")"
    value  = number ("x" number)* | "same" | "valid"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from erfgraph.description import MOST_MAPS
from erfgraph.errors import ErfgraphError, InputError, LayerError, SizeError, excerpt, unknown_name
from erfgraph.network import FeatureMap, Network

DEEPEST = 64  # nested groups


@dataclass(frozen=True, slots=True)
class Word:
    """One row: a word of the notation, its `Network` method, and what its values mean."""

    op: str
    value: str | None  # parameter that the number behind the word gives
    required: bool = True
    keys: str = ""  # which of the keys below it takes


KEYS = {"s": "stride", "p": "padding", "d": "dilation", "o": "output_padding", "g": "groups"}
WORDS = {
    "conv": Word("conv", "kernel", keys="spdg"),
    "deconv": Word("conv_transpose", "kernel", keys="spdog"),
    "max": Word("max_pool", "kernel", keys="spd"),
    "avg": Word("avg_pool", "kernel", keys="spd"),
    "up": Word("upsample", "scale"),
    "pad": Word("pad", "padding"),
    "crop": Word("crop", "amount"),
    "gap": Word("global_pool", None),
    "linear": Word("linear", None),
    "attention": Word("attention", "window", required=False),
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A layer: a `Network` method and its parameters."""

    op: str
    params: tuple[tuple[str, Any], ...]
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Branches, each a sequence, merged as `kind` says, the whole repeated."""

    kind: str  # "" (one branch), "res", "add" or "cat"
    branches: tuple[tuple[Item, ...], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """A layer or a group, repeated."""

    node: Leaf | Group
    times: int = 1


Net = tuple[Item, ...]

# [0-9] as \d takes digits of every script; no pattern can match one text in two ways, so that
# none ever backtracks for long: blanks are left out of tokens, and x is no key
_TOKEN = re.compile(r"(?P<word>[A-Za-z][A-Za-z0-9]*)|(?P<mark>[()|]|\*\s*[0-9]*)|(?P<bad>\S)")
_VALUE = r"(?:[0-9]+(?:x[0-9]+)*|same|valid)"
_LAYER = re.compile(rf"({'|'.join(WORDS)})({_VALUE})?((?:[a-wyz]{_VALUE})*)")
_OPTION = re.compile(rf"([a-wyz])({_VALUE})")


def _error(text: str, at: int, problem: str) -> InputError:
    return InputError(f"notation {excerpt(text, at)!r}, column {at + 1}: {problem}")


# --- parse --------------------------------------------------------------------------------


def parse(text: str) -> Net:
    """The tree of a notation.

    Raises
    ------
    InputError
        With the column of what does not fit.

    Examples
    --------
    >>> parse("conv3p1*2")
    (Item(node=Leaf(op='conv', params=(('kernel', 3), ('padding', 1)), text='conv3p1'), times=2),)
    """
    tokens = []
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        at = found.start(kind)
        if kind == "bad":
            raise _error(text, at, f"unexpected {found[kind]!r}")
        tokens.append((found[kind], at))
    net, rest = _sequence(text, tokens, 0, 0)
    if rest < len(tokens):
        raise _error(text, tokens[rest][1], f"unexpected {tokens[rest][0]!r}, no group is open")
    if not net:
        raise InputError("notation: it is empty, wanted at least one layer")
    if (size := n_layers(net)) > MOST_MAPS:
        raise SizeError(f"notation: it has {size} layers, wanted at most {MOST_MAPS}")
    return net


def reads(text: str) -> bool:
    """Whether a text is of this notation.

    Examples
    --------
    >>> reads("conv3p1"), reads("resnet50")
    (True, False)
    """
    try:
        parse(text)
    except ErfgraphError:
        return False
    return True


Tokens = list[tuple[str, int]]


def _sequence(text: str, tokens: Tokens, i: int, depth: int) -> tuple[Net, int]:
    items: list[Item] = []
    repeated = False  # whether the last item has its count
    while i < len(tokens) and tokens[i][0] not in (")", "|"):
        token, at = tokens[i]
        if token.startswith("*"):
            digits = token[1:].strip()
            times = _number(text, at, digits) if digits else 0
            if not items or repeated or times < 1:
                wanted = "a layer or group before it and a count of at least 1 behind it"
                raise _error(text, at, f"{token.strip()!r} wants {wanted}")
            items[-1] = Item(items[-1].node, times)
            repeated = True
            i += 1
            continue
        repeated = False
        opens = token == "(" or (i + 1 < len(tokens) and tokens[i + 1][0] == "(")
        if opens and (token == "(" or token in ("res", "add", "cat")):
            group, i = _group(text, tokens, i, depth)
            items.append(Item(group))
        else:
            items.append(Item(_leaf(text, token, at)))
            i += 1
    return tuple(items), i


def _group(text: str, tokens: Tokens, i: int, depth: int) -> tuple[Group, int]:
    token, at = tokens[i]
    kind = "" if token == "(" else token
    i += 1 if token == "(" else 2
    if depth >= DEEPEST:
        raise _error(text, at, f"groups nest deeper than {DEEPEST}")
    branches = []
    while True:
        branch, i = _sequence(text, tokens, i, depth + 1)
        branches.append(branch)
        if i >= len(tokens):
            raise _error(text, at, "this group has no ')'")
        i += 1
        if tokens[i - 1][0] == ")":
            break
    if kind in ("", "res") and (len(branches) > 1 or not branches[0]):
        wanted = "one branch with at least one layer"
        raise _error(text, at, f"{kind or 'a plain'} group has {len(branches)}, wanted {wanted}")
    return Group(kind, tuple(branches)), i


def _leaf(text: str, token: str, at: int) -> Leaf:
    match = _LAYER.fullmatch(token)
    shown = excerpt(token)
    known = [*WORDS, "res(", "add(", "cat("]
    if match and not match[2] and match[3][:1] not in ("", *WORDS[match[1]].keys):
        raise _error(text, at, str(unknown_name("layer", token, known)))  # a misspelt word
    name = match[1] if match else token.rstrip("0123456789")
    if match is None:
        if name in ("res", "add", "cat"):
            raise _error(text, at, f"{shown!r} wants '(' behind it")
        if (name := next((w for w in WORDS if token.startswith(w)), "")) != "":
            word = WORDS[name]
            example = name + "3" * (word.value is not None) + "s2p1" * ("s" in word.keys)
            raise _error(text, at, f"cannot read {shown!r}, wanted for example {example}")
        raise _error(text, at, str(unknown_name("layer", token, known)))
    word = WORDS[name]
    params: dict[str, Any] = {}
    if match[2]:
        if word.value is None:
            raise _error(text, at, f"{shown!r}: {name} takes no number")
        params[word.value] = _value(text, at, match[2])
    elif word.required and word.value is not None:
        raise _error(text, at, f"{shown!r}: {name} wants its {word.value} behind it, as {name}2")
    for key, value in _OPTION.findall(match[3]):
        if key not in word.keys:
            takes = ", ".join(f"{k} ({KEYS[k]})" for k in word.keys) or "none"
            raise _error(text, at, f"{shown!r}: unknown parameter {key!r}; {name} takes {takes}")
        if KEYS[key] in params:
            raise _error(text, at, f"{shown!r}: {KEYS[key]} is given twice")
        params[KEYS[key]] = _value(text, at, value)
    return Leaf(word.op, tuple(params.items()), token)


def _value(text: str, at: int, value: str) -> int | tuple[int, ...] | str:
    if value.isalpha():
        return value
    numbers = tuple(_number(text, at, part) for part in value.split("x"))
    if len(numbers) > 3:
        shown = excerpt(value)
        raise _error(
            text, at, f"{shown!r} has {len(numbers)} values, wanted one per axis, at most 3"
        )
    return numbers[0] if len(numbers) == 1 else numbers


def _number(text: str, at: int, digits: str) -> int:
    significant = digits.lstrip("0")
    if len(significant) > 9:
        raise _error(text, at, f"the number {significant[:9]}… is too large, wanted < 10^9")
    return int(significant or "0")


def n_layers(net: Net) -> int:
    """Number of layers that a tree stands for."""
    return sum(
        item.times
        * (
            1
            if isinstance(item.node, Leaf)
            else sum(n_layers(b) for b in item.node.branches) + (item.node.kind != "")
        )
        for item in net
    )


# --- build --------------------------------------------------------------------------------


def build(net: Net, shape: Any, channels: int = 1, name: str | None = None) -> Network:
    """The network of a tree on an input.

    Raises
    ------
    LayerError
        If a layer does not fit.
    """
    made = Network(shape, channels, name)
    try:
        _extend(made, made.input, net)
    except LayerError as error:
        raise LayerError(f"notation {excerpt(name)!r}: {error}" if name else str(error)) from None
    return made


def _extend(made: Network, x: FeatureMap, net: Net) -> FeatureMap:
    for item in net:
        for _ in range(item.times):
            node = item.node
            if isinstance(node, Leaf):
                x = getattr(made, node.op)(x, **dict(node.params))
                continue
            ends = [_extend(made, x, branch) for branch in node.branches]
            if node.kind == "res":
                ends.append(x)
            if node.kind:
                x = made.concat(*ends) if node.kind == "cat" else made.add(*ends)
            else:
                x = ends[0]
    return x


def n_axes(net: Net) -> int:
    """Axes that the per-axis values of a tree ask for; 1 if there are none."""
    most = 1
    for item in net:
        if isinstance(item.node, Leaf):
            lengths = [len(v) for _, v in item.node.params if isinstance(v, tuple)]
            most = max([most, *lengths])
        else:
            most = max([most, *(n_axes(branch) for branch in item.node.branches)])
    return most
