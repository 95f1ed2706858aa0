"""What is written into the boxes of a diagram and onto its lines, and the room that it takes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from erfgraph.diagram import Box, Diagram, field_label
from erfgraph.figures import style
from erfgraph.layer_labels import MERGES

BOX_TEXT, NAME_TEXT, WIRE_TEXT, PART_TEXT = 6.5, 5.3, 5.5, 6.0  # points
SMALLEST = 5.0  # points, on papers that want small letters too
BESIDE, TIGHT, ABOVE = 0.055, 0.035, 0.04  # inches within a box, around its text
USUAL, NARROW = 0.9, 0.6  # width of boxes with short text, and where there is little room
LEADING = 1.25  # from one line of text to the next, over the size of the font
LONG = 22  # characters of a field on one line
WIDER = 1.2  # than the label may the names be, else they are left out
SHORT = 8  # characters of a box's text that has no room to spare
LONG_LABEL, NARROW_LABEL = 31, 19  # characters of a box's text on one line
MISALIGNED = "≠"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box with its texts; lengths in inches.

    Attributes
    ----------
    lines : tuple of str
        Of its label.
    name : str
        The feature maps that leave it, in smaller letters; empty for single layers.
    field : str
        What stands on the line that leaves it.
    width, high : float
        Of the box.
    room : float
        Width of the box and of the field below it, whichever is larger.
    below : float
        Height of the field.
    """

    lines: tuple[str, ...]
    name: str
    field: str
    width: float
    high: float
    room: float
    below: float


def points(size: float) -> float:
    """Size of a font on the page."""
    return max(SMALLEST, size * style.letters())


def drawn_boxes(found: Diagram, *, narrow: bool = False) -> list[Drawn]:
    """The boxes of a diagram, as they are drawn; narrow ones if there is little room."""
    fields = box_fields(found)
    misaligned = set(found.misaligned)
    return [_drawn(found, i, fields[i], i in misaligned, narrow) for i in range(len(found.boxes))]


def _drawn(found: Diagram, i: int, field: str, marked: bool, narrow: bool) -> Drawn:
    box = found.boxes[i]
    text = label_of(box) + (f"\u00a0{MISALIGNED}" if marked else "")
    most = NARROW_LABEL if narrow else LONG_LABEL
    kept = text.replace(" × ", "\u00a0×\u00a0")  # a number stays with what it counts
    wrapped = textwrap.wrap(kept, most, break_long_words=False, break_on_hyphens=False)
    lines = tuple(line.replace("\u00a0", " ") for line in wrapped)
    name = found.names(i, every=True) if box.op in ("block", "stage") else ""
    size = points(BOX_TEXT)
    usual = (NARROW if narrow else USUAL) * size / BOX_TEXT
    beside = TIGHT if narrow else BESIDE
    wide = max(usual - 2 * beside, *(width_of(line, size) for line in lines))
    if width_of(name, points(NAME_TEXT)) > WIDER * wide:
        name = ""
    wide = max([width_of(line, size) for line in lines] + [width_of(name, points(NAME_TEXT))])
    high = (len(lines) * size + bool(name) * points(NAME_TEXT)) * LEADING / 72
    width = wide + 2 * beside
    if len(text) > SHORT and box.op not in MERGES:
        width = max(usual, width)
    under = points(WIRE_TEXT)
    room = max([width, *(width_of(line, under) + 0.04 for line in field.split("\n"))])
    below = (field.count("\n") + 1) * under * LEADING / 72
    return Drawn(lines, name, field, width, high + 2 * ABOVE, room, below)


def label_of(box: Box) -> str:
    """The text of a box, with the number of equal layers."""
    if box.times == 1:
        return box.label
    return f"{box.times} × {box.label}" if box.op == "block" else f"{box.times} × ({box.label})"


def box_fields(found: Diagram) -> list[str]:
    """For each box the field on the line that leaves it: size and stride."""
    said: list[dict[str, None]] = [{} for _ in found.boxes]
    for wire in found.wires:
        said[wire.source][wire.label] = None
    texts = []
    for labels, (first, last) in zip(said, found.fields, strict=True):
        text = next(iter(labels)) if len(labels) == 1 else field_label(first, last)
        texts.append(field_label(last) if not labels else text)
    return [text if len(text) <= LONG else text.replace("…", "\n…", 1) for text in texts]


@lru_cache(maxsize=4096)
def width_of(text: str, size: float) -> float:
    """Width in inches of a line of text, in the figures' font."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    font = FontProperties(family="DejaVu Sans", size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, False)
    return float(width) / 72 * 1.03  # letters are set to whole dots


def used_room(boxes: Sequence[Drawn]) -> float:
    """Square inches that boxes and their fields take at least."""
    return sum(b.room * (b.high + b.below) for b in boxes)
