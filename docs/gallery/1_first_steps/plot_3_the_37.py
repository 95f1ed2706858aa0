"""
The 37, in two readings
=======================

In a stack of layers the centre of the field matters most, because it takes part in the computation
most often: 37 times in a well-known drawing. You learn the two ways of counting that give 37, and
see both as graphs small enough to be counted by hand.
"""

import numpy as np

import erfgraph as eg
from erfgraph.figures import graph_figure

# %%
# Counting paths
# --------------
# Three layers of seven taps. From the centre of the input, 37 different paths lead to the unit at
# the top.

net = eg.load("conv7*3")
importance = eg.importance(net)
print(importance.values.tolist())
print("largest:", importance.peak)

# %%
# Each row of nodes is a feature map, each line an edge: a layer reads the lower unit to compute
# the upper one. Every node carries its count, the number of paths from it to the top.

figure = graph_figure(net)

# %%
# A unit has as many paths as all the units above it that read it, together. So every row is the
# row above convolved with seven ones, which gives a check that needs no graph:

row = [1]
for _ in range(3):
    row = np.convolve(row, np.ones(7, dtype=int))
print(row.tolist())

# %%
# Counting edges
# --------------
# Seen from back-propagation, every edge is as important as any other. So one may also count the
# edges that lie on some path from an input unit to the top. With five layers of three taps, the
# centre has 37 of them: 3 + 9 + 13 + 9 + 3.

net = eg.load("conv3*5")
edges = eg.importance(net, measure="edges")
paths = eg.importance(net, measure="paths")
print("edges", edges.values.tolist())
print("paths", paths.values.tolist())

# %%
# An edge counts once, however many paths share it. Paths multiply and edges only add up, so the
# map of edges is much flatter than that of paths, whose centre is 51 here.

figure = graph_figure(net, measure="edges")
