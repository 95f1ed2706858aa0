"""``erfgraph equal``: networks of one theoretical field, and how their effective ones differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.errors import InputError
from erfgraph.files import check_target
from erfgraph.tables import FORMATS

if TYPE_CHECKING:
    from erfgraph.comparison import FieldRow

COLUMNS = (
    "network", "TRF", "inside", "ERF area", "ERF side", "of the TRF", "std", "isotropy",
    "entropy", "kurtosis",
)  # fmt: skip


def equal_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    unit: o.Unit = None,
    measure: o.Measure = "paths",
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    strict: Annotated[
        bool, typer.Option("--strict/--any", help="Refuse theoretical fields of different sizes.")
    ] = True,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
) -> None:
    """Equal theoretical fields, different effective fields: several networks side by side.

    Inside: whether the unit's whole theoretical field lies in the input. Kurtosis is the
    excess over a Gaussian's.
    """
    o.check_form(form)
    o.check_measure(measure)
    o.check_rule(rule, threshold)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    if len(nets) < 2:
        raise InputError(f"NET: got {len(nets)} network, wanted two or more to compare")
    where = o.position_of(unit)
    made = [o.network(source, shape, channels, head) for source in nets]
    found = eg.equal_fields(made, layer, where, measure, rule, threshold, strict=strict)
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            drawn = figures.compare_figure(
                [row.importance for row in found.rows], [row.erf for row in found.rows]
            )
            o.write_figure(drawn, path)
    if as_json:
        text.print_json(found.to_dict())
        return
    lines = [cells(row) for row in found.rows]
    if form != "text":
        print(FORMATS[form](COLUMNS, lines), end="")
        return
    text.print_table(COLUMNS, lines)
    _print_sizes(found)
    text.print_written(path)


def cells(row: FieldRow) -> list[str]:
    """One line of the table."""
    imp, erf = row.importance, row.erf
    return [
        row.network or "network",
        "×".join(map(str, row.size)),
        "yes" if row.whole else "no",
        str(erf.area),
        f"{erf.size:.2f}",
        f"{erf.share_of_trf:.1%}",
        _rounded(imp.std),
        f"{imp.isotropy:.3f}",
        f"{imp.entropy:.3f}",
        _rounded(imp.excess_kurtosis),
    ]


def _rounded(values: tuple[float, ...]) -> str:
    """One number where all axes agree to what is shown, the last bits of sums left out.

    Examples
    --------
    >>> _rounded((-1.2024999999999999, -1.2025000000000003)), _rounded((1.0, 2.0))
    ('-1.202', '1.000×2.000')
    """
    texts = [f"{round(v, 9):.3f}" for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _print_sizes(found: eg.FieldComparison) -> None:
    if not found.equal:
        print("the theoretical fields differ in size")
