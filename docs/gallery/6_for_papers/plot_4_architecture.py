"""
A diagram of the architecture
=============================

Layers as boxes, with the size and the stride of the receptive field on every line between them.
You draw ResNet-18, unfold a part of it, and fit the diagram to a column.
"""

import erfgraph as eg
from erfgraph.figures import architecture_figure, paper_style

# %%
# Equal parts that follow each other are drawn once, with their number. On every line stand the
# size r of the receptive field and its stride s; in a part that stands for several, those of the
# first and of the last repetition.

figure = architecture_figure(eg.load("resnet18", input_shape=(224, 224)))

# %%
# Without folding all layers are drawn, one by one.

net = eg.load("conv7s2p3 max3s2p1 res(conv3p1*2)*3", input_shape=(64, 64))
figure = architecture_figure(net, fold=False, title="A stem and three blocks")

# %%
# Branches stand beside each other:

aspp = "conv3p1 cat(conv1 | conv3p6d6 | conv3p12d12 | conv3p18d18) conv1"
with paper_style("neurips"):
    figure = architecture_figure(
        eg.load(aspp, input_shape=(65, 65)), title="Dilated branches"
    )
