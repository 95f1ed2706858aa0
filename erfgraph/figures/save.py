"""`save_figure`: a figure as a file, whole or not at all, the same bytes every time."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from erfgraph.errors import InputError, unknown_name
from erfgraph.figures.about import FACTS, about
from erfgraph.figures.pgf import write_pgf
from erfgraph.figures.settings import own_settings
from erfgraph.figures.style import paper_style
from erfgraph.files import check_target, write_whole
from erfgraph.version import __version__

DPI = 300.0  # of a PNG file, and of what is an image in the others
_MADE_BY = f"erfgraph {__version__}"
_KEYWORDS = ("effective receptive field", "receptive field", "path counting")
STANDARD = ("title", "author", "subject", "keywords")
DRAWN = (".png", ".pdf")  # in the others whoever shows them chooses the letters
_NO_GLYPH = re.compile(r"Glyph (\d+) .*missing from")
OWN = (*FACTS, "command")


def save_figure(figure: Figure, path: Any, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a figure to a file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its suffix says the format: ``.png`` (300 dots an inch), ``.pdf``, ``.svg`` or
        ``.pgf``; in the last three text stays text. A PGF picture is for LaTeX, which sets its
        text; no LaTeX is needed to write it, and its images are PNG files beside it.
    metadata : mapping, optional
        ``title``, ``author``, ``subject`` and ``keywords`` (a text or several) to store in the
        file. Default: the figure's label as title, what it shows as subject, some keywords.
        Besides, ``network``, ``layer``, ``unit``, ``measure``, ``threshold`` and ``command``,
        which figures of this package know by themselves: PNG text chunks, entries of the PDF's
        information dictionary, the description in SVG, comments in PGF. The version of
        erfgraph is always there.

    Raises
    ------
    FileError
        If the suffix is another or the file cannot be written; nothing is left then.
    InputError
        If `figure` is no figure.
    NameLookupError
        If the metadata have another entry.

    Warns
    -----
    UserWarning
        Once, if a PNG or PDF file needs signs that the font of the figures has not.

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
    entries = texts_of(figure, metadata or {})
    with own_settings(), paper_style(), _missing_signs() as missing:
        _WRITERS[target.suffix.lower()](figure, target, entries)
    if missing and target.suffix.lower() in DRAWN:
        warnings.warn(
            f"{target}: the figures' font has no {' '.join(missing)}: drawn as boxes; files of "
            "type .svg and .pgf hold them as text",
            stacklevel=2,
        )


@contextlib.contextmanager
def _missing_signs() -> Iterator[list[str]]:
    """The signs that the font has not, once each; matplotlib says it each time it meets one."""
    missing: list[str] = []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield missing
    for one in seen:
        found = _NO_GLYPH.match(str(one.message))
        if found is None:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif chr(int(found[1])) not in missing:
            missing.append(chr(int(found[1])))


def texts_of(figure: Figure, given: Mapping[str, Any]) -> dict[str, str]:
    """All that is stored with a figure, whatever the format: one line of text per name.

    Raises
    ------
    NameLookupError
        If there is no such entry.
    """
    for key in given:
        if key not in (*STANDARD, *OWN):
            raise unknown_name("metadata entry", str(key), (*STANDARD, *OWN))
    facts = about(figure)
    call = facts.pop("call", None)
    found: dict[str, Any] = {
        "title": str(figure.get_label()) or "erfgraph",
        "keywords": _KEYWORDS,
        **facts,
        **({"command": call} if call else {}),
        **given,
    }
    texts = {
        key: _line(found[key] if isinstance(found[key], str) else ", ".join(map(str, found[key])))
        for key in (*STANDARD, *OWN)
        if key in found
    }
    if "subject" not in texts and facts:
        texts["subject"] = "; ".join(f"{key}: {texts[key]}" for key in FACTS if key in texts)
    return {**texts, "version": __version__}


def _line(text: str) -> str:
    """Text that any format can hold: on one line, nothing that cannot be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


# --- one function a format, one table row each: what they call the entries; no dates, so that
# files can be compared


def _png(figure: Figure, target: Path, texts: dict[str, str]) -> None:
    names = {"subject": "Description"}
    entries = {names.get(key, key.capitalize()): text for key, text in texts.items()}
    _write(figure, target, {**entries, "Software": _MADE_BY})


def _pdf(figure: Figure, target: Path, texts: dict[str, str]) -> None:
    entries: dict[str, Any] = {key.capitalize(): text for key, text in texts.items()}
    with warnings.catch_warnings():
        # names of one's own are allowed, but matplotlib warns of them
        warnings.filterwarnings("ignore", "Unknown infodict keyword")
        _write(figure, target, {**entries, "Creator": _MADE_BY, "CreationDate": None})


def _svg(figure: Figure, target: Path, texts: dict[str, str]) -> None:
    standard = {"title": "Title", "author": "Creator", "keywords": "Keywords"}
    entries: dict[str, Any] = {name: texts[key] for key, name in standard.items() if key in texts}
    rest = (*OWN, "version")
    lines = [texts["subject"]] if "subject" in texts else []
    lines += [f"{key}: {texts[key]}" for key in rest if key in texts]
    made = {"Creator": _MADE_BY, "Source": _MADE_BY, "Date": None, "Description": "\n".join(lines)}
    _write(figure, target, {**made, **entries})


def _pgf(figure: Figure, target: Path, texts: dict[str, str]) -> None:
    write_pgf(figure, target, {**texts, "creator": _MADE_BY}, DPI)


def _write(figure: Figure, target: Path, entries: Mapping[str, Any]) -> None:
    form = target.suffix[1:].lower()
    write_whole(
        target, lambda file: figure.savefig(file, format=form, metadata=dict(entries), dpi=DPI)
    )


_WRITERS: dict[str, Callable[[Figure, Path, dict[str, str]], None]] = {
    ".pdf": _pdf,
    ".pgf": _pgf,
    ".png": _png,
    ".svg": _svg,
}
SUFFIXES = tuple(_WRITERS)
