"""Gradient ERF against formulas by hand, path counts, and the papers' own script."""

from __future__ import annotations

import copy
import math
import threading

import numpy as np
import pytest

import erfgraph as eg

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def conv(c_in=2, c_out=3, kernel=3, **options):
    return nn.Conv2d(c_in, c_out, kernel, **{"padding": kernel // 2, "bias": False, **options})


def kept(module, shape=(2, 9, 9), statistic="mean_square", **options):
    """One gradient of the module's own weights on an input of ones, in float64."""
    return eg.gradient_importance(
        module.double(),
        shape,
        statistic=statistic,
        samples=1,
        init="keep",
        inputs="ones",
        **options,
    )


def by_hand(module, x, statistic, unit=None):
    """The samples of every input, one backward pass each."""
    out = []
    for one in x:
        one = one[None].clone().requires_grad_()
        y = module(one)
        at = tuple(n // 2 for n in y.shape[2:]) if unit is None else unit
        value = y[(0, slice(None), *at)]
        value = value.relu() if statistic == "mean_relu" else value
        (g,) = torch.autograd.grad(value.sum(), one)
        g = g[0].double().numpy()
        reduced = {
            "mean_square": (g**2).sum(0),
            "mean": g.sum(0),
            "mean_relu": np.maximum(g, 0).sum(0),
        }
        out.append(reduced.get(statistic, np.abs(g).sum(0)))
    return np.array(out)


# --- values ---------------------------------------------------------------------------------


def test_one_layer_by_hand():
    module = nn.Sequential(conv(2, 3))
    found = kept(module)
    weight = module[0].weight.detach().sum(0).numpy()  # over the unit's channels
    want = np.zeros((9, 9))
    want[3:6, 3:6] = (weight**2).sum(0)
    np.testing.assert_allclose(found.values, want, rtol=1e-12)
    assert (found.layer, found.unit, found.of, found.shape) == ("output", (4, 4), "input", (9, 9))
    assert found.measure == "gradient mean_square"


def test_two_layers_by_hand():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Conv1d(2, 3, 2))
    first, second = (m.weight.detach().double().numpy() for m in module)
    want = sum(np.convolve(first[m, 0], second[o, m]) for m in range(2) for o in range(3))
    found = kept(module, (1, 4), "mean")
    np.testing.assert_allclose(found.values, np.abs(want), rtol=1e-12)
    found = kept(module, (1, 4), "mean_abs")
    np.testing.assert_allclose(found.values, np.abs(want), rtol=1e-12)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.branch = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1, groups=2))
        self.top = nn.Conv2d(8, 5, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        return self.top(torch.cat([x, x + self.branch(x)], 1))


@pytest.mark.parametrize("layer", [None, "stem", "branch", "branch.0"])
@pytest.mark.parametrize("unit", [None, (0, 0), (-1, 2)])
def test_unit_weights_are_path_counts(layer, unit):
    module = Residual()
    network = eg.from_torch(module, (3, 12, 10), layer)
    want = eg.importance(network, unit=unit, channels="count")
    found = eg.gradient_importance(
        module, (3, 12, 10), layer, unit, init="ones", statistic="mean", dtype="float64"
    )
    assert found.samples == 1
    assert found.unit == want.unit
    assert np.array_equal(found.values, want.values)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_one_to_three_axes(ndim):
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[ndim - 1]
    module = nn.Sequential(kind(1, 1, 3, padding=1), kind(1, 1, 3, padding=1))
    found = eg.gradient_importance(module, (1, *(5,) * ndim), init="ones", statistic="mean")
    line = np.array([1, 2, 3, 2, 1])
    want = line
    for _ in range(ndim - 1):
        want = np.multiply.outer(want, line)
    assert np.array_equal(found.values, want)


STATISTICS = ("mean_square", "mean_abs", "mean", "median", "mean_relu")


@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_over_images(statistic):
    module = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 4), nn.Tanh())
    x = torch.randn(11, 3, 9, 8)
    found = eg.gradient_importance(module, (3, 9, 8), images=x.numpy(), statistic=statistic)
    samples = by_hand(module, x, statistic)
    middle = np.median if statistic == "median" else np.mean
    want = np.abs(middle(samples, axis=0))
    np.testing.assert_allclose(found.values, want, rtol=1e-4, atol=1e-9)
    assert (found.samples, found.skipped, found.statistic) == (11, 0, statistic)
    if statistic != "median":
        error = samples.std(axis=0, ddof=1) / math.sqrt(11)
        np.testing.assert_allclose(found.standard_error, error, rtol=1e-3, atol=1e-9)
    assert found.replicates.shape == (11, 9, 8)
    np.testing.assert_allclose(found.replicates, samples, rtol=1e-4, atol=1e-9)


