"""
Growth with depth, and the √n law
=================================

The theoretical field grows with the depth, the effective one only with its root (Luo et al. 2016).
You follow several networks layer by layer and fit the power of the depth, with its standard error.
"""

import erfgraph as eg
from erfgraph.figures import growth_figure

# %%
# Two chains without stride, and a network of residual blocks, on an image that holds all of them.

texts = ["conv3*80", "conv7*40", "res(conv3p1 conv3p1)*30"]
nets = [eg.load(text, input_shape=(241, 241)) for text in texts]
found = [eg.growth(net) for net in nets]
figure = growth_figure(found)

# %%
# On logarithmic axes a power is a straight line, its exponent the slope. Theoretical fields rise
# with slope 1, effective fields with about one half. The legend has the fitted exponents.

# sphinx_gallery_thumbnail_number = 2
figure = growth_figure(found, law=True)

# %%
# The same numbers as text, with what the law says of a depth that was not computed:

for text, one in zip(texts, found, strict=True):
    law = one.law()
    print(
        f"{text:24} side = {law.factor:.2f} * depth ^ {law.exponent:.3f}"
        f" ± {law.standard_error:.3f};  at depth 200: {law.side(200):.0f}"
    )

# %%
# So the share of the theoretical field that is in use falls as the network grows deeper. It is the
# reason why a theoretical field as large as the image is not enough.

print("depth  theoretical  effective  effective / theoretical")
for row in found[0].rows[5::15]:
    share = row.erf_side / row.side
    print(f"{row.depth:5}  {row.side:11.0f}  {row.erf_side:9.1f}  {share:10.0%}")

# %%
# Strides change the picture: behind a stride every step is longer, and both curves turn up.

nets = [eg.load(name, input_shape=(224, 224)) for name in ("vgg16", "resnet18")]
figure = growth_figure([eg.growth(net) for net in nets])
