"""``erfgraph radial``: importance by distance from the centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.files import check_target
from erfgraph.tables import FORMATS

SHARES = (0.5, 0.1, 0.01)  # of the largest: where the profile has fallen to
SCALES = ("both", "linear", "log")
COLUMNS = (
    "network",
    "ERF radius",
    "TRF radius",
    "half of all within",
    *(f"below {share:.0%} from" for share in SHARES),
)


def radial_command(
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
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
    scale: Annotated[
        str, typer.Option(help="Importance in the figure: linear, log or both.")
    ] = "both",
) -> None:
    """Importance by distance from the centre: profile, radii of both fields, figure (-o).

    Distances are from the centre of mass. Radii of the ERF and of the TRF's box are those of
    the ball (stretch, disc) as large. The last columns say from which distance on the mean of
    a ring stays below a share of the largest importance. The profile itself is in --json and
    in the figure.
    """
    o.check_form(form)
    o.check_measure(measure)
    o.check_name("scale", scale, SCALES)
    o.check_rule(rule, threshold)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    where = o.position_of(unit)
    found = []
    weighed = o.weighing(count_channels, init, batchnorm, zero_residual, scalar, weights)
    for source in nets:
        net = o.network(source, shape, channels, head)
        with o.progress(f"counting {measure} of {net.name}") as advance:
            imp = eg.importance(
                net,
                layer,
                where,
                measure,
                of=of,
                **weighed,
                progress=advance,
            )
        found.append(eg.radial(imp, rule=rule, threshold=threshold))
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            o.write_figure(figures.radial_figure(found, scale=scale), path)
    if as_json:
        documents = [one.to_dict() for one in found]
        text.print_json(documents[0] if len(documents) == 1 else documents)
        return
    lines = [cells(one) for one in found]
    if form != "text":
        print(FORMATS[form](COLUMNS, lines), end="")
        return
    text.print_table(COLUMNS, lines)
    text.print_written(path)


def cells(one: eg.Radial) -> Sequence[str]:
    """One line of the table."""
    lengths = (one.erf_radius, one.trf_radius, one.half_radius)
    return [
        one.network or "network",
        *(f"{length:.2f}" for length in lengths),
        *(str(one.below(share)) for share in SHARES),
    ]
