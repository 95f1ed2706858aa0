"""
One theoretical field, six effective fields
===========================================

Six networks that see 19 × 19 pixels each, drawn on one scale. You learn that the theoretical
field alone says little about where a network looks, and get the numbers that tell them apart.
"""

import erfgraph as eg
from erfgraph.figures import compare_figure

# %%
# Nine small kernels, the same with identities around them, three large kernels, a single very
# large one, and small ones with dilation and with a stride. All are written in one line of the
# notation.

texts = [
    "conv3*9",
    "res(conv3p1)*9",
    "conv7*3",
    "conv19",
    "conv3 conv3d2 conv3d3*2",
    "conv3s2 conv3*4",
]
nets = [eg.load(text, input_shape=(19, 19)) for text in texts]

# %%
# Side by side, with one colour bar for all. Each map is relative to the largest importance of its
# own unit.

figure = compare_figure([eg.importance(net) for net in nets])

# %%
# The single layer weighs every pixel alike: it sees 19 × 19 pixels and uses them all. The more
# layers share the work, the more of the paths run through the middle. Identities add to that;
# dilation and strides spread them again.

eg.equal_fields(nets)

# %%
# ``equal_fields`` refuses networks whose fields are not equal, so a comparison cannot go wrong by
# mistake:

try:
    eg.equal_fields(["conv3*9", "conv5*3"])
except eg.InputError as error:
    print(error)

# %%
# A logarithmic scale shows what the linear one hides. In the corner of the first map a single path
# begins, against millions in its centre; in the dilated network the corner is not so far behind.

maps = [eg.importance(net) for net in nets]
for importance in maps:
    values = importance.values
    print(f"{importance.network:24} corner {values[0, 0]:4}  centre {values.max():9,}")
figure = compare_figure(maps, scale="log")
