"""
Linear, logarithmic and power scales
====================================

The same map drawn three ways. A linear scale shows the weight of each pixel as it is, a
logarithmic one shows how far the field reaches, and a power scale lies between. You learn when to
use which, and why a figure should say it.
"""

import erfgraph as eg
from erfgraph.figures import importance_figure

importance = eg.importance(eg.load("vgg16", input_shape=(224, 224)))

# %%
# Linear
# ------
# Twice as many paths are twice as high on the scale. Most of the field looks empty, and this is
# the honest impression: its outer parts add very little.

figure = importance_figure(importance)

# %%
# Logarithmic
# -----------
# Every step of the scale is a factor. Now the whole theoretical field can be seen, down to a
# millionth of the largest importance (``floor=`` sets another limit).

figure = importance_figure(importance, scale="log")

# %%
# Power
# -----
# The square root of the importance. If a map is a mean *square* of gradients, its root has the
# unit of a gradient, which is what many papers draw.

figure = importance_figure(importance, scale="power")

# %%
# How different the three look has nothing to do with the network. The effective field outlined in
# red is the same each time, because its threshold is taken from the counts and not from the
# colours:

erf = importance.erf()
print(f"{erf.area} pixels, {erf.share_of_trf:.1%} of the theoretical field")
