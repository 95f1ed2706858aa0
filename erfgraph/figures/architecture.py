"""`architecture_figure`: the layers of a network and the maps between them, with their fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from erfgraph.diagram import Diagram
from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style
from erfgraph.figures.diagrams import boxes as b
from erfgraph.figures.diagrams.boxes import Drawn, points, width_of
from erfgraph.figures.diagrams.fitting import Fitted, fitted
from erfgraph.figures.diagrams.strips import Point
from erfgraph.figures.given import panel_axes
from erfgraph.figures.style import LINE, AnyFigure, page, place, wrapped, write_lines
from erfgraph.layer_labels import MERGES
from erfgraph.network import Network

PAD = 0.12  # inches, as all lengths here
NARROWEST, WIDEST, TALLEST = 3.2, 7.2, 9.4  # of a page in print; larger only if it must be

POOLS = ("max_pool", "avg_pool", "adaptive_pool", "global_pool", "channel_pool")
WINDOWS = ("conv", "conv_transpose", "linear", "attention")
CONV_FILL, POOL_FILL, OTHER_FILL = "#d6e3f3", "#f2d8b1", "#ececec"
BLOCK_FILL, STAGE_FILL = "#dcebdc", "#e6def0"
WIRE = "#555555"
SIGNS = {
    r", /\d": "/: stride",
    r", ×\d": "×: enlargement",
    r", d\d": "d: dilation",
    r", g\d": "g: groups",
    r"\d dw\b": "dw: depthwise",
    r"\bSE\b": "SE: squeeze-and-excitation",
}
FRAME: dict[str, Any] = {"fill": False, "edgecolor": "#777777", "lw": 0.7, "ls": (0, (3, 2))}


def architecture_figure(
    net: Network,
    *,
    fold: bool = True,
    detail: str | None = None,
    ax: Axes | None = None,
    figure: AnyFigure | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a network's layers as boxes, and its feature maps as lines with their fields.

    From the input at the top down; a long network is cut into strips that stand side by side.
    Below every box, on the line that leaves it, stand the size r and the stride s of the
    receptive field of the map's units; in a part that stands for several, those of its first and
    of its last repetition. At a merge it is the field of all that meets there.

    Parameters
    ----------
    net : Network
    fold : bool, optional
        Whether equal layers in a row, and equal parts in a row, are drawn once, with their
        number (default), or all layers one by one.
    detail : str, optional
        What a box stands for: ``"layers"``, ``"blocks"`` (what lies between a fork and its
        merge) or ``"stages"`` (besides, what follows each other at one size). Default the first
        of them with which the drawing fits its page.
    ax : Axes, optional
        Axes of yours to draw the diagram alone into, without heading and foot. It is laid out
        for the size that they have; their limits are set, and their frame is taken off.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    title : str, optional
        Default the network's name; with `ax` none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SizeError
        If the drawing would take more than 1000 square inches.
    InputError
        If `net` is no network, the figure or axes are too small, or are none, or both are given.
    NameLookupError
        If the detail is unknown.

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
        if ax is not None:
            return _draw_into(panel_axes(ax, ["the diagram"], figure)[0], net, fold, detail, title)
        return single._whole(_draw(figure, net, fold, detail, title))


def _draw(
    figure: AnyFigure | None, net: Network, fold: bool, detail: str | None, title: str | None
) -> AnyFigure:
    name = title if title is not None else net.name or "network"
    given = None if figure is None else style.size_of(figure)
    wide, tall = (style.page_width(None, WIDEST), TALLEST) if given is None else given
    fixed = 2 * PAD + 0.12
    texts = LINE * (4 if name else 3)  # of two lines or so
    made = fitted(net, fold, detail, (wide - 2 * PAD, tall - fixed - texts))
    laid = made.page
    # a narrow drawing still needs room for its text
    width = style.page_width(figure, max(laid.width + 2 * PAD, min(wide, NARROWEST)))
    head = wrapped(name, width - 2 * PAD - 0.1, 9, bold=True) if name else []
    foot = wrapped("; ".join(signs(made)), width - 2 * PAD - 0.1, 7)
    height = laid.height + fixed + LINE * (len(head) + len(foot))
    # slack for rounding to whole dots
    figure = page(figure, width, height, (laid.width + 2 * PAD - 0.02, height - 0.02))
    full, high = style.size_of(figure)
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    write_lines(figure, foot, PAD + len(foot) * LINE, 7, color="#333333")
    bottom = PAD + len(foot) * LINE + 0.06
    room = high - bottom - PAD - len(head) * LINE
    axes = place(figure, (full - laid.width) / 2, bottom, laid.width, room)
    axes.set_xlim(0, laid.width)
    axes.set_ylim(laid.height - room, laid.height)
    axes.set_axis_off()
    draw_diagram(axes, made)
    if isinstance(figure, Figure):
        figure.set_label(name)
    return figure


def _draw_into(
    axes: Axes, net: Network, fold: bool, detail: str | None, title: str | None
) -> Figure:
    """The diagram in the middle of axes that are given, at the size of print."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # for the type checker: `panel_axes` has looked
    box = axes.get_window_extent()
    wide, tall = box.width / figure.dpi, box.height / figure.dpi
    made = fitted(net, fold, detail, (wide, tall))
    laid = made.page
    if laid.width > wide + 0.02 or laid.height > tall + 0.02:
        raise InputError(
            f"ax: got {wide:.1f} x {tall:.1f} inches, wanted at least "
            f"{laid.width:.1f} x {laid.height:.1f} for this network"
        )
    left, low = (wide - laid.width) / 2, (tall - laid.height) / 2
    axes.set_xlim(-left, wide - left)
    axes.set_ylim(-low, tall - low)
    axes.set_axis_off()
    draw_diagram(axes, made)
    if title is not None:
        axes.set_title(title)
    return figure


