"""
Layers that add nothing, and input sizes that suit a network
============================================================

A network made for large images may be too deep for small ones: its last layers see the whole image
already and have nothing new to combine (Richter et al. 2021). You find these layers, and the
smallest input for which there are none.
"""

import erfgraph as eg
from erfgraph.figures import coverage_figure

# %%
# Two networks on images of 32 × 32 pixels. On the dark ground stand **unproductive** layers: the
# smallest field of what they read is as large as the image already, and their own exceeds it. On
# the pale one stand layers that are only **critical**: their own smallest field exceeds the image.

names = ["vgg16", "resnet18"]
found = [eg.coverage(eg.load(name, input_shape=(32, 32))) for name in names]
figure = coverage_figure(found)

# %%
# The fields of ResNet-18 are larger, yet fewer of its layers are unproductive: its identities keep
# small fields alive.

for name, one in zip(names, found, strict=True):
    unproductive, critical = len(one.unproductive), len(one.critical)
    print(f"{name}: {unproductive} unproductive, {critical} critical layers")
    print("   the last of the unproductive:", *one.unproductive[-3:])

# %%
# And the other way round. From the first size on no layer is unproductive, from the second on none
# is critical, and beyond the third no unit sees the whole image.

print("              productive  uncritical  covered")
for name in (
    "vgg11",
    "vgg16",
    "vgg19",
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "densenet121",
):
    sizes = eg.input_range(eg.load(name))
    row = (sizes.productive[0], sizes.uncritical[0], sizes.covered[0])
    print("{:13}{:11}  {:10}  {:7}".format(name, *row))

# %%
# What helps, if images are small? Remove early strides or late layers. Without the strides of its
# stem, as is usual on CIFAR, a residual network fits:

stem = "conv7s2p3 max3s2p1"
body = "res(conv3p1*2)*2 conv3s2p1 res(conv3p1*2)*2"
for text in (f"{stem} {body}", f"conv3p1 {body}"):
    net = eg.load(text, input_shape=(32, 32))
    found = eg.coverage(net)
    last = found.rows[-1]
    print(f"{text}\n   critical layers: {len(found.critical)}, field {last.size}")
