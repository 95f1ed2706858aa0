"""How Keras writes its calls down: nodes between symbolic tensors, and nested arguments."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from erfgraph.errors import excerpt


def ordered(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The nodes between inputs and outputs, each after those that it reads."""
    known = {id(x) for x in inputs}
    done: set[int] = set()
    order: list[Any] = []
    rest: list[tuple[Any, bool]] = []

    def need(tensors: Sequence[Any]) -> None:
        for x in reversed(tensors):
            history = getattr(x, "_keras_history", None)
            if id(x) not in known and history is not None and history.operation is not None:
                node = history.operation._inbound_nodes[history.node_index]
                if not node.is_input and id(node) not in done:
                    rest.append((node, False))

    need(outputs)
    while rest:
        node, ready = rest.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
        else:
            rest.append((node, True))
            need(node.input_tensors)
    return order


@contextlib.contextmanager
def untouched(operation: Any) -> Iterator[None]:
    """Take back what calls on symbolic tensors leave behind in an operation and its layers."""
    flatten = getattr(operation, "_flatten_layers", None)
    layers = [operation, *flatten()] if flatten else [operation]
    kept = [(x, len(x._inbound_nodes), len(x._outbound_nodes)) for x in layers]
    try:
        yield
    finally:
        for x, inbound, outbound in kept:
            del x._inbound_nodes[inbound:], x._outbound_nodes[outbound:]


def is_known(made: Sequence[Any]) -> bool:
    """Whether shapes are known but for the batch."""
    return all(n is not None for x in made for n in x.shape[1:])


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """A structure with its leaves changed."""
    if isinstance(value, Mapping):
        return {key: mapped(change, v) for key, v in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(mapped(change, v) for v in value)
    return change(value)


def leaves(value: Any) -> Iterator[Any]:
    """The leaves of a structure, mappings in the order of their keys as Keras has it."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from leaves(value[key])
    elif isinstance(value, list | tuple):
        for v in value:
            yield from leaves(v)
    else:
        yield value


def said(error: Exception) -> str:
    """What an error says, without Keras' colours and list of arguments."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    text = re.sub(r"Exception encountered when calling [\w.]+\(\)\.", "", text)
    return f"{type(error).__name__}: {excerpt(' '.join(text.split()), most=160)}"