def signs(made: Fitted) -> list[str]:
    """What the signs mean that are used."""
    found = made.found
    labels = " ".join(box.label for box in found.boxes)
    said = ["r: size of the receptive field in pixels, s: its stride"]
    if any("…" in box.field for box in made.drawn):
        said.append("a…b: of the first and the last repetition")
    said += [meaning for sign, meaning in SIGNS.items() if re.search(sign, labels)]
    if found.misaligned:
        said.append(f"{b.MISALIGNED}: branches whose centres or strides differ")
    return said


def draw_diagram(axes: Axes, made: Fitted) -> None:
    """Lines, boxes, fields and frames.

    Parameters
    ----------
    axes : Axes
        In inches, as the page is.
    made : Fitted
    """
    found, laid = made.found, made.page
    lines = [line for ways in laid.lines for line in ways]
    axes.add_collection(
        LineCollection(
            [*once(lines), *_stems(made)], colors=WIRE, linewidths=0.8, zorder=1, label="maps"
        ),
        autolim=False,
    )
    _draw_tips(axes, lines)
    for k, frame in enumerate(laid.frames):
        _draw_frame(axes, found, k, frame)
    for i, drawn in enumerate(made.drawn):
        _draw_box(axes, found, i, drawn, laid.at[i])
    notes = [(drawn.field, laid.fields[i]) for i, drawn in enumerate(made.drawn)]
    for text, at in [*notes, *laid.notes]:
        axes.text(
            *at,
            text,
            fontsize=points(b.WIRE_TEXT),
            ha="center",
            va="center",
            color=style.DARK,
            zorder=5,
            linespacing=1.0,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )


