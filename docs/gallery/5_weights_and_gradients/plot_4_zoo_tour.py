"""
A tour of the zoo: field against effective field
================================================

Some twenty networks of the zoo in one picture: how large is the theoretical field of the last
layer, and how much of it is in use? You learn to run over many networks and to draw your own
summary with matplotlib.
"""

from matplotlib.figure import Figure

import erfgraph as eg

# %%
# One network after the other, on an image that is large enough for most fields. The measure is the
# expected squared gradient; no weights are needed.

families = {
    "VGG": ["vgg11", "vgg13", "vgg16", "vgg19"],
    "ResNet": ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
    "DenseNet": ["densenet121"],
    "MobileNet": ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"],
    "EfficientNet": ["efficientnet_b0", "efficientnet_b3", "efficientnet_b5"],
    "RegNet": ["regnet_y_400mf", "regnet_x_1_6gf", "regnet_y_16gf"],
    "ShuffleNet": ["shufflenet_v2_x1_0"],
    "ConvNeXt": ["convnext_tiny", "convnext_small"],
}
found = {}
for family, names in families.items():
    for name in names:
        net = eg.load(name, input_shape=(1024, 1024))
        importance = eg.importance(net, measure="variance")
        field = eg.receptive_field(net).size[0]
        found[name] = (family, field, importance.erf().size)
        print(f"{name:20} field {field:5}  effective {found[name][2]:6.1f}")

# %%
# Each dot is a network. On the dotted lines the effective field is as large as the theoretical
# one, a half and a tenth of it.

figure = Figure(figsize=(6, 4.4), layout="constrained")
axes = figure.add_subplot(
    xscale="log",
    yscale="log",
    xlabel="side of the theoretical field (pixels)",
    ylabel="side of the effective field (pixels)",
)
for family, marker in zip(families, "osD^v<>P", strict=True):
    points = [(field, side) for kind, field, side in found.values() if kind == family]
    axes.plot(*zip(*points, strict=True), marker, label=family, alpha=0.8)
for part, text in ((1, "equal"), (2, "1/2"), (10, "1/10")):
    axes.plot([150, 4000], [150 / part, 4000 / part], color="grey", ls=":", lw=0.8)
    axes.annotate(text, (900, 990 / part), color="grey", fontsize=8, ha="right")
ticks = [100, 200, 500, 1000, 2000, 4000]
axes.set_xticks(ticks, ticks)
axes.set_yticks(ticks[:4], ticks[:4])
axes.minorticks_off()
axes.set(xlim=(120, 4500), ylim=(80, 1300))
axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))

# %%
# A field that is three times as large is not three times as much in use. In a dense network, where
# every layer reads all before it, the short ways weigh most, and the least of the field is used.

for name in ("resnet50", "resnet152", "densenet121"):
    _, field, side = found[name]
    print(
        f"{name:12} field {field:5}, effective {side:4.0f}, which is {side / field:.0%}"
    )
