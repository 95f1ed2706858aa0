"""Every row for Keras' layers against Keras itself, position by position."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from keras_oracle import collapsed, gradient, keras

import erfgraph as eg
from erfgraph.importers.keras_elementwise import LAYERS, OPERATIONS
from erfgraph.importers.keras_import import from_keras
from erfgraph.importers.keras_ops import (
    EXTREMES,
    FACTORS,
    MEANS,
    SUMS,
    TABLE,
)

L, ops = keras.layers, keras.ops
FORMATS = ("channels_last", "channels_first")
SIZES = {1: (11,), 2: (7, 8), 3: (5, 5, 6)}


def units_of(shape):
    """Both corners, the centre, and a unit beside it."""
    picks = {(0,) * len(shape), tuple(n - 1 for n in shape), tuple(n // 2 for n in shape)}
    return sorted(picks | {tuple((n * 2) // 3 for n in shape)})


def model_of(shape, make, data_format="channels_last"):
    """A model of one channel: its input, and what a function makes of it."""
    x = keras.Input((*shape, 1) if data_format == "channels_last" else (1, *shape))
    return keras.Model(x, make(x))


def check(model, oracle=gradient, **kwargs):
    net = from_keras(model)
    for unit in units_of(net.output.shape):
        found = eg.importance(net, unit=unit).values
        expected = oracle(model, unit, net.output.shape, **kwargs)
        np.testing.assert_array_equal(found, expected, str(unit))
    return net


def check_last(model, data_format):
    return check(model, last=data_format == "channels_last")


# --- convolutions -------------------------------------------------------------------------

GEOMETRIES = [(1, 1), (2, 1), (3, 1), (1, 2)]  # stride, dilation


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_convolutions(ndim, kernel, padding, data_format):
    kind = getattr(L, f"Conv{ndim}D")
    for stride, dilation in GEOMETRIES:
        layer = kind(
            1,
            kernel,
            strides=stride,
            dilation_rate=dilation,
            padding=padding,
            data_format=data_format,
        )
        net = check_last(model_of(SIZES[ndim], layer, data_format), data_format)
        assert [m.op for m in net.maps] == ["input", "conv"]


def test_parameters_per_axis():
    layer = L.Conv2D(1, (2, 3), strides=(1, 2), padding="same")
    check(model_of((6, 7), layer))
    layer = L.Conv3D(1, (1, 2, 3), dilation_rate=(1, 2, 1))
    check(model_of((4, 5, 6), layer))


@pytest.mark.parametrize(("stride", "dilation"), GEOMETRIES)
def test_causal(stride, dilation):
    check(
        model_of((11,), L.Conv1D(1, 3, strides=stride, dilation_rate=dilation, padding="causal"))
    )


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", ["Depthwise", "Separable"])
@pytest.mark.parametrize("ndim", [1, 2])
def test_depthwise_and_separable(ndim, kind, stride, padding, data_format):
    given = [3] if kind == "Depthwise" else [1, 3]
    layer = getattr(L, f"{kind}Conv{ndim}D")(
        *given, strides=stride, padding=padding, data_format=data_format, name="it"
    )
    net = check_last(model_of(SIZES[ndim], layer, data_format), data_format)
    expected = ["input", "it"] if kind == "Depthwise" else ["input", "it.depthwise", "it"]
    assert [m.name for m in net.maps] == expected


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_transposed_convolutions(ndim, kernel, padding, data_format):
    kind = getattr(L, f"Conv{ndim}DTranspose")
    for stride, extra in itertools.product((1, 2, 3), (None, 0, 1, 2)):
        if extra is not None and extra >= stride:
            continue
        layer = kind(
            1,
            kernel,
            strides=stride,
            padding=padding,
            output_padding=extra,
            data_format=data_format,
        )
        shape = (3, 4, 5)[:ndim]
        check_last(model_of(shape, layer, data_format), data_format)


def test_transposed_convolutions_with_dilation():
    for padding, kernel in itertools.product(("same", "valid"), (2, 3)):
        check(model_of((5,), L.Conv1DTranspose(1, kernel, dilation_rate=2, padding=padding)))


# --- pools, padding, cropping, resizing ---------------------------------------------------


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_pools(ndim, kind, padding):
    pool = getattr(L, f"{kind}Pooling{ndim}D")
    for size, stride in [(2, None), (3, 2), (3, 1), (2, 3)]:
        check(model_of(SIZES[ndim], pool(size, stride, padding=padding)), collapsed)


def test_pools_with_channels_first():
    shape = (7, 8)
    for padding, stride in itertools.product(("same", "valid"), (1, 2)):
        nets = [
            from_keras(model_of(shape, L.MaxPooling2D(3, stride, padding, data_format=f), f))
            for f in FORMATS
        ]
        assert nets[0].to_dict()["layers"][0]["op"] == "max_pool"
        a, b = ({k: v for k, v in n.layers[0].params.items() if k != "name"} for n in nets)
        assert a == b
        assert nets[0].output.shape == nets[1].output.shape


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_global_pools(ndim, kind, keepdims, data_format):
    layer = getattr(L, f"Global{kind}Pooling{ndim}D")(keepdims=keepdims, data_format=data_format)
    net = from_keras(model_of(SIZES[ndim], layer, data_format))
    assert net.output.op == "global_pool"
    assert (eg.importance(net).values == np.ones(SIZES[ndim])).all()


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_adaptive_pools(ndim):
    for kind in ("Average", "Max"):
        layer = getattr(L, f"Adaptive{kind}Pooling{ndim}D")((3, 2, 4)[:ndim])
        check(model_of(SIZES[ndim], layer), collapsed)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["ZeroPadding", "Cropping"])
def test_padding_and_cropping(kind, ndim, data_format):
    sides = ((1, 2), (0, 1), (2, 0))[:ndim]
    for given in (1, sides[0] if ndim == 1 else sides):
        named = {} if ndim == 1 and kind == "Cropping" else {"data_format": data_format}
        if ndim == 1 and kind == "Cropping" and data_format == "channels_first":
            continue  # which Keras does not have
        layer = getattr(L, f"{kind}{ndim}D")(given, **named)
        check_last(model_of(SIZES[ndim], layer, data_format), data_format)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_upsampling(ndim):
    layer = getattr(L, f"UpSampling{ndim}D")
    check(model_of(SIZES[ndim], layer(2)))
    if ndim > 1:
        net = check_last(
            model_of(SIZES[ndim], layer((3, 1, 2)[:ndim], "channels_first"), "channels_first"),
            "channels_first",
        )
        assert net.output.op == "upsample"


def reads(model, unit, shape):
    """Which positions a unit reads: what is one of them has some weight."""
    return (np.abs(gradient(model, unit, shape)) > 1e-6).astype(int)


@pytest.mark.parametrize("how", ["nearest", "bilinear", "bicubic"])
def test_resizing(how):
    check(model_of((7, 8), L.UpSampling2D((2, 3), interpolation=how)), reads)
    for size in ((5, 11), (14, 8), (3, 4)):
        check(model_of((7, 8), L.Resizing(*size, interpolation=how)), reads)


@pytest.mark.parametrize("size", [(3, 5), (4, 4), (9, 5), (6, 13)])
def test_aspect_ratios_and_centre_crops(size):
    for how in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}):
        check(model_of((7, 8), L.Resizing(*size, interpolation="nearest", **how)), reads)
    check(model_of((7, 8), L.CenterCrop(*size)), reads)


# --- moves --------------------------------------------------------------------------------

MOVES = {
    "reshape": lambda x: L.Conv1D(1, 3)(L.Reshape((7, 8))(L.Conv2D(1, 1)(x))),
    "reshape to channels": lambda x: L.Conv2D(1, 2)(L.Reshape((7, 4, 2))(x)),
    "permute": lambda x: L.Conv2D(1, (3, 2))(L.Permute((2, 1, 3))(x)),
    "flip": lambda x: L.Conv2D(1, 3)(ops.flip(x, axis=(1, 2))),
    "roll": lambda x: L.Conv2D(1, 3)(ops.roll(x, (2, -3), axis=(1, 2))),
    "pad": lambda x: L.Conv2D(1, 3)(ops.pad(x, [(0, 0), (2, 1), (0, 3), (0, 0)])),
    "pad reflect": lambda x: ops.pad(x, [(0, 0), (2, 1), (0, 3), (0, 0)], mode="reflect"),
    # one position: for more, Keras repeats the border on this backend
    "pad symmetric": lambda x: ops.pad(x, [(0, 0), (1, 1), (0, 1), (0, 0)], mode="symmetric"),
    "item": lambda x: L.Conv2D(1, 2)(x[:, 1:-1, ::2]),
    "item with ellipsis": lambda x: L.Conv2D(1, 2)(x[..., 1:, :]),
    "item backwards": lambda x: L.Conv2D(1, 2)(ops.flip(x, 1)[:, 2:6]),
    "slice": lambda x: ops.slice(x, (0, 1, 2, 0), (1, 4, 5, 1)),
    "take": lambda x: L.Conv2D(1, 2)(ops.take(x, np.array([1, 3, 5]), axis=1)),
    "transpose": lambda x: L.Conv2D(1, (3, 2))(ops.transpose(x, (0, 2, 1, 3))),
    "swapaxes": lambda x: L.Conv2D(1, (3, 2))(ops.swapaxes(x, 1, 2)),
    "moveaxis": lambda x: L.Conv2D(1, (3, 2))(ops.moveaxis(x, 1, 2)),
    "split": lambda x: ops.add(*ops.split(x, 2, axis=2)),
    "concatenate": lambda x: L.Conv2D(1, 3)(ops.concatenate([x[:, 3:], x[:, :3]], axis=1)),
    "append": lambda x: L.Conv2D(1, 3)(ops.append(x, L.Conv2D(1, 1)(x), axis=2)),
    "unstack": lambda x: ops.expand_dims(ops.add(*ops.unstack(x, axis=2)[2:4]), 2),
    "repeat": lambda x: L.Conv2D(1, 3)(ops.repeat(x, 2, axis=1)),
    "squeeze": lambda x: L.Conv2D(1, 3)(ops.expand_dims(ops.squeeze(x, -1), -1)),
    "depth to space": lambda x: L.Conv2D(1, 3)(ops.depth_to_space(L.Conv2D(4, 1)(x), 2)),
    "space to depth": lambda x: L.Conv2D(1, 2)(ops.space_to_depth(x[:, :6], 2)),
    "patches": lambda x: L.Conv2D(1, 2)(ops.image.extract_patches(x, (3, 2))),
    "pad images": lambda x: ops.image.pad_images(x, 1, 2, target_height=10, target_width=11),
    "crop images": lambda x: ops.image.crop_images(x, 1, 2, target_height=5, target_width=4),
    "add": lambda x: L.Add()([x, L.Conv2D(1, 3, padding="same")(x), L.Conv2D(1, 1)(x)]),
    "subtract twice": lambda x: L.Add()([x, x]),
    "vector repeated": lambda x: L.Conv1D(1, 3)(L.RepeatVector(5)(L.Flatten()(x))),
    "flatten and dense": lambda x: L.Dense(1)(L.Flatten()(L.Conv2D(1, 3)(x))),
    "dense at positions": lambda x: L.Conv2D(1, 3)(L.Dense(1)(x)),
    "einsum dense": lambda x: L.EinsumDense("bhwc,cd->bhwd", (None, None, 1))(x),
    "einsum dense with dots": lambda x: L.EinsumDense("...c,cd->...d", 1)(x),
    "matmul": lambda x: ops.matmul(L.Conv2D(1, 3)(x), np.ones((1, 1), "float32")),
    "dense over a row": lambda x: L.Dense(1)(ops.transpose(x, (0, 1, 3, 2))),
    "sum over a row": lambda x: L.Conv2D(1, (3, 1))(ops.sum(x, axis=2, keepdims=True)),
    "conv": lambda x: ops.conv(x, np.ones((3, 3, 1, 1), "float32"), 2, "same"),
    "depthwise": lambda x: ops.depthwise_conv(x, np.ones((3, 3, 1, 1), "float32")),
    "separable": lambda x: ops.separable_conv(
        x, np.ones((3, 3, 1, 1), "float32"), np.ones((1, 1, 1, 1), "float32")
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    check(model_of((7, 8), MOVES[name]))


def test_the_operation_of_a_transposed_convolution_is_that_of_its_layer():
    kernel = np.ones((3, 3, 4, 1), "float32")
    for strides, padding in itertools.product((1, 2), ("same", "valid")):
        model = model_of(
            (7, 8), lambda x, s=strides, p=padding: ops.conv_transpose(x, kernel, s, p)
        )
        layer = L.Conv2DTranspose(4, 3, strides, padding)
        found, expected = (from_keras(m).output for m in (model, model_of((7, 8), layer)))
        assert (found.params, found.channels) == (expected.params, 4)


# --- operations by the dozen --------------------------------------------------------------

POOLS = {
    "max_pool": lambda x: ops.max_pool(x, 3, 2, "same"),
    "max_pool without stride": lambda x: ops.max_pool(x, 2),
    "average_pool": lambda x: ops.average_pool(x, (3, 2), 1, "valid"),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools_as_operations(name):
    check(model_of((7, 8), POOLS[name]), collapsed)


@pytest.mark.parametrize("kind", ["average", "max"])
def test_adaptive_pools_as_operations(kind):
    run = getattr(ops, f"adaptive_{kind}_pool")  # Keras 3.15 misstates its shape, channels last
    first = "channels_first"
    net = from_keras(model_of((7, 8), lambda x: run(x, (3, 4), data_format=first), first))
    assert (net.output.op, net.output.params) == ("adaptive_pool", {"size": [3, 4]})


@pytest.mark.parametrize("how", ["nearest", "bilinear", "bicubic"])
def test_resizing_as_an_operation(how):
    check(model_of((7, 8), lambda x: ops.image.resize(x, (10, 4), interpolation=how)), reads)


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@pytest.mark.parametrize("name", [*MEANS, *EXTREMES])
def test_reductions(name):
    run = getattr(ops, snake(name))
    axes = [1] if name in ("Average", "Median", "Nanmedian", "Norm", "Ptp") else [1, (1, 2)]
    for axis in axes:
        kept = {} if name == "Average" else {"keepdims": True}
        net = from_keras(model_of((7, 8), lambda x, a=axis, k=kept: run(x, axis=a, **k)))
        expected = np.ones((7, 8), int)
        expected[:, [i for i in range(8) if axis == 1 and i != 4]] = 0
        np.testing.assert_array_equal(eg.importance(net).values, expected)
        assert net.output.shape == ((1, 8) if axis == 1 else (1, 1))


ARGUMENTS = {
    "BatchNorm": (np.zeros(3, "float32"), np.ones(3, "float32"), -1),
    "Cast": ("float16",),
    "Clip": (0, 1),
    "RGBToHSV": (),
    "RMSNorm": (np.ones(3, "float32"),),
    "SaturateCast": ("int8",),
    "Threshold": (0.1, 0.2),
}
# made by other functions than the snake's, or of integers only
OTHERWISE = {"Array", "BitwiseInvert", "BitwiseNot", "Conj", "ReLU", "Abs"}
CALLED = {
    "Conj": ops.conjugate,
    "HSVToRGB": ops.image.hsv_to_rgb,
    "RGBToHSV": ops.image.rgb_to_hsv,
    "RMSNorm": ops.rms_normalization,
    "BatchNorm": ops.batch_normalization,
    "LayerNorm": ops.layer_normalization,
    "Deg2rad": ops.deg2rad,
    "Rad2deg": ops.rad2deg,
}


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - OTHERWISE))
def test_elementwise_operations_add_nothing(name):
    run = CALLED.get(name) or getattr(ops, snake(name))
    x = keras.Input((7, 8, 3))
    y = run(L.Conv2D(3, 2, name="first")(x), *ARGUMENTS.get(name, ()))
    net = from_keras(keras.Model(x, L.Conv2D(3, 2, name="top")(ops.cast(y, "float32"))))
    assert [m.name for m in net.maps] == ["input", "first", "top"]


@pytest.mark.parametrize("name", [*FACTORS, *SUMS, "Subtract", "Maximum", "Minimum"])
def test_operations_of_two_tensors(name):
    run = getattr(ops, snake(name))
    x = keras.Input((7, 8, 3))
    a, b = L.Conv2D(3, 2)(x), L.Conv2D(3, 2)(x)
    if name.startswith("Bitwise"):
        a, b = ops.cast(a, "int32"), ops.cast(b, "int32")
    net = from_keras(keras.Model(x, ops.cast(run(a, b), "float32")))
    assert eg.importance(net).values.sum() == 8
    one = from_keras(keras.Model(x, ops.cast(run(a, ops.ones_like(a)), "float32")))
    assert eg.importance(one).values.sum() == 4


def test_flattening_with_channels_first_brings_them_last():
    x = keras.Input((3, 4, 5))
    y = L.Flatten(data_format="channels_first")(L.Conv2D(2, 1, data_format="channels_first")(x))
    y = L.Reshape((4, 5, 2))(y)
    net = from_keras(keras.Model(x, L.DepthwiseConv2D(2)(y)))
    assert [m.op for m in net.maps] == ["input", "conv", "conv"]
    assert list(net.output.links[0].parts[0].mix.reads) == [0, 1]


def test_layers_called_by_keyword():
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3)(inputs=x)
    y = L.Concatenate()(inputs=[y, ops.relu(y)])
    assert from_keras(keras.Model(x, y)).output.channels == 8


def test_stacked_rows_are_positions():
    x = keras.Input((7, 8, 1))
    y = ops.stack([x[:, 2], x[:, 4]], axis=1)
    for model in (keras.Model(x, y), keras.Model(x, L.Conv2D(1, 2)(y))):
        net = from_keras(model)
        assert (net.output.shape, net.output.channels) == (model.output_shape[1:3], 1)
        assert set(np.argwhere(eg.importance(net).values)[:, 0].tolist()) == {2, 4}


def test_more_channels_than_one_keep_their_order():
    x = keras.Input((6, 6, 8))
    a, b = ops.split(x, [2], axis=-1)
    y = L.Concatenate()([b, a])
    y = L.Conv2D(4, 3, groups=4)(y)
    net = from_keras(keras.Model(x, y))
    (part,) = net.output.links[0].parts
    assert list(part.mix.reads) == [2, 3, 4, 5, 6, 7, 0, 1]
    assert (part.mix.groups, net.output.channels) == (4, 4)


# --- functions of one unit, gates, merges -------------------------------------------------

NEEDED = {
    "Activation": ("relu",),
    "ActivityRegularization": (0.1,),
    "AlphaDropout": (0.2,),
    "Dropout": (0.2,),
    "GaussianDropout": (0.2,),
    "GaussianNoise": (0.2,),
    "GroupNormalization": (3,),
    "Rescaling": (1 / 255,),
    "RandomBrightness": (0.1,),
    "RandomColorDegeneration": (0.1,),
    "RandomContrast": (0.1,),
    "RandomHue": (0.1,),
    "RandomPosterization": (4,),
    "RandomRotation": (0.1,),
    "RandomSaturation": (0.1,),
    "RandomSharpness": (0.1,),
    "RandomShear": (0.1,),
    "RandomTranslation": (0.1, 0.1),
    "RandomZoom": (0.1,),
    "SpatialDropout1D": (0.2,),
    "SpatialDropout2D": (0.2,),
    "SpatialDropout3D": (0.2,),
}
OLD = {"ThresholdedReLU"}  # of Keras 2, taken where a release still has it


@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.parametrize("name", sorted({*LAYERS, "Softmax"} - OLD))
def test_elementwise_layers_add_nothing(name):
    ndim = int(name[-2]) if name.endswith("D") else 2
    layer = getattr(L, name)(*NEEDED.get(name, ()), name="it")
    x = keras.Input((*SIZES[ndim], 3))
    conv = getattr(L, f"Conv{ndim}D")
    y = conv(3, 2, name="top")(layer(conv(3, 2, name="first")(x)))
    net = from_keras(keras.Model(x, y))
    assert [m.name for m in net.maps] == ["input", "first", "top"]
    assert net["it"].index == net["first"].index


ACTIVATIONS = {
    "swish written out": lambda x: x * ops.sigmoid(x),
    "hard swish written out": lambda x: x * ops.relu(x + 3) / 6,
    "gelu written out": lambda x: 0.5 * x * (1 + ops.erf(x / 1.4)),
    "normalised": lambda x: (
        (x - ops.mean(x, axis=-1, keepdims=True)) / ops.std(x, axis=-1, keepdims=True)
    ),
    "moments": lambda x: (
        (x - ops.moments(x, [1, 2], keepdims=True)[0])
        * ops.rsqrt(ops.moments(x, [1, 2], keepdims=True)[1])
    ),
    "clipped": lambda x: ops.where(x > 0, ops.minimum(x, 6.0), 0.1 * x),
    "cast": lambda x: ops.cast(ops.stop_gradient(x), "float32"),
    "largest of two functions": lambda x: ops.maximum(x, 0.2 * x),
    "lambda": lambda x: L.Lambda(lambda v: ops.tanh(v) + 1)(x),
    "gated by itself": lambda x: x * L.GlobalAveragePooling2D(keepdims=True)(x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_functions_of_one_unit_are_transparent(name):
    x = keras.Input((8, 8, 4))
    first = L.Conv2D(4, 3, name="first")(x)
    net = from_keras(keras.Model(x, L.Conv2D(4, 3, name="top")(ACTIVATIONS[name](first))))
    top = eg.importance(net, layer="top").values
    plain = eg.importance(eg.load("conv3 conv3", (8, 8))).values
    np.testing.assert_array_equal(top, plain)


def squeezed(x, keep):
    y = L.GlobalAveragePooling2D(keepdims=keep)(x)
    y = y if keep else L.Reshape((1, 1, 4))(y)
    return L.Conv2D(4, 1, activation="sigmoid", name="gate")(L.Dense(2)(y))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("multiply", [L.Multiply(), lambda xs: xs[0] * xs[1]])
def test_squeeze_and_excitation(keep, multiply):
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, name="first")(x)
    model = keras.Model(x, L.Conv2D(1, 3, name="top")(multiply([y, squeezed(y, keep)])))
    net = from_keras(model)
    expected = eg.importance(eg.load("conv3 conv3", (8, 8))).values
    np.testing.assert_array_equal(eg.importance(net).values, expected)
    followed = from_keras(model, gates="follow")
    assert eg.importance(followed).values.min() > 0
    assert any(m.op == "gate" for m in followed.maps)


@pytest.mark.parametrize("kind", ["Add", "Average", "Maximum", "Minimum"])
def test_merging_layers_of_many_tensors_are_one_map(kind):
    x = keras.Input((6, 6, 3))
    parts = [L.Conv2D(4, 2, name=f"part{i}")(x) for i in range(3)]
    net = from_keras(keras.Model(x, getattr(L, kind)(name="it")(parts)))
    assert [m.name for m in net.maps] == ["input", "part0", "part1", "part2", "it"]
    assert (eg.importance(net).values[2:5, 2:5].sum()) == 12


def test_a_vector_meets_an_image_as_keras_broadcasts_it():
    x = keras.Input((6, 6, 3))
    y = L.Conv2D(4, 3)(x)
    v = L.Dense(4, name="v")(L.GlobalAveragePooling2D()(y))
    net = from_keras(keras.Model(x, L.Add(name="sum")([y, v])))
    assert (net["sum"].shape, net["sum"].channels) == ((4, 4), 4)
    assert eg.importance(net, layer="sum").values.min() > 0


def test_dot():
    x = keras.Input((5, 4))
    a, b = L.Conv1D(4, 1, name="a")(x), L.Conv1D(4, 3, padding="same", name="b")(x)
    net = from_keras(keras.Model(x, L.Conv1D(2, 1)(L.Dot(axes=(1, 1))([a, b]))))
    assert (eg.importance(net).values >= 1).all()


# --- attention ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda x: L.MultiHeadAttention(2, 4)(x, x),
        lambda x: L.MultiHeadAttention(2, 4, dropout=0.1)(x, x),
        lambda x: L.GroupQueryAttention(4, 4, 2)(x, x),
        lambda x: L.Attention()([x, x]),
        lambda x: L.AdditiveAttention()([x, x, x]),
        lambda x: ops.matmul(ops.softmax(scores(x)), x),
    ],
    ids=["heads", "heads with dropout", "groups", "dot", "additive", "written out"],
)
def test_attention_reads_every_position(make):
    x = keras.Input((6, 8))
    net = from_keras(keras.Model(x, make(L.Conv1D(8, 1)(x))))
    assert sum(m.op == "attention" for m in net.maps) == 1
    assert eg.importance(net).values.tolist() == [1] * 6
    assert net.output.channels == 8


def test_attention_over_an_image_as_tokens():
    x = keras.Input((32, 32, 3))
    y = L.Conv2D(8, 8, strides=8)(x)
    y = L.Reshape((16, 8))(y)
    y = L.Add()([y, L.MultiHeadAttention(2, 4)(y, y)])
    y = L.Reshape((4, 4, 8))(y)
    net = from_keras(keras.Model(x, L.Conv2D(1, 1, name="top")(y)))
    assert net["top"].shape == (4, 4)
    found = eg.importance(net, unit=(1, 2)).values
    assert (found[8:16, 16:24] == 2).all()
    assert found.sum() == 32 * 32 + 64


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_causal_attention_is_refused(dropout):
    x = keras.Input((6, 8))
    heads = L.MultiHeadAttention(2, 4, dropout=dropout)
    model = keras.Model(x, heads(x, x, use_causal_mask=True))
    with pytest.raises(eg.LayerError, match=r"causal|cannot be looked into"):
        from_keras(model)


BLOCKS = np.kron(np.eye(2), np.ones((4, 4))).astype(bool)  # two halves do not see each other


@pytest.mark.parametrize(
    "make",
    [
        lambda x: L.MultiHeadAttention(2, 4)(x, x, attention_mask=BLOCKS[None]),
        lambda x: L.MultiHeadAttention(2, 4, dropout=0.1)(x, x, attention_mask=BLOCKS[None]),
        lambda x: ops.matmul(ops.softmax(ops.where(BLOCKS, scores(x), -1e9)), x),
        lambda x: ops.matmul(ops.softmax(scores(x) + np.where(BLOCKS, 0, -100.0)), x),
    ],
    ids=["heads", "heads with dropout", "where", "added"],
)
def test_masks_that_cut_attention(make):
    x = keras.Input((8, 8))
    net = from_keras(keras.Model(x, make(L.Conv1D(8, 1)(x))))
    assert eg.importance(net, unit=2).values.tolist() == [1] * 4 + [0] * 4
    assert eg.importance(net, unit=5).values.tolist() == [0] * 4 + [1] * 4


def scores(x):
    return ops.matmul(x, ops.transpose(x, (0, 2, 1)))


# --- the table ----------------------------------------------------------------------------


def test_every_name_in_the_table_is_a_class_of_keras():
    import keras.src.ops as inside

    homes = [inside.numpy, inside.nn, inside.core, inside.image, inside.math, inside.linalg]
    others = {"ReLU"}  # made by activations
    for name in TABLE:
        if name in OLD:
            continue
        if name.startswith("ops."):
            short = name.removeprefix("ops.")
            assert short in others or any(hasattr(home, short) for home in homes), name
        else:
            assert hasattr(L, name), name
