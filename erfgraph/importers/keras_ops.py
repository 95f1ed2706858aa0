"""Keras' layers and operations: one row each, by the name of the class.

Operations, which `keras.ops` functions record, are told from layers by ``ops.`` in front.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from erfgraph.importers import keras_elementwise as elementwise
from erfgraph.importers import keras_moves as moves
from erfgraph.importers import keras_sums as sums
from erfgraph.importers import keras_windows as windows
from erfgraph.importers.keras_elementwise import activated
from erfgraph.importers.rows import Row, constant, words

CONSTANTS = words("EmptyLike FullLike Ndim OnesLike Size ZerosLike")

SUMS = {"Add": np.add, "Hypot": np.hypot, "Logaddexp": np.logaddexp, "Logaddexp2": np.logaddexp2}
FACTORS: dict[str, Any] = {
    "Multiply": np.multiply,
    **dict.fromkeys(("Divide", "DivideNoNan", "TrueDivide"), np.divide),
    "Power": np.power,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    **dict.fromkeys(
        words(
            """
Arctan2 BitwiseAnd BitwiseOr BitwiseXor FloorDivide Fmod Heaviside LogicalAnd LogicalOr
LogicalXor Mod
"""
        )
    ),
}
MEANS = words(
    """
All Any Average Logsumexp Mean Median Nanmean Nanmedian Nanprod Nanstd Nansum Nanvar Norm Prod
Std Sum Var
"""
)
EXTREMES = words("Amax Amin Max Min Nanmax Nanmin Ptp")


def _by_axes(names: str, row: Row, axes: str = "123") -> dict[str, Row]:
    """Rows of layers that exist for several numbers of axes (# stands for it)."""
    return {name.replace("#", n): row for name in names.split() for n in axes}


_LAYERS: dict[str, Row] = {
    **elementwise.LAYERS,
    **_by_axes("Conv#D Convolution#D", activated(windows.convolution)),
    **_by_axes("DepthwiseConv#D", activated(windows.depthwise), "12"),
    **_by_axes("SeparableConv#D", activated(windows.separable), "12"),
    **_by_axes("Conv#DTranspose", activated(windows.transposed)),
    **_by_axes("MaxPooling#D", windows.pool("max_pool")),
    **_by_axes("AveragePooling#D", windows.pool("avg_pool")),
    **_by_axes("GlobalMaxPooling#D", windows.global_pool("max_pool")),
    **_by_axes("GlobalAveragePooling#D", windows.global_pool("avg_pool")),
    **_by_axes("AdaptiveAveragePooling#D AdaptiveMaxPooling#D", windows.adaptive_pool),
    **_by_axes("ZeroPadding#D", windows.zero_padding),
    **_by_axes("Cropping#D", windows.cropping),
    **_by_axes("UpSampling#D", windows.upsampling),
    "Resizing": windows.resized,
    **dict.fromkeys(("CenterCrop", "RandomCrop"), windows.centre_crop),
    "Flatten": moves.flattened,
    "Reshape": moves.reshaped,
    "Permute": moves.permuted,
    "RepeatVector": moves.repeated_vector,
    "Concatenate": moves.joined,
    **dict.fromkeys(("Add", "Average"), sums.merged("add")),
    "Subtract": sums.merged("sub"),
    "Multiply": sums.merged("mul"),
    **dict.fromkeys(("Maximum", "Minimum"), sums.extreme),
    "Dot": sums.batch_dot,
    "Dense": activated(sums.dense),
    "Softmax": sums.softmax,
    **dict.fromkeys(("Attention", "AdditiveAttention"), sums.attention),
}

_OPERATIONS: dict[str, Row] = {
    **elementwise.OPERATIONS,
    **dict.fromkeys(CONSTANTS, constant),
    **{name: sums.binary("add", curve) for name, curve in SUMS.items()},
    "Subtract": sums.binary("sub"),
    **{name: sums.binary("mul", curve) for name, curve in FACTORS.items()},
    **dict.fromkeys(("Maximum", "Minimum", "Fmax", "Fmin"), sums.larger),
    "Where": sums.choice,
    "Glu": sums.gated,
    "Conv": windows.op_convolution,
    "DepthwiseConv": windows.op_depthwise,
    "SeparableConv": windows.op_separable,
    "ConvTranspose": windows.op_transposed,
    "MaxPool": windows.pool("max_pool"),
    "AveragePool": windows.pool("avg_pool"),
    **dict.fromkeys(("AdaptiveMaxPool", "AdaptiveAveragePool"), windows.adaptive_pool),
    "Resize": windows.resized,
    "PadImages": windows.padded_images,
    "CropImages": windows.cropped_images,
    "ExtractPatches": moves.patches,
    "DepthToSpace": moves.depth_to_space,
    "SpaceToDepth": moves.space_to_depth,
    "RGBToGrayscale": sums.grey,
    **dict.fromkeys(("Reshape", "Ravel"), moves.reshaped),
    "Transpose": moves.transposed,
    "Moveaxis": moves.moved,
    "Swapaxes": moves.swapped,
    "ExpandDims": moves.dims_added,
    "Squeeze": moves.squeezed,
    "BroadcastTo": moves.broadcast,
    "Repeat": moves.repeated,
    "Tile": moves.tiled,
    "Flip": moves.flipped,
    "Roll": moves.rolled,
    "Pad": moves.padded,
    "Concatenate": moves.joined,
    "Append": moves.appended,
    "Stack": moves.stacked,
    **dict.fromkeys(("Split", "ArraySplit"), moves.split),
    "Unstack": moves.unstacked,
    "Slice": moves.sliced,
    "GetItem": moves.item,
    "Take": moves.taken,
    "Matmul": sums.product,
    "Dot": sums.dot,
    "Tensordot": sums.tensor_dot,
    "Einsum": sums.summed,
    "DotProductAttention": sums.dot_product_attention,
    **dict.fromkeys(MEANS, sums.reduced()),
    **dict.fromkeys(EXTREMES, sums.reduced("max_pool")),
    "Moments": sums.moments,
}

TABLE: dict[str, Row] = {**_LAYERS, **{f"ops.{name}": row for name, row in _OPERATIONS.items()}}
