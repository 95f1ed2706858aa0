"""What the commands print for people."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import erfgraph as eg
from erfgraph.files import write_whole

PIPE_WIDTH = 200  # a pipe has no width; rows should not be folded there
MOST_VALUES = 40  # a map of so many units is shown in full


def console() -> Any:
    """A console for standard output."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def table(*columns: str) -> Any:
    """An empty table; all columns but the first are right-aligned."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for i, column in enumerate(columns):
        made.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    return made


def number(value: float, log10_scale: float = 0.0) -> str:
    """A count in full while it can be read, else in powers of ten.

    Examples
    --------
    >>> number(2602870608208896), number(10**30), number(0.5), number(1.5, 300.0)
    ('2602870608208896', '1.000e+30', '0.5', '1.500e+300')
    """
    if log10_scale == 0 and abs(value) < 1e18:
        return str(value) if isinstance(value, int) else f"{value:.6g}"
    exponent = (math.log10(value) if value else 0.0) + log10_scale
    whole = math.floor(exponent)
    return f"{10 ** (exponent - whole):.3f}e+{whole}"


def box(bbox: Any) -> str:
    """A box as start:stop per axis."""
    return " x ".join(f"{start}:{stop}" for start, stop in bbox) if bbox else "empty"


def position(at: Sequence[float]) -> str:
    """A position as (y, x)."""
    return "(" + ", ".join(f"{v:g}" for v in at) + ")"


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(_json(document))


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], titles: Sequence[str] = ()
) -> None:
    """A table; with several titles, each over its share of the columns."""
    made = table(*header)
    if len(titles) > 1:
        width = len(header) // len(titles)
        made.columns[0].header = header[0]
        for i, title in enumerate(titles):
            made.columns[i * width].header = f"{title}\n{header[i * width]}"
            made.columns[i * width].justify = "left"
    for row in rows:
        made.add_row(*row)
    console().print(made)


def print_maps(maps: Sequence[eg.ImportanceMap], fields: Sequence[eg.ERF]) -> None:
    """Numbers of one or more maps, one column each."""
    made = table("", *(str(m.network or "network") for m in maps))
    rows: dict[str, list[str]] = {}
    for m, field in zip(maps, fields, strict=True):
        for key, value in map_rows(m, field).items():
            rows.setdefault(key, []).append(value)
    for key, values in rows.items():
        made.add_row(key, *values)
    out = console()
    out.print(made)
    for m in maps:
        if len(m.shape) == 1 and m.shape[0] <= MOST_VALUES and m.exact and m.peak.value < 10**12:
            out.print(f"{m.network}: " + " ".join(map(str, m.values.tolist())), soft_wrap=True)


def map_rows(m: eg.ImportanceMap, field: eg.ERF, *, shape: bool = True) -> dict[str, str]:
    """Numbers of a map and of its effective field by what they are; its shape's on demand."""
    scale = m.log10_scale
    size = " x ".join(map(str, m.trf.size))
    counted = f"channel {m.measure}" if m.channels == "count" else m.measure
    rows = {
        f"{m.of} shape" if m.of != "input" else "input": " x ".join(map(str, m.shape)),
        "unit": f"{m.layer} {position(m.unit)}",
        f"{counted}, total": number(m.total, scale),
        f"{counted}, largest": f"{number(m.peak.value, scale)} at {position(m.peak.position)}",
        "theoretical field": f"{size}  [{box(m.trf.bbox)}]",
        "units without a path": str(m.holes),
        f"ERF ({field.rule}, {field.threshold:g})": f"{field.area} units",
        "ERF side": f"{field.size:.2f}",
        "ERF box": box(field.bbox),
        "share of theoretical": f"{field.share_of_trf:.2%}",
        "share of input": f"{field.share_of_input:.2%}",
    }
    if not shape:
        return rows
    return rows | {
        "centre of mass": position([round(c, 3) for c in m.centre_of_mass]),
        "standard deviation": position([round(s, 3) for s in m.std]),
        "isotropy": f"{m.isotropy:.3f}",
    }


def print_graph(net: eg.Network, built: eg.Graph | None) -> None:
    """Size of a graph, map by map."""
    made = table("feature map", "shape", "units", "reads", "edges in")
    for m in net.maps:
        sources = ", ".join(dict.fromkeys(net.maps[link.src].name for link in m.links))
        edges = (
            sum(int(b.nnz) for (_, dst), b in built.blocks.items() if dst == m.index)
            if built is not None
            else None
        )
        made.add_row(
            m.name,
            "x".join(map(str, m.shape)),
            str(math.prod(m.shape)),
            sources,
            "" if edges is None else str(edges),
        )
    out = console()
    out.print(made)
    if built is not None:
        held = built.n_bytes / max(built.n_edges, 1)
        out.print(f"{built.n_units} units, {built.n_edges} edges, {held:.1f} bytes an edge")
    else:
        size = eg.graph_size(net)
        out.print(f"{size.n_units} units, at most {size.n_edges} edges")


def print_zoo(rows: Sequence[dict[str, Any]]) -> None:
    """The architectures, a line each, under the paper that they come from."""
    cells = [
        (
            row["name"],
            "x".join(map(str, row["input_shape"])),
            *(str(row[key]) for key in ("feature_maps", "convolutions", "depth")),
            *(_per_axis(row[key]) for key in ("field", "stride")),
        )
        for row in rows
    ]
    header = ("name", "input", "maps", "convs", "depth", "field", "stride")
    least = ("deeplabv3_mobilenet_v3_large", "999x999x999", "9999", "9999", "999", "999x999", "")
    columns = zip(header, least, *cells, strict=True)
    widths = [max(map(len, column)) for column in columns]

    def line(values: Sequence[str]) -> str:
        first, *rest = (v.rjust(w) for v, w in zip(values, widths, strict=True))
        return "  ".join([first.strip().ljust(widths[0]), *rest])

    print("  " + line(header))
    for paper, group in groupby(zip(rows, cells, strict=True), lambda pair: pair[0]["paper"]):
        print(paper)
        for _, values in group:
            print("  " + line(values))
    print(
        "\nmaps: feature maps; convs: all convolutions; depth: most convolutions, linear and"
        "\nattention layers on one way to the last map; field, stride: size and stride of the"
        "\ntheoretical receptive field of its units"
    )


def _per_axis(values: Sequence[float]) -> str:
    """One number per axis, or one for all if they are equal."""
    texts = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def print_written(*paths: Path | None) -> None:
    """Which files were written."""
    for path in paths:
        if path is not None:
            print(f"wrote {path}")


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file, whole or not at all."""
    data = _json(document).encode() + b"\n"
    write_whole(path, lambda file: file.write(data))


def _json(document: Any) -> str:
    with all_digits():
        return json.dumps(document, allow_nan=False)


@contextlib.contextmanager
def all_digits() -> Iterator[None]:
    """Integers as texts of any length; by itself Python stops at some thousand digits."""
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(usual)
