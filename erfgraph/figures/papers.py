"""Pages of conferences and journals: how wide a figure is, and how large its letters.

Widths are the column and text widths of the authors' LaTeX kits, or those of the journals'
instructions for artwork, in inches.
"""

from __future__ import annotations

from dataclasses import dataclass

from erfgraph.errors import InputError, unknown_name

MILLIMETRE = 1 / 25.4
PICA = 12 / 72.27  # LaTeX's


@dataclass(frozen=True)
class Paper:
    """A page.

    Attributes
    ----------
    widths : tuple of float
        Inches, of one column and, where there are two, of both.
    letters : float
        Size of letters, over those of the figures elsewhere (titles 9, labels 8, ticks 7 points).
    """

    widths: tuple[float, ...]
    letters: float = 1.0


_CVPR = Paper((3.25, 6.875))
_LNCS = Paper((122 * MILLIMETRE,))
_WIDE = Paper((5.5,))

PAPERS: dict[str, Paper] = {
    "aaai": Paper((3.3125, 7.0), 9 / 7),  # letters of at least 9 points
    "acl": Paper((77 * MILLIMETRE, 160 * MILLIMETRE)),
    "acm": Paper((3.333, 7.0)),
    "cvpr": _CVPR,
    "eccv": _LNCS,
    "elsevier": Paper((90 * MILLIMETRE, 190 * MILLIMETRE)),
    "iccv": _CVPR,
    "iclr": _WIDE,
    "icml": Paper((3.25, 6.75)),
    "ieee": Paper((21 * PICA, 43 * PICA)),
    "lncs": _LNCS,
    "nature": Paper((89 * MILLIMETRE, 183 * MILLIMETRE), 7 / 9),  # letters of 5 to 7 points
    "neurips": _WIDE,
    "wacv": _CVPR,
}


def paper_of(name: str, columns: int = 1) -> tuple[float, float]:
    """Width in inches, and size of letters, on a page.

    Raises
    ------
    NameLookupError
        If the page is unknown.
    InputError
        If it has not so many columns.

    Examples
    --------
    >>> paper_of("cvpr"), paper_of("cvpr", 2)
    ((3.25, 1.0), (6.875, 1.0))
    """
    if name not in PAPERS:
        raise unknown_name("paper", str(name), PAPERS)
    paper = PAPERS[name]
    if columns not in range(1, len(paper.widths) + 1):
        most = "1 or 2" if len(paper.widths) == 2 else "1: its text has one column"
        raise InputError(f"columns: got {columns!r}, on paper {name!r} wanted {most}")
    return paper.widths[columns - 1], paper.letters
