"""
Skips shrink, dilation and strides enlarge
==========================================

Five changes to one chain of ten layers, and what each does to its effective field. You learn to
predict the direction of a change before training anything.
"""

from matplotlib.figure import Figure

import erfgraph as eg
from erfgraph.figures import compare_figure

# %%
# Each network but the last has ten layers, and all have the same input.

texts = {
    "plain": "conv3p1*10",
    "with skips": "res(conv3p1)*10",
    "dilated": "conv3p1*5 conv3p2d2*5",
    "strided": "conv3p1*5 conv3s2p1 conv3p1*4",
    "5 × 5 taps": "conv5p2*10",
    "20 layers": "conv3p1*20",
}
nets = {name: eg.load(text, input_shape=(61, 61)) for name, text in texts.items()}
maps = {name: eg.importance(net) for name, net in nets.items()}
figure = compare_figure(list(maps.values()), view="input")

# %%
# Dilated and strided layers take longer steps, so both fields grow. Larger kernels and twice as
# many layers make the same theoretical field here, but not the same effective one: depth is the
# slow way. Skip connections leave the theoretical field as it is and shrink the effective one: a
# block with a skip takes a step or stays where it is.

print("            theoretical  effective  variance")
for name, importance in maps.items():
    print(
        f"{name:12}{importance.trf.size[0]:11}  {importance.erf().size:9.1f}"
        f"  {importance.std[0] ** 2:8.2f}"
    )

# %%
# How much a skip shrinks it depends on what is counted. A layer offers nine paths and the skip
# one, so in counts of paths the skip weighs a tenth. In a gradient each of the nine carries a
# ninth of the weight, and the skip weighs a half: that is what ``measure="variance"`` says. The
# axes here are matplotlib's own.

measures = {"paths": "o-", "variance": "s--"}
figure = Figure(figsize=(5, 3), layout="constrained")
axes = figure.add_subplot(
    xlabel="layers with a skip, of ten",
    ylabel="standard deviation (pixels)",
    ylim=(0, 3),
)
for measure, style in measures.items():
    spread = []
    for skips in range(11):
        text = " ".join(["res(conv3p1)"] * skips + ["conv3p1"] * (10 - skips))
        net = eg.load(text, input_shape=(61, 61))
        spread.append(eg.importance(net, measure=measure).std[0])
    axes.plot(range(11), spread, style, label=measure)
    print(f"{measure:8} {spread[0]:.2f} without skips, {spread[-1]:.2f} with ten")
axes.legend(frameon=False)
