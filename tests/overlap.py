"""What overlaps in a drawn diagram: texts, boxes and lines, measured in dots."""

from __future__ import annotations

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyBboxPatch

NEAR = 0.08  # inches from a box to the field that belongs to it
SHADOW = 0.03  # from a box to the one that stands behind it


def overlaps(figure, axes=None):
    """Pairs of things that overlap, and texts that leave the page."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = axes or figure.axes[0]
    renderer = canvas.get_renderer()
    texts = [(t.get_text(), t.get_window_extent(renderer).extents) for t in axes.texts]
    boxes = [p.get_window_extent().extents for p in axes.patches if isinstance(p, FancyBboxPatch)]
    lines = [
        axes.transData.transform(line)
        for c in axes.collections
        if isinstance(c, LineCollection)
        for line in c.get_segments()
    ]
    found = [("cut off", t) for t, box in texts if not _inside(box, figure.bbox.extents)]
    found += [("texts", s, t) for (s, a), (t, b) in pairs(texts) if _meet(a, b)]
    found += [
        ("text and box", t) for t, a in texts for b in boxes if _meet(a, b) and not _inside(a, b)
    ]
    found += [("boxes", *a) for a, b in pairs(boxes) if _meet(a, b) and not _behind(a, b, figure)]
    for line in lines:
        found += [("line and text", t) for t, box in texts if _through(line, box, figure.dpi)]
        found += [("line and box", *box) for box in boxes if _into(line, box, figure.dpi)]
    return found


def pairs(things):
    return itertools.combinations(things, 2)


def _meet(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


def _inside(a, b):
    return a[0] >= b[0] - 1 and a[1] >= b[1] - 1 and a[2] <= b[2] + 1 and a[3] <= b[3] + 1


def _behind(a, b, figure):
    """Whether one box is the shadow of the other."""
    same = abs((a[2] - a[0]) - (b[2] - b[0])) < 0.01
    return same and abs(a[0] - b[0]) < SHADOW * figure.dpi


def _through(line, box, dpi):
    """Whether a line runs through a text that is not the field of where it starts."""
    start, end = line[0], line[-1]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    from_box = abs(x - start[0]) < 2 and min(abs(start[1] - box[1]), abs(start[1] - box[3]))
    own = abs(x - start[0]) < 2 and from_box < NEAR * dpi
    level = len(line) == 2 and abs(start[1] - end[1]) < 1 and abs(y - start[1]) < 2
    return not own and not level and crosses(line, box)


def _into(line, box, dpi):
    """Whether a line runs through a box at which it neither starts nor ends."""
    for x, y in (line[0], line[-1]):
        over = box[0] - 1 < x < box[2] + 1
        beside = box[1] < y < box[3]
        if over and min(abs(box[1] - y), abs(box[3] - y)) < SHADOW * dpi + 1:
            return False
        if beside and min(abs(box[0] - x), abs(box[2] - x)) < SHADOW * dpi + 1:
            return False
    return crosses(line, box)


def crosses(line, box, slack=0.6):
    """Whether a part of a line lies inside a box."""
    low = box[0] + slack, box[1] + slack
    high = box[2] - slack, box[3] - slack
    for p, q in itertools.pairwise(line):
        enter, leave = 0.0, 1.0
        for axis in (0, 1):
            step = q[axis] - p[axis]
            if abs(step) < 1e-9:
                if not low[axis] < p[axis] < high[axis]:
                    enter, leave = 1.0, 0.0
                continue
            ends = sorted(((low[axis] - p[axis]) / step, (high[axis] - p[axis]) / step))
            enter, leave = max(enter, ends[0]), min(leave, ends[1])
        if enter < leave - 1e-9:
            return True
    return False
