"""``erfgraph diagram``: the layers of a network and what they read, drawn or listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.files import check_target

if TYPE_CHECKING:
    from erfgraph.diagram import Diagram


def diagram_command(
    net: o.Net,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    fold: Annotated[
        bool,
        typer.Option(
            "--fold/--no-fold",
            help="Show equal layers in a row, and equal parts in a row, once with their number, "
            "or every layer.",
        ),
    ] = True,
    detail: Annotated[
        str | None,
        typer.Option(
            "--detail",
            metavar="NAME",
            help="What a box stands for: layers (default of the listing), blocks, or stages; "
            "default of a drawing the first of them with which it fits a page.",
        ),
    ] = None,
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
) -> None:
    """The architecture: layers and the maps between them, with field sizes; drawn with -o.

    Reads: the numbers of the boxes whose maps a layer reads. Field and stride are those of the
    layer's result; in a part that is repeated, of its first and last repetition.
    """
    from erfgraph.diagram import diagram

    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    made = o.network(net, shape, channels, head)
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            o.write_figure(figures.architecture_figure(made, fold=fold, detail=detail), path)
    found = diagram(made, fold=fold, detail=detail or "layers")
    if as_json:
        text.print_json(found.to_dict())
        return
    _print(found)
    text.print_written(path)


def listed(found: Diagram) -> list[tuple[str, ...]]:
    """A line for every box: layer, number, reads, field, stride, shape and feature map.

    Lines of a repeated part are bracketed, the number of its repetitions above them.
    """
    reads: dict[int, list[str]] = {}
    for wire in found.wires:
        reads.setdefault(wire.target, []).append(str(wire.source))
    part_of = {box: part for part in found.parts for box in part.boxes}
    rows: list[tuple[str, ...]] = []
    for i, box in enumerate(found.boxes):
        part = part_of.get(i)
        label = box.label if box.times == 1 else f"{box.times} × ({box.label})"
        if part is not None:
            if i == part.boxes[0]:
                rows.append((f"┌ ×{part.times}", "", "", "", "", "", ""))
            label = f"{'└' if i == part.boxes[-1] else '│'} {label}"
        shape = "×".join(map(str, found.net.maps[box.last].shape))
        said = found.size(i), found.stride(i)
        rows.append((label, str(i), ", ".join(reads.get(i, [])), *said, shape, found.names(i)))
    return rows


def _print(found: Diagram) -> None:
    net = found.net
    size = "×".join(map(str, net.input.shape))
    n = len(net.maps)
    print(
        f"{net.name or 'network'}, input {size}: {n} feature map{'s' if n != 1 else ''} in "
        f"{len(found.boxes)} box{'es' if len(found.boxes) != 1 else ''}"
    )
    header = ("layer", "#", "reads", "field", "stride", "shape", "feature map")
    rows = [header, *listed(found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for first, *rest, name in rows:
        middle = [cell.rjust(width) for cell, width in zip(rest, widths[1:-1], strict=True)]
        print("  ".join([first.ljust(widths[0]), *middle, name]).rstrip())
