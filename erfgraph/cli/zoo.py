"""``erfgraph zoo``: the architectures known by name."""

from __future__ import annotations

from erfgraph.cli import options as o
from erfgraph.cli import text


def zoo_command(as_json: o.Json = False) -> None:
    """The architectures known by name."""
    from erfgraph import zoo

    rows = [zoo.describe(name) for name in zoo.ZOO]
    if as_json:
        text.print_json(rows)
    else:
        text.print_zoo(rows)
