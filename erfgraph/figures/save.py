"""`save_figure`: a figure as a file, whole or not at all, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from erfgraph.errors import InputError, unknown_name
from erfgraph.figures.style import paper_style
from erfgraph.files import check_target, write_whole
from erfgraph.version import __version__

SUFFIXES = (".pdf", ".png", ".svg")

# what each format calls the entries; None keeps the date out, so that files can be compared
_NAMES: dict[str, dict[str, str]] = {
    ".pdf": {"title": "Title", "author": "Author", "subject": "Subject", "keywords": "Keywords"},
    ".png": {
        "title": "Title",
        "author": "Author",
        "subject": "Description",
        "keywords": "Keywords",
    },
    ".svg": {
        "title": "Title",
        "author": "Creator",
        "subject": "Description",
        "keywords": "Keywords",
    },
}
_MADE_BY = f"erfgraph {__version__}"
_FIXED: dict[str, dict[str, Any]] = {
    ".pdf": {"Creator": _MADE_BY, "CreationDate": None},
    ".png": {"Software": _MADE_BY},
    ".svg": {"Creator": _MADE_BY, "Source": _MADE_BY, "Date": None},
}


def save_figure(figure: Figure, path: Any, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a figure to a file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its suffix says the format: ``.png`` (300 dots an inch), ``.pdf`` or ``.svg``; in the
        last two text stays text.
    metadata : mapping, optional
        ``title``, ``author``, ``subject`` and ``keywords`` (a text or several) to store in
        the file. Default: the figure's label as title, some keywords.

    Raises
    ------
    FileError
        If the suffix is another or the file cannot be written; nothing is left then.
    InputError
        If `figure` is no figure.
    NameLookupError
        If the metadata have another entry.

    Examples
    --------
    >>> import tempfile, pathlib, erfgraph as eg
    >>> from erfgraph.figures import importance_figure
    >>> figure = importance_figure(eg.importance(eg.load("conv7*3")))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(figure, pathlib.Path(folder, "map.pdf"), {"title": "The 37"})
    ...     pathlib.Path(folder, "map.pdf").read_bytes()[:4]
    b'%PDF'
    """
    if not isinstance(figure, Figure):
        raise InputError(f"figure: got {figure!r}, wanted a matplotlib Figure")
    target = check_target(path, SUFFIXES)
    suffix = target.suffix.lower()
    entries = _entries(figure, suffix, metadata or {})
    with paper_style():
        write_whole(
            target,
            lambda file: figure.savefig(file, format=suffix[1:], metadata=entries, dpi=300),
        )


def _entries(figure: Figure, suffix: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = _NAMES[suffix]
    entries = dict(_FIXED[suffix])
    wanted = {"title": str(figure.get_label()) or "erfgraph", "keywords": _KEYWORDS} | dict(given)
    for key, value in wanted.items():
        if key not in names:
            raise unknown_name("metadata entry", str(key), names)
        entries[names[key]] = value if isinstance(value, str) else ", ".join(map(str, value))
    return entries


_KEYWORDS = ("effective receptive field", "receptive field", "path counting")
