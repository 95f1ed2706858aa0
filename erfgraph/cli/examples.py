"""What the help of a command ends with: lines to type, and what they give."""

from __future__ import annotations

LINE = 78  # characters of a line, so that a usual terminal does not break it

EXAMPLES: dict[str, tuple[str, ...]] = {
    "map": (
        'erfgraph map "conv7*3"  # three 7-tap layers: 37 paths from the centre',
        "erfgraph map resnet50 -o resnet50.pdf  # a figure for print",
        "erfgraph map vgg16 resnet18 --rule mass -o two.png  # side by side",
        "erfgraph map resnet50 --layer layer2 --unit 0,0  # a corner of an inner layer",
        "erfgraph map model.onnx --save map.npz  # a model of yours, to a file",
    ),
    "table": (
        "erfgraph table resnet50  # size and stride of every layer's field",
        "erfgraph table vgg16 vgg19 --format latex  # side by side, for a paper",
        "erfgraph table resnet50 --layer layer3  # one layer",
    ),
    "graph": (
        'erfgraph graph "conv3*5"  # units and edges, layer by layer',
        'erfgraph graph "conv3*5" --measure edges -o graph.pdf  # drawn',
        'erfgraph graph "conv3*2" --from 2 -o paths.graphml  # paths from unit 2',
    ),
    "diagram": (
        "erfgraph diagram resnet18  # layers and merges with their field sizes",
        "erfgraph diagram resnet18 -o resnet18.pdf  # drawn",
    ),
    "compare": (
        'erfgraph compare "conv3p1*5" --against uniform  # two measures, no PyTorch',
        "erfgraph compare resnet18 --samples 64 -o both.pdf  # with 64 gradients",
        "erfgraph compare resnet18 --until 0.05  # draw until the noise is small",
    ),
    "equal": (
        'erfgraph equal "conv7*3" "conv3*9"  # one theoretical field, two effective',
        "erfgraph equal vgg16 resnet18 --any -o fields.pdf  # whatever their sizes",
    ),
    "scales": (
        'erfgraph scales "res(conv3p1)*3"  # field sizes behind residual branches',
        "erfgraph scales resnet50 resnet101 -o scales.pdf  # two spectra, drawn",
    ),
    "centres": (
        "erfgraph centres resnet50 --object 32x32  # how likely a centre hits it",
        "erfgraph centres resnet50 --image photo.jpg -o centres.png  # on a photo",
    ),
    "coverage": (
        "erfgraph coverage resnet50  # how much of the image each layer sees",
        "erfgraph coverage resnet18 --input 32x32  # which layers add nothing there",
    ),
    "growth": (
        "erfgraph growth resnet50  # both fields of every layer",
        "erfgraph growth vgg16 resnet50 -o growth.pdf  # two networks, drawn",
    ),
    "radial": (
        "erfgraph radial resnet50  # importance by distance from the centre",
        "erfgraph radial vgg16 resnet50 -o radial.pdf  # two networks, drawn",
    ),
    "cells": (
        "erfgraph cells vgg16  # what every cell of the last grid sees",
        "erfgraph cells resnet50 --image photo.jpg -o cells.png  # on a photo",
    ),
    "match": (
        "erfgraph match resnet50 --coco boxes.json --level layer3 --level layer4",
        "erfgraph match resnet50 --coco boxes.json --level layer4 --anchors 128,256",
    ),
    "verify": (
        "erfgraph verify --quick  # all that needs no PyTorch, in seconds",
        "erfgraph verify --quick --only chains  # one group of claims",
        'erfgraph verify "conv3p1*4" --quick --only own  # on a network of yours',
    ),
    "zoo": (
        "erfgraph zoo  # names, sizes and papers",
        "erfgraph zoo --json  # the same for programs",
    ),
}


def epilog_of(name: str) -> str | None:
    """The end of a command's help; None where there are no examples.

    Examples
    --------
    >>> print((epilog_of("zoo") or "").splitlines()[-1])
    erfgraph zoo --json  # the same for programs
    """
    # typer makes a line of each paragraph
    return "\n\n".join(["Examples:", *EXAMPLES[name]]) if name in EXAMPLES else None
