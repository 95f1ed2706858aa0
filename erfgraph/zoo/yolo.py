"""YOLOv3 (Redmon and Farhadi 2018) and YOLOv8 (Jocher et al. 2023): backbone, neck, three outputs.

Names are Ultralytics': ``model.N`` is the N-th module of the network, ``model.4.0.cv1`` a part
of it. The outputs are also named ``P5``, ``P4`` and ``P3``, at strides 32, 16 and 8; the
network ends with the finest, ``P3``. With its head each output goes through what detects on
it, again the finest last: ``model.28.m.0`` in YOLOv3; ``model.22.0`` in YOLOv8, the boxes of
``model.22.cv2.0`` beside the classes of ``model.22.cv3.0``. Sizes are multiples of 32: else
the neck's maps do not meet, and the concatenation says so.

A bottleneck of YOLOv3 is a 1x1 and a 3x3 convolution, as in the paper and in the repository
ultralytics/yolov3; the package `ultralytics` builds a network of that name with two 3x3.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, batch_norm, conv, follow

V3 = "Redmon and Farhadi 2018, arXiv:1804.02767"
V8 = "Jocher et al. 2023, github.com/ultralytics/ultralytics"
CLASSES = 80  # of COCO
ANCHORS = 3  # at every position, of YOLOv3
BINS = 16  # of the distribution of each of a box's four sides, of YOLOv8


# ultralytics/yolov3 now has SiLU in place of the paper's leaky ReLU
LEAKY = Function("leaky_relu", value=0.1)
SILU = Function("silu")


def unit(
    net: Network,
    x: FeatureMap,
    name: str,
    width: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    act: Function,
) -> FeatureMap:
    """A convolution with its norm and its activation."""
    after = (batch_norm(f"{name}.bn"), replace(act, name=f"{name}.act"), name)
    return conv(net, x, f"{name}.conv", width, kernel, stride, then=after)


unit_v3, unit_v8 = partial(unit, act=LEAKY), partial(unit, act=SILU)


def outputs(net: Network, *maps: FeatureMap) -> FeatureMap:
    """Name the outputs from coarse to fine, and end with the finest."""
    for level, x in zip((5, 4, 3), maps, strict=True):
        follow(net, x, f"P{level}")
    return maps[-1]


# --- YOLOv3 ---


def bottlenecks(
    net: Network, x: FeatureMap, name: str, width: int, repeats: int = 1, skip: bool = False
) -> FeatureMap:
    """A 1x1 and a 3x3 convolution, repeated, each time with a skip or without."""
    for i in range(repeats):
        part = f"{name}.{i}" if repeats > 1 else name
        y = unit_v3(net, x, f"{part}.cv1", width // 2)
        y = unit_v3(net, y, f"{part}.cv2", width, 3)
        x = net.add(x, y, name=part) if skip else follow(net, y, part)
    return follow(net, x, name) if repeats > 1 else x


def yolov3(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Darknet-53, and a feature pyramid from coarse to fine."""
    x = unit_v3(net, x, "model.0", 32, 3)
    scales = []
    for stage, depth in enumerate((1, 2, 8, 8, 4)):
        x = unit_v3(net, x, f"model.{2 * stage + 1}", 64 << stage, 3, 2)
        x = bottlenecks(net, x, f"model.{2 * stage + 2}", 64 << stage, depth, skip=True)
        scales.append(x)
    x = bottlenecks(net, x, "model.11", 1024)
    for row, width, kernel in ((12, 512, 1), (13, 1024, 3), (14, 512, 1)):
        x = unit_v3(net, x, f"model.{row}", width, kernel)
    p5 = unit_v3(net, x, "model.15", 1024, 3)
    x = unit_v3(net, x, "model.16", 256)
    x = net.concat(net.upsample(x, 2, name="model.17"), scales[3], name="model.18")
    for row in (19, 20):
        x = bottlenecks(net, x, f"model.{row}", 512)
    x = unit_v3(net, x, "model.21", 256)
    p4 = unit_v3(net, x, "model.22", 512, 3)
    x = unit_v3(net, x, "model.23", 128)
    x = net.concat(net.upsample(x, 2, name="model.24"), scales[2], name="model.25")
    x = bottlenecks(net, x, "model.26", 256)
    p3 = bottlenecks(net, x, "model.27", 256, 2)
    x = outputs(net, p5, p4, p3)
    if head:
        for i, p in ((2, p5), (1, p4), (0, p3)):
            x = conv(net, p, f"model.28.m.{i}", ANCHORS * (5 + CLASSES), 1)
    return x


# --- YOLOv8 ---


