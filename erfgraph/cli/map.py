"""``erfgraph map``: importance map and ERF of a unit."""

from __future__ import annotations

from typing import Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.errors import InputError
from erfgraph.files import check_target

SCALES = ("linear", "log", "power")


def map_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    unit: o.Unit = None,
    of: Annotated[str, typer.Option(help="Feature map whose units are rated.")] = "input",
    measure: o.Measure = "paths",
    init: o.Init = None,
    batchnorm: o.BatchNorm = "identity",
    zero_residual: o.ZeroResidual = False,
    scalar: o.Scalar = "sum",
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weigh paths by trained weights: abs or square (PyTorch modules, ONNX files).",
            show_default=False,
        ),
    ] = None,
    count_channels: o.CountChannels = False,
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    exact: Annotated[
        bool, typer.Option("--exact/--float", help="Exact integers, or float64.")
    ] = True,
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
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
    o.check_measure(measure)
    o.check_name("scale", scale, SCALES)
    o.check_rule(rule, threshold)
    figure_path = check_target(output, o.FIGURES) if output else None
    o.check_paper(paper, columns, figure_path)
    data_path = check_target(save, (".npz", ".json")) if save else None
    if data_path and len(nets) > 1:
        raise InputError(f"--save: takes one network, got {len(nets)}")
    where = o.position_of(unit)
    maps: list[eg.ImportanceMap] = []
    for source in nets:
        net = o.network(source, shape, channels, head)
        with o.progress(f"counting {measure} of {net.name}") as advance:
            maps.append(
                eg.importance(
                    net,
                    layer,
                    where,
                    measure,
                    exact,
                    of,
                    channels="count" if count_channels else "collapse",
                    init=init,
                    batchnorm=batchnorm,
                    zero_residual=zero_residual,
                    scalar=scalar,
                    weights=weights,
                    progress=advance,
                )
            )
    fields = [found.erf(threshold, rule) for found in maps]
    documents = [
        {**found.to_dict(), "erf": field.to_dict()}
        for found, field in zip(maps, fields, strict=True)
    ]
    if figure_path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            drawn = (
                figures.importance_figure(maps[0], fields[0], scale=scale)
                if len(maps) == 1
                else figures.compare_figure(maps, fields, scale=scale)
            )
            o.write_figure(drawn, figure_path)
    if data_path and data_path.suffix.lower() == ".npz":
        maps[0].save(data_path)
    elif data_path:
        text.write_json(data_path, {**documents[0], **maps[0].to_dict(values=True)})
    if as_json:
        text.print_json(documents[0] if len(documents) == 1 else documents)
    else:
        text.print_maps(maps, fields)
        text.print_written(figure_path, data_path)
