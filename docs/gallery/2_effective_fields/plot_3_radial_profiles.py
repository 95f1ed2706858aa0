"""
Radial profiles, and how round a field is
=========================================

Does only the distance from the centre matter? You draw importance over distance for several
networks, and measure their isotropy, instead of assuming it.
"""

import erfgraph as eg
from erfgraph.figures import compare_figure, radial_figure

# %%
# Three networks with a field of 19 × 19 pixels. The profile is the mean importance of all pixels
# at a distance; a filled marker stands where the effective field ends, a dashed line where the
# theoretical one does.

texts = ["conv3*9", "conv7*3", "conv19"]
maps = [eg.importance(eg.load(text, input_shape=(19, 19))) for text in texts]
figure = radial_figure(maps)

# %%
# **Isotropy** is 1 if the map is a function of the distance alone, and less the further from it. A
# square kernel is not round, but many of them on top of each other are: the map of a chain is a
# product of two nearly Gaussian rows, and a product of two equal Gaussians is round.

for text, importance in zip(texts, maps, strict=True):
    print(f"{text:8} isotropy {importance.isotropy:.3f}")

# %%
# With every further layer the field becomes rounder. The excess kurtosis is zero for a Gaussian,
# and -1.5/n for n layers of three taps.

print("layers  isotropy  kurtosis   -1.5/n")
for n in (1, 2, 3, 5, 10, 20, 40):
    net = eg.load(f"conv3*{n}", input_shape=(2 * n + 1, 2 * n + 1))
    importance = eg.importance(net)
    kurtosis = importance.excess_kurtosis[0]
    print(f"{n:6}  {importance.isotropy:8.4f}  {kurtosis:8.4f}  {-1.5 / n:7.4f}")

# %%
# Real networks are not all round. Strides leave a grid, and the border cuts what lies behind it.

names = ["vgg16", "resnet50", "mobilenet_v2"]
maps = [eg.importance(eg.load(name, input_shape=(224, 224))) for name in names]
for name, importance in zip(names, maps, strict=True):
    print(f"{name:13} isotropy {importance.isotropy:.3f}")
figure = compare_figure(maps)

# %%
# Their profiles, with one marker each:

figure = radial_figure(maps)
