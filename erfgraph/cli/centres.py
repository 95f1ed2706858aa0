"""``erfgraph centres``: where the fields of the units are centred."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.errors import InputError
from erfgraph.files import check_target
from erfgraph.tables import FORMATS


def centres_command(
    net: o.Net,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Feature map, may be repeated; default one of every size.", show_default=False
        ),
    ] = None,
    extent: Annotated[
        str | None,
        typer.Option(
            "--object",
            metavar="HxW",
            help="Size of an object: the chance that it contains a centre.",
        ),
    ] = None,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
    image: Annotated[
        str | None, typer.Option(help="Photo to draw on, stretched over the input.")
    ] = None,
) -> None:
    """Centres of the units' receptive fields: their grid, its density, who is hit by it.

    The object lies wholly inside the image, every position of whole pixels equally likely.
    """
    from erfgraph.centre_grid import centre_grids

    o.check_form(form)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    if image and path is None:
        raise InputError("--image: goes with a figure, -o")
    photo = None
    if image:
        from erfgraph.figures.photo import read_photo

        photo = read_photo(image)
    made = o.network(net, shape, channels, head)
    sides = size_of(extent, made.ndim)
    found = centre_grids(made, layer or None)
    chances = [None if sides is None else grid.hit_chance(sides) for grid in found]
    if path:
        from erfgraph import figures

        with o.on_paper(paper, columns):
            drawn = figures.centre_figure(
                made, [grid.layer for grid in found], photo, object_size=sides
            )
            o.write_figure(drawn, path)
    if as_json:
        rows = [
            {**grid.to_dict(), "object": list(sides), "hit_chance": chance}
            if sides
            else grid.to_dict()
            for grid, chance in zip(found, chances, strict=True)
        ]
        shared = {"network": made.name, "input_shape": list(made.input.shape)}
        text.print_json({**shared, "rows": rows})
        return
    header = ["feature map", "shape", "field", "every", "first", "last", "inside", "per pixel"]
    header += [f"hits {extent}"] if sides else []
    lines = [cells(grid, chance) for grid, chance in zip(found, chances, strict=True)]
    if form == "text":
        text.print_table(header, lines)
        text.print_written(path)
    else:
        print(FORMATS[form](header, lines), end="")


def size_of(extent: str | None, ndim: int) -> tuple[int, ...] | None:
    """An object's size from 32x24; one number stands for all axes.

    Examples
    --------
    >>> size_of("32x24", 2), size_of("32", 2)
    ((32, 24), (32, 32))
    """
    if extent is None:
        return None
    try:
        sizes = tuple(int(part) for part in extent.lower().split("x"))
    except ValueError:
        raise InputError(f"--object: got {extent!r}, wanted a size as 32x24 or 32") from None
    return sizes * ndim if len(sizes) == 1 else sizes


def cells(grid: eg.Centres, chance: float | None) -> list[str]:
    """One line of the table."""
    ends = [
        text.position([axis[at] for axis in grid.axes]) if math.prod(grid.shape) else ""
        for at in (0, -1)
    ]
    return [
        grid.layer,
        "×".join(map(str, grid.shape)),
        _per_axis(grid.size),
        _per_axis(grid.spacing),
        *ends,
        str(grid.inside),
        f"{grid.density:.3g}",
        *([] if chance is None else [f"{chance:.2%}"]),
    ]


def _per_axis(values: Sequence[int | Fraction]) -> str:
    """One number where all axes agree."""
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))
