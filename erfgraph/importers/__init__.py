"""Networks from models of other libraries: one table of operations each.

A model is recorded once (``torch_import``, ``onnx_import``, ``keras_import``), each operation is
translated by one row of a table, and the rows share what they are made of:

- ``layout``: how the dimensions of a tensor hold a feature map's axes and channels;
- ``values``: traced tensors and constants;
- ``arrange``, ``moves``, ``merging``, ``concat``, ``contract``, ``sliding``: what operations do
  to them;
- ``passing``: elementwise functions, written-out ones recognised; ``trained``: where weights are.
"""

from __future__ import annotations

from erfgraph.importers.rows import Call, Row, constant, layer, merge, transparent
from erfgraph.importers.values import Constant, Traced

__all__ = [
    "Call",
    "Constant",
    "Row",
    "Traced",
    "constant",
    "layer",
    "merge",
    "transparent",
]
