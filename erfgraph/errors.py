"""The errors of erfgraph: each says what was wrong, what it got, what it wanted and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ErfgraphError(Exception):
    """Base of every error that erfgraph raises on purpose."""


class InputError(ErfgraphError, ValueError):
    """What the caller passed is at fault."""


class LayerError(InputError):
    """A layer call does not fit the feature maps that it reads."""


class UnknownOperationError(LayerError):
    """A model has an operation that no importer's row translates."""


class NameLookupError(InputError):
    """A name is unknown; the message suggests the nearest ones."""


class ThresholdError(InputError):
    """A threshold or its rule is out of range."""


class FileError(InputError):
    """A file cannot be read, holds something else than expected, or cannot be written."""


class SizeError(ErfgraphError, MemoryError):
    """The request would need more memory or work than the stated limit."""


class MissingExtraError(ErfgraphError, ImportError):
    """An optional dependency is not installed."""


def excerpt(text: str, at: int = 0, most: int = 80) -> str:
    """A text, or what stands around one place of it where it is too long for a message.

    Examples
    --------
    >>> excerpt("conv3 " * 1000, at=300, most=16)
    '…3 conv3 conv3 co…'
    """
    if len(text) <= most:
        return text
    start = min(max(at - most // 2, 0), len(text) - most)
    part = text[start : start + most]
    return "…" * (start > 0) + part + "…" * (start + most < len(text))


def unknown_name(kind: str, got: str, known: Iterable[str], *, where: str = "") -> NameLookupError:
    """The error for a name that does not exist, with the nearest names that do.

    Parameters
    ----------
    kind : str
        What the name was meant to name, for example ``"layer"``.
    got : str
        The name that was not found.
    known : iterable of str
        Every name that would have been accepted.
    where : str, optional
        Where the name was looked up, for example ``" in network 'resnet50'"``.

    Returns
    -------
    NameLookupError

    Examples
    --------
    >>> print(unknown_name("measure", "path", ["paths", "edges"]))
    unknown measure 'path'; did you mean 'paths'? known: edges, paths
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(got, names, n=3, cutoff=0.5)
    message = f"unknown {kind} {excerpt(got)!r}{where}"
    if near:
        message += f"; did you mean {' or '.join(repr(name) for name in near)}?"
    if len(names) <= 24:
        message += (" known: " if near else "; known: ") + ", ".join(names)
    return NameLookupError(message)
