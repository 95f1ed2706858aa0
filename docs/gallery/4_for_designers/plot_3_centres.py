"""
Centres: is the object hit?
===========================

Every unit looks at the image from one place, the centre of its field. Deep layers have few
centres, and a small object may lie between them. You draw the grids of centres and compute the
chance that an object of a given size contains one.
"""

from matplotlib import cbook, image
from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph.figures import centre_figure

# %%
# The grids of three layers of ResNet-18 over a photograph. The outlined square is an object of 20
# pixels.

photo = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
portrait = image.imread(photo)[:512]
net = eg.load("resnet18", input_shape=(224, 224))
layers = ["layer2", "layer3", "layer4"]
figure = centre_figure(net, layers, portrait, object_size=(20, 20))

# %%
# One layer in numbers: the spacing, the first and last coordinate, and the chance for several
# sizes of objects, every place inside the image equally likely.

eg.centres(net, "layer4")

# %%
# The chances are exact; they are 1 as soon as the object is as large as the spacing, if the grid
# begins and ends near enough to the borders.

sides = range(1, 41)
figure = Figure(figsize=(5, 3), layout="constrained")
axes = figure.add_subplot(
    xlabel="side of the object (pixels)", ylabel="chance of a centre inside"
)
for layer in layers:
    found = eg.centres(net, layer)
    axes.plot(sides, [found.hit_chance(side) for side in sides], label=layer)
    print(layer, "per axis, 12 pixels:", *found.axis_chances(12))
axes.legend(frameon=False)

# %%
# Long objects are another matter: a pole of 4 by 60 pixels is long enough for every layer, and
# still slips between the columns of a coarse grid.

for layer in layers:
    found = eg.centres(net, layer)
    square, pole = found.hit_chance((16, 16)), found.hit_chance((60, 4))
    print(f"{layer}: square {square:.2f}, pole {pole:.2f}")
