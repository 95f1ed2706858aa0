"""What a notebook shows: one small function a noun, one table row each.

The tables are those that the commands print, their texts escaped: names come from files.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import erfgraph as eg
from erfgraph import tables
from erfgraph.cli import text

HEAD, TAIL = 14, 8  # lines that are shown of a table that is too long
MOST_MAPS = 2000  # of a network whose fields are computed to be shown
LARGE = 1 << 20  # units of a window; of more, only numbers that need no sorting are shown

Item = TypeVar("Item")


def html(noun: Any) -> str:
    """A noun as HTML that stands by itself: tables, pictures inside them as data."""
    with text.all_digits():
        return f"<div>{_form_of(noun)(noun)}</div>"


def png(noun: Any) -> bytes:
    """The picture of a noun that has one."""
    from erfgraph.figures import screen
    from erfgraph.figures.settings import own_settings

    alone = isinstance(noun, eg.ERF)
    with own_settings():
        drawn = screen.erf_picture(noun) if alone else screen.map_picture(noun, _own_erf(noun))
        return screen.png_of(drawn)


def _form_of(noun: Any) -> Callable[[Any], str]:
    """The row of a noun's class, or of what it is a kind of."""
    return next(_FORMS[kind.__name__] for kind in type(noun).__mro__ if kind.__name__ in _FORMS)


# --- parts --------------------------------------------------------------------------------


def _folded(
    header: Sequence[str],
    items: Sequence[Item],
    cells: Callable[[Item], Sequence[str]],
    caption: str = "",
) -> str:
    """A table, a line each item; of many, the first and the last, and how many are not shown."""
    if len(items) <= HEAD + TAIL + 1:
        return tables.html(header, [cells(item) for item in items], caption)
    left = [f"… {len(items) - HEAD - TAIL} more"]
    rows = [*map(cells, items[:HEAD]), left, *map(cells, items[-TAIL:])]
    return tables.html(header, rows, caption)


def _table(made: tuple[Sequence[str], Sequence[Sequence[str]]], caption: str = "") -> str:
    return _folded(made[0], made[1], lambda row: row, caption)


def _numbers(rows: Mapping[str, str], caption: str = "") -> str:
    return tables.html((), list(rows.items()), caption)


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<div>{tables.as_html(line, 400)}</div>" for line in lines)


def _beside(noun: Any, key: str, table: str) -> str:
    """The picture of a noun, which the key explains, with its table to the right."""
    data = base64.b64encode(noun._repr_png_()).decode()
    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:1em">'
        f'<img alt="{key}" title="{key}" src="data:image/png;base64,{data}">{table}</div>'
    )


def _size(shape: Sequence[Any]) -> str:
    return "×".join(map(str, shape))


