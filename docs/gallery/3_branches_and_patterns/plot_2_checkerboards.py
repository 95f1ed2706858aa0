"""
Checkerboards of decoders
=========================

A transposed convolution whose kernel its stride does not divide covers its output unevenly (Odena
et al. 2016). You see the pattern before any image is generated, measure its contrast, and compare
the usual remedies.
"""

import erfgraph as eg
from erfgraph.figures import checkerboard_figure

# %%
# How many paths lead *into* every unit of the output? With kernel 3 and stride 2 it is one, two or
# four, with kernel 4 and stride 2 always the same. A second such layer makes it worse.

texts = ["deconv3s2", "deconv4s2", "deconv3s2*2"]
found = [eg.checkerboard(eg.load(text, input_shape=(6, 6))) for text in texts]
figure = checkerboard_figure(found, names=texts)

# %%
# One period of the pattern, far from the border, and its contrast: the standard deviation over the
# mean.

for text, board in zip(texts, found, strict=True):
    print(f"{text:12} contrast {board.contrast:.2f}")
    print(board.pattern)

# %%
# Remedies: upsample first and convolve then, or take a kernel that the stride divides. Even counts
# do not promise an even image, as trained weights can be uneven; but uneven counts must be undone
# by the weights.

texts = ["up2 conv3p1", "deconv5s3p1", "deconv6s3p1"]
boards = [eg.checkerboard(eg.load(text, input_shape=(6, 6))) for text in texts]
figure = checkerboard_figure(boards, names=texts)

# %%
# The same question the other way round: pixels of the *input* that are read unevenly. A
# convolution whose stride does not divide its kernel gives the gradient a checkerboard; it is the
# fine grid in many maps of the zoo. ``influence`` counts from one input unit to all output units.

net = eg.load("conv3s2p1 conv3s2p1", input_shape=(16, 16))
for unit in [(6, 6), (7, 7), (8, 8)]:
    print(f"paths from {unit} to the output: {eg.influence(net, unit=unit).total}")
