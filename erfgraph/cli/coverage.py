"""``erfgraph coverage``: how much of the image every layer sees."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.files import check_target
from erfgraph.tables import FORMATS

if TYPE_CHECKING:
    from erfgraph.tasks.classification import LayerCoverage

COLUMNS = ("feature map", "shape", "field", "smallest", "TRF", "TRF box", "ERF", "adds nothing")


def coverage_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    measure: o.Measure = "paths",
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    cover: Annotated[
        float, typer.Option(help="Share of the image that the theoretical field's box must hold.")
    ] = 1.0,
    cover_effective: Annotated[
        float, typer.Option(help="Share of the image that the effective field must hold.")
    ] = 0.9545,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
) -> None:
    """Share of the image that each layer's centre unit sees, in theory and in effect.

    TRF: units with a path; TRF box: the box around them; ERF: the effective field. A layer is
    unproductive where the smallest field before it reaches the input's size and its own
    exceeds it, critical where its own exceeds it (Richter et al. 2021).
    """
    from erfgraph.tasks.classification import check_share

    o.check_form(form)
    o.check_measure(measure)
    o.check_rule(rule, threshold)
    check_share("--cover", cover)
    check_share("--cover-effective", cover_effective)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    found = []
    for source in nets:
        net = o.network(source, shape, channels, head)
        with o.progress(f"coverage of {net.name}") as advance:
            found.append(
                eg.coverage(
                    net,
                    measure,
                    rule,
                    threshold,
                    cover=cover,
                    cover_effective=cover_effective,
                    progress=advance,
                )
            )
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            o.write_figure(figures.coverage_figure(found), path)
    if as_json:
        documents = [one.to_dict() for one in found]
        text.print_json(documents[0] if len(documents) == 1 else documents)
        return
    header, rows = side_by_side(found)
    if form != "text":
        print(FORMATS[form](header, rows), end="")
        return
    text.print_table(header, rows, [str(one.network or "network") for one in found])
    for one in found:
        print()
        for line in summary(one):
            print(line)
    text.print_written(path)


def side_by_side(found: Sequence[eg.Coverage]) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a table with one group of columns per network."""
    blank = [""] * len(COLUMNS)
    rows = [
        [cell for row in line for cell in (blank if row is None else cells(row))]
        for line in itertools.zip_longest(*(one.rows for one in found))
    ]
    return list(COLUMNS) * len(found), rows


def cells(row: LayerCoverage) -> list[str]:
    """One line of the table."""
    return [
        row.name,
        "×".join(map(str, row.shape)),
        sizes(row.size),
        sizes(row.smallest),
        f"{row.theoretical:.1%}",
        f"{row.box:.1%}",
        f"{row.effective:.1%}",
        _flags(row),
    ]


def sizes(values: Sequence[int | None]) -> str:
    """One number where all axes agree; a dash for none."""
    texts = ["-" if v is None else str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _flags(row: LayerCoverage) -> str:
    """Unproductive or critical, with the axes if not on all of them."""
    for word, flags in (("unproductive", row.unproductive), ("critical", row.critical)):
        if all(flags):
            return word
        if any(flags):
            letters = "zyx"[-len(flags) :]
            return f"{word} ({', '.join(c for c, f in zip(letters, flags, strict=True) if f)})"
    return ""


def summary(one: eg.Coverage) -> list[str]:
    """What the table comes to, in words."""
    size = "×".join(map(str, one.input_shape))
    inputs = one.inputs
    return [
        f"{one.network or 'network'}, input {size}:",
        f"  box of the theoretical field covers {100 * one.cover:g}% of the image: "
        f"{_from(one.covered_from)}",
        f"  effective field ({one.rule}, {one.threshold:g}) covers "
        f"{100 * one.cover_effective:g}%: {_from(one.effective_from)}",
        f"  unproductive layers: {_count(one.unproductive)}",
        f"  critical layers: {_count(one.critical)}",
        f"  no layer is unproductive from input {sizes(inputs.productive)} on, "
        f"none critical from {sizes(inputs.uncritical)} on",
        f"  no unit sees the whole of an input above {sizes(inputs.covered)}",
    ]


def _from(name: str | None) -> str:
    return "never" if name is None else f"from {name}"


def _count(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return f"{len(names)}, from {names[0]}" if len(names) > 1 else f"1, {names[0]}"
