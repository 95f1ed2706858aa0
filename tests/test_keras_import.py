"""Keras models of every make: functional, sequential, subclassed, nested, shared, and bad."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from keras_oracle import collapsed, gradient, keras

import erfgraph as eg
from erfgraph import importers
from erfgraph.importers.keras_import import from_keras

L, ops = keras.layers, keras.ops


def names(net):
    return [m.name for m in net.maps]


def small(size=(16, 16, 3), name="small"):
    x = keras.Input(size)
    y = L.Conv2D(4, 3, strides=2, padding="same", name="stem")(x)
    y = L.BatchNormalization(name="norm")(y)
    shortcut = L.ReLU(name="act")(y)
    y = L.Conv2D(4, 3, padding="same", name="conv")(shortcut)
    return keras.Model(x, L.Add(name="sum")([shortcut, y]), name=name)


# --- makes of models ----------------------------------------------------------------------


def test_functional():
    net = from_keras(small())
    assert net.name == "small"
    assert names(net) == ["input", "stem", "conv", "sum"]
    assert [f.kind for f in net["norm"].passed] == ["batch_norm"]
    assert [f.kind for f in net["act"].passed] == ["batch_norm", "relu"]
    assert net["norm"].index == net["act"].index == net["stem"].index
    assert (net.input.channels, net.output.shape, net.output.channels) == (3, (8, 8), 4)
    for unit in np.ndindex(8, 8):
        found = eg.importance(net, unit=unit).values
        np.testing.assert_array_equal(found, collapsed(small(), unit))


def test_the_model_is_left_as_it_was():
    class Block(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.conv = L.Conv2D(4, 3)

        def call(self, x):
            return self.conv(x)

    block = Block()
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, block(x))
    before = [w.value.detach().numpy().copy() for w in model.weights]
    nodes = len(block._inbound_nodes), len(block.conv._inbound_nodes)
    from_keras(model)
    from_keras(model)
    assert (len(block._inbound_nodes), len(block.conv._inbound_nodes)) == nodes
    assert all(
        (a == w.value.detach().numpy()).all() for a, w in zip(before, model.weights, strict=True)
    )


def test_sequential():
    model = keras.Sequential(
        [keras.Input((9, 1)), L.Conv1D(1, 3, name="a"), L.Conv1D(1, 3, name="b")], name="two"
    )
    net = from_keras(model)
    assert (net.name, names(net)) == ("two", ["input", "a", "b"])
    assert eg.importance(net).values.tolist() == [0, 0, 1, 2, 3, 2, 1, 0, 0]


def test_a_sequential_model_that_was_built_later():
    model = keras.Sequential([L.Conv2D(2, 3, name="a"), L.Flatten(), L.Dense(5, name="b")])
    with pytest.raises(eg.InputError, match=r"build it first, as in model\.build"):
        from_keras(model)
    model.build((None, 6, 6, 3))
    net = from_keras(model)
    assert [(m.name, m.shape, m.channels) for m in net.maps[1:]] == [
        ("a", (4, 4), 2),
        ("b", (1, 1), 5),
    ]


class Residual(keras.layers.Layer):
    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.first = L.Conv2D(channels, 3, padding="same", name="first")
        self.second = L.Conv2D(channels, 3, padding="same", name="second")
        self.drop = L.Dropout(0.5, name="drop")

    def call(self, x, training=None):
        y = self.second(ops.relu(self.first(x)))
        if training:
            raise AssertionError("a network is imported as it is at inference")
        return ops.relu(x + self.drop(y, training=training))


class Own(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.stem = L.Conv2D(4, 3, strides=2, name="stem")
        self.blocks = [Residual(4, name=f"block{i}") for i in range(2)]
        self.pool = L.GlobalAveragePooling2D(name="pool")
        self.head = L.Dense(7, name="head")

    def call(self, x, training=None):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, training=training)
        return {"scores": self.head(self.pool(x)), "map": x}


@pytest.mark.filterwarnings("ignore:.build.. was called on layer")
def test_subclassed_model_with_composite_layers():
    model = Own()
    with pytest.raises(eg.InputError, match="own: the shape of its input is not known"):
        from_keras(model)
    model(np.zeros((2, 17, 17, 3), "float32"))
    net = from_keras(model, layer="block1")
    assert names(net) == [
        "input",
        "stem",
        "block0.first",
        "block0.second",
        "block0",
        "block1.first",
        "block1.second",
        "block1",
    ]
    assert net["block0.drop"].index == net["block0.second"].index
    assert net.output.index == net["block1"].index
    assert net.output.shape == (8, 8)
    top = keras.Model(x := keras.Input((17, 17, 3)), model(x)["map"])
    np.testing.assert_array_equal(eg.importance(net).values, collapsed(top))
    wider = from_keras(model, (33, 35))
    assert wider.input.shape == (33, 35)
    assert (wider["head"].channels, wider.output.name) == (7, "block1")


def test_nested_models_and_shared_layers():
    inner = small(name="inner")
    conv = L.Conv2D(3, 3, padding="same", name="shared")
    a, b = keras.Input((16, 16, 3), name="a"), keras.Input((16, 16, 3), name="b")
    y = inner(conv(conv(a)))
    z = keras.Sequential([inner, L.ReLU(name="last")], name="tower")(conv(b))
    model = keras.Model([a, b], [y, L.Subtract(name="difference")([y, z])])
    net = from_keras(model)
    assert names(net) == [
        "input",
        "shared",
        "shared_1",
        "inner.stem",
        "inner.conv",
        "inner.sum",
    ]
    assert net["inner"] is net["inner.sum"] is net["difference"] is net.output
    assert eg.importance(net).values.shape == (16, 16)


def test_a_model_that_calls_another_twice_on_the_image():
    inner = small(name="inner")
    x = keras.Input((16, 16, 3))
    y = L.Concatenate(name="both")(
        [inner(x), inner(L.Lambda(lambda v: ops.flip(v, 2), name="flip")(x))]
    )
    net = from_keras(keras.Model(x, y))
    parts = ["stem", "conv", "sum"]
    assert names(net) == [
        "input",
        *(f"inner.{part}" for part in parts),
        "flip",
        *(f"inner_1.{part}" for part in parts),
        "both",
    ]
    assert net["inner_1"] is net["inner_1.sum"]
    assert net["both"].channels == 8


def test_names_of_repeated_calls_leave_those_of_other_layers_alone():
    first, second = L.Conv1D(3, 1, name="conv"), L.Conv1D(3, 1, name="conv_1")
    x = keras.Input((6, 3))
    net = from_keras(keras.Model(x, second(first(first(x)))))
    assert names(net) == ["input", "conv", "conv_2", "conv_1"]


def test_inputs_in_a_dictionary():
    image, extra = keras.Input((8, 8, 3), name="image"), keras.Input((5,), name="extra")
    inner = keras.Model(
        {"image": image, "extra": extra},
        L.Add()([L.Conv2D(4, 3, name="conv")(image), L.Dense(4)(extra)]),
        name="inner",
    )
    a, b = keras.Input((5,), name="vector"), keras.Input((8, 8, 3), name="photo")
    model = keras.Model([a, b], inner({"image": b, "extra": a}))
    net = from_keras(model)
    assert names(net) == ["input", "inner.conv"]
    assert net.input.shape == (8, 8)


def test_a_function_and_a_single_layer():
    x = keras.KerasTensor((None, 9, 9, 2))
    net = from_keras(keras.Function(x, ops.relu(L.Conv2D(3, 3, name="conv")(x)), name="f"))
    assert names(net) == ["input", "conv"]
    layer = Residual(3)
    layer(np.zeros((1, 9, 9, 3), "float32"))
    assert len(from_keras(layer).maps) == 4


def test_time_distributed():
    x = keras.Input((4, 8, 8, 3))
    inner = keras.Sequential([L.Conv2D(5, 3, name="conv"), L.ReLU(), L.MaxPooling2D(name="pool")])
    y = L.TimeDistributed(inner, name="each")(x)
    model = keras.Model(x, L.Conv3D(2, (3, 1, 1), name="mix")(y))
    net = from_keras(model)
    assert [m.shape for m in net.maps] == [(4, 8, 8), (4, 6, 6), (4, 3, 3), (2, 3, 3)]
    assert net["each"].channels == 5
    found = eg.importance(net, unit=(0, 1, 1)).values
    assert found[:3].any(axis=(1, 2)).all()
    assert not found[3].any()


def test_windows_of_attention_written_with_operations():
    class Windows(keras.layers.Layer):
        """Attention in windows of 4 x 4, in two heads, as Swin has it."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.qkv, self.out = L.Dense(24, name="qkv"), L.Dense(8, name="out")

        def call(self, x):
            _, h, w, c = x.shape
            x = ops.reshape(x, (-1, h // 4, 4, w // 4, 4, c))
            x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 16, c))
            parts = ops.reshape(self.qkv(x), (-1, 16, 3, 2, c // 2))
            q, k, v = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), axis=0)
            weights = ops.softmax(ops.matmul(q * 0.5, ops.transpose(k, (0, 1, 3, 2))))
            x = ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, 16, c))
            x = ops.reshape(self.out(x), (-1, h // 4, w // 4, 4, 4, c))
            return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h, w, c))

    x = keras.Input((8, 12, 8))
    net = from_keras(keras.Model(x, Windows(name="windows")(x)))
    assert [m.op for m in net.maps] == ["input", "conv", "attention", "conv"]
    assert (net["windows"].shape, net["windows"].channels) == ((8, 12), 8)
    found = eg.importance(net, unit=(5, 6)).values
    expected = np.zeros((8, 12), int)
    expected[4:8, 4:8] = 1
    np.testing.assert_array_equal(found, expected)


