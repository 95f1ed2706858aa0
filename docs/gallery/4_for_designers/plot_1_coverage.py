"""
How much of the image do the layers see?
========================================

A classifier should see the whole image, but a theoretical field as large as the image is not
enough. You follow both fields layer by layer and find where each covers the image.
"""

import erfgraph as eg
from erfgraph.figures import coverage_figure

# %%
# Share of the image that the centre unit of every layer sees: in theory, and in effect. In both
# networks the effective field lags far behind.

names = ["vgg16", "resnet18"]
found = [eg.coverage(eg.load(name, input_shape=(224, 224))) for name in names]
figure = coverage_figure(found)

# %%
# The dips of ResNet-18 are the convolutions of its shortcuts, which see less than the branch
# beside them. From which layer on is the image covered?

for name, one in zip(names, found, strict=True):
    print(f"{name:9} in theory: {one.covered_from}; in effect: {one.effective_from}")

# %%
# All 95.45 % of the image in effect is a lot to ask: effective fields are round, and corners come
# last. A disc that touches the sides of the image holds 78.5 % of it. ``cover_effective`` sets the
# share.

print("covered up to a disc from")
for name in ("vgg16", "vgg19", "resnet18", "resnet34", "resnet50"):
    one = eg.coverage(eg.load(name, input_shape=(224, 224)), cover_effective=0.785)
    last = one.rows[-1].effective
    print(f"  {name:9} {one.effective_from}, reaching {last:.0%} at the end")

# %%
# Size of the image and depth belong together. The same network on larger images, as is common in
# detection, sees a smaller and smaller part of them:

print("input  theoretical  effective   (of the image, last layer of ResNet-50)")
for side in (128, 224, 448, 800):
    last = eg.coverage(eg.load("resnet50", input_shape=(side, side))).rows[-1]
    print(f"{side:5}  {last.box:11.0%}  {last.effective:9.0%}")
