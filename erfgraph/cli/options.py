"""What the commands share: options, their texts, and how texts become values."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Collection
from typing import Annotated, Any

import typer

import erfgraph as eg
from erfgraph.errors import InputError, unknown_name
from erfgraph.progress_bar import progress as progress
from erfgraph.tables import FORMATS

FIGURES = (".png", ".pdf", ".svg", ".pgf")

Net = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="A zoo name (resnet50), a notation ('conv7*3'), a network file (.toml, .json, "
        ".yaml), an ONNX file, or module:attribute / file.py:attribute of a PyTorch module, a "
        "Keras model or a Network.",
        show_default=False,
    ),
]
Nets = Annotated[
    list[str],
    typer.Argument(
        metavar="NET...",
        help="Zoo names (resnet50), notations ('conv7*3'), network files (.toml, .json, "
        ".yaml), ONNX files, or module:attribute / file.py:attribute of PyTorch modules, Keras "
        "models or Networks.",
        show_default=False,
    ),
]
Input = Annotated[
    str | None,
    typer.Option("--input", metavar="HxW", help="Spatial shape of the input, as 224x224 or 19."),
]
Channels = Annotated[int | None, typer.Option(help="Channels of the input.", show_default=False)]
Head = Annotated[bool, typer.Option("--head", help="Add pooling and classifier (zoo names).")]
Layer = Annotated[
    str | None,
    typer.Option(
        help="Feature map of the unit, by a name that `erfgraph table` lists; default the last.",
        show_default=False,
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(metavar="Y,X", help="Position of the unit; default the centre, size // 2."),
]
Measure = Annotated[
    str,
    typer.Option(
        help="What importance counts: paths, edges, uniform (the gradient where layers average) "
        "or variance (the mean-square gradient at initialisation)."
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        help="Initialisation for variance: lecun, kaiming_fan_in, kaiming_fan_out, xavier, "
        "pytorch, std=0.02, or torchvision (a zoo network's own); default variance 1/fan-in "
        "without activations.",
        show_default=False,
    ),
]
BatchNorm = Annotated[
    str,
    typer.Option(help="Batch norms for variance: identity (at initialisation) or batch."),
]
Scalar = Annotated[
    str,
    typer.Option(
        help="For variance with --init: the gradient of the sum of the unit's channels, or of "
        "one channel."
    ),
]
ZeroResidual = Annotated[
    bool, typer.Option("--zero-residual", help="For variance: residual branches end with zero.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Weigh paths by trained weights: abs or square (PyTorch modules, ONNX files).",
        show_default=False,
    ),
]
CountChannels = Annotated[
    bool,
    typer.Option(
        "--count-channels/--collapse-channels",
        help="Every channel of a position a node of its own, or all of them one unit.",
    ),
]
Rule = Annotated[str, typer.Option(help="What makes the ERF: peak, mass, square or count.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Threshold of the rule; default 0.0455 for peak, 0.9545 for mass and square, 0 for "
        "count.",
        show_default=False,
    ),
]
Form = Annotated[
    str, typer.Option("--format", help="How it is printed: text, markdown, csv or latex.")
]
Output = Annotated[
    str | None, typer.Option("-o", "--output", help="Figure to write: .png, .pdf, .svg or .pgf.")
]
Paper = Annotated[
    str | None,
    typer.Option(
        help="Make the figure as wide as the columns of a conference or journal: cvpr, eccv, "
        "iccv, wacv, neurips, icml, iclr, aaai, acl, ieee, acm, nature, elsevier, lncs.",
        show_default=False,
    ),
]
Columns = Annotated[
    int | None,
    typer.Option(help="With --paper: columns that the figure spans.", show_default="1"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """A spatial shape from 224x224.

    Examples
    --------
    >>> shape_of("224x224")
    (224, 224)
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise InputError(f"--input: got {text!r}, wanted a shape as 224x224 or 19") from None


def position_of(text: str | None, option: str = "--unit") -> tuple[int, ...] | None:
    """A position from y,x.

    Examples
    --------
    >>> position_of("3,-1")
    (3, -1)
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option}: got {text!r}, wanted a position as 3,3") from None


def check_form(form: str) -> None:
    """Refuse a --format that there is not."""
    check_name("format", form, ("text", *FORMATS))


def check_measure(measure: str) -> None:
    """Refuse a --measure that there is not."""
    from erfgraph.sweeps import MEASURES

    check_name("measure", measure, MEASURES)


def check_rule(rule: str, threshold: float | None) -> None:
    """Refuse a --rule that there is not, and a --threshold that does not go with it."""
    from erfgraph.erf import check_threshold

    check_threshold(rule, threshold)


def check_name(kind: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that is none of the known ones."""
    if name not in known:
        raise unknown_name(kind, name, known)


def network(text: str, shape: str | None, channels: int | None, head: bool) -> eg.Network:
    """The network that a command was given."""
    with only_results():
        return eg.load(text, shape_of(shape), channels, head=head)


def only_results() -> Any:
    """A context: what a model's own code prints goes where it cannot stand amid results."""
    return contextlib.redirect_stdout(sys.stderr)


def weighing(
    count_channels: bool,
    init: str | None,
    batchnorm: str,
    zero_residual: bool,
    scalar: str,
    weights: str | None,
) -> dict[str, Any]:
    """How paths are weighed, as `erfgraph.importance` and `erfgraph.growth` are told."""
    return {
        "channels": "count" if count_channels else "collapse",
        "init": init,
        "batchnorm": batchnorm,
        "zero_residual": zero_residual,
        "scalar": scalar,
        "weights": weights,
    }


def on_paper(paper: str | None, columns: int | None) -> Any:
    """A context: figures made inside have the width and the letters of a paper."""
    from erfgraph.figures import paper_style

    return paper_style(paper, 1 if columns is None else columns)


def check_paper(paper: str | None, columns: int | None, figure: Any) -> None:
    """Refuse a --paper that there is not, and what does not go together."""
    if paper is None and columns is not None:
        raise InputError("--columns: goes with --paper")
    if paper is None:
        return
    if figure is None:
        raise InputError("--paper: goes with a figure, -o")
    with on_paper(paper, columns):
        pass


def write_figure(figure: Any, path: Any) -> None:
    """Write a command's figure, with the command in it."""
    from erfgraph.cli import command_line
    from erfgraph.figures import save_figure

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        save_figure(figure, path, {"command": command_line()})
    for said in dict.fromkeys(str(one.message) for one in seen):
        print(f"erfgraph: warning: {' '.join(said.split())}", file=sys.stderr)
