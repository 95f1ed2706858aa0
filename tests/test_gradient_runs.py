"""Runs of the gradient ERF: NaN, stopping, going on, images, and linear backward passes."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import erfgraph as eg
from erfgraph.gradient import checkpoint, running
from erfgraph.gradient.statistics import STATISTICS
from erfgraph.gradient.sums import Sums, n_groups

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))


SHAPE = (2, 8, 7)
KEPT = ("values", "standard_error", "replicates", "replicate_sizes")


def identical(a, b):
    for key in KEPT:
        assert np.array_equal(getattr(a, key), getattr(b, key), equal_nan=True), key
    assert (a.samples, a.skipped, a.unit) == (b.samples, b.skipped, b.unit)
    assert a.relative_error == b.relative_error


# --- NaN -----------------------------------------------------------------------------------


class Fragile(nn.Module):
    """NaN where the first value of an input is larger than 1, infinite below -1."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x):
        first = x[:, :1, :1, :1].detach()
        factor = torch.where(first > 1, torch.nan, torch.where(first < -1, torch.inf, 1.0))
        return self.conv(x) * factor


@pytest.mark.parametrize("statistic", STATISTICS)
def test_what_is_not_finite_is_skipped_and_counted(statistic):
    module = Fragile()
    x = np.random.default_rng(0).standard_normal((40, *SHAPE))
    bad = np.abs(x[:, 0, 0, 0]) > 1
    assert 5 < bad.sum() < 20
    with pytest.warns(RuntimeWarning, match=f"{bad.sum()} gradients were NaN or infinite"):
        found = eg.gradient_importance(module, SHAPE, images=x, statistic=statistic)
    clean = eg.gradient_importance(module, SHAPE, images=x[~bad], statistic=statistic)
    assert (found.samples, found.skipped) == (40 - bad.sum(), bad.sum())
    np.testing.assert_allclose(found.values, clean.values, rtol=1e-5)
    np.testing.assert_allclose(found.standard_error, clean.standard_error, rtol=1e-2, atol=1e-6)
    assert found.to_dict()["skipped"] == bad.sum()


def test_a_draw_is_the_average_of_its_finite_gradients():
    x = np.random.default_rng(0).standard_normal((6, *SHAPE))
    x[0, 0, 0, 0] = 2
    x[1:, 0, 0, 0] = 0
    with pytest.warns(RuntimeWarning, match="3 gradients"):
        found = eg.gradient_importance(Fragile(), SHAPE, images=x, samples=3)
    clean = eg.gradient_importance(Fragile(), SHAPE, images=x[1:], samples=3)
    np.testing.assert_allclose(found.values, clean.values, rtol=1e-5)


def test_nothing_finite_is_an_error():
    x = np.full((4, *SHAPE), 2.0)
    with pytest.raises(eg.InputError, match=r"every gradient was NaN or infinite \(4 of them\)"):
        eg.gradient_importance(Fragile(), SHAPE, images=x)


# --- how sure it is, and when to stop ------------------------------------------------------


def skewed(rng, n, share):
    """Samples of mean `share` and of a common, random scale, such as gradients have."""
    scale = rng.gamma(2, 0.5, (n, 1))
    return scale * share * rng.chisquare(4, (n, len(share))) / 4


def test_the_relative_error_is_the_expected_distance():
    rng = np.random.default_rng(0)
    share = rng.random(200)
    share /= share.sum()
    said, was = [], []
    for _ in range(60):
        sums = Sums((200,), STATISTICS["mean_square"])
        for sample in skewed(rng, 32, share):
            sums.add(sample)
        said.append(sums.relative_error())
        was.append(np.abs(sums.total / sums.mass - share).sum() / 2)
    assert np.mean(said) == pytest.approx(np.mean(was), rel=0.06)


def test_the_standard_error_of_a_median():
    rng = np.random.default_rng(0)
    medians, errors = [], []
    for _ in range(300):
        sums = Sums((3,), STATISTICS["median"])
        for sample in rng.normal(5, 1, (50, 3)):
            sums.add(sample)
        medians.append(sums.values())
        errors.append(sums.standard_error())
    assert np.mean(errors) == pytest.approx(np.std(medians, axis=0).mean(), rel=0.15)


def test_groups_of_large_maps():
    assert n_groups(100) == 64
    assert n_groups(2048 * 2048) == 8
    assert n_groups(1 << 30) == 8


