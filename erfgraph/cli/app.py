"""The table of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from erfgraph.cli.lazy import LazyGroup, Row
from erfgraph.version import __version__

HELP = """Effective receptive fields of convolutional networks by path counting.

erfgraph turns a network into the graph of its units, counts the paths from
every input position to one unit, and thresholds the count: exact, in
milliseconds, without images, training or a GPU.

Examples:

    erfgraph map "conv7*3"                 37 paths from the centre

    erfgraph map resnet50 -o resnet50.png  ResNet-50's ERF as a figure

    erfgraph map vgg16 resnet18 -o 2.pdf   side by side on one scale

    erfgraph table resnet50                field of every feature map

    erfgraph map model.onnx -o model.png   a model of your own

    erfgraph graph "conv3*5" --measure edges -o graph.pdf

    erfgraph zoo                           the architectures by name

The help of a command (erfgraph map --help) ends with examples of it; the
feature maps of a network and their names are listed by erfgraph table.
"""

COMMANDS = {
    "map": Row(
        "erfgraph.cli.map:map_command",
        "Importance map and ERF of a unit: numbers, figure (-o), data (--save).",
    ),
    "table": Row(
        "erfgraph.cli.table:table_command",
        "Receptive field of every feature map: size, stride, padding, centre.",
    ),
    "graph": Row(
        "erfgraph.cli.graph:graph_command",
        "The explicit graph: its size, drawn or exported (-o).",
    ),
    "diagram": Row(
        "erfgraph.cli.diagram:diagram_command",
        "The architecture: layers and the maps between them, with field sizes; drawn with -o.",
    ),
    "compare": Row(
        "erfgraph.cli.compare:compare_command",
        "Path counting against gradient ERF: how far they agree, and what each costs.",
    ),
    "equal": Row(
        "erfgraph.cli.equal:equal_command",
        "Equal theoretical fields, different effective fields: several networks side by side.",
    ),
    "scales": Row(
        "erfgraph.cli.scales:scales_command",
        "Field sizes that a network's branches couple, and the share of paths behind each.",
    ),
    "centres": Row(
        "erfgraph.cli.centres:centres_command",
        "Centres of the units' receptive fields: their grid, its density, who is hit by it.",
    ),
    "coverage": Row(
        "erfgraph.cli.coverage:coverage_command",
        "Share of the image that each layer's centre unit sees, in theory and in effect.",
    ),
    "growth": Row(
        "erfgraph.cli.growth:growth_command",
        "Theoretical and effective field of every layer along depth, and the law of the root.",
    ),
    "radial": Row(
        "erfgraph.cli.radial:radial_command",
        "Importance by distance from the centre: profile, radii of both fields, figure (-o).",
    ),
    "cells": Row(
        "erfgraph.cli.cells:cells_command",
        "Every cell of an output grid: its centre, theoretical and effective box.",
    ),
    "match": Row(
        "erfgraph.cli.cells:match_command",
        "Fields of several levels against the sizes of a data set's objects, per class.",
    ),
    "verify": Row(
        "erfgraph.cli.verify:verify_command",
        "Check the theory: every claim with what it expects, what was found, and how.",
    ),
    "zoo": Row("erfgraph.cli.zoo:zoo_command", "The architectures known by name."),
}

# False, where typer takes None: a flag that is one already needs no pydantic to become one
FLAGS = {"help": False, "install_completion": False, "show_completion": False}


class Group(LazyGroup):
    """All commands of erfgraph."""

    rows = COMMANDS


app = typer.Typer(
    name="erfgraph",
    help=HELP,
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"default_map": FLAGS},
)


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
