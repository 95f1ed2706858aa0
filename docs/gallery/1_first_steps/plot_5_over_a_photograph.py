"""
A map over a photograph
=======================

What does a unit look at? You draw a map over an image, so that the photograph shows through where
the unit looks away, and add contours that tell how much of the importance lies inside.
"""

from matplotlib import cbook, image

import erfgraph as eg
from erfgraph.figures import importance_figure

# %%
# Any array of rows, columns and colours is an image. This one comes with matplotlib: a portrait of
# Grace Hopper, cut to a square. Images are stretched over the network's input.

portrait = image.imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
portrait = portrait[:512]
print(portrait.shape, portrait.dtype)

# %%
# A unit in the middle of VGG-16. The bright parts of the map cover the photograph, the dark parts
# let it through. Outside of the dashed box nothing can change this unit.

net = eg.load("vgg16", input_shape=(224, 224))
importance = eg.importance(net, layer="features.23", unit=(6, 6))
figure = importance_figure(importance, image=portrait, view="input")

# %%
# Contours instead of one line, at shares of the largest importance. The outermost is the default
# threshold.

figure = importance_figure(
    importance, image=portrait, view="input", thresholds=[0.75, 0.5, 0.25, 0.0455]
)

# %%
# By the rule ``"mass"`` each contour is the smallest set of pixels that holds a share of all
# importance: half of what this unit adds up comes from inside the innermost line.

erf = importance.erf(0.95, rule="mass")
figure = importance_figure(
    importance, erf, image=portrait, view="input", thresholds=[0.5, 0.8, 0.95]
)
for share in (0.5, 0.8, 0.95):
    pixels = importance.erf(share, rule="mass").area
    print(f"{share:.0%} of the paths start in {pixels} pixels")
