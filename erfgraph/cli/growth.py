"""``erfgraph growth``: theoretical and effective field of every layer along depth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.errors import InputError
from erfgraph.files import check_target
from erfgraph.tables import FORMATS

if TYPE_CHECKING:
    from erfgraph.growing import GrowthRow

COLUMNS = ("feature map", "depth", "TRF", "inside", "ERF area", "ERF side", "of the TRF")
SCALES = ("linear", "log")


def growth_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    measure: o.Measure = "paths",
    init: o.Init = None,
    batchnorm: o.BatchNorm = "identity",
    zero_residual: o.ZeroResidual = False,
    scalar: o.Scalar = "sum",
    weights: o.Weights = None,
    count_channels: o.CountChannels = False,
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    law: Annotated[
        bool, typer.Option("--law", help="Fit a power of the depth to the sides of the ERF.")
    ] = False,
    first: Annotated[int, typer.Option(help="Smallest depth that --law fits.")] = 5,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
    scale: Annotated[str, typer.Option(help="Axes of the figure: linear or log.")] = "linear",
) -> None:
    """Theoretical and effective field of every layer along depth, and the law of the root.

    The chain is the way to the last layer with the most convolutions, linear and attention
    layers, which depth counts. Inside: whether the whole theoretical field lies in the input.
    """
    o.check_form(form)
    o.check_measure(measure)
    o.check_name("scale", scale, SCALES)
    o.check_rule(rule, threshold)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    if form != "text" and law:
        raise InputError("--law: goes with --json, -o or the text table, not with --format")
    found = []
    weighed = o.weighing(count_channels, init, batchnorm, zero_residual, scalar, weights)
    for source in nets:
        net = o.network(source, shape, channels, head)
        with o.progress(f"growth of {net.name}") as advance:
            one = eg.growth(
                net,
                layer,
                measure,
                rule,
                threshold,
                progress=advance,
                **weighed,
            )
        found.append(one)
    laws = [one.law(first) for one in found] if law else []
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            drawn = figures.growth_figure(found, scale=scale, law=law, first=first)
            o.write_figure(drawn, path)
    if as_json:
        documents = [one.to_dict() for one in found]
        for document, fitted in zip(documents, laws, strict=False):
            document["law"] = fitted.to_dict()
        text.print_json(documents[0] if len(documents) == 1 else documents)
        return
    header, lines = side_by_side(found)
    if form != "text":
        print(FORMATS[form](header, lines), end="")
        return
    text.print_table(header, lines, [str(one.network or "network") for one in found])
    for one, fitted in zip(found, laws, strict=False):
        print(law_line(one, fitted))
    text.print_written(path)


def side_by_side(found: Sequence[eg.Growth]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a table with one group of columns per network."""
    blank = [""] * len(COLUMNS)
    rows = [
        [cell for row in line for cell in (blank if row is None else cells(row))]
        for line in itertools.zip_longest(*(one.rows for one in found))
    ]
    return list(COLUMNS) * len(found), rows


def cells(row: GrowthRow) -> list[str]:
    """One line of the table."""
    return [
        row.name,
        str(row.depth),
        "×".join(map(str, row.size)),
        "yes" if row.whole else "no",
        str(row.erf_area),
        f"{row.erf_side:.2f}",
        f"{row.erf_area / row.trf_area:.1%}" if row.trf_area else "",
    ]


def law_line(growth: eg.Growth, law: eg.PowerLaw) -> str:
    """A fitted law in words."""
    return (
        f"{growth.network or 'network'}: ERF side = {law.factor:.2f} · depth^p, "
        f"p = {law.exponent:.3f} ± {law.standard_error:.3f} "
        f"(depths {law.depths[0]} to {law.depths[-1]})"
    )
