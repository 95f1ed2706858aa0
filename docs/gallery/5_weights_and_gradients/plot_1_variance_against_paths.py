"""
Path counts against expected gradients
======================================

In a residual network a path count is not the expected gradient: long ways have many paths, and
each of them weighs little. You compare counts with the expected squared gradient of ResNet-50 at
initialisation, which is computed without drawing a single weight.
"""

from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph.figures import compare_figure

# %%
# Three measures of one unit. ``"uniform"`` is the gradient if every layer averages what it reads,
# ``"variance"`` the expected square of the gradient under random weights.

net = eg.load("resnet50", input_shape=(224, 224))
maps = [eg.importance(net, measure=name) for name in ("paths", "uniform", "variance")]
figure = compare_figure(maps)

# %%
# The sizes that go with them. A map that counts paths alone makes the effective field of a
# residual network look too large.

for importance in maps:
    print(
        f"{importance.measure:9} standard deviation {importance.std[0]:4.1f} pixels,"
        f" effective side {importance.erf().size:5.1f}"
    )

# %%
# In a chain there is nothing to choose: all paths are of one length, and the three maps are the
# same up to a factor.

chain = eg.load("vgg16", input_shape=(224, 224))
for name in ("paths", "uniform", "variance"):
    print(f"{name:9} {eg.importance(chain, measure=name).std[0]:.2f}")

# %%
# Initialisation and batch norm. With the authors' own initialisation, activations and norms count.
# Batch norms of evaluation mode do nothing at initialisation; those of training mode bring every
# branch to one size; a gain of zero at the end of each residual branch leaves only the identities.

keys = {"measure": "variance", "init": "torchvision"}
variants = {
    "evaluation": eg.importance(net, **keys),
    "training": eg.importance(net, batchnorm="batch", **keys),
    "zero gain": eg.importance(net, zero_residual=True, **keys),
}
for name, importance in variants.items():
    print(f"{name:11} standard deviation {importance.std[0]:4.1f} pixels")

# %%
# As profiles over the distance from the centre, drawn with matplotlib alone:

figure = Figure(figsize=(5, 3.2), layout="constrained")
axes = figure.add_subplot(
    xlabel="distance from the centre (pixels)",
    ylabel="mean importance / largest",
    yscale="log",
)
for name, importance in {"paths": maps[0], **variants}.items():
    profile = eg.radial(importance)
    axes.plot(profile.radius, profile.relative, label=name)
axes.set(xlim=(0, 150), ylim=(1e-4, 1.5))
axes.legend(frameon=False)
