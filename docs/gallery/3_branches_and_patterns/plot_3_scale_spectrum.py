"""
The field sizes that a network couples
======================================

A merge joins branches with fields of different sizes. You see which sizes there are in a pyramid
of dilated branches and in a residual network, and how many paths stand behind each. A *sub-path*
is a way through the feature maps that takes one branch at every merge.
"""

import erfgraph as eg
from erfgraph.figures import scale_figure

# %%
# Atrous spatial pyramid pooling (ASPP) reads one map through five branches: a single pixel, three
# dilated kernels, and the mean of the whole map.

aspp = "cat(conv1 | conv3p6d6 | conv3p12d12 | conv3p18d18 | gap up65)"
found = eg.spectrum(eg.load(aspp, input_shape=(65, 65)))
figure = scale_figure(found)

# %%
# Each branch is one sub-path, so by sub-paths all sizes weigh alike. By paths the pooled branch
# outweighs them all, as it reads every pixel. Both answers are right, to different questions.

eg.spectrum(eg.load(aspp, input_shape=(65, 65)))

# %%
# Put two residual blocks in front, and every branch meets every way through them:

stem = eg.load("res(conv3p1)*2 " + aspp, input_shape=(65, 65))
print("sizes:", *(size[0] or "whole map" for size in eg.spectrum(stem).sizes))

# %%
# A residual network couples more sizes than such a head, as each of its blocks can be skipped.
# They are counted exactly, although the sub-paths are too many to be listed.

names = ["resnet18", "resnet50", "resnet101"]
spectra = [eg.spectrum(eg.load(name)) for name in names]
for name, found in zip(names, spectra, strict=True):
    print(f"{name:9} {found.n_sizes:4} sizes, {found.total_subpaths:,} sub-paths")
# sphinx_gallery_thumbnail_number = 2
figure = scale_figure(spectra)
