"""A network as a PyTorch module: with unit weights its gradient is the path count."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from registry import NETWORKS, op, run

import erfgraph as eg
from erfgraph.elementwise import KINDS
from erfgraph.network import LAYER_METHODS

torch = pytest.importorskip("torch")
F = torch.nn.functional


def units(m):
    """A few units of a map: the centre and two corners."""
    return {tuple(n // 2 for n in m.shape), (0,) * len(m.shape), tuple(n - 1 for n in m.shape)}


def counted(module, net, layer=None, unit=None):
    shape = (net.input.channels, *net.input.shape)
    return eg.gradient_importance(
        module, shape, layer, unit, samples=1, statistic="mean", init="keep", inputs="ones"
    )


def check_counts(net, layer=None, every=units):
    """Gradient with unit weights == importance with channels told apart, unit by unit."""
    module = eg.to_torch(net, init="ones", dtype=torch.float64)
    top = net.output if layer is None else net[layer]
    for unit in every(top):
        want = eg.importance(net, layer, unit, channels="count")
        got = counted(module, net, layer, unit)
        assert np.array_equal(got.values, want.values), (net.name, unit)


@pytest.mark.parametrize("name", NETWORKS)
def test_unit_weights_give_the_path_count(name):
    check_counts(NETWORKS[name]())


def test_the_registry_has_every_operation():
    used = {layer.op for make in NETWORKS.values() for layer in make().layers}
    assert used == set(LAYER_METHODS)


def test_a_wrong_weight_is_seen():
    net = NETWORKS["residual"]()
    module = eg.to_torch(net, init="ones", dtype=torch.float64)
    next(module.parameters()).data[0, 0, 0] = 2
    want = eg.importance(net, channels="count").values
    assert not np.array_equal(counted(module, net).values, want)


ZOO = {
    "resnet18": ("layer2.1", 32),
    "densenet121": ("features.denseblock2.denselayer3", 32),
    "mobilenet_v2": ("features.6", 32),
    "googlenet": ("inception3b", 32),
    "shufflenet_v2_x0_5": ("stage2.2", 48),
    "efficientnet_b0": ("features.4", 64),
    "swin_t": (None, 32),
    "squeezenet1_1": (None, 40),
    "segnet": (None, 32),
}


@pytest.mark.parametrize("name", ZOO)
def test_unit_weights_on_the_zoo(name):
    layer, size = ZOO[name]
    net = eg.load(name, input_shape=(size, size))
    if layer is not None and layer not in net:
        pytest.fail(f"{layer} is not in {name}")
    module = eg.to_torch(net, init="ones", dtype=torch.float64, stop=layer)
    want = eg.importance(net, layer, channels="count")
    if want.total >= 2**53:  # sums that float64 does not hold exactly
        want = eg.importance(net, layer, channels="count", exact=False)
        got = counted(module, net)
        np.testing.assert_allclose(got.share, want.share, rtol=1e-9)
    else:
        assert np.array_equal(counted(module, net).values, want.values)


def test_a_named_layer_is_the_same_in_both():
    net = eg.load("resnet18", input_shape=(32, 32))
    module = eg.to_torch(net, init="ones", dtype=torch.float64)
    paths = dict(module.named_modules())
    for name in ("conv1", "layer1.0.conv1", "layer1.0", "layer1", "maxpool"):
        assert name in paths
        want = eg.importance(net, name, channels="count")
        assert np.array_equal(counted(module, net, name).values, want.values)


# --- against PyTorch's own layers -----------------------------------------------------------


def same(net, x, want, **options):
    torch.testing.assert_close(eg.to_torch(net, **options).double()(x), want)


def test_residual_block_by_hand():
    net = eg.Network((6, 5), channels=4)
    x = net.conv(net.input, 3, padding=1, channels=8, groups=2, name="a")
    x = net.identity(x, "batch_norm", name="bn")
    x = net.identity(x, "relu", name="act")
    x = net.conv(x, (3, 1), stride=2, padding=((1, 0), (0, 0)), channels=4, name="b.c")
    skip = net.max_pool(net.input, 3, 2, 1, name="pool")
    skip = net.crop(skip, ((0, 0), (0, 0)))
    net.identity(net.add(x, skip, name="b"), "gelu", name="out")
    module = eg.to_torch(net, seed=3).double()
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    weights = dict(module.named_parameters())
    y = F.conv2d(x, weights["a.weight"], padding=1, groups=2)
    y = F.relu(y / np.sqrt(1 + 1e-5))
    y = F.conv2d(F.pad(y, (0, 0, 1, 0)), weights["b.c.weight"], stride=2)
    want = F.gelu(y + F.max_pool2d(x, 3, 2, 1))
    torch.testing.assert_close(module.eval()(x), want)


POOLS = [
    ((7, 6), 3, 2, 1, False),
    ((7, 6), 3, 2, 1, True),
    ((8, 5), (2, 3), (2, 1), (1, 1), True),
    ((9,), 3, 2, 1, True),
    ((5, 6, 4), 2, 2, 1, True),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "ceil_mode"), POOLS)
def test_pools(shape, kernel, stride, padding, ceil_mode):
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    n = len(shape)
    for include in (True, False):
        net = eg.Network(shape, channels=3)
        net.avg_pool("input", kernel, stride, padding, 1, ceil_mode, include)
        module = (torch.nn.AvgPool1d, torch.nn.AvgPool2d, torch.nn.AvgPool3d)[n - 1]
        own = module(kernel, stride, padding, ceil_mode, include)
        same(net, x, own(x))
    net = eg.Network(shape, channels=3)
    net.max_pool("input", kernel, stride, padding, 1, ceil_mode)
    module = (torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d)[n - 1]
    same(net, x, module(kernel, stride, padding, ceil_mode=ceil_mode)(x))


def test_dilated_and_one_sided_pools():
    x = torch.randn(1, 2, 9, dtype=torch.float64)
    net = eg.Network(9, channels=2)
    net.avg_pool("input", 3, 1, dilation=2)
    same(net, x, (x[..., :5] + x[..., 2:7] + x[..., 4:]) / 3)
    net = eg.Network(9, channels=2)
    net.max_pool("input", 2, 2, padding=((0, 1),))
    same(net, x, F.max_pool1d(F.pad(x, (0, 1), value=-9), 2))
    net = eg.Network(2, channels=2)
    net.max_pool("input", 1, 1, padding=1)  # windows that read nothing
    assert eg.to_torch(net)(torch.ones(1, 2, 2))[0, 0].tolist() == [0, 1, 1, 0]


RESIZES = [
    ((5, 4), {"scale": 2}, {"scale_factor": 2.0}, "nearest"),
    ((5, 4), {"size": (7, 3)}, {"size": (7, 3)}, "nearest"),
    ((5, 4), {"size": (7, 3), "mode": "nearest_exact"}, {"size": (7, 3)}, "nearest-exact"),
    ((5, 4), {"scale": 1.5, "mode": "bilinear"}, {"scale_factor": 1.5}, "bilinear"),
    ((5, 4), {"size": (9, 7), "mode": "cubic"}, {"size": (9, 7)}, "bicubic"),
    ((5,), {"size": 8, "mode": "linear"}, {"size": 8}, "linear"),
    ((2, 3, 2), {"scale": 2, "mode": "trilinear"}, {"scale_factor": 2.0}, "trilinear"),
]


@pytest.mark.parametrize(("shape", "params", "own", "mode"), RESIZES)
def test_interpolation(shape, params, own, mode):
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    net = eg.Network(shape, channels=3)
    net.upsample("input", **params)
    same(net, x, F.interpolate(x, **own, mode=mode))


def test_interpolation_that_torch_does_not_have():
    x = torch.arange(4.0, dtype=torch.float64).reshape(1, 1, 4)
    net = eg.Network(4)
    net.upsample("input", 2, "linear", coordinates="asymmetric")
    same(net, x, torch.tensor([[[0, 0.5, 1, 1.5, 2, 2.5, 3, 3]]], dtype=torch.float64))
    net = eg.Network(4)
    net.upsample("input", size=8, coordinates="asymmetric", rounding="ceil")
    same(net, x, torch.tensor([[[0, 1, 1, 2, 2, 3, 3, 3]]], dtype=torch.float64))
    net = eg.Network(5)  # cubic on one axis, as on one of two
    net.upsample("input", size=9, mode="cubic")
    x = torch.randn(1, 1, 5, dtype=torch.float64)
    same(net, x, F.interpolate(x[:, :, None], size=(1, 9), mode="bicubic")[:, :, 0])


TRANSPOSED = [
    {"stride": 2},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": 3, "dilation": 2, "padding": 2, "groups": 2},
    {"stride": 4, "output_padding": 3},
]


@pytest.mark.parametrize("params", TRANSPOSED)
def test_transposed_convolution(params):
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    net = eg.Network((5, 3), channels=4)
    net.conv_transpose("input", 3, channels=6, name="up", **params)
    module = eg.to_torch(net).double()
    weight = dict(module.named_parameters())["up.weight"]
    torch.testing.assert_close(module(x), F.conv_transpose2d(x, weight, **params))


def test_channels_and_positions():
    x = torch.randn(2, 8, 4, 6, dtype=torch.float64)
    cases = {
        "pixel_shuffle": (2, F.pixel_shuffle(x, 2)),
        "pixel_unshuffle": (2, F.pixel_unshuffle(x, 2)),
        "channel_shuffle": (4, F.channel_shuffle(x, 4)),
        "channel_pool": (2, x.reshape(2, 2, 4, 4, 6).mean(2)),
    }
    for name, (value, want) in cases.items():
        net = eg.Network((4, 6), channels=8)
        run(net, net.input, op(name, value))
        same(net, x, want)


def test_attention_is_the_mean_of_its_window():
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    net = eg.Network((4, 4), channels=2)
    net.attention("input", 2)
    want = F.avg_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    same(net, x, want)


def squeezed(gates):
    net = eg.Network(3, channels=2, gates=gates)
    factor = net.identity(net.global_pool("input"), "sigmoid")
    net.gate("input", factor, name="gated")
    return eg.to_torch(net)


def test_gates():
    x = torch.randn(1, 2, 3, requires_grad=True)
    factor = x.mean(2, keepdim=True).sigmoid()
    for gates, gate in (("follow", factor), ("transparent", factor.detach())):
        module, want = squeezed(gates), x * gate
        torch.testing.assert_close(module(x), want)
        grads = [torch.autograd.grad(y[..., 1].sum(), x)[0] for y in (module(x), want)]
        torch.testing.assert_close(*grads)
    net = eg.Network(3, channels=2)  # no sigmoid: to no measure more than the map itself
    net.gate("input", net.global_pool("input"), name="gated")
    assert torch.equal(eg.to_torch(net)(x), x)


def test_products():
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    net = eg.Network(3, channels=2)
    net.multiply("input", "input", "input")
    same(net, x, x**3)


@pytest.mark.parametrize("kind", KINDS)
def test_elementwise_functions(kind):
    row = KINDS[kind]
    net = eg.Network((2, 3), channels=4)
    net.identity(net.input, kind, name="f")
    module = eg.to_torch(net).double().train()
    x = torch.randn(5, 4, 2, 3, dtype=torch.float64) * 3 + 1
    got = module(x).detach()
    if row.function is not None:
        want = row.function(x.numpy(), row.value if row.value is not None else 0.0)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6, atol=1e-12)
    elif row.over is None:
        torch.testing.assert_close(got, row.value * x)
    else:
        axes = {"batch": (0, 2, 3), "positions": (2, 3), "channels": (1,)}[row.over]
        axes = (1, 2, 3) if kind == "group_norm" else axes
        mean = x.mean(axes, keepdim=True) if row.centred else 0
        std = ((x - mean) ** 2).mean(axes, keepdim=True).sqrt()
        torch.testing.assert_close(got, (x - mean) / std, rtol=1e-4, atol=1e-5)


def test_gains_scales_and_groups():
    net = eg.Network(4, channels=64)
    x = net.identity(net.input, "batch_norm", 0.0, name="bn")
    x = net.identity(x, "scale", 0.1, name="gamma")
    net.identity(x, "group_norm", 0.5, name="gn")
    module = eg.to_torch(net)
    assert (module.bn.weight == 0).all()
    assert (module.gamma.gamma == 0.1).all()
    assert (module.gn.weight == 0.5).all()
    assert module.gn.num_groups == 32
    module.bn.reset_parameters()
    assert (module.bn.weight == 0).all()


# --- weights --------------------------------------------------------------------------------


def wide():
    net = eg.Network((4, 4), channels=64)
    net.conv(net.conv_transpose(net.input, 3, channels=96, name="up"), 3, channels=32, name="c")
    return net


@pytest.mark.parametrize(
    ("rule", "variance"),
    [
        ("lecun", {"c": 1 / (96 * 9), "up": 1 / (96 * 9)}),
        ("kaiming_fan_out", {"c": 2 / (32 * 9), "up": 2 / (64 * 9)}),
        ("pytorch", {"c": 1 / (3 * 96 * 9), "up": 1 / (3 * 96 * 9)}),
        ("std=0.02", {"c": 0.0004, "up": 0.0004}),
    ],
)
def test_weights_have_the_variance_of_the_rule(rule, variance):
    module = eg.to_torch(wide(), init=rule)
    for name, want in variance.items():
        weight = dict(module.named_parameters())[f"{name}.weight"]
        assert weight.var().item() == pytest.approx(want, rel=0.03)
        before = weight.detach().clone()
        dict(module.named_modules())[name].reset_parameters()
        assert (weight != before).any()
        assert weight.var().item() == pytest.approx(want, rel=0.03)


def test_seeds_and_the_callers_random_numbers():
    state = torch.random.get_rng_state()
    a, b, c = (eg.to_torch(wide(), seed=s).state_dict() for s in (1, 1, 2))
    assert all((a[k] == b[k]).all() for k in a)
    assert any((a[k] != c[k]).any() for k in a)
    assert (torch.random.get_rng_state() == state).all()


def test_the_networks_own_initialisation():
    net = wide()
    with pytest.raises(eg.InputError, match="no initialisation of its own"):
        eg.to_torch(net, init="torchvision")
    net.init = "std=0.5"
    weight = eg.to_torch(net, init="torchvision").c.weight
    assert weight.std().item() == pytest.approx(0.5, rel=0.03)


# --- the module -----------------------------------------------------------------------------


def test_it_can_be_copied_and_pickled():
    net = eg.load("resnet18", input_shape=(32, 32))
    module = eg.to_torch(net).eval()
    x = torch.randn(1, 3, 32, 32)
    assert (copy.deepcopy(module)(x) == module(x)).all()
    assert (pickle.loads(pickle.dumps(module))(x) == module(x)).all()


def test_stop_leaves_out_what_is_not_needed():
    net = eg.load("resnet18", input_shape=(32, 32))
    module = eg.to_torch(net, stop="layer2.0")
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 128, 4, 4)
    assert not [n for n, _ in module.named_parameters() if n.startswith("layer3")]


def test_names_that_modules_do_not_allow():
    net = eg.Network(5)
    x = net.conv(net.input, 3, padding=1, name="forward")
    x = net.conv(x, 3, padding=1, name="weight")
    x = net.conv(x, 3, padding=1, name="weight.weight")
    net.conv(x, 3, padding=1, name="train")
    check_counts(net, "train")
    check_counts(net, "weight.weight")


def test_it_goes_back_to_a_network():
    net = eg.load("conv3p1*2 max2 up2 res(conv3p1)", input_shape=(8, 8), channels=2)
    again = eg.from_torch(eg.to_torch(net), (2, 8, 8))
    assert np.array_equal(eg.importance(net).values, eg.importance(again).values)


def test_errors():
    net = eg.load("conv3*2", input_shape=(9,))
    with pytest.raises(eg.InputError, match=r"x: got shape \(1, 3, 8\), wanted \(batch, 3, 9\)"):
        eg.to_torch(net)(torch.zeros(1, 3, 8))
    with pytest.raises(eg.NameLookupError, match="unknown init 'zeros'"):
        eg.to_torch(net, init="zeros")
    with pytest.raises(eg.NameLookupError, match="unknown layer 'conv9'"):
        eg.to_torch(net, stop="conv9")
    with pytest.raises(eg.InputError, match="no layers"):
        eg.to_torch(eg.Network(5))
    with pytest.raises(eg.InputError, match="net: got 'resnet18', wanted a Network"):
        eg.to_torch("resnet18")
    with pytest.raises(eg.InputError, match="dtype: got 'float64'"):
        eg.to_torch(net, dtype="float64")
    with pytest.raises(eg.InputError, match="seed: got -1"):
        eg.to_torch(net, seed=-1)
