"""
Nine cells, nine regions of the image
=====================================

Detection is dense classification: a fully convolutional network whose output is 3 × 3 labels nine
regions at once. You see which regions these are, in theory and in effect, and how they overlap.
"""

from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph.figures import cells_figure

# %%
# Each cell has a colour: a dot at its centre, a dashed box around its theoretical field, a filled
# one around its effective field. Theoretical fields reach beyond the image, where there is
# padding.

net = eg.load("conv3p1*2 max4 conv3p1*2 max4", input_shape=(48, 48))
cells = eg.cells(net)
figure = cells_figure(cells)

# %%
# The same as a table. Cells at the border see less than the one in the middle.

eg.cells(net)

# %%
# Every pixel should be in the effective field of some cell. ``seen`` says in how many it is.

counts = cells.seen
print(f"no pixel is in fewer than {counts.min()} or in more than {counts.max()} boxes")
figure = Figure(figsize=(4.2, 3.4), layout="constrained")
axes = figure.add_subplot(xlabel="x (pixels)", ylabel="y (pixels)")
shown = axes.imshow(counts, cmap="viridis", vmin=0)
figure.colorbar(shown, ticks=range(5), label="effective boxes that hold the pixel")

# %%
# Real detectors have larger grids. Of ResNet-18's 7 × 7 cells nine are drawn: the corners, the
# middles of the sides and the centre. Others can be chosen with ``chosen=``.

cells = eg.cells(eg.load("resnet18", input_shape=(224, 224)))
print(cells.shape, "cells,", cells.stride, "pixels apart")
figure = cells_figure(cells, chosen=[(1, 1), (3, 3), (5, 5)])