def c2f(
    net: Network, x: FeatureMap, name: str, width: int, repeats: int, skip: bool = False
) -> FeatureMap:
    """Channels cut in two; a chain of 3x3 blocks behind one half; all of it side by side."""
    half = width // 2
    x = unit_v8(net, x, f"{name}.cv1", width)
    ys = [net.channel_slice(x, i * half, (i + 1) * half, name=f"{name}.chunk.{i}") for i in (0, 1)]
    for i in range(repeats):
        part = f"{name}.m.{i}"
        y = unit_v8(net, ys[-1], f"{part}.cv1", half, 3)
        y = unit_v8(net, y, f"{part}.cv2", half, 3)
        ys.append(net.add(ys[-1], y, name=part) if skip else follow(net, y, part))
    x = net.concat(*ys, name=f"{name}.cat")
    return follow(net, unit_v8(net, x, f"{name}.cv2", width), name)


def sppf(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Max pools in a row, side by side with what they read: windows of 1, 5, 9 and 13."""
    ys = [unit_v8(net, x, f"{name}.cv1", x.channels // 2)]
    for i in range(3):
        ys.append(net.max_pool(ys[-1], 5, 1, 2, name=f"{name}.m.{i}"))
    y = net.concat(*ys, name=f"{name}.cat")
    return follow(net, unit_v8(net, y, f"{name}.cv2", x.channels), name)


def detect(net: Network, x: FeatureMap, name: str, i: int, widths: tuple[int, int]) -> FeatureMap:
    """Boxes and classes at one scale, side by side."""
    made = []
    for part, width, channels in zip(("cv2", "cv3"), widths, (4 * BINS, CLASSES), strict=True):
        y = x
        for j in (0, 1):
            y = unit_v8(net, y, f"{name}.{part}.{i}.{j}", width, 3)
        made.append(
            conv(net, y, f"{name}.{part}.{i}.2", channels, 1, then=(f"{name}.{part}.{i}",))
        )
    return net.concat(*made, name=f"{name}.{i}")


def yolov8(
    net: Network,
    x: FeatureMap,
    head: bool = False,
    *,
    widths: tuple[int, ...] = (16, 32, 64, 128, 256),
    depth: int = 1,
) -> FeatureMap:
    """Blocks of split channels, pools of several sizes, a pyramid down to P3 and back up to P5.

    Parameters
    ----------
    net : Network
    x : FeatureMap
    head : bool, optional
        Whether to add what detects.
    widths : tuple of int, optional
        Channels at strides 2, 4, 8, 16 and 32.
    depth : int, optional
        Blocks of a stage; the two in the middle of the backbone have twice as many.

    Returns
    -------
    FeatureMap
    """
    x = unit_v8(net, x, "model.0", widths[0], 3, 2)
    scales = []
    for stage, width in enumerate(widths[1:]):
        row, repeats = 2 * stage + 1, depth * (2 if stage in (1, 2) else 1)
        x = unit_v8(net, x, f"model.{row}", width, 3, 2)
        x = c2f(net, x, f"model.{row + 1}", width, repeats, skip=True)
        scales.append(x)
    c5 = sppf(net, x, "model.9")
    x = net.concat(net.upsample(c5, 2, name="model.10"), scales[2], name="model.11")
    n4 = c2f(net, x, "model.12", widths[3], depth)
    x = net.concat(net.upsample(n4, 2, name="model.13"), scales[1], name="model.14")
    p3 = c2f(net, x, "model.15", widths[2], depth)
    x = net.concat(unit_v8(net, p3, "model.16", widths[2], 3, 2), n4, name="model.17")
    p4 = c2f(net, x, "model.18", widths[3], depth)
    x = net.concat(unit_v8(net, p4, "model.19", widths[3], 3, 2), c5, name="model.20")
    p5 = c2f(net, x, "model.21", widths[4], depth)
    x = outputs(net, p5, p4, p3)
    if head:
        hidden = max(widths[2] // 4, 4 * BINS), max(widths[2], CLASSES)
        for i, p in ((2, p5), (1, p4), (0, p3)):
            x = detect(net, p, "model.22", i, hidden)
    return x


SCALES = {  # channels and depth
    "n": ((16, 32, 64, 128, 256), 1),
    "s": ((32, 64, 128, 256, 512), 1),
    "m": ((48, 96, 192, 384, 576), 2),
    "l": ((64, 128, 256, 512, 512), 3),
    "x": ((80, 160, 320, 640, 640), 3),
}
ARCHITECTURES = (
    Architecture("yolov3", yolov3, V3, (416, 416), init="kaiming_fan_in"),
    *(
        Architecture(f"yolov8{size}", partial(yolov8, widths=widths, depth=depth), V8, (640, 640))
        for size, (widths, depth) in SCALES.items()
    ),
)
