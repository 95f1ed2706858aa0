"""``erfgraph scales``: the field sizes that a network couples, holes, unevenness, overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.files import check_target
from erfgraph.tables import FORMATS

if TYPE_CHECKING:
    from erfgraph.path_classes import By
    from erfgraph.scale_spectrum import Size

MOST_ROWS = 24  # of a table for people; others are summarised


def scales_command(
    nets: o.Nets,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    layer: o.Layer = None,
    unit: o.Unit = None,
    by: Annotated[
        str, typer.Option(help="Tell sub-paths apart by field size, or by depth.")
    ] = "size",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="How it is printed: text; or the whole spectrum as markdown, csv or latex.",
        ),
    ] = "text",
    drawn: Annotated[
        str,
        typer.Option(
            "--figure",
            help="What -o draws: the spectrum, the holes (gridding), or how uneven paths into "
            "units are (checkerboard).",
        ),
    ] = "spectrum",
    as_json: o.Json = False,
    output: o.Output = None,
    paper: o.Paper = None,
    columns: o.Columns = None,
) -> None:
    """Field sizes that a network's branches couple, and the share of paths behind each.

    A sub-path is a way through the feature maps, one branch at every merge; paths go through
    positions, borders ignored. Below: holes in the field (dilated layers), uneven coverage
    (transposed layers), and how far tiles of a large image must overlap.
    """
    from erfgraph.scale_spectrum import BY

    o.check_name("--by", by, BY)
    o.check_name("--figure", drawn, DRAWN)
    o.check_form(form)
    path = check_target(output, o.FIGURES) if output is not None else None
    o.check_paper(paper, columns, path)
    at = o.position_of(unit)
    kind = cast("By", by)
    made = [o.network(source, shape, channels, head) for source in nets]
    found = [eg.spectrum(net, layer, at, kind) for net in made]
    if path:
        with o.on_paper(paper, columns):
            o.write_figure(DRAWN[drawn](made, found), path)
    if as_json:
        documents = [_document(net, one) for net, one in zip(made, found, strict=True)]
        text.print_json(documents[0] if len(documents) == 1 else documents)
        return
    if form != "text":
        with text.all_digits():
            print(FORMATS[form](*joint_table(found)), end="")
        return
    for i, (net, one) in enumerate(zip(made, found, strict=True)):
        if i:
            print()
        _print(net, one)
    text.print_written(path)


# --- figures --------------------------------------------------------------------------------


def _spectrum_figure(nets: Sequence[eg.Network], found: Sequence[eg.Spectrum]) -> Any:
    from erfgraph.figures import scale_figure

    return scale_figure(found)


def _gridding_figure(nets: Sequence[eg.Network], found: Sequence[eg.Spectrum]) -> Any:
    from erfgraph.figures import gridding_figure

    pairs = zip(nets, found, strict=True)
    return gridding_figure([eg.importance(net, one.layer, one.unit) for net, one in pairs])


def _checkerboard_figure(nets: Sequence[eg.Network], found: Sequence[eg.Spectrum]) -> Any:
    from erfgraph.figures import checkerboard_figure

    names = [f"{net.name or 'network'}, {one.layer}" for net, one in zip(nets, found, strict=True)]
    boards = [eg.checkerboard(net, one.layer) for net, one in zip(nets, found, strict=True)]
    return checkerboard_figure(boards, names=names)


DRAWN = {
    "spectrum": _spectrum_figure,
    "gridding": _gridding_figure,
    "checkerboard": _checkerboard_figure,
}


def _findings(net: eg.Network, one: eg.Spectrum) -> tuple[eg.Gridding, eg.Checkerboard, eg.Halo]:
    return (
        eg.gridding(net, one.layer, one.unit),
        eg.checkerboard(net, one.layer, counts=False),
        eg.halo(net, one.layer),
    )


def _document(net: eg.Network, one: eg.Spectrum) -> dict[str, Any]:
    holes, uneven, overlap = _findings(net, one)
    return {
        "network": net.name,
        "input_shape": list(net.input.shape),
        "layer": one.layer,
        "unit": list(one.unit),
        "spectrum": one.to_dict(),
        "gridding": holes.to_dict(),
        "checkerboard": uneven.to_dict(),
        "halo": overlap.to_dict(),
    }


# --- tables ---------------------------------------------------------------------------------


def whole_table(one: eg.Spectrum) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the spectrum, a line each key, numbers in full."""
    rows = [
        [_key(key), str(ways), str(paths), f"{of_ways:.6g}", f"{of_paths:.6g}"]
        for key, ways, paths, of_ways, of_paths in zip(
            one.keys,
            one.subpaths,
            one.paths,
            one.share_of_subpaths,
            one.share_of_paths,
            strict=True,
        )
    ]
    return [one.by, "sub-paths", "paths", "share of sub-paths", "share of paths"], rows


def joint_table(found: Sequence[eg.Spectrum]) -> tuple[list[str], list[list[str]]]:
    """The spectra of several networks below each other, the network in the first column."""
    tables = [whole_table(one) for one in found]
    if len(found) == 1:
        return tables[0]
    rows = [
        [str(one.network or "network"), *row]
        for one, (_, lines) in zip(found, tables, strict=True)
        for row in lines
    ]
    return ["network", *tables[0][0]], rows


