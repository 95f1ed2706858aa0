"""
The graph of a network in space
===============================

For images the graph has three dimensions: rows, columns and depth. You see the cone of one unit
through every layer of a small network, and get the graph itself as sparse matrices or as a
networkx graph.
"""

import networkx as nx

import erfgraph as eg
from erfgraph.figures import graph_figure

# %%
# Two layers of 3 × 3 taps on an image of 7 × 7 pixels. Every plane is a feature map, every node a
# unit. The cone of the unit at the top stands out, and each of its units carries its number of
# paths.

net = eg.load("conv3*2", input_shape=(7, 7))
figure = graph_figure(net)

# %%
# Numbers of the lowest plane, read off the same graph. The centre has 9 paths, one for each unit
# of the middle plane.

importance = eg.importance(net)
print(importance.values)

# %%
# Dilated layers leave holes: the cone reaches as far as that of a larger kernel, with units
# between that no path leads from.

net = eg.load("conv2d2 conv2d2", input_shape=(7, 7))
figure = graph_figure(net)

# %%
# The graph can be taken along. ``eg.graph`` writes it out; counting on it gives the same numbers
# as the engine, which never forms it.

graph = eg.graph(net)
print(graph.n_units, "units,", graph.n_edges, "edges")
print("adjacency:", graph.adjacency.shape, type(graph.adjacency).__name__)
print("equal counts:", eg.importance(graph) == eg.importance(net))

# %%
# In networkx it is a directed graph without cycles, and any of its algorithms can be asked. Here
# every path from the middle of the input to the unit at the top is listed.

joined = graph.to_networkx()
start, end = eg.Unit("input", (3, 3)), eg.Unit("conv2", (1, 1))
for path in nx.all_simple_paths(joined, start, end):
    print(" -> ".join(f"{unit.layer} {unit.position}" for unit in path))
