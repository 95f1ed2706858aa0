"""The bytes of an ONNX file without the numbers of its large tensors.

A network needs the shapes of weights, not their numbers; those are most of a file. Protocol
Buffers' encoding lets a reader step over a field by its length, so the numbers are left out
before anything is parsed: a model of 500 MB takes no more memory than one without weights.

Source: https://protobuf.dev/programming-guides/encoding/ and onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from erfgraph.errors import FileError

LARGE = 1 << 18  # bytes of a tensor's message, from which on its numbers are left out
MOST_KEPT = 256 << 20  # bytes of what is left
MOST_DEPTH = 100  # messages inside messages, as Protocol Buffers allow


@dataclass(frozen=True, slots=True)
class Message:
    """What is known of a kind of message.

    Attributes
    ----------
    inner : dict of int to Message
        Fields that may hold a large tensor.
    numbers : frozenset of int
        Fields that hold a tensor's numbers, or what no network is made of.
    """

    inner: dict[int, Message] = field(default_factory=dict)
    numbers: frozenset[int] = frozenset()


# float_data, int32_data, string_data, int64_data, raw_data, double_data, uint64_data
_TENSOR = Message(numbers=frozenset((4, 5, 6, 7, 9, 10, 11)))
_SPARSE = Message({1: _TENSOR, 2: _TENSOR})
_GRAPH = Message({5: _TENSOR, 15: _SPARSE})
_ATTRIBUTE = Message({5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE})
_NODE = Message({5: _ATTRIBUTE})
_GRAPH.inner[1] = _NODE
_FUNCTION = Message({7: _NODE, 11: _ATTRIBUTE})
MODEL = Message({7: _GRAPH, 25: _FUNCTION}, frozenset((20,)))  # without how it was trained

_GRAPH_OF_MODEL, _INITIALISER_OF_GRAPH, _NAME_OF_TENSOR = 7, 5, 8
_NODE_OF_GRAPH, _OUTPUT_OF_NODE, _OPERATION_OF_NODE = 1, 2, 4
_ATTRIBUTE_OF_NODE, _TENSOR_OF_ATTRIBUTE = 5, 5


class WireError(Exception):
    """Bytes that are no message."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise WireError("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise WireError("a number has more than 10 bytes")


def _encoded(value: int) -> bytes:
    """A number of variable length as bytes."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _end(data: memoryview, kind: int, at: int) -> tuple[int, int]:
    """Where a field's content starts and ends."""
    if kind == 0:
        return at, _varint(data, at)[1]
    if kind == 2:
        length, at = _varint(data, at)
        return at, at + length
    if kind in (1, 5):
        return at, at + (8 if kind == 1 else 4)
    raise WireError(f"a field of kind {kind}")


def lean(data: memoryview, message: Message = MODEL, depth: int = 0) -> bytes:
    """A message without the numbers of large tensors inside it.

    Parameters
    ----------
    data : memoryview
        Of bytes.
    message : Message, optional
        What it is; default a model.
    depth : int, optional
        In how many messages it stands.

    Returns
    -------
    bytes

    Raises
    ------
    WireError
        If the bytes are no message.
    FileError
        If too much is left, or messages are nested too deeply.
    """
    if depth > MOST_DEPTH:
        raise FileError(f"nested more than {MOST_DEPTH} deep")
    parts: list[memoryview | bytes] = []
    kept = 0
    at = copied = 0  # what stands between is copied as a whole
    inner: Mapping[int, Message] = message.inner
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        content, at = _end(data, kind, at)
        if at > len(data):
            raise WireError("it ends within a field")
        drop = number in message.numbers
        if not drop and (number not in inner or kind != 2 or at - content < LARGE):
            continue
        new = b"" if drop else lean(data[content:at], inner[number], depth + 1)
        parts.append(data[copied:start])
        kept += start - copied + len(new)
        if kept > MOST_KEPT:
            break
        if not drop:
            parts += [_encoded(tag), _encoded(len(new)), new]
        copied = at
    if kept + len(data) - copied > MOST_KEPT:
        raise FileError(f"more than {MOST_KEPT >> 20} MiB beside its tensors' numbers")
    parts.append(data[copied:])
    return b"".join(parts)


def initialisers(data: memoryview) -> Iterator[tuple[str, int, int]]:
    """Where the stored tensors of a model's graph stand: name, start and end of each message.

    Large ones that nodes make as constants are among them.

    Raises
    ------
    WireError
        If the bytes are no message.
    """
    for number, start, stop in _fields(data, 0, len(data)):
        if number != _GRAPH_OF_MODEL:
            continue
        for inner, first, last in _fields(data, start, stop):
            if inner == _INITIALISER_OF_GRAPH:
                yield _text(data, first, last, _NAME_OF_TENSOR), first, last
            elif inner == _NODE_OF_GRAPH and last - first >= LARGE:
                yield from _constant(data, first, last)


def _constant(data: memoryview, start: int, stop: int) -> Iterator[tuple[str, int, int]]:
    """The tensor in a node that makes a constant, by the name of what the node makes."""
    if _text(data, start, stop, _OPERATION_OF_NODE) != "Constant":
        return
    name = _text(data, start, stop, _OUTPUT_OF_NODE)
    for number, first, last in _fields(data, start, stop):
        if number == _ATTRIBUTE_OF_NODE:
            for inner, at, end in _fields(data, first, last):
                if inner == _TENSOR_OF_ATTRIBUTE:
                    yield name, at, end


def _fields(data: memoryview, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message that are bytes: number, start and end of each."""
    while at < stop:
        tag, at = _varint(data, at)
        content, at = _end(data, tag & 7, at)
        if at > stop:
            raise WireError("it ends within a field")
        if tag & 7 == 2:
            yield tag >> 3, content, at


def _text(data: memoryview, start: int, stop: int, field_number: int) -> str:
    """The first text of a field."""
    for number, first, last in _fields(data, start, stop):
        if number == field_number:
            return bytes(data[first:last]).decode("utf-8", "replace")
    return ""
