"""The architectures of keras.applications: every layer's shape and channels, and path counts."""

from __future__ import annotations

import numpy as np
import pytest
from keras_oracle import collapsed, keras

import erfgraph as eg

# how many feature maps each has at its own size
APPLICATIONS = {
    "VGG16": 22,
    "ResNet50": 75,
    "ResNet50V2": 94,
    "MobileNet": 34,
    "MobileNetV2": 69,
    "MobileNetV3Small": 75,
    "MobileNetV3Large": 88,
    "DenseNet121": 187,
    "InceptionV3": 125,
    "Xception": 93,
    "InceptionResNetV2": 335,
    "EfficientNetB0": 114,
    "EfficientNetV2B0": 125,
    "ConvNeXtTiny": 79,
}


def model_of(name, **kwargs):
    keras.utils.clear_session()  # numbers in the names of layers start again
    return getattr(keras.applications, name)(weights=None, **kwargs)


def nasnet(size):
    """NASNet's cells; Keras does not offer the whole network on this backend."""
    from keras.src.applications.nasnet import NASNet

    keras.utils.clear_session()
    return NASNet(
        input_shape=(size, size, 3),
        penultimate_filters=192,
        num_blocks=1,
        stem_block_filters=8,
        skip_reduction=False,
        include_top=False,
        weights=None,
    )


def check_layers(model, net):
    """Every layer stands for a map of the shape and channels that Keras says."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        found = net[layer.name]
        shape = layer.output.shape[1:]
        if isinstance(layer, keras.layers.Flatten) or None in shape:
            continue  # whose result is the map before it, arranged otherwise
        *spatial, channels = shape
        assert found.shape == tuple(spatial or (1, 1)), layer.name
        assert found.channels == channels, layer.name


@pytest.mark.parametrize("name", APPLICATIONS)
def test_layers(name):
    model = model_of(name)
    size = model.input_shape[1:3]
    net = eg.from_keras(model, (224, 224) if None in size else None)
    assert len(net.maps) == APPLICATIONS[name]
    check_layers(model, net)
    assert (net.output.shape, net.output.channels) == ((1, 1), 1000)
    assert net.name == model.name


def test_layers_of_nasnet():
    model = nasnet(64)
    check_layers(model, eg.from_keras(model))


@pytest.mark.parametrize("name", [*APPLICATIONS, "NASNet"])
def test_path_counts(name):
    if name == "NASNet":
        model = nasnet(64)
    else:
        size = 75 if "ception" in name else 64
        model = model_of(name, include_top=False, input_shape=(size, size, 3))
    net = eg.from_keras(model)
    for unit in (None, tuple(n - 1 for n in net.output.shape)):
        found = eg.importance(net, unit=unit).values.astype(float)
        expected = collapsed(model, unit, exact=False)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("VGG16", "vgg16"),
        ("VGG19", "vgg19"),
        ("DenseNet121", "densenet121"),
        ("ConvNeXtTiny", "convnext_tiny"),
    ],
)
def test_path_counts_of_the_zoo(name, known):
    model = model_of(name, include_top=False, input_shape=(224, 224, 3))
    found, expected = eg.importance(eg.from_keras(model)), eg.importance(eg.load(known))
    assert found.values.tolist() == expected.values.tolist()
