"""What tests of figures look for: artists, texts on the page, what collides."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.art3d import Text3D

import erfgraph as eg


def rate(text, shape=None, **options):
    return eg.importance(eg.load(text, input_shape=shape), **options)


def images(figure):
    """Axes that hold a map (a colour bar's mesh is no image)."""
    return [axes for axes in figure.axes if axes.images]


def bars_of_colour(figure):
    return [a for a in figure.axes if hasattr(a, "_colorbar")]


def trf_box(axes):
    (box,) = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_label() == "TRF"]
    (x, y), w, h = box.get_xy(), box.get_width(), box.get_height()
    return (y, y + h), (x, x + w)


def erf_lines(axes):
    (lines,) = [c for c in axes.collections if c.get_label() == "ERF"]
    return lines.get_segments()


def enclosed(segments, shape):
    """The pixels inside an outline: crossings to the left of each centre, even or odd."""
    crossings = np.zeros(shape, dtype=int)
    for (x0, y0), (x1, y1) in segments:
        if x0 == x1:
            low, high = sorted((y0, y1))
            rows = (np.arange(shape[0]) > low) & (np.arange(shape[0]) < high)
            columns = np.arange(shape[1]) > x0
            crossings += rows[:, None] & columns[None, :]
    return crossings % 2 == 1


def extent(text, renderer):
    if isinstance(text, Text3D):  # knows its place on the page only while it is drawn
        x, y, _ = proj3d.proj_transform(*text.get_position_3d(), text.axes.get_proj())
        place = text.axes.transData.transform((x, y)) - text.axes.transData.transform((0, 0))
        text = text.axes.text2D(0, 0, text.get_text(), fontproperties=text.get_fontproperties())
        text.set(ha="center", va="center_baseline", transform=text.axes.transData)
        box = text.get_window_extent(renderer).translated(*place)
        text.remove()
        return box
    return text.get_window_extent(renderer)


def shown_texts(figure):
    """Every text that is drawn, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = set()
    for axes in figure.axes:
        if not axes.axison:
            hidden |= set(axes.findobj(Text)) - set(axes.texts)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low <= tick.get_loc() <= high:
                    hidden |= {tick.label1, tick.label2}
    return [
        (text.get_text(), extent(text, renderer))
        for text in figure.findobj(Text)
        if text not in hidden and text.get_visible() and text.get_text().strip()
    ]


def collisions(figure):
    texts = shown_texts(figure)
    page = figure.bbox
    found = [
        ("cut off", text)
        for text, box in texts
        if box.x0 < -1 or box.y0 < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1
    ]
    for (a, box), (b, other) in itertools.combinations(texts, 2):
        if (
            min(box.x1, other.x1) - max(box.x0, other.x0) > 0.5
            and min(box.y1, other.y1) - max(box.y0, other.y0) > 0.5
        ):
            found.append((a, b))
    return found
