"""ONNX's operations: one row each, by name; those of other domains with it in front."""

from __future__ import annotations

from erfgraph.importers import onnx_resize as resize
from erfgraph.importers import onnx_shapes as shapes
from erfgraph.importers import onnx_sums as sums
from erfgraph.importers import onnx_windows as windows
from erfgraph.importers.rows import Row, merge, transparent, words

# norms and softmax too: what an element becomes depends on others only by a factor
ELEMENTWISE = words(
    """
Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization Bernoulli BitCast BitwiseNot Cast Ceil
Celu Clip Cos Cosh DequantizeLinear Dropout Elu Erf Exp Floor Gelu
GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN
LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg
Not Optional OptionalGetElement PRelu QuantizeLinear RMSNormalization Reciprocal Relu Round Selu
Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Trilu
"""
)
MICROSOFT_ELEMENTWISE = words(
    """
BiasGelu BiasSoftmax BiasSplitGelu DequantizeLinear FastGelu Gelu GroupNorm Inverse
QLinearLeakyRelu QLinearSigmoid QLinearSoftmax QuantizeLinear QuickGelu
SimplifiedLayerNormalization
"""
)
SUMS = words("Add")
PRODUCTS = words(
    """
Mul Div Pow Mod Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor BitShift BitwiseAnd
BitwiseOr BitwiseXor
"""
)
BINARY = frozenset((*SUMS, "Sub", *PRODUCTS))
MEANS = words(
    """
ReduceMean ReduceSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSumSquare
"""
)

_STANDARD: dict[str, Row] = {
    **dict.fromkeys(ELEMENTWISE, transparent),
    **dict.fromkeys(SUMS, merge("add")),
    "Sub": merge("sub"),
    **dict.fromkeys(PRODUCTS, merge("mul")),
    "Conv": windows.convolution,
    "ConvInteger": windows.of_integers,
    "QLinearConv": windows.quantised,
    "ConvTranspose": windows.transposed,
    "MaxPool": windows.pool("max_pool"),
    "AveragePool": windows.pool("avg_pool"),
    "LpPool": windows.pool("avg_pool"),
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
    **dict.fromkeys(MICROSOFT_ELEMENTWISE, transparent),
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
