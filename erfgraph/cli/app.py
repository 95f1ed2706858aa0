"""The commands."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.cli.table import table_command
from erfgraph.erf import check_threshold
from erfgraph.errors import InputError, unknown_name
from erfgraph.explicit import Graph, graph, graph_size
from erfgraph.files import check_target
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import Network
from erfgraph.sweeps import MEASURES, importance
from erfgraph.version import __version__

FIGURES = (".png", ".pdf", ".svg")
EXPORTS = (".graphml", ".json")
SCALES = ("linear", "log", "power")

HELP = """Effective receptive fields of convolutional networks by path counting.

erfgraph turns a network into the graph of its units, counts the paths from
every input position to one unit, and thresholds the count: exact, in
milliseconds, without images, training or a GPU.

Examples:

    erfgraph map "conv7*3"                 37 paths from the centre

    erfgraph map resnet50 -o resnet50.png  ResNet-50's ERF as a figure

    erfgraph map vgg16 resnet18 -o 2.pdf   side by side on one scale

    erfgraph table resnet50                field of every feature map

    erfgraph graph "conv3*5" --measure edges -o graph.pdf

    erfgraph zoo                           the architectures by name
"""

app = typer.Typer(name="erfgraph", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"erfgraph {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


# --- map ----------------------------------------------------------------------------------


@app.command("map")
def map_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    unit: o.Unit = None,
    of: Annotated[str, typer.Option(help="Feature map whose units are rated.")] = "input",
    measure: o.Measure = "paths",
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    exact: Annotated[
        bool, typer.Option("--exact/--float", help="Exact integers, or float64.")
    ] = True,
    as_json: o.Json = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Figure to write: .png, .pdf or .svg."),
    ] = None,
    save: Annotated[
        str | None, typer.Option(help="Data to write: .npz (arrays) or .json (numbers).")
    ] = None,
    scale: Annotated[str, typer.Option(help="Colours of the figure: linear, log, power.")] = (
        "linear"
    ),
) -> None:
    """Importance map and ERF of a unit: numbers, figure (-o), data (--save).

    Several networks are shown side by side.
    """
    for kind, name, known in (("measure", measure, MEASURES), ("scale", scale, SCALES)):
        if name not in known:
            raise unknown_name(kind, name, known)
    check_threshold(rule, threshold)
    figure_path = check_target(output, FIGURES) if output else None
    data_path = check_target(save, (".npz", ".json")) if save else None
    if data_path and len(nets) > 1:
        raise InputError(f"--save: takes one network, got {len(nets)}")
    where = o.position_of(unit)
    maps: list[ImportanceMap] = []
    for source in nets:
        net = o.network(source, shape, channels, head)
        with o.progress(f"counting {measure} of {net.name}") as advance:
            maps.append(importance(net, layer, where, measure, exact, of, progress=advance))
    fields = [found.erf(threshold, rule) for found in maps]
    documents = [
        {**found.to_dict(), "erf": field.to_dict()}
        for found, field in zip(maps, fields, strict=True)
    ]
    if figure_path:
        from erfgraph import figures

        drawn = (
            figures.importance_figure(maps[0], fields[0], scale=scale)
            if len(maps) == 1
            else figures.compare_figure(maps, fields, scale=scale)
        )
        figures.save_figure(drawn, figure_path)
    if data_path and data_path.suffix.lower() == ".npz":
        maps[0].save(data_path)
    elif data_path:
        text.write_json(data_path, {**documents[0], **maps[0].to_dict(values=True)})
    if as_json:
        text.print_json(documents[0] if len(documents) == 1 else documents)
    else:
        text.print_maps(maps, fields)
        text.print_written(figure_path, data_path)


app.command("table")(table_command)


# --- graph --------------------------------------------------------------------------------


@app.command("graph")
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
            help="Drawing (.png, .pdf, .svg) or export (.graphml, .json) to write.",
        ),
    ] = None,
) -> None:
    """The explicit graph: its size, drawn or exported (-o)."""
    if measure not in MEASURES:
        raise unknown_name("measure", measure, MEASURES)
    if max_edges is not None and max_edges < 0:
        raise InputError(f"--max-edges: got {max_edges}, wanted 0 or more")
    path = check_target(output, FIGURES + EXPORTS) if output else None
    if source and (path is None or path.suffix.lower() not in EXPORTS):
        raise InputError("--from: goes with an export, -o with .graphml or .json")
    made = o.network(net, shape, channels, head)
    where, start = o.position_of(unit), o.position_of(source, "--from")
    size = graph_size(made)
    if sys.stderr.isatty():
        print(f"{size.n_units} units, at most {size.n_edges} edges", file=sys.stderr)
    if path and path.suffix.lower() in FIGURES:
        from erfgraph import figures

        drawn = figures.graph_figure(made, layer, where, measure)
        figures.save_figure(drawn, path)
    built = None
    if as_json or path is None or path.suffix.lower() in EXPORTS:
        built = graph(made, max_edges)
    if built is not None and path and path.suffix.lower() in EXPORTS:
        _export(built, made, layer, where, start, path)
    if as_json and built is not None:
        text.print_json(built.to_dict())
    else:
        text.print_graph(made, built)
        text.print_written(path)


def _export(
    built: Graph, made: Network, layer: str | None, unit: Any, start: Any, path: Any
) -> None:
    if start is None:
        built.save(path)
        return
    from erfgraph.graphfile import save_graph

    top = made.output.name if layer is None else layer
    save_graph(built.between(("input", start), (top, unit)), path)


# --- zoo ----------------------------------------------------------------------------------


@app.command("zoo")
def zoo_command(as_json: o.Json = False) -> None:
    """The architectures known by name."""
    from erfgraph import zoo

    rows = [zoo.describe(name) for name in zoo.ZOO]
    if as_json:
        text.print_json(rows)
    else:
        text.print_zoo(rows)