def test_the_large_kernel_papers_own_script():
    """erf/visualize_erf.py of RepLKNet (Ding et al. 2022), its function word by word."""

    def get_input_grad(model, samples):
        outputs = model(samples)
        out_size = outputs.size()
        central_point = torch.nn.functional.relu(
            outputs[:, :, out_size[2] // 2, out_size[3] // 2]
        ).sum()
        grad = torch.autograd.grad(central_point, samples)
        grad = grad[0]
        grad = torch.nn.functional.relu(grad)
        aggregated = grad.sum((0, 1))
        return aggregated.cpu().numpy()

    module = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU(), conv(8, 8, 5)).eval()
    images = torch.randn(6, 3, 10, 12)
    maps = []
    for i in range(6):
        samples = images[i : i + 1].clone()
        samples.requires_grad = True
        maps.append(get_input_grad(module, samples))
    found = eg.gradient_importance(
        module, (3, 10, 12), images=images.numpy(), statistic="mean_relu"
    )
    np.testing.assert_allclose(found.values, np.mean(maps, axis=0), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_batches_change_nothing(statistic):
    module = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 4))
    x = np.random.default_rng(0).random((7, 3, 8, 8))
    maps = [
        eg.gradient_importance(
            module, (3, 8, 8), images=x, statistic=statistic, batch=b, dtype="float64"
        )
        for b in (1, 3, 7)
    ]
    for other in maps[1:]:
        np.testing.assert_allclose(other.values, maps[0].values, rtol=1e-9, atol=1e-15)


def test_float32_gradients_do_not_underflow_when_squared():
    module = nn.Sequential(conv(1, 1), conv(1, 1))
    for m in module:
        m.weight.data.fill_(1e-15)
    found = eg.gradient_importance(module, (1, 9, 9), samples=1, init="keep")
    assert found.peak.value == pytest.approx(81e-60, rel=1e-5)


# --- layers and outputs -----------------------------------------------------------------------


def test_what_follows_the_layer_is_not_run():
    class Loud(nn.Module):
        def forward(self, x):
            raise AssertionError("not to be run")

    module = nn.Sequential(conv(1, 1), conv(1, 1), Loud())
    found = eg.gradient_importance(module, (1, 9, 9), "1", init="ones", statistic="mean")
    assert found.peak.value == 9


class Many(nn.Module):
    def __init__(self, pack):
        super().__init__()
        self.conv = conv(1, 1)
        self.pack = pack

    def forward(self, x):
        return self.pack(self.conv(x))


@pytest.mark.parametrize(
    "pack",
    [
        lambda y: (y, y[:, :, :2]),
        lambda y: [y],
        lambda y: {"out": y, "aux": None},
        lambda y: (None, {"a": [y]}),
    ],
)
def test_the_first_tensor_of_what_is_returned(pack):
    found = eg.gradient_importance(Many(pack), (1, 5, 5), init="ones", statistic="mean")
    assert found.total == 9


