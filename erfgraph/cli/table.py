"""``erfgraph table``: the receptive field of every feature map."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.tables import FORMATS

COLUMNS = ("feature map", "shape", "size", "stride", "padding", "start", "aligned")


def table_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: Annotated[
        str | None, typer.Option(help="Only this feature map.", show_default=False)
    ] = None,
    form: o.Form = "text",
    as_json: o.Json = False,
) -> None:
    """Receptive field of every feature map: size, stride, padding, centre.

    Padding counts as positions; start is the centre of the first unit's field, pixel centres
    at whole numbers. Several networks are shown side by side.
    """
    o.check_form(form)
    made = [o.network(source, shape, channels, head) for source in nets]
    found = [
        eg.receptive_fields(net) if layer is None else [eg.receptive_field(net, layer)]
        for net in made
    ]
    if as_json:
        documents = [_document(net, rows) for net, rows in zip(made, found, strict=True)]
        text.print_json(documents[0] if len(documents) == 1 else documents)
        return
    header, rows = side_by_side(found)
    if form == "text":
        text.print_table(header, rows, [str(net.name or "network") for net in made])
        _print_misaligned(found)
    else:
        print(FORMATS[form](header, rows), end="")


def _document(net: eg.Network, rows: Sequence[eg.ReceptiveField]) -> dict[str, Any]:
    return {
        "network": net.name,
        "input_shape": list(net.input.shape),
        "rows": [row.to_dict() for row in rows],
    }


def side_by_side(
    found: Sequence[Sequence[eg.ReceptiveField]],
) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a table with one group of columns per network."""
    header = list(COLUMNS) * len(found)
    blank = [""] * len(COLUMNS)
    rows = [
        [cell for row in line for cell in (blank if row is None else cells(row))]
        for line in itertools.zip_longest(*found)
    ]
    return header, rows


def cells(rf: eg.ReceptiveField) -> list[str]:
    """One line of the table."""
    return [
        rf.name,
        "×".join(map(str, rf.shape)),
        _per_axis(rf.size),
        _per_axis(rf.stride),
        _per_axis(rf.padding),
        _per_axis(rf.start),
        "yes" if all(rf.aligned) else "no",
    ]


def _per_axis(values: Sequence[int | float | Fraction]) -> str:
    """One number where all axes agree."""
    texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _print_misaligned(found: Sequence[Sequence[eg.ReceptiveField]]) -> None:
    seen = dict.fromkeys(m for rows in found for row in rows for m in row.misaligned)
    for m in seen:
        branches = ", ".join(
            f"{name} (stride {stride}, centre {centre:g})"
            for name, stride, centre in zip(m.branches, m.strides, m.centres, strict=True)
        )
        print(f"not aligned: {m.merge}, axis {m.axis}, unit {m.unit}: {branches}")