def test_until():
    options = {"init": "lecun", "samples": 500}
    found = eg.gradient_importance(small(), SHAPE, until=0.05, **options)
    assert 8 <= found.samples < 500
    assert found.relative_error <= 0.05
    longer = eg.gradient_importance(small(), SHAPE, until=0.03, **options)
    assert longer.samples > found.samples
    at_once = eg.gradient_importance(small(), SHAPE, until=10)
    assert at_once.samples == 8
    never = eg.gradient_importance(small(), SHAPE, until=1e-9, samples=12)
    assert never.samples == 12


def test_until_stops_at_the_same_image_whatever_the_batch():
    x = np.random.default_rng(0).standard_normal((100, *SHAPE))
    a, b = (
        eg.gradient_importance(small(), SHAPE, images=x, until=0.05, batch=n, dtype="float64")
        for n in (7, 40)
    )
    assert a.samples == b.samples < 100
    np.testing.assert_allclose(a.values, b.values, rtol=1e-9)


def test_progress():
    seen = []
    eg.gradient_importance(small(), SHAPE, samples=3, progress=lambda *v: seen.append(v))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    seen.clear()
    x = np.zeros((5, *SHAPE))
    eg.gradient_importance(small(), SHAPE, images=x, batch=2, progress=lambda *v: seen.append(v))
    assert seen == [(2, 5), (4, 5), (5, 5)]


# --- going on ------------------------------------------------------------------------------


def interrupt_at(n):
    def progress(done, total):
        if done >= n:
            raise KeyboardInterrupt

    return progress


RUNS = {
    "draws": {"samples": 9},
    "rule": {"samples": 9, "init": "xavier", "statistic": "mean_abs"},
    "median": {"samples": 9, "statistic": "median"},
    "mean": {"samples": 9, "statistic": "mean"},
    "images": {"images": np.random.default_rng(1).random((9, *SHAPE)), "batch": 2},
    "both": {"images": np.random.default_rng(1).random((3, *SHAPE)), "samples": 9},
    "batch": {"samples": 9, "batchnorm": "batch", "batch": 2},
    "until": {"samples": 90, "until": 0.1},
    "many": {"samples": 70},
}


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_run_ends_with_the_same_bits(name, tmp_path):
    options, file = RUNS[name], tmp_path / "run.npz"
    whole = eg.gradient_importance(small(), SHAPE, **options)
    for n in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            eg.gradient_importance(
                small(), SHAPE, **options, resume=file, progress=interrupt_at(n)
            )
        assert file.exists()
    calls = []
    found = eg.gradient_importance(
        small(), SHAPE, **options, resume=file, progress=lambda *v: calls.append(v)
    )
    identical(found, whole)
    assert calls[0][0] > 5
    calls.clear()
    again = eg.gradient_importance(
        small(), SHAPE, **options, resume=file, progress=lambda *v: calls.append(v)
    )
    identical(again, whole)
    assert not calls


def test_a_signal_in_the_middle_of_a_sample(tmp_path, monkeypatch):
    """Ctrl-C while sums are half added keeps the last whole state."""
    file, real, calls = tmp_path / "run.npz", Sums.add, []

    def add(self, sample):
        calls.append(1)
        if len(calls) == 4:
            self.total += sample
            signal.raise_signal(signal.SIGINT)
        real(self, sample)

    monkeypatch.setattr(running, "SECONDS", 0)
    monkeypatch.setattr(Sums, "add", add)
    with pytest.raises(KeyboardInterrupt):
        eg.gradient_importance(small(), SHAPE, samples=6, resume=file)
    monkeypatch.undo()
    found = eg.gradient_importance(small(), SHAPE, samples=6, resume=file)
    identical(found, eg.gradient_importance(small(), SHAPE, samples=6))


@pytest.mark.parametrize("options", [{}, {"init": "keep", "batch": 3}])
def test_more_samples_go_on_from_fewer(tmp_path, options):
    file = tmp_path / "run.npz"
    eg.gradient_importance(small(), SHAPE, samples=4, resume=file, **options)
    found = eg.gradient_importance(small(), SHAPE, samples=9, resume=file, **options)
    identical(found, eg.gradient_importance(small(), SHAPE, samples=9, **options))