def _per_axis(values: Sequence[Any]) -> str:
    """One text where all axes agree; a dash for none."""
    texts = ["-" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


# --- networks -----------------------------------------------------------------------------


def _network(net: eg.Network) -> str:
    n = len(net.maps)
    first = f"{net.name or 'network'}: input {_size(net.input.shape)}"
    first += f", {_many(net.input.channels, 'channel')}; {_many(n, 'feature map')}"
    caption = f"{first}, {_many(len(net.layers), 'layer')}{_last_field(net)}"
    return _folded(
        ("feature map", "made by", "shape", "channels", "reads"),
        net.maps,
        lambda m: _map_cells(net, m),
        caption,
    )


def _last_field(net: eg.Network) -> str:
    """The field of the last map in words; nothing where it would take long or cannot be."""
    if len(net.maps) > MOST_MAPS:
        return ""
    try:
        rf = eg.receptive_field(net)
    except eg.ErfgraphError:
        return ""
    field = f"field of {rf.name}: {_per_axis(rf.size)}, stride {_per_axis(rf.stride)}"
    return f"; {field}"


def _map_cells(net: eg.Network, m: eg.FeatureMap) -> list[str]:
    read = [net.maps[link.src].name for link in m.links]
    return [m.name, m.op, _size(m.shape), str(m.channels), ", ".join(dict.fromkeys(read))]


def _feature_map(m: eg.FeatureMap) -> str:
    rows = {"made by": m.op, "shape": _size(m.shape), "channels": str(m.channels)}
    rows |= {str(key): str(value) for key, value in m.params.items()}
    if m.view is not None:
        rows["of these channels"] = str(m.view)
    if m.passed:
        rows["read through"] = ", ".join(p.kind for p in m.passed)
    return _numbers(rows, f"feature map {m.name}")


def _graph(built: eg.Graph) -> str:
    edges: dict[int, int] = {}
    for (_, dst), block in built.blocks.items():
        edges[dst] = edges.get(dst, 0) + int(block.nnz)
    name = built.network.name or "network"
    counted = f"{_many(built.n_units, 'unit')}, {_many(built.n_edges, 'edge')}"
    return _folded(
        ("feature map", "shape", "reads", "first unit", "edges in"),
        built.maps,
        lambda m: [
            m.name,
            _size(m.shape),
            _map_cells(built.network, m)[-1],
            str(built.offsets[m.index]),
            str(edges.get(m.index, 0)),
        ],
        f"graph of {name}: {counted}, {text.number(built.n_bytes / 2**20)} MiB",
    )


# --- fields -------------------------------------------------------------------------------


def _fields(rows: Sequence[eg.ReceptiveField], caption: str = "") -> str:
    from erfgraph.cli import table

    return _folded(table.COLUMNS, rows, table.cells, caption)


def _branches(found: eg.Branches) -> str:
    caption = f"{found.op} {found.merge}: its branches, and itself"
    return _fields([*found.fields, found.own], caption)


def _map(imp: eg.ImportanceMap) -> str:
    numbers = text.map_rows(imp, _own_erf(imp), shape=math.prod(imp.counts.shape) <= LARGE)
    key = "red: effective field; dashed: box of the theoretical field"
    return _beside(imp, key, _numbers(numbers | _sampling(imp), imp.network or "network"))


def _sampling(imp: Any) -> dict[str, str]:
    """What a map that was sampled has beside; empty for one that was counted."""
    if not getattr(imp, "samples", 0):
        return {}
    return {"samples": str(imp.samples), "sampling error": f"{imp.relative_error:.3g}"}


def _own_erf(imp: eg.ImportanceMap) -> eg.ERF:
    """The default field of a map, which its picture and its numbers want: found once."""
    held = imp.__dict__
    if "_own_erf" not in held:
        held["_own_erf"] = imp.erf()
    found: eg.ERF = held["_own_erf"]
    return found


def _maps(maps: Mapping[str, eg.ImportanceMap]) -> str:
    names = list(maps)
    top = maps[names[-1]] if names else None
    caption = f"{top.measure} to unit {text.position(top.unit)} of {top.layer}" if top else ""
    header = ("feature map", "shape", "total", "largest", "at", "TRF box", "ERF units")
    return _folded(header, names, lambda name: _maps_cells(maps[name]), caption)


def _maps_cells(imp: eg.ImportanceMap) -> list[str]:
    scale = imp.log10_scale
    return [
        imp.of,
        _size(imp.shape),
        text.number(imp.total, scale),
        text.number(imp.peak.value, scale),
        text.position(imp.peak.position),
        text.box(imp.trf.bbox),
        str(imp.erf().area),
    ]


def _erf(field: eg.ERF) -> str:
    rows = {
        "rule": f"{field.rule}, {field.threshold:g}",
        "area": _many(field.area, "unit"),
        "side": f"{field.size:.2f}",
        "box": text.box(field.bbox),
        "share of theoretical": f"{field.share_of_trf:.2%}",
        "share of the map": f"{field.share_of_input:.2%}",
    }
    return _beside(field, "red: effective field", _numbers(rows, "effective receptive field"))


def _theoretical(field: Any) -> str:
    rows = {
        "area": _many(field.area, "unit"),
        "size": _size(field.size),
        "box": text.box(field.bbox),
    }
    return _numbers(rows, "theoretical receptive field")


def _comparison(found: eg.Comparison) -> str:
    from erfgraph.cli import compare

    numbers = (("a against b", "value", "interval"), compare._rows(found))
    sides = zip("ab", (found.a, found.b), found.costs, strict=True)
    notes = []
    if found.noise_ratio is not None:
        notes.append(
            f"total variation is {found.noise_ratio:.2f} times the sampling noise; "
            f"without it {found.beyond_noise:.4f}"
        )
    caption = f"unit {text.position(found.a.unit)} of {found.a.layer}"
    header = ("", "seconds", "memory", "ERF side", "std", "noise")
    both = [compare._side(letter, imp, cost, found) for letter, imp, cost in sides]
    return tables.html(header, both, caption) + tables.html(*numbers) + _lines(notes)


# --- what networks are fit for ------------------------------------------------------------


def _coverage(found: eg.Coverage) -> str:
    from erfgraph.cli import coverage

    table = _folded(coverage.COLUMNS, found.rows, coverage.cells)
    return table + _lines(coverage.summary(found))


def _input_range(found: Any) -> str:
    rows = {
        "no layer is unproductive from": _per_axis(found.productive),
        "no layer is critical from": _per_axis(found.uncritical),
        "no unit sees the whole above": _per_axis(found.covered),
    }
    return _numbers(rows, "input sizes")


def _spectrum(found: eg.Spectrum) -> str:
    from erfgraph.cli import scales

    caption = f"{found.network or 'network'}, unit {text.position(found.unit)} of {found.layer}"
    return tables.html(*scales.short_table(found), caption)


def _growth(found: eg.Growth) -> str:
    from erfgraph.cli import growth

    return _folded(growth.COLUMNS, found.rows, growth.cells, found.network or "network")


def _radial(found: eg.Radial) -> str:
    from erfgraph.cli import radial

    return tables.html(radial.COLUMNS, [radial.cells(found)])


def _centres(grid: eg.Centres) -> str:
    from erfgraph.cli import centres

    header = ("feature map", "shape", "field", "every", "first", "last", "inside", "per pixel")
    return tables.html(header, [centres.cells(grid, None)], grid.network or "network")


def _cells(found: eg.Cells) -> str:
    from erfgraph.cli import cells

    caption = f"{found.network or 'network'}: cells of {found.layer}, {_size(found.shape)}"
    return _table(cells.cell_rows(found), caption)


def _match(found: eg.ObjectMatch) -> str:
    from erfgraph.cli import cells

    levels = [
        [
            level.name,
            f"{level.trf:.1f}",
            f"{level.erf:.1f}",
            f"{level.low:.1f} to {level.high:.1f}",
        ]
        for level in found.levels
    ]
    header = ("level", "TRF side", "ERF side", "suits sizes")
    name = found.network or "network"
    return tables.html(header, levels, name) + _table(cells.match_rows(found))


def _equal(found: eg.FieldComparison) -> str:
    from erfgraph.cli import equal

    said = "of one size" if found.equal else "of different sizes"
    return _folded(equal.COLUMNS, found.rows, equal.cells, f"theoretical fields {said}")


def _gridding(found: eg.Gridding) -> str:
    rows = {
        "box": text.box(found.box),
        "units": str(found.units),
        "without a path": f"{found.holes} ({found.share_of_holes:.1%})",
        "period": _per_axis(found.period),
        "lattice": _per_axis(found.lattice),
    }
    unit = f"unit {text.position(found.unit)} of {found.layer}"
    return _numbers(rows, f"holes in the field of {unit}")


def _checkerboard(found: eg.Checkerboard) -> str:
    rows = {"contrast": f"{found.contrast:.3f}", "period": _per_axis(found.period)}
    return _numbers(rows, f"paths into the units of {found.layer}")


def _halo(found: eg.Halo) -> str:
    keys = ("before", "after", "alignment")
    rows = {key: _per_axis(getattr(found, key)) for key in keys}
    if found.whole:
        rows["reads the whole map"] = ", ".join(found.whole)
    return _numbers(rows, f"overlap of tiles for {found.layer}")


# --- the theory suite ---------------------------------------------------------------------


def _verification(found: eg.Verification) -> str:
    from erfgraph.verification.nouns import SHORT

    header, rows = found.table()
    # those that fail first: they must not be folded away
    ordered = sorted(rows, key=lambda row: row[5] == "ok")
    short = [[row[i] for i in SHORT] for row in ordered]
    return _table(([header[i] for i in SHORT], short), found.summary)


_FORMS: dict[str, Callable[[Any], str]] = {
    "Branches": _branches,
    "Cells": _cells,
    "Centres": _centres,
    "Checkerboard": _checkerboard,
    "Comparison": _comparison,
    "Coverage": _coverage,
    "Description": _network,
    "ERF": _erf,
    "FeatureMap": _feature_map,
    "Field": _theoretical,
    "FieldComparison": _equal,
    "Graph": _graph,
    "Gridding": _gridding,
    "Growth": _growth,
    "Halo": _halo,
    "ImportanceMap": _map,
    "InputRange": _input_range,
    "Maps": _maps,
    "ObjectMatch": _match,
    "Radial": _radial,
    "ReceptiveField": lambda rf: _fields([rf]),
    "ReceptiveFields": _fields,
    "Spectrum": _spectrum,
    "Verification": _verification,
}
