"""
The high-contribution area at several shares
============================================

Papers on large kernels report the smallest centred square that holds a share of all contributions
(Ding et al. 2022). You compute it for several networks and shares without images or training, and
see how a logarithm taken first changes the ratios.
"""

from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph.figures import compare_figure

# %%
# Four networks on images of 1024 × 1024 pixels, as in the papers. The measure is the expected
# squared gradient; its root (``scale="sqrt"``) is comparable with a mean absolute gradient.

names = ["resnet101", "resnet152", "replknet13", "replknet31"]
shares = (0.2, 0.3, 0.5, 0.99)
maps = {}
for name in names:
    net = eg.load(name, input_shape=(1024, 1024))
    maps[name] = eg.importance(net, measure="variance")

print("area ratio r at      " + "".join(f"{share:8.0%}" for share in shares))
for name, importance in maps.items():
    rows = eg.high_contribution(importance, shares, scale="sqrt")
    print(f"{name:20} " + "".join(f"{row.area_ratio:8.1%}" for row in rows))

# %%
# The same for many shares, as curves.

grid = [n / 50 for n in range(1, 50)] + [0.99, 0.999]
figure = Figure(figsize=(5, 3.4), layout="constrained")
axes = figure.add_subplot(xlabel="side of the square (pixels)", ylabel="share inside")
for name, importance in maps.items():
    rows = eg.high_contribution(importance, grid, scale="sqrt")
    axes.plot([row.side for row in rows], [row.share for row in rows], label=name)
axes.legend(frameon=False, loc="lower right")

# %%
# The papers' script takes log10(x + 1) before the shares. The ratio then depends on the unit in
# which gradients are given: the same map, multiplied by ten, has another. This is why it is only
# offered for comparison with old numbers.

row = eg.high_contribution(maps["replknet31"], (0.5,), scale="log10")[0]
print(f"replknet31, 50 %, with a logarithm: {row.area_ratio:.1%}")

# %%
# The squares on three of the maps: half of everything lies inside the red one.

shown = [maps[name] for name in ("resnet152", "replknet13", "replknet31")]
erfs = [importance.erf(0.5, rule="square") for importance in shown]
# sphinx_gallery_thumbnail_number = 2
figure = compare_figure(shown, erfs, scale="power", view="input")
