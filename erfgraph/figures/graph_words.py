"""What a drawing of a graph says: counts on units, heading, foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from erfgraph.figures import wording
from erfgraph.figures.placing import Drawn
from erfgraph.figures.style import wrapped
from erfgraph.importance_map import ImportanceMap


def short(value: float, log10_scale: float) -> str:
    """A count as it stands on a unit."""
    if isinstance(value, int) and value < 100_000:
        return str(value)
    return wording.number(value, log10_scale)


def heading(rated: Mapping[str, ImportanceMap], width: float) -> tuple[list[str], list[str]]:
    """The network, and what the numbers are, wrapped."""
    imp = next(iter(rated.values()))
    paths = imp.measure == "paths"
    counted = f"{wording.counted(imp)} {'from it ' if paths else ''}to"
    if imp.measure == "edges":
        counted = "edges on its paths to"
    text = f"number in a unit: {counted} unit {wording.position(imp.unit)} of {imp.layer}"
    name = wrapped(imp.network or "network", width, 9, bold=True)
    return name, wrapped(text, width, 7.5)


def foot(drawn: Drawn, written: Sequence[bool], by_paths: bool, width: float) -> list[str]:
    """Units and edges in words, wrapped."""
    n = len(drawn.points)
    inside = int(drawn.cone.sum())
    text = (
        f"{n:,} units, {inside:,} of them on a path; {len(drawn.sources):,} edges, all upwards, "
        f"{int(drawn.in_cone.sum()):,} on a path (dark)"
    )
    if by_paths:
        text += "; line width: root of the paths through the edge"
    elif drawn.counts.max(initial=1) > 1:
        text += "; line width: multiplicity"
    if not all(written):
        some = "some " if any(written) else ""
        text += f"; {some}numbers left out, there is no room for them"
    return wrapped(text, width, 7)