def test_a_module_that_does_not_depend_on_its_input():
    class Blind(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 1, 4, 4)

    found = eg.gradient_importance(Blind(), (1, 5, 5), samples=3)
    assert found.total == 0
    assert found.relative_error == 0
    assert found.trf.area == 0


def test_a_first_layer_that_writes_to_its_input():
    module = nn.Sequential(nn.ReLU(inplace=True), conv(1, 1))
    found = eg.gradient_importance(module, (1, 5, 5), init="ones", statistic="mean", inputs="ones")
    assert found.total == 9


# --- the module stays as it is -----------------------------------------------------------------


def state_of(module):
    return {
        "weights": {k: v.clone() for k, v in module.state_dict().items()},
        "modes": [m.training for m in module.modules()],
        "grads": [p.requires_grad for p in module.parameters()],
        "grad": [p.grad for p in module.parameters()],
        "hooks": [len(m._forward_hooks) for m in module.modules()],
        "types": [p.dtype for p in module.parameters()],
        "eps": [getattr(m, "eps", None) for m in module.modules()],
    }


RUNS = [
    {},
    {"init": "ones"},
    {"init": "xavier", "batchnorm": "batch", "batch": 4},
    {"init": "keep", "dtype": "float64"},
    {"init": lambda m: m.apply(lambda x: x.double())},
    {"layer": "stem", "passthrough": ("relu", "max_pool")},
    {"unit": (99, 0)},
]


@pytest.mark.parametrize("options", RUNS)
def test_the_module_is_untouched(options):
    module = Residual().train()
    module.branch.eval()
    module.top.weight.requires_grad_(False)
    before, random = state_of(module), torch.random.get_rng_state()
    try:
        eg.gradient_importance(module, (3, 8, 8), samples=3, **options)
    except eg.InputError:
        assert options in ({"unit": (99, 0)}, RUNS[4])
    after = state_of(module)
    for key in before["weights"]:
        assert torch.equal(before["weights"][key], after["weights"][key])
    for key in set(before) - {"weights"}:
        assert before[key] == after[key], key
    assert torch.equal(random, torch.random.get_rng_state())


def test_gradients_switched_off_by_the_caller():
    with torch.no_grad():
        found = eg.gradient_importance(nn.Sequential(conv(1, 1)), (1, 5, 5), init="ones")
    assert found.total == 9
    with torch.inference_mode():
        found = eg.gradient_importance(nn.Sequential(conv(1, 1)), (1, 5, 5), init="ones")
    assert found.total == 9


def test_a_module_that_cannot_be_copied():
    module = nn.Sequential(conv(1, 1))
    module.lock = threading.Lock()
    with pytest.raises(eg.InputError, match=r"cannot be copied .*pass a function"):
        eg.gradient_importance(module, (1, 5, 5))
    assert eg.gradient_importance(lambda: module, (1, 5, 5), init="ones").total == 9


# --- draws ------------------------------------------------------------------------------------


def test_draws_are_of_the_rule():
    module = nn.Sequential(conv(4, 6), conv(6, 5))
    shape = (4, 9, 9)
    lecun = eg.gradient_importance(module, shape, samples=60, init="lecun")
    counted = eg.importance(eg.from_torch(module, shape))
    tv = np.abs(lecun.share - counted.share).sum() / 2
    assert tv < 2 * lecun.relative_error
    # sum over 4 inputs, 5 outputs and 6 channels between: 4*5*6 * 81 paths, each 1/(36*54)
    assert lecun.total == pytest.approx(4 * 5 * 6 * 81 / (36 * 54), rel=0.15)
    fixed = eg.gradient_importance(module, shape, samples=60, init="std=0.1")
    assert fixed.total == pytest.approx(4 * 5 * 6 * 81 * 1e-4, rel=0.15)
    own = eg.gradient_importance(module, shape, samples=60)  # PyTorch's: variance 1/(3 fan-in)
    assert own.total == pytest.approx(lecun.total / 9, rel=0.25)
    again = eg.gradient_importance(module, shape, samples=60, init="pytorch")
    assert again.total == pytest.approx(lecun.total / 9, rel=0.25)


