"""Segmentation networks on a classification network's features, as torchvision builds them.

FCN (Long et al. 2015), DeepLab v3 (Chen et al. 2017) and Lite R-ASPP (Howard et al. 2019).
They end in an interpolation to the size of the input. There is no classifier to leave out, so
`head` changes nothing; the auxiliary classifiers, which only take part in training, are absent.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import After, Function, batch_norm, relu
from erfgraph.zoo.mobilenet import features_v3
from erfgraph.zoo.resnet import resnet

CLASSES = 21  # of Pascal VOC
RATES = (12, 24, 36)
INPUT = (520, 520)


def resized(net: Network, x: FeatureMap, like: FeatureMap, name: str) -> FeatureMap:
    """Bilinear interpolation to the size of another map."""
    return net.upsample(x, size=like.shape, mode="linear", name=name)


def features(net: Network, x: FeatureMap, depth: int) -> FeatureMap:
    """A ResNet whose last two stages are dilated in place of strided."""
    return resnet(net, x, depth, dilated=(False, True, True), prefix="backbone.")


def mobile(net: Network, x: FeatureMap) -> FeatureMap:
    """MobileNet v3 whose last blocks are dilated in place of strided."""
    return features_v3(net, x, "large", "backbone.", dilated=True)


def fcn(net: Network, image: FeatureMap, depth: int, head: bool = False) -> FeatureMap:
    """A 3x3 convolution, then one that gives each position its classes."""
    x = features(net, image, depth)
    then = (batch_norm("classifier.1"), relu("classifier.2"), "classifier.3")  # last a dropout
    x = blocks.conv(net, x, "classifier.0", x.channels // 4, then=then)
    x = blocks.conv(net, x, "classifier.4", CLASSES, 1, then=("classifier",))
    return resized(net, x, image, "out")


def pyramid(net: Network, x: FeatureMap, name: str, width: int = 256) -> FeatureMap:
    """Atrous spatial pyramid pooling: 1x1, three dilated 3x3, and the mean of all positions."""
    made: list[FeatureMap] = []
    then: tuple[After, ...]
    for i, rate in enumerate((0, *RATES)):
        branch = f"{name}.convs.{i}"
        then = (batch_norm(f"{branch}.1"), relu(f"{branch}.2"), branch)
        kernel = 3 if rate else 1
        made.append(
            blocks.conv(net, x, f"{branch}.0", width, kernel, dilation=max(rate, 1), then=then)
        )
    branch = f"{name}.convs.{len(made)}"
    mean = net.global_pool(x, name=f"{branch}.0")
    then = (batch_norm(f"{branch}.2"), relu(f"{branch}.3"))
    mean = blocks.conv(net, mean, f"{branch}.1", width, 1, then=then)
    made.append(resized(net, mean, x, branch))
    project = f"{name}.project"
    x = net.concat(*made, name=f"{name}.concat")
    active = (batch_norm(f"{project}.1"), relu(f"{project}.2"))
    then = (*active, f"{project}.3", project, name)
    return blocks.conv(net, x, f"{project}.0", width, 1, then=then)


def deeplabv3(
    net: Network, image: FeatureMap, depth: int | None = None, head: bool = False
) -> FeatureMap:
    """The pyramid, a 3x3 convolution, then one that gives each position its classes.

    On a ResNet of the given depth, or without one on MobileNet v3.
    """
    x = features(net, image, depth) if depth else mobile(net, image)
    x = pyramid(net, x, "classifier.0")
    then = (batch_norm("classifier.2"), relu("classifier.3"))
    x = blocks.conv(net, x, "classifier.1", 256, then=then)
    x = blocks.conv(net, x, "classifier.4", CLASSES, 1, then=("classifier",))
    return resized(net, x, image, "out")


def lraspp(net: Network, image: FeatureMap, head: bool = False) -> FeatureMap:
    """Classes from deep features, gated by their means, and from those of stride 8, added."""
    deep = mobile(net, image)
    low = net["backbone.4"]
    cbr, scale = "classifier.cbr", "classifier.scale"
    then: tuple[After, ...] = (batch_norm(f"{cbr}.1"), relu(f"{cbr}.2"), cbr)
    x = blocks.conv(net, deep, f"{cbr}.0", 128, 1, then=then)
    gate = net.global_pool(deep, name=f"{scale}.0")
    then = (Function("sigmoid", f"{scale}.2"), scale)
    gate = blocks.conv(net, gate, f"{scale}.1", 128, 1, then=then)
    x = resized(net, net.gate(x, gate), low, "classifier.resized")
    x = blocks.conv(net, x, "classifier.high_classifier", CLASSES, 1)
    low = blocks.conv(net, low, "classifier.low_classifier", CLASSES, 1)
    return resized(net, net.add(low, x, name="classifier"), image, "out")


FCN = "Long et al. 2015, arXiv:1411.4038"
DEEPLAB = "Chen et al. 2017, arXiv:1706.05587"
MOBILE = "Howard et al. 2019, arXiv:1905.02244"

INIT = "kaiming_fan_out"  # of the network below; what stands on it is PyTorch's own

ARCHITECTURES = (
    *(
        Architecture(f"fcn_resnet{n}", partial(fcn, depth=n), FCN, INPUT, init=INIT)
        for n in (50, 101)
    ),
    *(
        Architecture(
            f"deeplabv3_resnet{n}", partial(deeplabv3, depth=n), DEEPLAB, INPUT, init=INIT
        )
        for n in (50, 101)
    ),
    Architecture("deeplabv3_mobilenet_v3_large", deeplabv3, DEEPLAB, INPUT, init=INIT),
    Architecture("lraspp_mobilenet_v3_large", lraspp, MOBILE, INPUT, init=INIT),
)