def test_patches_with_learned_positions():
    class Encoder(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.project, self.place = L.Dense(8, name="project"), L.Embedding(16, 8)

        def call(self, x):
            x = ops.image.extract_patches(x, size=4)
            x = ops.reshape(x, (ops.shape(x)[0], 16, 48))
            return self.project(x) + self.place(ops.expand_dims(ops.arange(16), 0))

    x = keras.Input((16, 16, 3))
    net = from_keras(keras.Model(x, Encoder(name="encoder")(x)))
    (y, x) = 2, 1
    found = eg.importance(net, unit=(y, x)).values
    assert found[8:12, 4:8].sum() == found.sum() == 16


def test_spectral_normalization_is_its_layer():
    x = keras.Input((8, 8, 3))
    net = from_keras(
        keras.Model(x, L.SpectralNormalization(L.Conv2D(4, 3, name="in"), name="sn")(x))
    )
    assert (names(net), net["sn"]) == (["input", "sn.in"], net["sn.in"])


def test_subclasses_of_known_layers():
    class Swish(L.Activation):
        def __init__(self, **kwargs):
            super().__init__("swish", **kwargs)

    class Widened(L.Conv2D):
        def call(self, x):
            return super().call(ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]))

    x = keras.Input((8, 8, 3))
    net = from_keras(keras.Model(x, Swish(name="swish")(Widened(4, 3, name="conv")(x))))
    assert net["swish"].index == net["conv"].index
    assert [f.kind for f in net["swish"].passed] == ["silu"]
    assert [m.op for m in net.maps] == ["input", "pad", "conv"]
    assert net.output.shape == (8, 8)


