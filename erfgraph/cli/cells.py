"""``erfgraph cells`` and ``erfgraph match``: fields of a detector's cells and levels."""

from __future__ import annotations

import math
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
    from erfgraph.tasks.detection import Cell
    from erfgraph.tasks.match_results import ClassMatch


def _check(form: str, measure: str, rule: str, threshold: float | None) -> None:
    o.check_form(form)
    o.check_measure(measure)
    o.check_rule(rule, threshold)


def _print(form: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if form == "text":
        from rich.markup import escape  # names come from files

        text.print_table([*map(escape, header)], [[*map(escape, row)] for row in rows])
    else:
        print(FORMATS[form](header, rows), end="")


# --- cells --------------------------------------------------------------------------------


def cells_command(
    net: o.Net,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: Annotated[
        str | None,
        typer.Option(help="Feature map that is the grid; default the last.", show_default=False),
    ] = None,
    measure: o.Measure = "paths",
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
    image: Annotated[
        str | None, typer.Option(help="Photo to draw on, stretched over the input.")
    ] = None,
) -> None:
    """Every cell of an output grid: its centre, theoretical and effective box.

    Boxes are start:stop per axis in pixels; the field counts padding as positions, what is
    seen of the image does not.
    """
    _check(form, measure, rule, threshold)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    if image and path is None:
        raise InputError("--image: goes with a figure, -o")
    photo = None
    if image:
        from erfgraph.figures.photo import read_photo

        photo = read_photo(image)
    made = o.network(net, shape, channels, head)
    with o.progress(f"cells of {made.name}") as advance:
        found = eg.cells(made, layer, rule, threshold, measure, progress=advance)
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            o.write_figure(figures.cells_figure(found, photo), path)
    if as_json:
        text.print_json(found.to_dict())
        return
    _print(form, *cell_rows(found))
    if form == "text":
        text.print_written(path)


def cell_rows(found: eg.Cells) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a table of cells."""
    header = ["cell", "centre", "field", "of the image", "ERF box", "ERF area", "ERF side"]
    return header, [_cell_row(cell) for cell in found]


def _cell_row(cell: Cell) -> list[str]:
    return [
        text.position(cell.unit),
        text.position(cell.centre),
        text.box(cell.box),
        text.box(cell.trf),
        text.box(cell.erf),
        str(cell.area),
        f"{cell.side:.2f}",
    ]


# --- match --------------------------------------------------------------------------------


def match_command(
    net: o.Net,
    coco: Annotated[str, typer.Option(help="COCO-format annotations (.json) of the objects.")],
    level: Annotated[
        list[str],
        typer.Option(help="Feature map that predicts objects; give one or several."),
    ],
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    fit: Annotated[
        str,
        typer.Option(
            metavar="LOW,HIGH",
            help="Sizes that a level suits, over the side of its effective field.",
        ),
    ] = "0.25,1",
    size: Annotated[
        str, typer.Option(help="What is compared: area (√ of it), height or width.")
    ] = "area",
    resize: Annotated[
        str,
        typer.Option(
            help="How images become the input: none, stretch, shorter (side fits, rest "
            "cropped) or longer (side fits, rest padded)."
        ),
    ] = "none",
    anchors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B,…",
            help="Anchor sizes in pixels of the input: once for all levels, or once per level.",
            show_default=False,
        ),
    ] = None,
    strides: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Strides that a configuration gives, one per level."),
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Drop boxes without a size, and say how many.")
    ] = False,
    measure: o.Measure = "paths",
    rule: o.Rule = "peak",
    threshold: o.Threshold = None,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
) -> None:
    """Fields of several levels against the sizes of a data set's objects, per class.

    A level covers an object whose size lies within --fit times the side of the level's
    effective field.
    """
    from erfgraph.tasks.objects import RESIZES, SIZES

    _check(form, measure, rule, threshold)
    o.check_name("size", size, SIZES)
    o.check_name("resize", resize, RESIZES)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    low_high = _numbers("--fit", fit)
    if len(low_high) != 2:
        raise InputError(f"--fit: got {fit!r}, wanted two numbers as 0.25,1")
    given = [_numbers("--anchors", part) for part in anchors or ()]
    made = o.network(net, shape, channels, head)
    for one in level:
        made._resolve(one, "level")  # before a large file is read
    with o.progress(f"reading {coco}") as advance:
        objects = eg.read_coco(coco, lenient, advance)
    found = eg.match_objects(
        made,
        objects,
        level,
        (low_high[0], low_high[1]),
        size=size,
        resize=resize,
        anchors=(given[0] if len(given) == 1 else given) or None,
        strides=_numbers("--strides", strides) if strides is not None else None,
        rule=rule,
        threshold=threshold,
        measure=measure,
    )
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            o.write_figure(figures.match_figure(found), path)
    if as_json:
        text.print_json(found.to_dict())
        return
    if form == "text":
        print_levels(found)
    _print(form, *match_rows(found))
    if form == "text":
        print_notes(found)
        text.print_written(path)


def _numbers(option: str, given: str) -> list[float]:
    try:
        return [float(part) for part in given.split(",")]
    except ValueError:
        raise InputError(f"{option}: got {given!r}, wanted numbers as 32,64") from None


def match_rows(found: eg.ObjectMatch) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a table of classes: counts, sizes, share covered by each level."""
    names = [level.name for level in found.levels]
    header = ["class", "objects", "5%", "median", "95%", *names, "no level"]
    many = [*found.classes, found.total] if len(found.classes) > 1 else [*found.classes]
    return header, [_class_row(one) for one in many]


def _class_row(one: ClassMatch) -> list[str]:
    name = " ".join(one.name.split())
    if not one.count:
        return [name, "0", *["–"] * (4 + len(one.shares))]
    _, low, _, median, _, high, _ = one.quantiles
    sizes = [f"{value:.1f}" for value in (low, median, high)]
    shares = [f"{share:.1%}" for share in (*one.shares, one.uncovered)]
    return [name, str(one.count), *sizes, *shares]


def print_levels(found: eg.ObjectMatch) -> None:
    """The levels' fields, and what a configuration says of them."""
    rows = []
    for level in found.levels:
        stride = "×".join(f"{s:g}" for s in dict.fromkeys(level.stride))
        suits = f"{level.low:.1f} to {level.high:.1f}"
        rows.append([level.name, stride, f"{level.trf:.1f}", f"{level.erf:.1f}", suits])
    text.print_table(["level", "stride", "TRF side", "ERF side", "suits sizes"], rows)
    print()
    if found.anchors:
        header = ["level", "anchor", "over ERF", "over TRF", "suits"]
        text.print_table(
            header,
            [
                [
                    one.level,
                    f"{one.anchor:g}",
                    f"{one.over_erf:.2f}",
                    f"{one.over_trf:.2f}",
                    "yes" if one.suits else "no",
                ]
                for one in found.anchors
            ],
        )
        print()
    for one in found.strides:
        own = "×".join(f"{s:g}" for s in dict.fromkeys(one.stride))
        if not one.agrees:
            print(f"stride of {one.level}: given {one.given:g}, the network's is {own}\n")


def print_notes(found: eg.ObjectMatch) -> None:
    """Which sizes no level covers, and what was left out."""
    for gap in found.total.gaps:
        where = "above" if math.isinf(gap.below) else "below" if not gap.above else "between"
        ends = {
            "above": f"{gap.above:.1f}",
            "below": f"{gap.below:.1f}",
            "between": f"{gap.above:.1f} and {gap.below:.1f}",
        }[where]
        objects = _many(gap.count, "object")
        sizes = f"sizes {gap.smallest:.1f} to {gap.largest:.1f}"
        if gap.smallest == gap.largest:
            sizes = f"size {gap.smallest:.1f}"
        print(f"covered by no level: {objects} of {sizes} px, {where} {ends}")
    read = found.objects
    if read.n_crowd:
        print(f"ignored: {_many(read.n_crowd, 'annotation')} of crowds")
    if read.n_dropped:
        print(f"dropped: {_many(read.n_dropped, 'annotation')} without a size")


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
