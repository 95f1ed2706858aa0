"""
The many networks inside a residual network
===========================================

A residual network of n blocks is a sum over two to the n *sub-paths*, ways that take or skip each
block (Veit et al. 2016). You count how many pass how many blocks, and see that paths through
positions tell another story than sub-paths.
"""

import math

import erfgraph as eg
from erfgraph.figures import graph_figure, scale_figure

# %%
# With three blocks the graph is small enough to look at. The bowed lines are the identities that
# lead around a layer; where a block adds, both ways meet.

figure = graph_figure(eg.load("res(conv3p1)*3", input_shape=9))

# %%
# Sub-paths by the number of blocks that they pass follow the binomial law:

found = eg.spectrum(eg.load("res(conv3p1)*3"), by="depth")
print("blocks   ", *found.depths)
print("sub-paths", *found.subpaths)
print("paths    ", *found.paths)

# %%
# Veit et al. look at 54 blocks: more than 95 % of the sub-paths pass 19 to 35 of them. All others
# together are rare, the full depth is one in two to the 54.

net = eg.load("res(conv3p1)*54")
found = eg.spectrum(net, by="depth")
print("binomial:", found.subpaths == tuple(math.comb(54, k) for k in range(55)))
print(f"sub-paths of 19 to 35 blocks: {sum(found.share_of_subpaths[19:36]):.1%}")
print(f"paths of 19 to 35 blocks:     {sum(found.share_of_paths[19:36]):.1%}")

# %%
# Paths lean to the deep side: a block of three taps has three times as many paths as its identity,
# a block of 3 × 3 taps nine times as many.

# sphinx_gallery_thumbnail_number = 2
figure = scale_figure(found)

# %%
# ResNet-50 by the layers that read more than one pixel. Two of them, the first convolution and the
# pool, stand before all blocks and cannot be skipped; each of 16 blocks adds one or none.

figure = scale_figure(eg.spectrum(eg.load("resnet50"), by="depth"))