def test_standardised_weights_are_weights():
    class Standardised(L.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(3, 3, shape[-1], 4), name="kernel")

        def call(self, x):
            kernel = self.kernel - ops.mean(self.kernel, axis=(0, 1, 2), keepdims=True)
            return ops.conv(x, kernel, 1, "same")

    x = keras.Input((8, 8, 3))
    net = from_keras(keras.Model(x, Standardised(name="ws")(x)))
    assert [(m.name, m.op, m.channels) for m in net.maps[1:]] == [("ws", "conv", 4)]


def test_lambda_is_looked_into():
    x = keras.Input((8, 8, 3))
    y = L.Lambda(lambda v: v[:, ::2, ::2] * 2, name="half")(x)
    assert from_keras(keras.Model(x, y))["half"].shape == (4, 4)
    y = L.Lambda(lambda v: L.MaxPooling2D()(ops.relu(v)), name="pool")(x)
    assert from_keras(keras.Model(x, y)).output.op == "max_pool"


def test_results_that_are_only_passed_on_have_the_layers_name():
    class Depth(L.Layer):
        def call(self, x, training=False):
            return x * 0 if training else x

    x = keras.Input((8, 8, 3))
    net = from_keras(keras.Model(x, Depth(name="depth")(L.Conv2D(2, 3, name="conv")(x))))
    assert net["depth"].index == net["conv"].index


