"""
A model in an ONNX file
=======================

ONNX files come from every framework. You write one, load it by its path, and ask for units by the
names in the file. Needs the package onnx.
"""

import tempfile
from pathlib import Path

import onnx
from onnx.parser import parse_model

import erfgraph as eg
from erfgraph.figures import compare_figure

# %%
# The file of this example holds a stem and one residual block, in ONNX's own text form. Its
# weights are left out: only their shapes are needed. Usually a framework's exporter writes the
# file.

model = parse_model("""
<ir_version: 10, opset_import: ["" : 21]>
tiny (float[1, 3, H, W] image) => (float[1, 8, h, w] block)
<float[8, 3, 7, 7] w1 = {}, float[8, 8, 3, 3] w2 = {}, float[8, 8, 3, 3] w3 = {}>
{
    stem = Conv <strides = [2, 2], pads = [3, 3, 3, 3]> (image, w1)
    a = Relu (stem)
    b = Conv <pads = [1, 1, 1, 1]> (a, w2)
    c = Relu (b)
    d = Conv <pads = [1, 1, 1, 1]> (c, w3)
    block = Add (a, d)
}
""")
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "tiny.onnx")
    onnx.save(model, path)
    net = eg.load(path, input_shape=(32, 32))

# %%
# Height and width are symbols in the file, so the input's shape is given when it is loaded. Names
# of the file are names of the network.

eg.receptive_fields(net)

# %%
# What meets at the addition? The identity's field and that of the block.

eg.branches(net, "block")

# %%
# As expected squared gradients: the two convolutions widen the field, and the identity beside them
# keeps the stem's in the middle of it.

maps = [
    eg.importance(net, layer=name, measure="variance")
    for name in ("stem", "d", "block")
]
figure = compare_figure(maps)