def test_a_function_is_called_for_every_draw():
    made = []

    def build():
        torch.manual_seed(0)  # so that every draw is the same
        made.append(nn.Sequential(conv(1, 1)))
        return made[-1]

    found = eg.gradient_importance(build, (1, 5, 5), samples=5)
    assert len(made) == 5
    assert found.standard_error.max() < 1e-9
    assert found.network.endswith("build")
    eg.gradient_importance(build, (1, 5, 5), images=np.zeros((4, 1, 5, 5)))
    assert len(made) == 6  # once, as the weights stay


def test_a_function_that_returns_the_same_module_twice():
    module = nn.Sequential(conv(1, 1))
    with pytest.raises(eg.InputError, match="same module twice"):
        eg.gradient_importance(lambda: module, (1, 5, 5), samples=2)


def test_seeds():
    module = nn.Sequential(conv(2, 3), nn.ReLU(), conv(3, 3))
    torch.manual_seed(1)
    a = eg.gradient_importance(module, (2, 8, 8), samples=4)
    torch.manual_seed(2)
    b = eg.gradient_importance(module, (2, 8, 8), samples=4)
    assert np.array_equal(a.values, b.values)
    c = eg.gradient_importance(module, (2, 8, 8), samples=4, seed=1)
    assert not np.array_equal(a.values, c.values)
    first = eg.gradient_importance(module, (2, 8, 8), samples=2)
    np.testing.assert_array_equal(first.replicates, a.replicates[:2])


def test_init_by_the_users_function():
    def constant(module):
        for p in module.parameters():
            torch.nn.init.constant_(p, 2.0)

    found = eg.gradient_importance(nn.Sequential(conv(1, 1)), (1, 5, 5), samples=2, init=constant)
    assert found.total == 9 * 4
    assert found.settings["init"].endswith("constant")


def test_a_rule_resets_norms_and_leaves_other_parameters():
    from erfgraph.gradient import weights

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.gamma = nn.Parameter(torch.full((4, 1, 1), 0.1))
            self.conv = nn.Conv2d(4, 4, 3)
            self.norm = nn.BatchNorm2d(4)

    module = Odd()
    module.norm.running_mean.fill_(3)
    module.norm.weight.data.fill_(3)
    weights.by_rule(module, "std=0.5")
    assert (module.gamma == 0.1).all()
    assert (module.norm.running_mean == 0).all()
    assert (module.norm.weight == 1).all()
    assert (module.conv.bias == 0).all()
    assert module.conv.weight.std().item() == pytest.approx(0.5, rel=0.3)
    nn.utils.parametrizations.weight_norm(module.conv)
    with pytest.raises(eg.InputError, match="'conv', which are parametrized"):
        weights.by_rule(module, "std=0.5")


def test_every_draw_sees_all_images():
    module = nn.Sequential(conv(2, 3), nn.ReLU(), conv(3, 3))
    images = np.random.default_rng(0).standard_normal((5, 2, 8, 8))
    maps = [
        eg.gradient_importance(module, (2, 8, 8), images=images, samples=3, batch=b)
        for b in (1, 4)
    ]
    np.testing.assert_allclose(maps[0].values, maps[1].values, rtol=1e-4)
    assert maps[0].samples == 3
    one = eg.gradient_importance(module, (2, 8, 8), images=images[:1], samples=3)
    assert not np.allclose(one.values, maps[0].values)


# --- batch norms --------------------------------------------------------------------------------