def short_table(one: eg.Spectrum) -> tuple[list[str], list[list[str]]]:
    """The same for people: neighbouring keys in one line where there are many."""
    groups = _grouped(one.keys)
    total_ways, total_paths = one.total_subpaths, one.total_paths
    rows = []
    for group in groups:
        ways, paths = sum(one.subpaths[i] for i in group), sum(one.paths[i] for i in group)
        ends = list(dict.fromkeys((_key(one.keys[group[0]]), _key(one.keys[group[-1]]))))
        rows.append(
            [
                " to ".join(ends),
                text.number(ways),
                text.number(paths),
                _share(ways, total_ways),
                _share(paths, total_paths),
            ]
        )
    return ["field" if one.by == "size" else "depth", *whole_table(one)[0][1:]], rows


def _grouped(keys: Sequence[Size]) -> list[list[int]]:
    """Numbers of the keys that share a line: at most `MOST_ROWS` lines, of equal ranges."""
    if len(keys) <= MOST_ROWS:
        return [[i] for i in range(len(keys))]
    sizes = [key[0] for key in keys if None not in key]
    least, most = min(s or 0 for s in sizes), max(s or 0 for s in sizes)
    groups: dict[int, list[int]] = {}
    for i, key in enumerate(keys):
        # what has no size of its own gets a line of its own
        bin_ = MOST_ROWS + i
        if None not in key:
            bin_ = ((key[0] or 0) - least) * (MOST_ROWS - 4) // (most - least + 1)
        groups.setdefault(bin_, []).append(i)
    return [groups[b] for b in sorted(groups)]


def _key(key: Size) -> str:
    texts = ["whole map" if k is None else str(k) for k in key]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _share(part: int, total: int) -> str:
    if not total:
        return "-"
    share = float(Fraction(part, total))
    return "<0.01%" if part and share < 0.00005 else f"{share:.2%}"


# --- words ----------------------------------------------------------------------------------


def _print(net: eg.Network, one: eg.Spectrum) -> None:
    size = "×".join(map(str, one.input_shape))
    print(f"{net.name or 'network'}, input {size}, unit {text.position(one.unit)} of {one.layer}")
    text.print_table(*short_table(one))
    print()
    for line in summary(one, *_findings(net, one)):
        print(line)


def summary(
    one: eg.Spectrum, holes: eg.Gridding, uneven: eg.Checkerboard, overlap: eg.Halo
) -> list[str]:
    """What the table comes to, in words."""
    n = len(one.keys)
    noun = ("field size" if one.by == "size" else "depth") + ("s" if n != 1 else "")
    ways = one.total_subpaths
    lines = [f"{n} {noun}, {text.number(ways)} sub-path{'s' if ways != 1 else ''}"]
    for weight, name in (("subpaths", "sub-paths"), ("paths", "paths")):
        q = [_key(one.quantile(share, weight)) for share in (0.05, 0.5, 0.95)]
        means = ["-" if math.isnan(m) else f"{m:.1f}" for m in one.mean(weight)]
        mean = means[0] if len(set(means)) == 1 else "×".join(means)
        lines.append(f"by {name}: median {q[1]}, 90% within {q[0]} to {q[2]}, mean {mean}")
    return [*lines, _holes(holes), _unevenness(uneven), *_overlap(overlap)]


def _holes(found: eg.Gridding) -> str:
    if found.box is None:
        return "holes: no path leads to the unit"
    said = f"holes: {found.holes} of {found.units} units in the field's box have no path"
    said += f" ({found.share_of_holes:.1%})"
    if not found.holes:
        return said
    if None in found.period:
        return f"{said}; paths lie on every {_each(found.lattice)}"
    return f"{said}; they repeat every {_each(found.period)}"


def _unevenness(found: eg.Checkerboard) -> str:
    if not found.contrast:
        return "paths into units: even away from the border"
    return f"paths into units: uneven, contrast {found.contrast:.3f}, period {_each(found.period)}"


def _overlap(found: eg.Halo) -> list[str]:
    lines = []
    if any(v is not None for v in found.before):
        pairs = [
            "-" if b is None else f"{b} before and {a} after"
            for b, a in zip(found.before, found.after, strict=True)
        ]
        lines.append(
            f"tiles: overlap {_each(pairs)}; cut at multiples of "
            f"{_each(['-' if a is None else a for a in found.alignment])}"
        )
    if any(v is None for v in found.before):
        names = ", ".join(found.whole[:4]) + (", …" if len(found.whole) > 4 else "")
        verb = "depends" if len(found.whole) == 1 else "depend"
        why = f" ({names} {verb} on the whole map)" if names else " (branches differ in stride)"
        lines.append(f"tiles: none on {'some axes' if lines else 'any axis'}{why}")
    return lines


def _each(values: Sequence[object]) -> str:
    texts = [str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else " × ".join(texts)
