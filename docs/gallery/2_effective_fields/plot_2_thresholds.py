"""
Where does a field end? Thresholds and rules
============================================

An effective field needs a threshold, and there is more than one way to set it. You see contours at
several thresholds, and the three rules side by side: a share of the peak, a share of the mass, and
the smallest square.
"""

from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph.figures import importance_figure

net = eg.load("conv3*20", input_shape=(41, 41))
importance = eg.importance(net)

# %%
# The default is 4.55 % of the largest importance, after Luo et al. (2016): within two standard
# deviations lie 95.45 % of a Gaussian. Here are contours at this and other shares of the peak.

figure = importance_figure(
    importance, thresholds=[0.0455, 0.1, 0.25, 0.5, 0.75], view="input"
)

# %%
# The rules answer different questions:
#
# - ``"peak"``: which units matter at least as much as a share of the most important one?
# - ``"mass"``: which few units together hold a share of everything?
# - ``"square"``: how wide is the smallest centred square that holds a share? This is the
#   high-contribution area of the large-kernel papers.

for rule in ("peak", "mass", "square"):
    erf = importance.erf(rule=rule)
    print(f"{rule:7} at {erf.threshold:6.2%}: {erf.area:4} units, box {erf.bbox}")

# %%
# The first two nearly agree, which is no accident. In a round Gaussian of two axes, the contour at
# 4.55 % of the peak is exactly the one that leaves 4.55 % of the mass outside. The square has
# corners, which hold little, so it must be larger.

figure = Figure(figsize=(8.5, 3), layout="constrained")
for ax, rule in zip(figure.subplots(1, 3), ("peak", "mass", "square"), strict=True):
    erf = importance.erf(rule=rule)
    title = f"{rule}, {erf.threshold:.2%}: side {erf.size:.1f}"
    importance_figure(importance, erf, ax=ax, title=title, view="input")
    ax.get_legend().remove()

# %%
# So a size without its rule and threshold means little. This table is worth a line in any paper:

print("threshold   peak   mass  square   (side of the field)")
for threshold in (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99):
    sides = [
        importance.erf(threshold, rule=rule).size for rule in ("peak", "mass", "square")
    ]
    print(f"{threshold:9.0%}", *(f"{side:6.1f}" for side in sides))
