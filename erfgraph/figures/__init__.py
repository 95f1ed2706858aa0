"""Figures for print: one function a figure, from results to matplotlib objects.

`importance_figure` draws one importance map, `compare_figure` several on one scale,
`graph_figure` the explicit graph of a small network, `save_figure` writes any of them. No
function touches pyplot: nothing opens a window, nothing has to be closed.
"""

from __future__ import annotations

from erfgraph.figures.about import described
from erfgraph.figures.agreement import agreement_figure
from erfgraph.figures.architecture import architecture_figure
from erfgraph.figures.cells import cells_figure
from erfgraph.figures.centres import centre_figure
from erfgraph.figures.checkerboard import checkerboard_figure
from erfgraph.figures.compare import compare_figure
from erfgraph.figures.coverage import coverage_figure
from erfgraph.figures.graph3d import graph_figure
from erfgraph.figures.gridding import gridding_figure
from erfgraph.figures.growth import growth_figure
from erfgraph.figures.map import importance_figure
from erfgraph.figures.match import match_figure
from erfgraph.figures.radial import radial_figure
from erfgraph.figures.save import save_figure
from erfgraph.figures.scales import scale_figure
from erfgraph.figures.style import paper_style

__all__ = [
    "agreement_figure",
    "architecture_figure",
    "cells_figure",
    "centre_figure",
    "checkerboard_figure",
    "compare_figure",
    "coverage_figure",
    "graph_figure",
    "gridding_figure",
    "growth_figure",
    "importance_figure",
    "match_figure",
    "paper_style",
    "radial_figure",
    "save_figure",
    "scale_figure",
]

# every figure knows what it shows and how it was made, for the file that it may become
_MAKERS = [name for name in __all__ if name.endswith("_figure") and name != "save_figure"]
globals().update({name: described(globals()[name]) for name in _MAKERS})
