"""
Gridding: holes in the field of dilated layers
==============================================

Three dilated layers see far, but some choices of dilation skip most of what lies between. You find
the holes of 2, 2, 2, see that 1, 2, 5 has none, and search for other dilations without holes.
"""

import itertools

import erfgraph as eg
from erfgraph.figures import compare_figure, gridding_figure

# %%
# Dark units have a path to the unit, the pale ones between them have none. With equal dilations a
# unit sees every other row and column only, and its neighbour sees the others (Wang et al. 2018).

texts = ["conv3d2*3", "conv3 conv3d2 conv3d5"]
maps = [eg.importance(eg.load(text, input_shape=(17, 17))) for text in texts]
figure = gridding_figure(maps)

# %%
# In numbers: how much of the field's box is used, after how many pixels the pattern repeats, and
# the step of the lattice on which all of it lies.

for text, importance in zip(texts, maps, strict=True):
    found = eg.gridding(importance)
    print(
        f"{text:22} {found.units} units, {found.share_used:.0%} used,"
        f" period {found.period}, lattice {found.lattice}"
    )

# %%
# Beyond yes or no: how many paths does each pixel have? The second network has no hole, yet its
# importance is uneven, which a map of holes cannot show.

figure = compare_figure(maps)

# %%
# Which dilations are safe? All sets of three up to 5, for layers of three taps. One layer must
# have dilation 1, and no other may step further than those with smaller dilations see together.

safe = []
for dilations in itertools.combinations_with_replacement(range(1, 6), 3):
    text = " ".join(f"conv3d{d}" for d in dilations)
    if eg.gridding(eg.load(text)).holes == 0:
        safe.append(dilations)
print("no holes:", *safe, sep="\n")