# --- the input ----------------------------------------------------------------------------


def test_input_shape_of_an_open_model():
    model = small((None, None, 3), name="open")
    with pytest.raises(eg.InputError, match=r"open: its input has shape \(None, None, 3\); give"):
        from_keras(model)
    assert from_keras(model, (20, 24)).output.shape == (10, 12)
    assert from_keras(small((None, 16, 3)), (20, 16)).output.shape == (10, 8)
    with pytest.raises(eg.InputError, match=r"input_shape: got \(20,\), wanted the spatial shape"):
        from_keras(model, (20,))
    with pytest.raises(eg.InputError, match=r"got \(20, 24\), but the input of small is fixed at"):
        from_keras(small((None, 16, 3)), (20, 24))


def test_input_shape_of_a_fixed_model():
    assert from_keras(small(), (16, 16)).input.shape == (16, 16)
    with pytest.raises(
        eg.InputError,
        match=r"input_shape: got \(32, 32\), but the input of small is fixed at \(16, 16\)",
    ):
        from_keras(small(), (32, 32))
    with pytest.raises(eg.InputError, match="wanted 1 to 3 positive integers"):
        from_keras(small(), (0, 16))


def test_channels_first():
    x = keras.Input((3, None, None))
    y = L.Conv2D(4, 3, data_format="channels_first", name="conv")(x)
    y = L.BatchNormalization(axis=1)(y)
    y = L.GlobalMaxPooling2D(data_format="channels_first", name="pool")(y)
    net = from_keras(keras.Model(x, y), (9, 10))
    assert [(m.shape, m.channels) for m in net.maps] == [((9, 10), 3), ((7, 8), 4), ((1, 1), 4)]


def test_channels_brought_last_first():
    x = keras.Input((3, 9, 10))
    y = L.Conv2D(4, 3)(L.Permute((2, 3, 1))(x))
    net = from_keras(keras.Model(x, y))
    assert (net.input.shape, net.input.channels, net.output.shape) == ((9, 10), 3, (7, 8))


@pytest.mark.parametrize("shape", [(28, 28), (784,), (28, 1, 28), (4, 196)])
def test_images_that_come_flat_or_without_channels(shape):
    x = keras.Input(shape)
    y = L.Conv2D(1, 3, name="conv")(L.Reshape((28, 28, 1))(x))
    model = keras.Model(x, y)
    net = from_keras(model)
    assert (net.input.shape, net.input.channels) == ((28, 28), 1)
    found = eg.importance(net, unit=(2, 5)).values
    whole = keras.Model(z := keras.Input((28, 28, 1)), model.get_layer("conv")(z))
    np.testing.assert_array_equal(found, gradient(whole, (2, 5), (26, 26)))


def test_inputs_without_axes():
    x = keras.Input((10,))
    with pytest.raises(eg.InputError, match=r"input of shape \(10,\) has 0 spatial axes"):
        from_keras(keras.Model(x, L.Dense(3)(x), name="mlp"))


def test_a_model_that_makes_nothing_of_its_input():
    x = keras.Input((8, 8, 3))
    with pytest.raises(eg.InputError, match="makes no feature map"):
        from_keras(keras.Model(x, L.ReLU()(x)))


# --- where to end -------------------------------------------------------------------------


def test_layer():
    model = small()
    assert names(from_keras(model, layer="act")) == ["input", "stem"]
    assert from_keras(model, layer="act").output.name == "stem"
    with pytest.raises(eg.NameLookupError, match="unknown layer 'actt' of small; did you mean"):
        from_keras(model, layer="actt")


class Strange(keras.layers.Layer):
    """Shuffles as no symbolic tensor can be shuffled."""

    def call(self, x):
        return x[ops.convert_to_numpy(x[0]).argsort()]

    def compute_output_shape(self, shape):
        return shape


def strange():
    x = keras.Input((8, 8, 3))
    y = Strange(name="odd")(L.Conv2D(4, 3, name="conv")(x))
    return keras.Model(x, [L.Conv2D(2, 3, name="after")(y), y], name="strange")


