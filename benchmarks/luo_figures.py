"""The figures of `benchmarks.luo`: counting and gradients, panel by panel."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

import erfgraph as eg
from benchmarks.luo import Everything, drawn
from benchmarks.panels import Panel, grid_figure
from erfgraph.figures import paper_style

MARKS = ("o", "s", "^")
COLOURS = ("#3b528b", "#d95f02", "#1b9e77")


def note(imp: eg.ImportanceMap) -> str:
    kurtosis = f"{round(imp.excess_kurtosis[0], 2) + 0.0:.2f}".replace("-", "−")
    return f"side {imp.erf().size:.1f}\nkurtosis {kurtosis}"


def depths(found: Everything) -> Figure:
    """The paper's figure of depths, each kind of weights by counting and by gradients."""
    rows = [
        [Panel(imp, note(imp)) for r in results for imp in (r.a, r.b)]
        for results in found.depths.values()
    ]
    kinds = [r.case.name for r in next(iter(found.depths.values()))]
    columns = [f"{kind}\n{way}" for kind in kinds for way in ("counted", "gradient")]
    names = [f"{n} layers\n{2 * n + 1} × {2 * n + 1}" for n in found.depths]
    return grid_figure(rows, columns, names)


def functions(found: Everything) -> Figure:
    """Functions between the layers: one draw, all draws, and the count."""
    results = found.activations
    single = [drawn(r.case, 1, seed=5) for r in results]
    many = results[0].b.samples
    rows = [
        [Panel(imp, note(imp)) for imp in line]
        for line in ([r.a for r in results], single, [r.b for r in results])
    ]
    names = ["counted", "gradient,\n1 draw", f"gradient,\n{many} draws"]
    return grid_figure(rows, [r.case.name for r in results], names, 1.2)


def changes(found: Everything) -> Figure:
    """Subsampling, dilation and skips, a position as large in every panel."""
    widest = max(r.a.shape[0] for r in found.effects)
    rows = [
        [Panel(imp, f"σ {imp.std[0]:.2f}\n{note(imp)}", widest) for imp in line]
        for line in ([r.a for r in found.effects], [r.b for r in found.effects])
    ]
    return grid_figure(rows, [r.case.name for r in found.effects], ["counted", "gradient"], 1.3)


def growing(found: Everything) -> Figure:
    """Side of the field and its share of the theoretical one, over depth, with fitted slopes."""
    with paper_style():
        figure = Figure(figsize=(6.4, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for (name, g), mark, colour in zip(found.growth.items(), MARKS, COLOURS, strict=True):
            filled = {"markerfacecolor": colour if mark == "o" else "none"}
            for axes, values, fit in ((left, g.sides, g.side), (right, g.shares, g.share)):
                slope = f"{fit.slope:.2f}".replace("-", "−")
                axes.loglog(
                    g.depths, values, mark, color=colour, ms=4, label=f"{name}: {slope}", **filled
                )
        counted = next(iter(found.growth.values()))
        for axes, values, power in ((left, counted.sides, 0.5), (right, counted.shares, -0.5)):
            first = counted.depths[0]
            line = [values[-1] * (n / counted.depths[-1]) ** power for n in counted.depths]
            text = "slope 1/2" if power > 0 else "slope −1/2"
            axes.loglog(counted.depths, line, color="#888888", lw=0.8, zorder=0, label=text)
            axes.set_xlabel("layers")
            axes.set_xticks([n for n in counted.depths if n % first == 0])
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.legend(loc="upper left" if power > 0 else "lower left", title="slope of log–log")
        left.set_ylabel("side of the ERF")
        right.set_ylabel("side of the ERF / side of the TRF")
        left.set_yticks([5, 10, 20, 40])
        left.set_ylim(top=100)  # room for the legend
        right.set_yticks([0.1, 0.2, 0.4, 0.8])
    return figure


FIGURES: dict[str, Callable[[Everything], Figure]] = {
    "luo_depth": depths,
    "luo_functions": functions,
    "luo_changes": changes,
    "luo_growth": growing,
}
