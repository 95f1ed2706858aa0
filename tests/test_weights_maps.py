"""Maps of `uniform` and `variance`: their range, files and thresholds, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import erfgraph as eg

DEEP = 3000


def deep():
    return eg.load(f"conv3p1*{DEEP}", input_shape=(101,))


@pytest.mark.parametrize(
    ("rule", "factor"),
    [("pytorch", 1 / 3), ("kaiming_fan_in", 2), ("std=0.001", 9e-6), ("lecun", 1), (None, 1)],
)
def test_thousands_of_layers_stay_in_range(rule, factor, tmp_path):
    """Their variances' product is beyond float64; shares are those of the averages."""
    imp = eg.importance(deep(), measure="variance", init=rule)
    plain = eg.importance(deep(), measure="uniform")
    assert np.isfinite(imp.values).all()
    assert imp.values.min() > 0
    assert_allclose(imp.share, plain.share, rtol=1e-10)
    log10 = math.log10(imp.total) + imp.log10_scale - math.log10(plain.total) - plain.log10_scale
    assert log10 == pytest.approx(DEEP * math.log10(factor), rel=1e-12, abs=1e-9)
    assert imp.trf.area == 101
    assert imp.erf().area == plain.erf().area > 0
    for by, threshold in (("mass", 0.52), ("square", 0.52), ("count", 0)):
        assert imp.erf(threshold, by).area == plain.erf(threshold, by).area
    imp.save(tmp_path / "map.npz")
    again = eg.ImportanceMap.load(tmp_path / "map.npz")
    assert again == imp
    assert again.to_dict() == imp.to_dict()


def rectified(depth):
    net = eg.Network(61, channels=4)
    x = net.input
    for _ in range(depth):
        x = net.identity(net.conv(x, 3, padding=1), "relu")
    return net


def test_activations_that_vanish():
    """A thousand ReLUs under PyTorch's own rule: a sixth a layer, whatever reaches them."""
    imp = eg.importance(rectified(1000), measure="variance", init="pytorch", scalar="channel")
    plain = eg.importance(rectified(1000), measure="variance")
    log10 = math.log10(imp.total) + imp.log10_scale - math.log10(plain.total) - plain.log10_scale
    assert log10 == pytest.approx(1000 * math.log10(1 / 6), rel=1e-4)
    assert_allclose(imp.share, plain.share, rtol=1e-6)


def test_activations_that_explode():
    """Refused, with the map where it happens; not a map of NaN."""
    text = "init: got 'std=3', but with it the activations of 'conv[0-9]+' leave the range"
    with pytest.raises(eg.InputError, match=text):
        eg.importance(rectified(300), measure="variance", init="std=3")
    assert eg.importance(rectified(60), measure="variance", init="std=3").total > 0


def test_weights_that_are_negative(tmp_path):
    """Cubic interpolation overshoots: `uniform` keeps its signs, its total is one."""
    net = eg.Network(9)
    net.upsample(net.input, 2, "cubic")
    imp = eg.importance(net, measure="uniform")
    assert imp.values.min() < 0
    assert imp.total == pytest.approx(1, rel=1e-14)
    assert imp.trf.area == 4
    imp.save(tmp_path / "map.npz")
    assert eg.ImportanceMap.load(tmp_path / "map.npz") == imp
    square = eg.importance(net, measure="variance")
    assert_allclose(square.values, imp.values**2, rtol=1e-14)


@pytest.mark.parametrize("measure", ["paths", "edges"])
def test_counts_are_still_never_negative(measure, tmp_path):
    """A file that says so of a count is refused, as before."""
    net = eg.Network(9)
    net.upsample(net.input, 2, "cubic")
    path = tmp_path / "map.npz"
    eg.importance(net, measure="uniform").save(path)
    with np.load(path) as data:
        arrays = dict(data)
    arrays["about"] = np.array(str(arrays["about"][()]).replace("uniform", measure))
    np.savez(path, **arrays)
    with pytest.raises(eg.ErfgraphError, match="no finite numbers of paths"):
        eg.ImportanceMap.load(path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"measure": "paths", "init": "lecun"}, "init: got 'lecun', but only measure 'variance'"),
        ({"measure": "uniform", "init": "lecun"}, "init: got 'lecun', but only"),
        ({"measure": "edges", "batchnorm": "batch"}, "batchnorm: got 'batch', but only"),
        ({"measure": "uniform", "zero_residual": True}, "zero_residual: got True, but only"),
        ({"init": "he"}, "unknown init 'he'"),
        ({"init": 3}, "unknown init '3'"),
        ({"init": "std=-1"}, "init: got 'std=-1', wanted 'std=' and a positive number"),
        ({"init": "std=wide"}, "init: got 'std=wide'"),
        ({"init": "torchvision"}, "init: 'torchvision' is the rule that a network of the zoo"),
        ({"batchnorm": "train"}, "unknown batchnorm 'train'"),
        ({"zero_residual": 1}, "zero_residual: got 1, wanted True or False"),
        ({"channels": "count"}, "channels: 'count' goes with measure 'paths'"),
    ],
)
def test_what_is_refused(options, text):
    net = eg.load("conv3*2")
    for verb in (eg.importance, eg.importances):
        with pytest.raises(eg.ErfgraphError, match=text):
            verb(net, **{"measure": "variance", **options})


@pytest.mark.parametrize("measure", ["uniform", "variance"])
def test_an_explicit_graph_has_no_weights(measure):
    with pytest.raises(eg.ErfgraphError, match="wants a Network, got an explicit Graph"):
        eg.importance(eg.graph(eg.load("conv3*2")), measure=measure)


def test_networks_of_the_zoo_know_their_rule():
    """ResNet: Kaiming by fan-out, so its map under both names is one."""
    net = eg.load("resnet18", input_shape=(64, 64))
    own = eg.importance(net, measure="variance", init="torchvision")
    assert own == eg.importance(net, measure="variance", init="kaiming_fan_out")
    assert own != eg.importance(net, measure="variance", init="pytorch")


def test_no_path_is_no_importance():
    net = eg.Network(5)
    x = net.pad(net.crop(net.input, ((0, 4),)), ((4, 0),))
    net.conv(x, 1)
    for measure in ("uniform", "variance"):
        imp = eg.importance(net, unit=0, measure=measure)
        assert imp.total == 0
        assert imp.trf.area == 0
        assert not imp.share.any()
