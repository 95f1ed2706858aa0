"""
Your own colours, one scale for all panels
==========================================

Panels with scales of their own cannot be compared. You draw several networks on one scale, in a
colour map of your choice, and see what happens to the same maps if every panel has its own.
"""

import matplotlib.pyplot as plt

import erfgraph as eg
from erfgraph.figures import compare_figure

# %%
# One scale and one colour bar for all maps. Any colour map of matplotlib will do; those whose
# lightness rises evenly (viridis, magma, cividis) can be read in grey and by everyone.

texts = ["conv3p1*4", "res(conv3p1)*8", "conv3p1*2 conv3s2p1 conv3p1*3"]
maps = [eg.importance(eg.load(text, input_shape=(33, 33))) for text in texts]
figure = compare_figure(maps, cmap="magma", view="input")

# %%
# Limits are given in what is drawn. On a logarithmic scale from 1 to a thousandth, everything
# rarer is dark:

figure = compare_figure(
    maps, scale="log", vmin=-3, vmax=0, cmap="cividis", view="input"
)

# %%
# Each map above is relative to its own largest importance. To compare how the *mass* of maps is
# spread, divide by the total instead. Here the shares are drawn with matplotlib alone, on one
# scale again: the wider a field, the fainter it is.

largest = max(importance.share.max() for importance in maps)
figure, panels = plt.subplots(1, 3, figsize=(8, 2.9), layout="constrained")
for ax, text, importance in zip(panels, texts, maps, strict=True):
    shown = ax.imshow(importance.share, cmap="magma", vmin=0, vmax=largest)
    ax.set(xlabel="x (pixels)", ylabel="y (pixels)")
    ax.set_title(text, fontsize=8)
figure.colorbar(shown, ax=panels, label="share of all paths")