def test_a_smaller_error_goes_on_within_a_batch(tmp_path):
    file = tmp_path / "run.npz"
    x = np.random.default_rng(0).standard_normal((200, *SHAPE))
    rest = {"images": x, "batch": 32}
    rough = eg.gradient_importance(small(), SHAPE, until=0.1, resume=file, **rest)
    found = eg.gradient_importance(small(), SHAPE, until=0.05, resume=file, **rest)
    assert rough.samples < found.samples < 200
    identical(found, eg.gradient_importance(small(), SHAPE, until=0.05, **rest))


def test_fewer_samples_than_a_file_has(tmp_path):
    file = tmp_path / "run.npz"
    eg.gradient_importance(small(), SHAPE, samples=9, resume=file)
    with pytest.raises(eg.InputError, match="holds 9 samples already, and samples is 4"):
        eg.gradient_importance(small(), SHAPE, samples=4, resume=file)


DIFFERENT = {
    "seed": {"seed": 1},
    "statistic": {"statistic": "mean_abs"},
    "layer": {"layer": "0"},
    "unit": {"unit": (1, 1)},
    "init": {"init": "xavier"},
    "batchnorm": {"batchnorm": "batch", "batch": 8},
    "inputs": {"inputs": "ones"},
    "passthrough": {"passthrough": "relu"},
    "dtype": {"dtype": "float64"},
    "batch": {"batch": 3},
}


@pytest.mark.parametrize("key", DIFFERENT)
def test_a_run_of_other_arguments_is_refused(key, tmp_path):
    file = tmp_path / "run.npz"
    eg.gradient_importance(small(), SHAPE, samples=2, resume=file)
    before = file.read_bytes()
    with pytest.raises(eg.InputError, match=f"is of a run with another {key}: it has"):
        eg.gradient_importance(small(), SHAPE, samples=3, resume=file, **DIFFERENT[key])
    assert file.read_bytes() == before


def test_weights_that_are_drawn_anew_do_not_matter(tmp_path):
    file, module = tmp_path / "run.npz", small()
    eg.gradient_importance(module, SHAPE, samples=2, resume=file)
    module[0].weight.data.fill_(3)
    found = eg.gradient_importance(module, SHAPE, samples=4, resume=file)
    identical(found, eg.gradient_importance(small(), SHAPE, samples=4))


def test_other_weights_images_and_modules_are_refused(tmp_path):
    file, x = tmp_path / "run.npz", np.zeros((2, *SHAPE))
    module = small()
    eg.gradient_importance(module, SHAPE, images=x, resume=file)
    module[0].weight.data[0, 0, 0, 0] += 1
    with pytest.raises(eg.InputError, match="another weights"):
        eg.gradient_importance(module, SHAPE, images=x, resume=file)
    with pytest.raises(eg.InputError, match="another images"):
        eg.gradient_importance(small(), SHAPE, images=x + 1, resume=file)
    with pytest.raises(eg.InputError, match="another module"):
        eg.gradient_importance(small, SHAPE, images=x, resume=file)


def test_files_that_are_no_runs(tmp_path):
    file = tmp_path / "run.npz"
    file.write_bytes(b"nothing")
    with pytest.raises(eg.FileError, match="not a run saved by erfgraph"):
        eg.gradient_importance(small(), SHAPE, samples=2, resume=file)
    eg.importance(eg.load("conv3")).save(file)
    with pytest.raises(eg.FileError, match="not a run saved by erfgraph"):
        eg.gradient_importance(small(), SHAPE, samples=2, resume=file)
    with pytest.raises(eg.FileError, match=r"wanted \.npz"):
        eg.gradient_importance(small(), SHAPE, samples=2, resume=tmp_path / "run.pt")
    with pytest.raises(eg.FileError, match="does not exist"):
        eg.gradient_importance(small(), SHAPE, samples=2, resume=tmp_path / "no" / "run.npz")
    np.savez(file, about=np.array(["x"], dtype=object))
    with pytest.raises(eg.FileError, match="not a run saved by erfgraph"):
        eg.gradient_importance(small(), SHAPE, samples=2, resume=file)


def test_a_broken_state_is_refused(tmp_path):
    file = tmp_path / "run.npz"
    eg.gradient_importance(small(), SHAPE, samples=2, resume=file)
    with np.load(file) as data:
        arrays = dict(data)
    arrays["total"] = arrays["total"][:3]
    np.savez(file, **arrays)
    with pytest.raises(eg.FileError, match="broken: total: float64 of shape"):
        eg.gradient_importance(small(), SHAPE, samples=3, resume=file)
    assert checkpoint.FORMAT in str(arrays["about"])


