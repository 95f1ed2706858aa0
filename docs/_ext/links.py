"""Warn about every link within the built pages that leads nowhere: files, pages and anchors."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
# what the theme makes without an entry of ours, or fills in by scripts
MADE_BY_SPHINX = frozenset({"genindex.html", "search.html", "py-modindex.html"})


class Page(HTMLParser):
    """The anchors of a page and the addresses that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag is called and where it leads."""
        for name, value in attrs:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)
            elif value and name in ("href", "src"):
                self.addresses.add(value)


def broken(folder: Path) -> list[tuple[str, str]]:
    """Pairs of a page and an address in it that leads nowhere."""
    pages = {p: Page(p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for address in sorted(page.addresses):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = pages.get(target)
            if not target.exists() or (anchor and known and anchor not in known.anchors):
                found.append((path.relative_to(folder).as_posix(), address))
    return found


def check(app: Sphinx, error: Exception | None) -> None:
    """Look every address of the written pages up."""
    if error is None and app.builder.name == "html":
        for page, address in broken(Path(app.outdir).resolve()):
            LOGGER.warning("links: %s links to %s, which is not there", page, address)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
