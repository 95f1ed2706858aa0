"""
Figures as wide as a paper's columns
====================================

A figure that is scaled in the paper has letters of the wrong size. Made inside ``paper_style`` it
has the width of one or two columns and the letters that the paper wants. You make both, and save
them with a note of what they show.
"""

import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import erfgraph as eg
from erfgraph.figures import compare_figure, importance_figure, paper_style, save_figure

# %%
# One column of CVPR, 3.25 inches. Panels beside the map are left out where the page is narrow.

net = eg.load("resnet18", input_shape=(224, 224))
with paper_style("cvpr", columns=1):
    figure = importance_figure(eg.importance(net))
print(f"{figure.get_figwidth():.2f} inches wide")

# %%
# Two columns, for three maps beside each other.

maps = [eg.importance(net, layer=layer) for layer in ("layer1", "layer2", "layer3")]
with paper_style("cvpr", columns=2):
    figure = compare_figure(maps, view="input")
print(f"{figure.get_figwidth():.2f} inches wide")

# %%
# Papers with one column are wider. New figures of your own take the same settings:

with paper_style("neurips"):
    figure = Figure(layout="constrained")
    axes = figure.add_subplot(
        xlabel="distance (pixels)", ylabel="mean importance / largest"
    )
    for importance in maps:
        profile = eg.radial(importance)
        axes.plot(profile.radius, profile.relative, label=importance.layer)
    axes.set_xlim(0, 60)
    axes.legend()
print(f"{figure.get_figwidth():.2f} inches wide")

# %%
# Saving. The suffix says the format: ``.pdf`` and ``.svg`` keep text as text, ``.pgf`` leaves it
# to LaTeX, ``.png`` has 300 dots an inch. The file holds what the figure shows and how it was
# made; the same figure gives the same bytes.

with paper_style("cvpr", columns=1):
    figure = importance_figure(maps[1])
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "layer2.png")
    save_figure(figure, path, {"title": "Field of layer 2", "author": "A. Author"})
    with Image.open(path) as picture:
        print(picture.size, "pixels")
        for key, value in picture.text.items():
            print(f"{key}: {value}")
    for suffix in (".pdf", ".svg", ".pgf"):
        save_figure(figure, Path(folder, "layer2" + suffix))
    print(*sorted(found.name for found in Path(folder).iterdir()))
