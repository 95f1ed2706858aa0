"""Make the pictures of the documentation.

    python docs/make_figures.py [folder]

The folder is docs/images by default. Pictures are reduced to 256 colours to keep them small.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import erfgraph as eg
from erfgraph.figures import (
    architecture_figure,
    cells_figure,
    centre_figure,
    checkerboard_figure,
    compare_figure,
    coverage_figure,
    graph_figure,
    growth_figure,
    importance_figure,
    radial_figure,
    save_figure,
    scale_figure,
)


def resnet50():
    """ERF of the centre unit of ResNet-50's last feature map."""
    return importance_figure(eg.importance(eg.load("resnet50")))


def thirty_seven():
    """The graph in which 37 paths start from the centre."""
    return graph_figure(eg.load("conv7*3"))


def gridding():
    """Equal dilations leave holes, dilations 1, 2 and 5 do not."""
    nets = [eg.load(text, (32, 32)) for text in ("conv3d2*3", "conv3 conv3d2 conv3d5")]
    return compare_figure([eg.importance(net) for net in nets], view="field")


def scales():
    """The field sizes that ResNet-50 couples: ways, and paths, behind each."""
    return scale_figure(eg.spectrum(eg.load("resnet50")))


def coverage():
    """Share of the image that the layers of two networks see, in theory and in effect."""
    return coverage_figure([eg.coverage(eg.load(name)) for name in ("vgg16", "resnet18")])


def cells():
    """Nine cells, the nine regions of the image that they label."""
    net = eg.load("conv3p1*2 max4 conv3p1*2 max4", (48, 48))
    return cells_figure(eg.cells(net))


def centres():
    """The grids of field centres of three stages, and an object that may fall between."""
    layers = ["layer2", "layer3", "layer4"]
    return centre_figure(eg.load("resnet18"), layers, object_size=(20, 20))


def growth():
    """Fields of three chains over depth, with the fitted powers."""
    nets = [eg.load(t, (241, 241)) for t in ("conv3*80", "conv7*40", "res(conv3p1 conv3p1)*30")]
    return growth_figure([eg.growth(net) for net in nets], law=True)


def radial():
    """Importance by distance for three networks with one theoretical field."""
    nets = [eg.load(text, (19, 19)) for text in ("conv3*9", "conv7*3", "conv19")]
    return radial_figure([eg.importance(net) for net in nets])


def diagram():
    """The layers of ResNet-18, with the field sizes of what runs between them."""
    return architecture_figure(eg.load("resnet18"))


def checkerboard():
    """Transposed layers whose stride divides the kernel, or does not."""
    texts = ("deconv3s2", "deconv4s2", "deconv3s2*2")
    found = [eg.checkerboard(eg.load(text, (6, 6))) for text in texts]
    return checkerboard_figure(found, names=texts)


FIGURES: dict[str, Callable] = {
    "resnet50": resnet50,
    "37": thirty_seven,
    "gridding": gridding,
    "scales": scales,
    "coverage": coverage,
    "cells": cells,
    "centres": centres,
    "diagram": diagram,
    "checkerboard": checkerboard,
    "growth": growth,
    "radial": radial,
}


def main(folder: Path) -> None:
    """Write every picture into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FIGURES.items():
        path = folder / f"{name}.png"
        save_figure(make(), path)
        with Image.open(path) as image:
            small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
