"""
A network written down layer by layer
=====================================

For an idea that is not a model yet, the layers are written down: as a line of notation, as calls
in Python, or as a file. You build the same network in all three ways, and one that no line can
say.
"""

import tempfile
from pathlib import Path

import erfgraph as eg
from erfgraph.figures import graph_figure, importance_figure

# %%
# A line of notation is the quickest for chains, residual blocks and branches:

line = eg.load("conv3p1 res(conv3p1 conv3p1) max2", input_shape=(16, 16))

# %%
# With calls, every layer returns the feature map that it makes. A map can be read any number of
# times, which is all that a branch needs.

net = eg.Network((16, 16))
stem = net.conv(net.input, 3, padding=1)
x = net.conv(stem, 3, padding=1)
x = net.conv(x, 3, padding=1)
x = net.add(x, stem)
x = net.max_pool(x, 2)
print(
    "equal importance:", (eg.importance(net).values == eg.importance(line).values).all()
)

# %%
# A network can be kept in a file and read again. TOML, JSON and YAML hold the same words as the
# calls.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "net.toml")
    eg.save_network(net, path)
    print(path.read_text())
    print("equal importance:", eg.importance(eg.load(path)) == eg.importance(net))

# %%
# Calls say more than a line can. Here a mask leaves a kernel only the taps above and to the left,
# as in an autoregressive network: no path leads from the unit itself or from anything after it.

mask = [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
causal = eg.Network((15, 15), name="causal")
x = causal.conv(causal.input, 3, padding=1, mask=mask)
mask = [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
for _ in range(3):
    x = causal.conv(x, 3, padding=1, mask=mask)
# sphinx_gallery_thumbnail_number = 1
figure = importance_figure(eg.importance(causal), view="input")

# %%
# Other borders: a circular one reads around the edge, so that all units see equally much. In the
# graph a line runs from the last unit of a row to the first of the next.

ring = eg.Network((8,), name="ring")
x = ring.conv(ring.input, 3, padding=1, padding_mode="circular")
x = ring.conv(x, 3, padding=1, padding_mode="circular")
print([eg.importance(ring, unit=u).total for u in range(8)])
figure = graph_figure(ring, unit=0)
