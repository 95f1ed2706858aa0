"""
Levels of a detector against the sizes of objects
=================================================

Small objects belong to shallow levels, large ones to deep levels. You read a data set's
annotations in COCO's format and see class by class which levels suit its objects, and which
objects suit no level.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

import erfgraph as eg
from erfgraph.figures import match_figure

# %%
# Annotations. This file is made up: log-normal sizes around a typical one for each of three
# classes. Your own ``instances_train.json`` is read in the same way.

rng = np.random.default_rng(0)
classes = {"face": (22, 200), "person": (90, 300), "vehicle": (180, 150)}
annotations = []
for number, (typical, count) in enumerate(classes.values(), start=1):
    for side in typical * np.exp(0.6 * rng.standard_normal(count)):
        width, height = np.minimum([side * 0.8, side * 1.25], 500)
        box = [0, 0, round(width, 1), round(height, 1)]
        annotations.append({"image_id": 1, "category_id": number, "bbox": box})
document = {
    "images": [{"id": 1, "width": 512, "height": 512}],
    "categories": [{"id": n, "name": name} for n, name in enumerate(classes, start=1)],
    "annotations": annotations,
}
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "instances.json")
    path.write_text(json.dumps(document))
    objects = eg.read_coco(path)
print(len(objects.sides()), "objects of", objects.names)

# %%
# Three levels of a detector on ResNet-18. A level covers an object whose size is between a quarter
# of the side of its effective field and all of it; ``fit=`` sets another rule of thumb.

net = eg.load("resnet18", input_shape=(512, 512))
match = eg.match_objects(net, objects, ["layer2", "layer3", "layer4"])
figure = match_figure(match)

# %%
# Each level's range, and the share of each class that it covers. Faces have no level of their own
# here: many are smaller than what the first level suits.

eg.match_objects(net, objects, ["layer2", "layer3", "layer4"])

# %%
# A shallower level is the remedy for the small ones. Large vehicles need a level with a larger
# field, or smaller images. Shares of objects that no level covers:

more = eg.match_objects(net, objects, ["layer1", "layer2", "layer3", "layer4"])
for before, after in zip(match.classes, more.classes, strict=True):
    print(f"{before.name:8} {before.uncovered:.0%} uncovered,", end=" ")
    print(f"with layer1 {after.uncovered:.0%}")
