"""Figures of `benchmarks.trained`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

import erfgraph as eg
from benchmarks.panels import Panel, grid_figure
from benchmarks.trained import Study
from erfgraph.figures import paper_style

SHOWN = {
    "paths": ("paths", "#d95f02", "-"),
    "variance, 1/fan-in": ("variance,\n1/fan-in", "#1b9e77", (0, (5, 1.6))),
    "weights, abs": ("weights,\nabs", "#7570b3", (0, (1, 1.2))),
    "weights, square": ("weights,\nsquare", "#e7298a", (0, (4, 1.2, 1, 1.2))),
}


def maps(studies: Sequence[Study]) -> Figure:
    """Gradients and what is to predict them; below each, its distance from the gradients."""
    rows = []
    for s in studies:
        row = [Panel(s.gradient, f"noise {s.gradient.relative_error:.2f}")]
        for name in SHOWN:
            imp = s.maps[name]
            found = eg.compare(imp, s.gradient, bootstrap=0).total_variation.value
            row.append(Panel(imp, f"distance {found:.2f}"))
        rows.append(row)
    columns = ["gradient,\nmean square", *(title for title, _, _ in SHOWN.values())]
    return grid_figure(rows, columns, [s.name.replace(" ", "\n") for s in studies])


def profiles(studies: Sequence[Study]) -> Figure:
    """Shares of the columns of blocks or pixels, maps summed over rows."""
    with paper_style():
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        panels = figure.subplots(1, len(studies))
        for axes, s in zip(panels, studies, strict=True):
            unit = "block of pixels" if s is studies[0] else "pixel"
            at = np.arange(s.gradient.shape[1]) - s.gradient.shape[1] // 2
            axes.fill_between(at, s.gradient.share.sum(0), step="mid", color="#cccccc", lw=0,
                              label="gradient")  # fmt: skip
            for name, (title, colour, dashes) in SHOWN.items():
                label = title.replace("\n", " ")
                axes.plot(at, s.maps[name].share.sum(0), color=colour, ls=dashes, label=label)
            axes.set_title(s.name)
            axes.set_xlabel(f"{unit}, from the middle")
            axes.set_ylim(bottom=0)
        panels[0].set_ylabel("share of the column")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


FIGURES: dict[str, Callable[[Sequence[Study]], Figure]] = {
    "trained_maps": maps,
    "trained_profiles": profiles,
}
