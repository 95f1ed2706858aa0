"""``erfgraph graph``: the explicit graph, drawn or exported."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.errors import InputError
from erfgraph.files import check_target

EDGE_WIDTHS = ("multiplicity", "paths")
EXPORTS = (".graphml", ".json")


def graph_command(
    net: o.Net,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    unit: o.Unit = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="Y,X",
            help="Export only the paths from this input unit to the unit.",
        ),
    ] = None,
    measure: o.Measure = "paths",
    edge_width: Annotated[
        str,
        typer.Option(
            help="What the lines of a drawing are as wide as: multiplicity, or the root of the "
            "paths through an edge."
        ),
    ] = "multiplicity",
    max_edges: Annotated[
        int | None,
        typer.Option(help="Refuse larger graphs; default what fits into half the free memory."),
    ] = None,
    as_json: o.Json = False,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Drawing (.png, .pdf, .svg, .pgf) or export (.graphml, .json) to write.",
        ),
    ] = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
) -> None:
    """The explicit graph: its size, drawn or exported (-o)."""
    o.check_measure(measure)
    o.check_name("edge width", edge_width, EDGE_WIDTHS)
    if max_edges is not None and max_edges < 0:
        raise InputError(f"--max-edges: got {max_edges}, wanted 0 or more")
    path = check_target(output, o.FIGURES + EXPORTS) if output is not None else None
    drawing = path if path and path.suffix.lower() in o.FIGURES else None
    o.check_paper(paper, columns, drawing)
    if source and (path is None or path.suffix.lower() not in EXPORTS):
        raise InputError("--from: goes with an export, -o with .graphml or .json")
    made = o.network(net, shape, channels, head)
    where, start = o.position_of(unit), o.position_of(source, "--from")
    size = eg.graph_size(made)
    if sys.stderr.isatty():
        print(f"{size.n_units} units, at most {size.n_edges} edges", file=sys.stderr)
    if drawing:
        from erfgraph import figures

        if max_edges is not None:
            eg.graph(made, max_edges)  # refuses
        with o.on_paper(paper, columns):
            drawn = figures.graph_figure(made, layer, where, measure, edge_width=edge_width)
            o.write_figure(drawn, drawing)
    built = None
    if as_json or path is None or path.suffix.lower() in EXPORTS:
        built = eg.graph(made, max_edges)
    if built is not None and path and path.suffix.lower() in EXPORTS:
        _export(built, made, layer, where, start, path)
    if as_json and built is not None:
        text.print_json(built.to_dict())
    else:
        text.print_graph(made, built)
        text.print_written(path)


def _export(
    built: eg.Graph, made: eg.Network, layer: str | None, unit: Any, start: Any, path: Any
) -> None:
    if start is None:
        built.save(path)
        return
    from erfgraph.graphfile import save_graph

    top = made.output.name if layer is None else layer
    save_graph(built.between(("input", start), (top, unit)), path)
