"""``erfgraph map``: importance map and ERF of a unit."""

from __future__ import annotations

from typing import Annotated, Any

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
    weights: o.Weights = None,
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
    thresholds: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,…",
            help="Contours of the ERF in the figure, by --rule, as 0.01,0.0455,0.3.",
            show_default=False,
        ),
    ] = None,
    marginals: Annotated[
        bool | None,
        typer.Option(
            "--marginals/--no-marginals",
            help="Sums of columns and rows beside the map; default where there is room.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="Photo to draw the map over, stretched over the input."),
    ] = None,
    colours: Annotated[
        str | None,
        typer.Option(
            help="Colour map of the figure, by matplotlib's name: viridis (default), cividis, "
            "gray; RdYlGn is the red-yellow-green of some papers.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Importance map and ERF of a unit: numbers, figure (-o), data (--save).

    Several networks are shown side by side.
    """
    o.check_measure(measure)
    o.check_name("scale", scale, SCALES)
    o.check_rule(rule, threshold)
    figure_path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, figure_path)
    data_path = check_target(save, (".npz", ".json")) if save is not None else None
    if data_path and len(nets) > 1:
        raise InputError(f"--save: takes one network, got {len(nets)}")
    look = _look(figure_path, len(nets), scale, thresholds, marginals, image, colours)
    where = o.position_of(unit)
    maps: list[eg.ImportanceMap] = []
    weighed = o.weighing(count_channels, init, batchnorm, zero_residual, scalar, weights)
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
                    **weighed,
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
                figures.importance_figure(maps[0], fields[0], **look)
                if len(maps) == 1
                else figures.compare_figure(maps, fields, **look)
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


def _look(
    path: Any,
    n: int,
    scale: str,
    thresholds: str | None,
    marginals: bool | None,
    image: str | None,
    colours: str | None,
) -> dict[str, Any]:
    """Options of the figure that were given, as its function takes them."""
    alone = {"--thresholds": thresholds, "--marginals": marginals, "--image": image}
    for option, value in {**alone, "--colours": colours}.items():
        if value is None:
            continue
        if path is None:
            raise InputError(f"{option}: goes with a figure, -o")
        if n > 1 and option in alone:
            raise InputError(f"{option}: takes one network, got {n}")
    look: dict[str, Any] = {"scale": scale}
    if thresholds is not None:
        try:
            look["thresholds"] = tuple(float(part) for part in thresholds.split(","))
        except ValueError:
            raise InputError(
                f"--thresholds: got {thresholds!r}, wanted numbers as 0.01,0.3"
            ) from None
    if marginals is not None:
        look["marginals"] = marginals
    if image is not None:
        from erfgraph.figures.photo import read_photo

        look["image"] = read_photo(image)
    if colours is not None:
        from erfgraph.figures.style import colour_map

        look["cmap"] = colour_map(colours)
    return look
