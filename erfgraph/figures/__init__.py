"""Figures for print: one function a figure, from results to matplotlib objects.

`importance_figure` draws one importance map, `compare_figure` several on one scale,
`graph_figure` the explicit graph of a small network, `save_figure` writes any of them. No
function touches pyplot: nothing opens a window, nothing has to be closed.
"""

from __future__ import annotations

from erfgraph.figures.compare import compare_figure
from erfgraph.figures.graph3d import graph_figure
from erfgraph.figures.map import importance_figure
from erfgraph.figures.save import save_figure
from erfgraph.figures.style import paper_style

__all__ = ["compare_figure", "graph_figure", "importance_figure", "paper_style", "save_figure"]
