"""
A first map, and how to read it
===============================

One unit of a network, and how much every pixel of the image takes part in computing it. You learn
to load a known network, to find its theoretical and its effective receptive field, and what each
part of the picture says.
"""

import erfgraph as eg
from erfgraph.figures import importance_figure

# %%
# A known network is loaded by its name. No weights are needed: the numbers below belong to the
# architecture. Of every feature map there are the size of its theoretical field, the stride
# between the fields of neighbouring units, and the centre of the first one; here the table is cut
# in the middle.

net = eg.load("resnet50", input_shape=(224, 224))
eg.receptive_fields(net)

# %%
# ``importance`` counts, for every pixel, the paths that lead from it to one unit: by default the
# centre unit of the last feature map. The counts are exact integers, however large they are.

importance = eg.importance(net)
print("unit          ", importance.layer, importance.unit)
print("paths in all  ", importance.total)
print("most important", importance.peak.position)

# %%
# The **theoretical field** (TRF) is every pixel with at least one path. The **effective field**
# (ERF) is every pixel whose importance passes a threshold, by default 4.55 % of the largest.
# Together they show the difference: the unit may see the whole image, but it does not look at all
# of it.

erf = importance.erf()
in_theory = importance.trf.area / importance.values.size
print(f"theoretical field: {in_theory:.1%} of the image")
print(f"effective field:   {erf.share_of_input:.1%} of the image,", end=" ")
print(f"as a square {erf.size:.0f} wide")

# %%
# The picture. Bright pixels have many paths. The red line bounds the effective field, the dashed
# box the theoretical one. Above and at the right are the sums of every column and row; the lines
# below give the numbers again. The fine grid is no noise: where a layer strides, some pixels are
# read more often than their neighbours.

figure = importance_figure(importance)

# %%
# Any unit of any layer can be asked for. A unit in the middle of the network, away from the
# centre, sees a smaller part of the image, and the border cuts nothing off.

importance = eg.importance(net, layer="layer2", unit=(8, 18))
figure = importance_figure(importance, view="input")

# %%
# In a notebook, a map as the last expression of a cell shows itself, with its numbers:

eg.importance(net, layer="layer3")