def test_unknown_layers_are_errors():
    with pytest.raises(eg.UnknownOperationError) as caught:
        from_keras(strange())
    text = str(caught.value)
    assert text.startswith("unknown operation 'Strange' at 'odd' (which cannot be looked into: ")
    for part in ("stop_at=", "ops={'Strange'", "supported:", "Conv2D", "ops.Add"):
        assert part in text
    x = keras.Input((8, 3))
    with pytest.raises(eg.UnknownOperationError, match="'LSTM' at 'cell'"):
        from_keras(keras.Model(x, L.LSTM(4, name="cell")(L.Conv1D(4, 3)(x))))
    with pytest.raises(eg.UnknownOperationError, match=r"'ops\.Sort' at 'sort"):
        from_keras(keras.Model(x, ops.sort(L.Conv1D(4, 3)(x))))


@pytest.mark.parametrize("stop", ["odd", "Strange", ["after", "odd"]])
def test_stop_at(stop):
    net = from_keras(strange(), stop_at=stop)
    assert names(net) == ["input", "conv"]


def test_declared_layers():
    net = from_keras(strange(), ops={"Strange": importers.transparent})
    assert names(net) == ["input", "conv", "after"]
    assert net["odd"] is net["conv"]

    def blurred(net, x):
        assert (x.shape, x.channels) == ((6, 6), 4)
        return net.conv(x, (1, 3), padding=(0, 1), groups=4)

    net = from_keras(strange(), ops={"Strange": importers.layer(blurred)})
    assert net["odd"].op == "conv"
    assert net["odd"].shape == (6, 6)
    assert net["after"].shape == (4, 4)


def test_declared_rows_come_before_the_table_and_before_looking_inside():
    x = keras.Input((8, 8, 4))
    model = keras.Model(x, Residual(4, name="block")(x))
    row = importers.layer(lambda net, x, **kw: net.conv(x, 5, padding=2))
    net = from_keras(model, ops={"Residual": row})
    assert [m.op for m in net.maps] == ["input", "conv"]
    net = from_keras(small(), ops={"ReLU": importers.layer(lambda net, x: net.conv(x, 1))})
    assert net["act"].op == "conv"
    with pytest.raises(eg.LayerError, match=r"ops\['Residual'\]: got 3, wanted a row"):
        from_keras(model, ops={"Residual": 3})


def test_a_layer_of_the_name_of_one_of_keras_is_not_taken_for_it():
    class Attention(keras.layers.Layer):
        def call(self, x):
            return x * ops.sigmoid(ops.mean(x, axis=-1, keepdims=True))

    x = keras.Input((8, 8, 4))
    net = from_keras(keras.Model(x, Attention(name="gate")(L.Conv2D(4, 3, name="conv")(x))))
    assert net["gate"] is net["conv"]

    class Dot(keras.layers.Layer):
        def call(self, x):
            return ops.convert_to_numpy(x)

        def compute_output_shape(self, shape):
            return shape

    model = keras.Model(x, Dot(name="dot")(x))
    with pytest.raises(eg.UnknownOperationError, match=r"'[\w.]*test_keras_import\.Dot'"):
        from_keras(model)


# --- what is no Keras model ---------------------------------------------------------------


def test_bad_models():
    for bad in (3, None, "model.keras", object()):
        with pytest.raises(eg.InputError, match="wanted a Keras model"):
            from_keras(bad)


def test_models_of_keras_2():
    old = type("Model", (), {"__module__": "tf_keras.src.engine.training"})
    with pytest.raises(eg.InputError, match="got a Model of Keras 2"):
        from_keras(old())


def test_a_subclassed_model_that_cannot_be_traced():
    class Numeric(keras.Model):
        def call(self, x):
            return x[ops.convert_to_numpy(x[0]).argsort()]

        def build(self, shape):
            self.built = True

    model = Numeric(name="numeric")
    model.build((None, 8, 8, 3))
    with pytest.raises(eg.InputError, match=r"Numeric: its own call\(\) does not run on symbolic"):
        from_keras(model)


def test_without_keras():
    code = (
        "import sys; sys.modules['keras'] = None; del sys.modules['keras']\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'keras' else find(name, *a)\n"
        "from erfgraph.importers.keras_import import from_keras\n"
        "from erfgraph import MissingExtraError\n"
        "try:\n    from_keras(object())\n"
        "except MissingExtraError as e:\n    print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'erfgraph[keras]'" in done.stdout


def test_importing_the_importer_loads_no_keras():
    code = "import sys, erfgraph.importers.keras_import; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