def _draw_tips(axes: Axes, lines: Sequence[Sequence[Point]]) -> None:
    """Arrow heads where lines end, from above, from below, or from the left."""
    tips: dict[str, dict[Point, None]] = {}
    for line in lines:
        (_, y0), (x, y) = line[-2:]
        shape = ">" if abs(y - y0) < 1e-6 else "v" if y < y0 else "^"
        back = {">": (x - 0.018, y), "v": (x, y + 0.018), "^": (x, y - 0.018)}[shape]
        tips.setdefault(shape, {})[back] = None
    for shape, places in tips.items():
        xs, ys = zip(*places, strict=True)
        axes.scatter(xs, ys, marker=shape, s=7, color=WIRE, lw=0, zorder=3.5, label="ends")


def once(lines: Sequence[Sequence[Point]]) -> list[list[Point]]:
    """The lines without what others before them have in common with their beginning or end."""
    done: set[tuple[Point, Point]] = set()
    found = []
    for line in lines:
        steps = list(pairwise(line))
        fresh = [k for k, step in enumerate(steps) if step not in done]
        done.update(steps)
        if fresh:
            found.append(list(line[fresh[0] : fresh[-1] + 2]))
    return found


def _stems(made: Fitted) -> list[list[Point]]:
    """Lines from boxes that nothing reads to the fields below them."""
    found = []
    for i in made.found.ends:
        (x, y), (_, end) = made.page.at[i], made.page.fields[i]
        half = made.drawn[i].high / 2
        found.append([(x, y + (half if end > y else -half)), (x, end)])
    return found


def fill_of(op: str) -> str:
    """The colour of a box."""
    kinds = {"block": BLOCK_FILL, "stage": STAGE_FILL, "fusion": "#ffffff"}
    kinds |= dict.fromkeys(WINDOWS, CONV_FILL) | dict.fromkeys(POOLS, POOL_FILL)
    return (kinds | dict.fromkeys(MERGES, "#ffffff")).get(op, OTHER_FILL)


def _draw_box(axes: Axes, found: Diagram, i: int, drawn: Drawn, at: Point) -> None:
    box, (x, y) = found.boxes[i], at
    for shift in (0.025, 0.0) if box.times > 1 else (0.0,):  # one behind the other
        axes.add_patch(
            FancyBboxPatch(
                (x - drawn.width / 2 + shift, y - drawn.high / 2 + shift),
                drawn.width,
                drawn.high,
                boxstyle=f"round,pad=0,rounding_size={0.08 if box.op in MERGES else 0.02}",
                facecolor=fill_of(box.op),
                edgecolor=style.DARK,
                lw=0.6,
                zorder=3,
                label=box.label,
            )
        )
    high = points(b.BOX_TEXT) * b.LEADING / 72
    top = y + drawn.high / 2 - b.ABOVE
    for k, line in enumerate(drawn.lines):
        _write(axes, x, top - (k + 0.5) * high, line, points(b.BOX_TEXT))
    if drawn.name:
        low = y - drawn.high / 2 + b.ABOVE + points(b.NAME_TEXT) * b.LEADING / 144
        _write(axes, x, low, drawn.name, points(b.NAME_TEXT), color="#444444")


def _write(axes: Axes, x: float, y: float, text: str, size: float, **options: Any) -> None:
    axes.text(
        x, y - 0.004, text, fontsize=size, ha="center", va="center_baseline", zorder=4, **options
    )


def _draw_frame(axes: Axes, found: Diagram, k: int, frame: Sequence[float]) -> None:
    """A frame around a part, its number and names along the left side."""
    left, low, right, high = frame
    part = found.parts[k]
    label = f"×{part.times}"
    axes.add_patch(
        Rectangle((left, low), right - left, high - low, label=label, zorder=0.5, **FRAME)
    )
    size = points(b.PART_TEXT)
    names = f"{label}  {found.names(part.boxes[-1])}"
    axes.text(
        left - 0.02,
        (low + high) / 2,
        names if width_of(names, size) < high - low else label,
        fontsize=size,
        rotation=90,
        ha="right",
        va="center",
        color=style.DARK,
    )
