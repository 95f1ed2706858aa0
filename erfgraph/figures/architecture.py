"""`architecture_figure`: the layers of a network and the maps between them, with their fields."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from erfgraph.diagram import MERGES, Box, Diagram, diagram, field_label, levels
from erfgraph.errors import InputError, SizeError
from erfgraph.figures import layering, style
from erfgraph.figures import map as single
from erfgraph.figures.layering import Page, Point, Sizes
from erfgraph.figures.style import LINE, AnyFigure, page, place, wrapped, write_lines
from erfgraph.network import Network

PAD = 0.12  # inches, as all lengths here
BOX_TEXT, WIRE_TEXT, PART_TEXT = 6.5, 5.5, 6.0  # points
HIGH, ROW = 0.18, 0.38  # of a box, and from one row to the next
MARGIN = 0.16  # left and right of the columns: room for a part's frame
END = 0.16  # below the last row, for the field of the output
NARROWEST, WIDEST, TALLEST = 4.2, 7.2, 8.6  # of a page in print; larger only if it must be
LARGEST = 1000.0  # square inches
LONG = 20  # characters of a field on one line
EM = 0.58  # width of a character over the size of the font

POOLS = ("max_pool", "avg_pool", "adaptive_pool", "global_pool", "channel_pool")
WINDOWS = ("conv", "conv_transpose", "linear", "attention")
CONV_FILL, POOL_FILL, OTHER_FILL = "#d6e3f3", "#f2d8b1", "#ececec"
WIRE = "#555555"
FRAME: dict[str, Any] = {"fill": False, "edgecolor": "#777777", "lw": 0.7, "ls": (0, (3, 2))}


def architecture_figure(
    net: Network,
    *,
    fold: bool = True,
    figure: AnyFigure | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a network's layers as boxes, and its feature maps as lines with their fields.

    From the input at the top down; a long network is cut into strips that stand side by side.
    On every line stand the size r and the stride s of the receptive field of the map's units;
    in a part that stands for several, those of its first and of its last repetition.

    Parameters
    ----------
    net : Network
    fold : bool, optional
        Whether equal layers in a row, and equal parts in a row, are drawn once, with their
        number (default), or all layers one by one.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    title : str, optional
        Default the network's name.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SizeError
        If the drawing would take more than 1000 square inches.
    InputError
        If `net` is no network, or the figure is too small.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv7s2p3 max3s2p1 res(conv3p1*2)*4", (64, 64))
    >>> figure = architecture_figure(net)
    >>> [text.get_text() for text in figure.axes[0].texts if "r 7," in text.get_text()]
    ['r 7, s 2']
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    with style.paper_style():
        return single._whole(_draw(figure, diagram(net, fold=fold), title))


def _draw(figure: AnyFigure | None, found: Diagram, title: str | None) -> AnyFigure:
    name = title if title is not None else found.net.name or "network"
    given = None if figure is None else style.size_of(figure)
    wide, tall = (style.page_width(None, WIDEST), TALLEST) if given is None else given
    fixed = 2 * PAD + END + 0.12 + layering.ABOVE  # and the texts, of two lines or so
    laid = _page(found, wide - 2 * PAD, tall - fixed - 3 * LINE)
    if laid.width * laid.height > LARGEST:
        raise SizeError(
            f"the drawing would be {laid.width:.0f} x {laid.height:.0f} inches, wanted at most "
            f"{LARGEST:.0f} square inches; list it instead: erfgraph diagram, without -o"
        )
    # a narrow drawing still needs room for its text
    width = style.page_width(figure, max(laid.width + 2 * PAD, min(wide, NARROWEST)))
    head = wrapped(name, width - 2 * PAD - 0.1, 9, bold=True) if name else []
    foot = _foot(found, width - 2 * PAD - 0.1)
    height = laid.height + fixed + LINE * (len(head) + len(foot))
    # slack for rounding to whole dots
    figure = page(figure, width, height, (laid.width + 2 * PAD - 0.02, height - 0.02))
    full, high = style.size_of(figure)
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    write_lines(figure, foot, PAD + len(foot) * LINE, 7, color="#333333")
    bottom = PAD + len(foot) * LINE + 0.12
    room = high - bottom - PAD - len(head) * LINE
    axes = place(figure, (full - laid.width) / 2, bottom, laid.width, room)
    axes.set_xlim(0, laid.width)
    top = laid.height + layering.ABOVE
    axes.set_ylim(top - room, top)
    axes.set_axis_off()
    draw_diagram(axes, found, laid)
    if isinstance(figure, Figure):
        figure.set_label(name)
    return figure


def _foot(found: Diagram, width: float) -> list[str]:
    """What the signs mean that are used."""
    labels = " ".join(box.label for box in found.boxes)
    said = ["r: size of the receptive field in pixels, s: its stride"]
    if any("…" in wire.label for wire in found.wires):
        said.append("a…b: of the first and the last repetition")
    signs = {", /": "/: stride", ", ×": "×: enlargement", ", d": "d: dilation", ", g": "g: groups"}
    said += [meaning for sign, meaning in signs.items() if sign in labels]
    return wrapped("; ".join(said), width, 7)


def _page(found: Diagram, wide: float, tall: float) -> Page:
    """The layout with as few strips as make it fit a page, or come nearest to that."""
    laid = layering.rows_of(found)
    allowed = layering.cuts(found, laid)
    sizes = _sizes(found)
    best: tuple[float, Page] | None = None
    for count in range(1, min(len(allowed) + 1, 12) + 1):
        cut = layering.strips(laid, allowed, count)
        made = layering.page_of(found, laid, cut, sizes)
        over = max(made.width / wide, made.height / tall, 1.0)
        if best is None or over < best[0]:
            best = over, made
        if over == 1.0:
            break
    assert best is not None
    return best[1]


def _sizes(found: Diagram) -> Sizes:
    box = max(_length(_text(b), BOX_TEXT) for b in found.boxes) + 0.1
    lines = [line for wire in found.wires for line in _lines(wire.label).split("\n")]
    wire = max((_length(line, WIRE_TEXT) for line in lines), default=0.0)
    row = ROW + (
        WIRE_TEXT * style.letters() / 72
        if any("\n" in _lines(w.label) for w in found.wires)
        else 0.0
    )
    return Sizes(box, HIGH, max(box, wire) + 0.14, row, 2 * MARGIN)


def _lines(label: str) -> str:
    """A field, on two lines where it is long."""
    return label if len(label) <= LONG else label.replace("…", "\n…", 1)


def _length(text: str, size: float) -> float:
    return EM * len(text) * size * style.letters() / 72


def _text(box: Box) -> str:
    return box.label if box.times == 1 else f"{box.times} × ({box.label})"


def draw_diagram(axes: Axes, found: Diagram, laid: Page) -> None:
    """Lines, boxes, fields and frames.

    Parameters
    ----------
    axes : Axes
        In inches, as `laid` is.
    found : Diagram
    laid : Page
    """
    ends = [[(x, y - HIGH / 2), (x, y - HIGH / 2 - 0.07)] for x, y in _at(found, laid, found.ends)]
    axes.add_collection(
        LineCollection(
            [*laid.lines, *ends], colors=WIRE, linewidths=0.8, zorder=1, label="feature maps"
        ),
        autolim=False,
    )
    tips = [line[-1] for line in laid.lines]
    if tips:
        xs, ys = zip(*tips, strict=True)
        axes.scatter(
            xs,
            [y + 0.018 for y in ys],
            marker="v",
            s=7,
            color=WIRE,
            lw=0,
            zorder=3.5,
            label="ends",
        )
    for part in found.parts:
        _draw_part(axes, found, laid, part)
    width = _sizes(found).box
    for i, box in enumerate(found.boxes):
        _draw_box(axes, box, laid.at[i], width)
    small = WIRE_TEXT * style.letters()
    for text, (x, y) in _wire_labels(found, laid):
        axes.text(x, y, _lines(text), fontsize=small, bbox=_PLAIN, **_WIRE_FONT)
    for i, (x, y) in zip(found.ends, _at(found, laid, found.ends), strict=True):
        axes.text(
            x,
            y - HIGH / 2 - 0.13,
            field_label(found.fields[i][1]),
            fontsize=small,
            bbox=_PLAIN,
            **_WIRE_FONT,
        )


def _at(found: Diagram, laid: Page, boxes: tuple[int, ...]) -> list[Point]:
    return [laid.at[i] for i in boxes]


_PLAIN: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
_WIRE_FONT: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "color": style.DARK,
    "zorder": 5,
    "linespacing": 1.0,
}


def _draw_box(axes: Axes, box: Box, at: Point, width: float) -> None:
    fill = OTHER_FILL
    if box.op in WINDOWS:
        fill = CONV_FILL
    elif box.op in POOLS:
        fill = POOL_FILL
    elif box.op in MERGES:
        fill = "#ffffff"
        width = max(0.4, _length(_text(box), BOX_TEXT) + 0.12)
    x, y = at
    for shift in (0.025, 0.0) if box.times > 1 else (0.0,):  # one behind the other
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2 + shift, y - HIGH / 2 + shift),
                width,
                HIGH,
                boxstyle=f"round,pad=0,rounding_size={0.09 if box.op in MERGES else 0.02}",
                facecolor=fill,
                edgecolor=style.DARK,
                lw=0.6,
                zorder=3,
                label=box.label,
            )
        )
    axes.text(
        x,
        y - 0.004,
        _text(box),
        fontsize=BOX_TEXT * style.letters(),
        ha="center",
        va="center_baseline",
        zorder=4,
    )


def _draw_part(axes: Axes, found: Diagram, laid: Page, part: Any) -> None:
    """A frame around a part, its number and names along the left side."""
    depth = levels(found)
    rows = {depth[b] for b in part.boxes}
    # all that stands in these rows belongs to the part: every path runs through its ends
    inside = [
        xy for p, xy in laid.at.items() if (depth[p] if isinstance(p, int) else p[1]) in rows
    ]
    half = _sizes(found).box / 2 + 0.05
    left, right = min(x for x, _ in inside) - half, max(x for x, _ in inside) + half
    low, high = min(y for _, y in inside) - HIGH / 2, max(y for _, y in inside) + HIGH / 2
    low, high = low - 0.045, high + 0.05
    label = f"×{part.times}"
    axes.add_patch(
        Rectangle((left, low), right - left, high - low, label=label, zorder=0.5, **FRAME)
    )
    names = f"{label}  {found.names(part.boxes[-1])}"
    text = names if _length(names, PART_TEXT) < high - low else label
    axes.text(
        left - 0.03,
        (low + high) / 2,
        text,
        fontsize=PART_TEXT * style.letters(),
        rotation=90,
        ha="right",
        va="center",
        color=style.DARK,
    )


def _wire_labels(found: Diagram, laid: Page) -> list[tuple[str, Point]]:
    """The fields, each on its line; a line that is shared by several wires has one."""
    depth = levels(found)
    out = [0] * len(found.boxes)
    for wire in found.wires:
        out[wire.source] += 1
    said: set[tuple[int, str]] = set()
    labels = []
    for wire, line in zip(found.wires, laid.lines, strict=True):
        passed = list(range(depth[wire.source] + 1, depth[wire.target]))
        if passed:
            if (wire.source, wire.label) not in said:
                labels.append((wire.label, laid.at[wire.source, passed[len(passed) // 2]]))
            said.add((wire.source, wire.label))
            continue
        (x0, y0), (x1, y1) = line[-2], line[-1]
        share = 0.5 if x0 == x1 else 0.62 if out[wire.source] > 1 else 0.38
        y = y0 + share * (y1 - y0)
        labels.append((wire.label, (x0 + share * (x1 - x0), y)))
    return labels