# --- images --------------------------------------------------------------------------------


def write_image(path, array):
    from PIL import Image

    Image.fromarray(array).save(path)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        write_image(tmp_path / f"{i}.png", rng.integers(0, 255, (8, 7, 3), dtype=np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_of_images(folder):
    from PIL import Image

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 2, 3))
    pixels = np.stack(
        [np.moveaxis(np.asarray(Image.open(folder / f"{i}.png")), -1, 0) / 255 for i in range(3)]
    )
    want = eg.gradient_importance(module, (3, 8, 7), images=pixels)
    for images in (folder, str(folder), sorted(folder.glob("*.png"))):
        found = eg.gradient_importance(module, (3, 8, 7), images=images)
        identical(found, want)
    tensor = eg.gradient_importance(module, (3, 8, 7), images=torch.from_numpy(pixels))
    identical(tensor, want)
    darker = eg.gradient_importance(
        module, (3, 8, 7), images=folder, preprocess=lambda x: (x - 0.5) / 0.25
    )
    scaled = eg.gradient_importance(module, (3, 8, 7), images=(pixels - 0.5) / 0.25)
    np.testing.assert_allclose(darker.values, scaled.values, rtol=1e-6)


def test_grey_images_and_arrays_in_files(tmp_path):
    module = nn.Sequential(nn.Conv2d(1, 2, 3))
    write_image(tmp_path / "a.png", np.zeros((5, 5), dtype=np.uint8))
    np.save(tmp_path / "b.npy", np.ones((1, 5, 5)))
    assert eg.gradient_importance(module, (1, 5, 5), images=tmp_path).samples == 2
    line = nn.Sequential(nn.Conv1d(2, 2, 3))
    np.save(tmp_path / "b.npy", np.ones((2, 5)))
    assert eg.gradient_importance(line, (2, 5), images=[tmp_path / "b.npy"]).samples == 1


def test_images_that_do_not_fit(folder, tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 2, 3))

    def fails(kind, match, images, shape=(3, 8, 7), **options):
        with pytest.raises(kind, match=match):
            eg.gradient_importance(module, shape, images=images, **options)

    fails(
        eg.InputError,
        r"0\.png has shape \(3, 8, 7\), wanted \(3, 9, 9\); resize or crop it, by preprocess=",
        folder,
        (3, 9, 9),
    )
    fails(eg.InputError, "input_shape has 2 channels", folder, (2, 8, 7))
    fails(eg.FileError, "no such folder", folder / "none")
    fails(eg.FileError, "no such file", [folder / "none.png"])
    fails(eg.FileError, r"wanted one of \.png", [folder / "notes.txt"])
    fails(eg.InputError, "empty list", [])
    fails(eg.InputError, r"float64 array of shape \(8, 7\)", np.zeros((8, 7)))
    fails(eg.InputError, r"wanted numbers of shape \(n, 3, 8, 7\)", np.zeros((2, 3, 7, 8)))
    fails(eg.InputError, "images: got int", 3)
    fails(eg.InputError, "preprocess: is for image files", np.zeros((2, 3, 8, 7)), preprocess=abs)
    fails(eg.InputError, "the weights stay as they are; say how many draws", folder, init="xavier")
    fails(
        eg.InputError, "every image is a sample; leave samples out", folder, init="keep", samples=2
    )
    (folder / "0.png").write_bytes(b"no image")
    fails(eg.FileError, "cannot be read as an image", folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    fails(eg.FileError, "holds no image", empty)


def test_a_photo_on_its_side(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((7, 8, 3), dtype=np.uint8)).save(path, exif=exif)
    module = nn.Sequential(nn.Conv2d(3, 2, 3))
    assert eg.gradient_importance(module, (3, 8, 7), images=[path]).samples == 1
    with pytest.raises(eg.InputError, match=r"has shape \(3, 8, 7\), wanted \(3, 7, 8\)"):
        eg.gradient_importance(module, (3, 7, 8), images=[path])


# --- linear backward passes ----------------------------------------------------------------


class Rectified(nn.Module):
    """A convolution, a ReLU called in one of many ways, a convolution."""

    def __init__(self, run):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)
        self.run = run

    def forward(self, x):
        return self.second(self.run(self.first(x)))


