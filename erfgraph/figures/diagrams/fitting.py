"""How much detail of a network, in how many strips, fits a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from erfgraph.diagram import Diagram, diagram
from erfgraph.errors import SizeError
from erfgraph.figures.diagrams.boxes import Drawn, drawn_boxes, used_room
from erfgraph.figures.diagrams.cutting import cut_rows, lanes_before
from erfgraph.figures.diagrams.layering import Rows, rows_of
from erfgraph.figures.diagrams.strips import ENTER, GAP, LANE, Page, page_of, zone
from erfgraph.figures.diagrams.ushape import u_page
from erfgraph.grouping import DETAILS
from erfgraph.network import Network

LARGEST = 1000.0  # square inches
MOST_STRIPS = 12
LANES = (1, 4)  # maps that may go from one strip to the next: one if that fits
STRIP, SEVERAL = 2.0, 4.0  # inches of height that it must save to cut, and with several maps
LOW = 0.8  # height of a U over that of one strip, at most
HANDY, MUCH = 6.0, 0.7  # height in inches that is low enough, and what is much lower
Size = tuple[float, float]  # width and height in inches


@dataclass(frozen=True, slots=True)
class Fitted:
    """A diagram and its places on a page.

    Attributes
    ----------
    found : Diagram
    drawn : list of Drawn
        Of its boxes.
    page : Page
    """

    found: Diagram
    drawn: list[Drawn]
    page: Page


def fitted(net: Network, fold: bool, detail: str | None, size: Size) -> Fitted:
    """The diagram with most detail that fits a page, or comes nearest to that.

    Parameters
    ----------
    net : Network
    fold : bool
    detail : str or None
        That detail and no other.
    size : (float, float)
        Room for the drawing.
    """
    best: tuple[float, Fitted] | None = None
    for name in DETAILS if detail is None else (detail,):
        found = diagram(net, fold=fold, detail=name)
        for narrow in (False, True):
            drawn = drawn_boxes(found, narrow=narrow)
            last = detail is not None or name == DETAILS[-1]
            if not last and used_room(drawn) > size[0] * size[1]:
                continue
            _check_size(used_room(drawn))
            page = _page(found, drawn, size)
            over = _over(page.width, page.height, size)
            lower = best is not None and page.height < MUCH * best[1].page.height
            if best is None or over < best[0] or (over == best[0] == 1.0 and lower):
                best = over, Fitted(found, drawn, page)
            if over == 1.0 and page.height <= HANDY:
                break
        if best is not None and best[0] == 1.0:
            break
    assert best is not None
    return best[1]


def _over(width: float, height: float, size: Size) -> float:
    return max(width / size[0], height / size[1], 1.0)


def _page(found: Diagram, drawn: Sequence[Drawn], size: Size) -> Page:
    """The layout with as few strips as make it fit, or come nearest to that."""
    laid = rows_of(found, [b.room + GAP for b in drawn], size[0])
    guesses = sorted(_guesses(laid, drawn, size))
    best: tuple[float, Page] | None = None
    turned = u_page(found, laid, drawn)
    if turned is not None and turned.height < LOW * _height(laid, drawn):
        best = _over(turned.width, turned.height, size), turned
        if best[0] == 1.0:
            return turned
    _check_size(guesses[0][3])
    for guess, _, starts, _ in guesses:
        if best is not None and guess > 1.0:  # none of those that follow fits
            break
        page = page_of(found, laid, drawn, starts)
        over = _over(page.width, page.height, size)
        if best is None or over < best[0]:
            best = over, page
        if over == 1.0:
            break
    assert best is not None
    return best[1]


def _check_size(room: float) -> None:
    if room > LARGEST:
        raise SizeError(
            f"the drawing would take {room:.0f} square inches, wanted at most {LARGEST:.0f}; "
            "take less detail (blocks, stages), or list it instead: erfgraph diagram, without -o"
        )


def _height(laid: Rows, drawn: Sequence[Drawn]) -> float:
    """Of one strip, at least."""
    return sum(ENTER + sum(zone(laid, drawn, row)) for row in range(len(laid.rows)))


def _guesses(
    laid: Rows, drawn: Sequence[Drawn], size: Size
) -> Iterator[tuple[float, float, tuple[int, ...], float]]:
    """Ways to cut: how much over the page at least, which goes first, rows, area."""
    wide = [
        sum(drawn[p].room if isinstance(p, int) else 2 * LANE for p in row) + GAP * (len(row) - 1)
        for row in laid.rows
    ]
    high = [ENTER + sum(zone(laid, drawn, row)) for row in range(len(laid.rows))]
    before = lanes_before(laid)
    known: set[tuple[int, ...]] = set()
    for place, most in enumerate(LANES):
        allowed = [row for row in range(1, len(high)) if before[row] <= most]
        for count in range(1, min(len(allowed) + 1, MOST_STRIPS) + 1):
            starts = cut_rows(high, allowed, count)
            if starts in known:
                continue
            known.add(starts)
            spans = list(zip(starts, (*starts[1:], len(high)), strict=True))
            width = sum(max(wide[a:b]) for a, b in spans)
            height = max(sum(high[a:b]) for a, b in spans) - ENTER
            cost = height + STRIP * count + SEVERAL * place
            yield _over(width, height, size), cost, starts, width * height
