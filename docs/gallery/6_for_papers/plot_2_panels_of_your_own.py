"""
Panels in a figure of your own
==============================

Every figure function draws into axes that you give it, so that its picture becomes a panel of a
larger figure. You put a map, a profile, the growth over depth and the graph of a small network
into one figure made with ``plt.subplots``.
"""

import matplotlib.pyplot as plt

import erfgraph as eg
from erfgraph.figures import (
    graph_figure,
    growth_figure,
    importance_figure,
    radial_figure,
)

# %%
# ``ax=`` takes the axes. The functions then draw the panel alone: width, title, letters and colour
# bars are yours to choose.

net = eg.load("conv3*20", input_shape=(41, 41))
importance = eg.importance(net)

figure, axes = plt.subplots(2, 2, figsize=(8, 7), layout="constrained")
importance_figure(importance, ax=axes[0, 0], title="(a) map", view="input")
radial_figure(importance, ax=axes[0, 1], scale="linear", title="(b) profile")
growth_figure(eg.growth(net), ax=axes[1, 0], title="(c) growth")
graph_figure(eg.load("conv3*3"), ax=axes[1, 1], title="(d) three layers of it")

# %%
# A colour bar is made as for any image; the image knows what its colours mean. What a panel should
# not have can be taken away, here the legends.

figure, both = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for ax, scale in zip(both, ("linear", "log"), strict=True):
    importance_figure(importance, scale=scale, ax=ax, title=scale, view="input")
    ax.get_legend().remove()
    figure.colorbar(ax.images[0], ax=ax, label=ax.images[0].get_label())
