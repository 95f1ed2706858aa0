"""
Tiles of large images, and how far they must overlap
====================================================

An image that is too large for one piece is cut into tiles. If the results are to be those of the
whole image, tiles must overlap by the halo of the network and be cut at the right places. You
compute both, draw them, and check the claim with path counts.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import erfgraph as eg

# %%
# A network without its classifier, on an image of 1024 × 1024 pixels: a tile needs that many
# pixels before and after its own part, and may begin at multiples of the alignment only.

net = eg.load("resnet18", input_shape=(1024, 1024))
halo = eg.halo(net, "layer3")
print("before", halo.before, "after", halo.after, "alignment", halo.alignment)

# %%
# Tiles of 512 × 512 pixels. Filled: the parts whose results the tiles give. Framed, for the first
# and the last: what must be fed to the network for that.

tiles = list(halo.tiles(512))
for tile in tiles:
    print("own", tile.own, " fed", tile.crop)


def rectangle(box, **style):
    """A patch for a box of ((top, bottom), (left, right))."""
    (top, bottom), (left, right) = box
    return Rectangle((left, top), right - left, bottom - top, **style)


figure = Figure(figsize=(4.4, 4.4), layout="constrained")
axes = figure.add_subplot(xlabel="x (pixels)", ylabel="y (pixels)", aspect="equal")
axes.set(xlim=(-20, 1044), ylim=(1044, -20))
for n, tile in enumerate(tiles):
    axes.add_patch(rectangle(tile.own, color=f"C{n}", alpha=0.35, lw=0))
for n in (0, len(tiles) - 1):
    axes.add_patch(rectangle(tiles[n].crop, color=f"C{n}", fill=False, lw=2))

# %%
# The check: the last unit of the first tile reads as many pixels beyond its own part as the halo
# says, and no more. What is fed is rounded up to the alignment.

last = tuple(stop // 16 - 1 for _, stop in tiles[0].own)
box = eg.importance(net, layer="layer3", unit=last).trf.bbox
print("unit", last, "reads", box)
print("beyond its own part:", box[0][1] - tiles[0].own[0][1], "pixels")

# %%
# How wrong is a smaller overlap? Paths that come from beyond it are lost. For that unit, the share
# of its paths that an overlap of so many pixels keeps:

share = eg.importance(net, layer="layer3", unit=last).share
own = tiles[0].own[0][1]
for overlap in (0, 16, 32, 48, 64, 96):
    kept = np.sum(share[: own + overlap, : own + overlap])
    print(f"overlap {overlap:3}: {kept:.2%} of the paths")
