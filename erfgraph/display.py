"""`Shown` and `Pictured`: what a notebook shows of a noun.

A notebook asks an object for ``_repr_html_`` and ``_repr_png_``. The nouns have them from here;
how each looks stands in `erfgraph.notebook`, which is above all of them and is loaded when a
notebook first asks.
"""

from __future__ import annotations

import importlib
from typing import Any


def _forms() -> Any:
    return importlib.import_module("erfgraph.notebook")


class Shown:
    """A noun that a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = _forms().html(self)
        return html


class Pictured(Shown):
    """A noun that a notebook shows as a picture with its numbers."""

    __slots__ = ()

    def _repr_png_(self) -> bytes:
        # a notebook asks for both forms of one object: what is drawn once is kept
        held = self.__dict__
        if "_picture" not in held:
            held["_picture"] = _forms().png(self)
        picture: bytes = held["_picture"]
        return picture
