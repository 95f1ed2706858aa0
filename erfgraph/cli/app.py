"""The table of commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from erfgraph.cli.cells import cells_command, match_command
from erfgraph.cli.centres import centres_command
from erfgraph.cli.compare import compare_command
from erfgraph.cli.coverage import coverage_command
from erfgraph.cli.equal import equal_command
from erfgraph.cli.graph import graph_command
from erfgraph.cli.map import map_command
from erfgraph.cli.scales import scales_command
from erfgraph.cli.table import table_command
from erfgraph.cli.verify import verify_command
from erfgraph.cli.zoo import zoo_command
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
"""

COMMANDS: dict[str, Callable[..., None]] = {
    "map": map_command,
    "table": table_command,
    "graph": graph_command,
    "compare": compare_command,
    "equal": equal_command,
    "scales": scales_command,
    "centres": centres_command,
    "coverage": coverage_command,
    "cells": cells_command,
    "match": match_command,
    "verify": verify_command,
    "zoo": zoo_command,
}

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


def help_of(command: Callable[..., None]) -> str:
    """A docstring with each paragraph on one line, as typer keeps a source's line breaks."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for _name, _command in COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
