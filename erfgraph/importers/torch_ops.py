"""PyTorch's operations: one row each, by the name of the ATen operation without overload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from erfgraph.importers import torch_elementwise as elementwise
from erfgraph.importers import torch_shapes as shapes
from erfgraph.importers import torch_sums as sums
from erfgraph.importers import torch_windows as windows
from erfgraph.importers.rows import Row, constant, merge, words

# shapes are used, values are not
CONSTANTS = words(
    """
zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros new_ones
new_full new_empty new_empty_strided zero fill empty_permuted
"""
)

SUMS: dict[str, Any] = {"add": np.add, "logaddexp": np.logaddexp, "hypot": np.hypot}
DIFFERENCES: dict[str, Any] = {
    "sub": np.subtract,
    "subtract": np.subtract,
    "rsub": lambda a, b: b - a,
}
PRODUCTS: dict[str, Any] = {
    **dict.fromkeys(("mul", "multiply"), np.multiply),
    **dict.fromkeys(("div", "divide", "true_divide"), np.divide),
    **dict.fromkeys(("pow", "float_power"), np.power),
    **dict.fromkeys(("eq",), np.equal),
    **dict.fromkeys(("ne", "not_equal"), np.not_equal),
    **dict.fromkeys(("lt", "less"), np.less),
    **dict.fromkeys(("le", "less_equal"), np.less_equal),
    **dict.fromkeys(("gt", "greater"), np.greater),
    **dict.fromkeys(("ge", "greater_equal"), np.greater_equal),
    **dict.fromkeys(
        words(
            """
floor_divide remainder fmod atan2 xlogy equal logical_and logical_or logical_xor bitwise_and
bitwise_or bitwise_xor __and__ __or__ heaviside
"""
        )
    ),
}
SILENT = words(
    """
_assert_tensor_metadata _assert_async _assert_scalar sym_constrain_range
sym_constrain_range_for_size
"""
)


def _by_axes(name: str, make: Callable[[int], Row]) -> dict[str, Row]:
    return {name.format(n): make(n) for n in (1, 2, 3)}


_ROWS: dict[str, Row] = {
    **elementwise.ROWS,
    **dict.fromkeys(CONSTANTS, constant),
    **{name: merge("add", curve) for name, curve in SUMS.items()},
    "_add_relu": sums.added_and_activated,
    **{name: merge("sub", curve) for name, curve in DIFFERENCES.items()},
    **{name: merge("mul", curve) for name, curve in PRODUCTS.items()},
    **dict.fromkeys(SILENT, sums.nothing),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), windows.convolution),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), windows.transposed
    ),
    **dict.fromkeys(("convolution", "_convolution"), windows.any_convolution),
    "im2col": windows.patches,
    "col2im": windows.unpatched,
    **_by_axes("max_pool{}d", windows.max_pool),
    **_by_axes("max_pool{}d_with_indices", lambda n: windows.max_pool(n, True)),
    **_by_axes("avg_pool{}d", windows.avg_pool),
    **_by_axes("adaptive_avg_pool{}d", windows.adaptive_pool),
    "_adaptive_avg_pool2d": windows.adaptive_pool(2),
    "_adaptive_avg_pool3d": windows.adaptive_pool(3),
    **_by_axes("adaptive_max_pool{}d", lambda n: windows.adaptive_pool(n, True)),
    **dict.fromkeys(("max_unpool2d", "max_unpool3d"), windows.max_unpool),
    **_by_axes("upsample_nearest{}d", lambda n: windows.nearest()),
    **_by_axes("_upsample_nearest_exact{}d", lambda n: windows.nearest("nearest_exact")),
    "upsample_linear1d": windows.interpolated("linear"),
    "upsample_bilinear2d": windows.interpolated("linear"),
    "upsample_trilinear3d": windows.interpolated("linear"),
    "upsample_bicubic2d": windows.interpolated("cubic"),
    "_upsample_bilinear2d_aa": windows.antialiased("linear"),
    "_upsample_bicubic2d_aa": windows.antialiased("cubic"),
    "pad": windows.padded,
    "constant_pad_nd": windows.padded_by("constant"),
    **_by_axes("reflection_pad{}d", lambda n: windows.padded_by("reflect")),
    **_by_axes("replication_pad{}d", lambda n: windows.padded_by("replicate")),
    "_pad_circular": windows.padded_by("circular"),
    **dict.fromkeys(
        (
            "view",
            "reshape",
            "_unsafe_view",
            "flatten",
            "unflatten",
            "view_as",
            "reshape_as",
            "_reshape_alias",
            "view_copy",
        ),
        shapes.reshaped,
    ),
    **dict.fromkeys(("permute", "permute_copy"), shapes.permuted),
    **dict.fromkeys(("transpose", "t", "numpy_T", "swapaxes", "swapdims"), shapes.swapped),
    **dict.fromkeys(("adjoint", "mT"), lambda c, x: shapes.swapped(c, x, -2, -1)),
    **dict.fromkeys(("movedim", "moveaxis"), shapes.moved),
    "unsqueeze": shapes.unsqueezed,
    "squeeze": shapes.squeezed,
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "expand_copy"), shapes.broadcast),
    **dict.fromkeys(("repeat", "tile"), shapes.repeated),
    "repeat_interleave": shapes.repeat_interleaved,
    "slice": shapes.sliced,
    "narrow": shapes.narrowed,
    "select": shapes.selected,
    **dict.fromkeys(
        (
            "split",
            "chunk",
            "split_with_sizes",
            "tensor_split",
            "unsafe_split",
            "unsafe_chunk",
            "unsafe_split_with_sizes",
        ),
        shapes.split,
    ),
    "vsplit": shapes.split_at(0),
    "hsplit": shapes.split_at(1),
    "dsplit": shapes.split_at(2),
    "unbind": shapes.unbound,
    "flip": shapes.flipped,
    "roll": shapes.rolled,
    **dict.fromkeys(("cat", "concat", "concatenate"), shapes.concatenated),
    "stack": shapes.stacked,
    "index": shapes.indexed,
    "index_select": shapes.picked,
    "slice_scatter": shapes.scattered,
    "select_scatter": shapes.selection_scattered,
    "pixel_shuffle": shapes.pixel_shuffled,
    "pixel_unshuffle": shapes.pixel_unshuffled,
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), shapes.channel_shuffled),
    "unfold": shapes.unfolded,
    "linear": sums.linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), sums.product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), sums.product_added),
    "einsum": sums.summed,
    "scaled_dot_product_attention": sums.attended,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_attention_math",
        ),
        sums.attended_pair,
    ),
    **dict.fromkeys(
        (
            "mean",
            "sum",
            "nansum",
            "nanmean",
            "var",
            "std",
            "norm",
            "linalg_vector_norm",
            "logsumexp",
            "prod",
            "any",
            "all",
            "linalg_norm",
        ),
        sums.reduced(),
    ),
    **dict.fromkeys(("amax", "amin"), sums.reduced("max_pool")),
    **dict.fromkeys(("max", "min"), sums.extreme),
    **dict.fromkeys(("var_mean", "std_mean", "aminmax"), sums.reduced(results=2)),
    "masked_fill": sums.filled,
    "where": sums.chosen,
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), sums.largest),
    **dict.fromkeys(("addcmul", "addcdiv"), sums.added_product),
    "lerp": sums.interpolated_between,
    "glu": sums.gated,
}

TABLE: dict[str, Row] = {f"aten.{name}": row for name, row in _ROWS.items()}
TABLE["prim.device"] = sums.nothing
