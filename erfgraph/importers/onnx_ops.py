"""ONNX's operations: one row each, by name; those of other domains with it in front."""

from __future__ import annotations

from typing import Any

import numpy as np

from erfgraph.importers import onnx_elementwise as elementwise
from erfgraph.importers import onnx_resize as resize
from erfgraph.importers import onnx_shapes as shapes
from erfgraph.importers import onnx_sums as sums
from erfgraph.importers import onnx_windows as windows
from erfgraph.importers.rows import Row, merge, words

PRODUCTS: dict[str, Any] = {
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    **dict.fromkeys(words("Mod And Or Xor BitShift BitwiseAnd BitwiseOr BitwiseXor")),
}
BINARY = frozenset(("Add", "Sub", *PRODUCTS))
MEANS = words(
    """
ReduceMean ReduceSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSumSquare
"""
)

_STANDARD: dict[str, Row] = {
    **elementwise.ROWS,
    "Add": merge("add"),
    "Sub": merge("sub"),
    **{name: merge("mul", curve) for name, curve in PRODUCTS.items()},
    "Conv": windows.convolution,
    "ConvInteger": windows.of_integers,
    "QLinearConv": windows.quantised,
    "ConvTranspose": windows.transposed,
    "MaxPool": windows.pool("max_pool"),
    "AveragePool": windows.pool("avg_pool"),
    "LpPool": windows.pool("avg_pool", averages=False),
    **dict.fromkeys(words("GlobalAveragePool GlobalMaxPool GlobalLpPool"), windows.pooled_whole),
    "MaxUnpool": resize.unpooled,
    "Resize": resize.resized,
    "Upsample": resize.upsampled,
    "Reshape": shapes.reshaped,
    "Flatten": shapes.flattened,
    "Transpose": shapes.transposed,
    "Unsqueeze": shapes.unsqueezed,
    "Squeeze": shapes.squeezed,
    "Expand": shapes.expanded_to,
    "Tile": shapes.tiled,
    "Slice": shapes.sliced,
    "Split": shapes.split,
    "SplitToSequence": shapes.split_to_sequence,
    "SequenceAt": shapes.item,
    "SequenceConstruct": lambda c, *values: list(values),
    "ConcatFromSequence": shapes.concatenated_sequence,
    "Concat": shapes.concatenated,
    "Pad": shapes.padded,
    "CenterCropPad": shapes.centred,
    "Gather": shapes.gathered,
    "ScatterND": shapes.scattered,
    "DepthToSpace": shapes.depth_to_space,
    "SpaceToDepth": shapes.space_to_depth,
    "ReverseSequence": shapes.reversed_sequence,
    "MatMul": sums.product,
    "MatMulInteger": sums.product,
    "QLinearMatMul": sums.quantised_product,
    "DynamicQuantizeLinear": sums.quantised_by_range,
    "Gemm": sums.gemm,
    "Einsum": sums.summed,
    **dict.fromkeys(MEANS, sums.reduced()),
    **dict.fromkeys(words("ReduceMax ReduceMin"), sums.reduced("max_pool")),
    **dict.fromkeys(words("ArgMax ArgMin"), sums.extreme_place),
    **dict.fromkeys(words("Sum Mean"), sums.added),
    **dict.fromkeys(words("Max Min"), sums.largest),
    "Where": sums.chosen,
    "CastLike": sums.cast_like,
    "Attention": sums.attended,
    **dict.fromkeys(words("RandomNormalLike RandomUniformLike EyeLike"), sums.like_shape),
}

_MICROSOFT: dict[str, Row] = {
    **elementwise.MICROSOFT_ROWS,
    "FusedConv": windows.fused,
    "FusedGemm": sums.gemm,
    "FusedMatMul": sums.gemm,
    "TransposeMatMul": sums.gemm,
    "QGemm": sums.quantised_product,
    "QLinearAdd": sums.quantised_pair("add"),
    "QLinearMul": sums.quantised_pair("mul"),
    "QLinearConcat": sums.quantised_concat,
    "QLinearAveragePool": windows.pool("avg_pool"),
    "QLinearGlobalAveragePool": windows.pooled_whole,
    "SkipLayerNormalization": sums.normalised_sum,
    "MultiHeadAttention": sums.attended,
    "Attention": sums.projected_attention,
}

TABLE: dict[str, Row] = {
    **_STANDARD,
    **{f"com.microsoft.{name}": row for name, row in _MICROSOFT.items()},
}