def written(x):
    F.relu(x, inplace=True)
    return x


RELUS = {
    "module": nn.ReLU(),
    "inplace module": nn.ReLU(inplace=True),
    "functional": F.relu,
    "functional inplace": lambda x: F.relu(x, inplace=True),
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "torch inplace": torch.relu_,
    "method inplace": lambda x: x.relu_(),
    "functional underscore": F.relu_,
    "result not used": written,
    "relu6": nn.ReLU6(),
    "functional relu6": lambda x: F.relu6(x, inplace=True),
}


@pytest.mark.parametrize("name", RELUS)
def test_relu_passes_as_the_identity(name):
    torch.manual_seed(0)
    module = Rectified(RELUS[name])
    options = {"samples": 3, "init": "keep", "statistic": "mean"}
    found = eg.gradient_importance(module, (1, 7, 7), passthrough="relu", **options)
    plain = Rectified(nn.Identity())
    plain.load_state_dict(module.state_dict())
    linear = eg.gradient_importance(plain, (1, 7, 7), **options)
    np.testing.assert_allclose(found.values, linear.values, rtol=1e-4, atol=1e-7)
    usual = eg.gradient_importance(module, (1, 7, 7), **options)
    assert not np.allclose(usual.values, linear.values)


def test_the_forward_pass_stays_as_it_is():
    """Behind the ReLU stands one whose gradient tells what it was given."""
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append(x.detach().clone())
            return x

    for names in ((), ("relu", "max_pool")):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), Watch())
        eg.gradient_importance(module, (1, 8, 8), samples=1, init="keep", passthrough=names)
    assert torch.equal(*seen)


POOLS = {
    "module": (nn.MaxPool2d(2), nn.AvgPool2d(2)),
    "overlapping": (
        nn.MaxPool2d(3, 2, 1),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    ),
    "ceil": (
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False),
    ),
    "per axis": (
        nn.MaxPool2d((2, 3), (1, 2), (1, 0)),
        nn.AvgPool2d((2, 3), (1, 2), (1, 0), count_include_pad=False),
    ),
    "functional": (lambda x: F.max_pool2d(x, 2), nn.AvgPool2d(2)),
    "torch": (lambda x: torch.max_pool2d(x, 2), nn.AvgPool2d(2)),
    "indices": (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], nn.AvgPool2d(2)),
    "keywords": (
        lambda x: F.max_pool2d(input=x, kernel_size=[2], stride=1),
        nn.AvgPool2d(2, 1),
    ),
    "dilated": (
        nn.MaxPool2d(2, 1, dilation=2),
        lambda x: (x[..., :-2, :-2] + x[..., 2:, :-2] + x[..., :-2, 2:] + x[..., 2:, 2:]) / 4,
    ),
}


@pytest.mark.parametrize("name", POOLS)
def test_max_pool_passes_as_an_average(name):
    torch.manual_seed(0)
    pool, average = POOLS[name]
    module = Rectified(pool)
    options = {"samples": 3, "init": "keep", "statistic": "mean", "unit": (0, 0)}
    found = eg.gradient_importance(module, (1, 11, 11), passthrough="max_pool", **options)
    plain = Rectified(average)
    plain.load_state_dict(module.state_dict())
    linear = eg.gradient_importance(plain, (1, 11, 11), **options)
    np.testing.assert_allclose(found.values, linear.values, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("ndim", [1, 3])
def test_max_pool_on_one_and_three_axes(ndim):
    kinds = {
        1: (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d),
        3: (nn.Conv3d, nn.MaxPool3d, nn.AvgPool3d),
    }
    conv, most, mean = kinds[ndim]
    torch.manual_seed(0)
    module = nn.Sequential(conv(1, 2, 3), most(2))
    plain = nn.Sequential(module[0], mean(2))
    shape = (1, *(8,) * ndim)
    options = {"samples": 2, "init": "keep"}
    found = eg.gradient_importance(module, shape, passthrough=["max_pool"], **options)
    linear = eg.gradient_importance(plain, shape, **options)
    np.testing.assert_allclose(found.values, linear.values, rtol=1e-4, atol=1e-7)
    assert not np.allclose(eg.gradient_importance(module, shape, **options).values, found.values)