def test_batch_norm_by_the_statistics_of_the_batch():
    module = nn.Sequential(conv(1, 4), nn.BatchNorm2d(4), nn.ReLU(), conv(4, 2)).double()
    x = np.random.default_rng(0).standard_normal((6, 1, 7, 7))
    found = eg.gradient_importance(module.eval(), (1, 7, 7), images=x, batchnorm="batch", batch=6)
    training = copy.deepcopy(module).train()
    leaf = torch.tensor(x, requires_grad=True)
    (g,) = torch.autograd.grad(training(leaf)[:, :, 3, 3].sum(), leaf)
    np.testing.assert_allclose(found.values, (g**2).sum(1).mean(0).numpy(), rtol=1e-9)
    still = eg.gradient_importance(module, (1, 7, 7), images=x)
    samples = by_hand(module, torch.tensor(x), "mean_square")
    np.testing.assert_allclose(still.values, samples.mean(0), rtol=1e-9)


def test_a_batch_of_random_inputs_for_every_draw():
    module = nn.Sequential(conv(1, 4), nn.BatchNorm2d(4), conv(4, 2))
    found = eg.gradient_importance(module, (1, 7, 7), samples=3, batchnorm="batch", batch=5)
    assert (found.samples, found.settings["batch"]) == (3, 5)
    pooled = nn.Sequential(conv(1, 4), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    with pytest.raises(eg.InputError, match="take a larger batch"):
        eg.gradient_importance(pooled, (1, 7, 7), samples=1, batchnorm="batch", batch=1)


# --- errors ----------------------------------------------------------------------------------


def test_errors():
    module = nn.Sequential(conv(2, 3))
    shape = (2, 9, 9)

    def fails(kind, match, *args, **options):
        with pytest.raises(kind, match=match):
            eg.gradient_importance(*args, **options)

    fails(eg.InputError, "module: got str, wanted a torch.nn.Module", "resnet18", shape)
    fails(eg.InputError, "see erfgraph.to_torch", eg.load("conv3"), shape)
    fails(eg.InputError, "the function returned int", lambda: 3, shape)
    fails(eg.InputError, r"input_shape: got 9, wanted \(channels", module, 9)
    fails(eg.InputError, "input_shape", module, (2, 9, 9, 9, 9))
    fails(eg.NameLookupError, "unknown layer '1' in module Sequential", module, shape, "1")
    fails(eg.NameLookupError, "unknown layer ''", module, shape, "")
    fails(eg.InputError, r"unit: \(9, 0\) lies outside 'output' of", module, shape, unit=(9, 0))
    fails(eg.InputError, "wanted 2 integers", module, shape, unit=3)
    fails(eg.InputError, r"Sequential on an input of shape \(1, 5, 9, 9\)", module, (5, 9, 9))
    fails(eg.NameLookupError, "unknown statistic 'max'", module, shape, statistic="max")
    fails(eg.NameLookupError, "unknown init 'he'", module, shape, init="he")
    fails(eg.InputError, "pass the function that builds it", module, shape, init="torchvision")
    fails(eg.InputError, "init: got 'std=-1'", module, shape, init="std=-1")
    fails(eg.NameLookupError, "unknown batchnorm", module, shape, batchnorm="train")
    fails(eg.NameLookupError, "unknown passthrough 'gelu'", module, shape, passthrough="gelu")
    fails(eg.InputError, "passthrough: got 3", module, shape, passthrough=3)
    fails(eg.NameLookupError, "unknown inputs 'zeros'", module, shape, inputs="zeros")
    fails(eg.InputError, "samples: got 0", module, shape, samples=0)
    fails(eg.InputError, "seed: got -1", module, shape, seed=-1)
    fails(eg.InputError, "batch: got 1.5", module, shape, batch=1.5)
    fails(eg.InputError, "until: got 0", module, shape, until=0)
    fails(eg.InputError, "dtype: got 'int64'", module, shape, dtype="int64")
    fails(eg.InputError, "preprocess: got 3", module, shape, preprocess=3)


def test_without_pytorch(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    for ask in (
        lambda: eg.gradient_importance(None, (1, 5, 5)),
        lambda: eg.to_torch(eg.load("conv3")),
    ):
        with pytest.raises(eg.MissingExtraError, match=r"pip install 'erfgraph\[torch\]'"):
            ask()


def test_outputs_without_axes():
    flat = nn.Sequential(conv(1, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(eg.InputError, match=r"'output' returns shape \(1, 2\).*before the positi"):
        eg.gradient_importance(flat, (1, 5, 5))
    tokens = nn.Sequential(conv(1, 2), nn.Flatten(2))
    with pytest.raises(eg.InputError, match="a sequence of tokens has no spatial axes"):
        eg.gradient_importance(tokens, (1, 5, 5))

    class Nothing(nn.Module):
        def forward(self, x):
            return None

    with pytest.raises(eg.InputError, match="'output' returns no tensor"):
        eg.gradient_importance(Nothing(), (1, 5, 5))


def test_a_layer_that_is_not_called():
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = conv(1, 1), conv(1, 1)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(eg.InputError, match="forward pass does not call it"):
        eg.gradient_importance(Skips(), (1, 5, 5), "unused")


# --- the map ------------------------------------------------------------------------------------


def test_saving_and_loading(tmp_path):
    found = eg.gradient_importance(
        nn.Sequential(conv(2, 3)), (2, 6, 5), samples=5, passthrough="relu"
    )
    found.save(tmp_path / "map.npz")
    again = eg.GradientMap.load(tmp_path / "map.npz")
    assert again == found
    for key in ("samples", "skipped", "statistic", "relative_error", "settings", "network"):
        assert getattr(again, key) == getattr(found, key), key
    for key in ("standard_error", "replicates", "replicate_sizes"):
        assert np.array_equal(getattr(again, key), getattr(found, key)), key
    plain = eg.ImportanceMap.load(tmp_path / "map.npz")
    assert np.array_equal(plain.values, found.values)
    eg.importance(eg.load("conv3*2")).save(tmp_path / "paths.npz")
    with pytest.raises(eg.FileError, match="another measure"):
        eg.GradientMap.load(tmp_path / "paths.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(eg.FileError, match=r"broken\.npz"):
        eg.GradientMap.load(tmp_path / "broken.npz")


def test_to_dict():
    import json

    found = eg.gradient_importance(nn.Sequential(conv(2, 3)), (2, 6, 5), samples=1)
    document = json.loads(json.dumps(found.to_dict(values=True)))
    assert document["samples"] == 1
    assert document["relative_error"] is None
    assert document["standard_error"] is None
    assert document["statistic"] == "mean_square"
    assert document["settings"]["seed"] == 0
    assert np.shape(document["values"]) == (6, 5)


def test_it_is_an_importance_map():
    found = eg.gradient_importance(nn.Sequential(conv(2, 3), conv(3, 3)), (2, 9, 9), samples=4)
    assert isinstance(found, eg.ImportanceMap)
    assert found.share.sum() == pytest.approx(1)
    assert found.trf.bbox == ((2, 7), (2, 7))
    assert found.erf().area > 0
    assert found.erf(0.5, "square").bbox is not None


def test_bootstrap_replicates():
    found = eg.gradient_importance(nn.Sequential(conv(2, 3)), (2, 5, 5), samples=80, init="lecun")
    assert found.replicates.shape == (64, 5, 5)
    assert found.replicate_sizes.tolist() == [2] * 16 + [1] * 48
    sizes = found.replicate_sizes
    whole = np.tensordot(sizes, found.replicates, axes=1) / sizes.sum()
    np.testing.assert_allclose(whole, found.values, rtol=1e-12)
    rng = np.random.default_rng(0)
    drawn = np.array([found.resampled(rng) for _ in range(400)])
    inside = found.values > 0
    np.testing.assert_allclose(drawn.std(0)[inside], found.standard_error[inside], rtol=0.35)
    with pytest.raises(eg.InputError, match="at least 2"):
        eg.gradient_importance(nn.Sequential(conv(1, 1)), (1, 5, 5), samples=1).resampled(rng)
