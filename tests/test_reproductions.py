"""The commands that reproduce published figures and tables, at sizes that take seconds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import erfgraph as eg

torch = pytest.importorskip("torch")

from benchmarks import closeness, large_kernels, luo, luo_figures, panels  # noqa: E402

SMALL = luo.Effort(channels=4, draws=6, depths=(2, 3, 4), growth=(3, 5, 8))


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    """As in the commands: maps this small lose by threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def found():
    return luo.run(SMALL)


# --- Luo et al. -------------------------------------------------------------------------------


def test_all_ones_are_exact(found):
    for results in found.depths.values():
        assert results[0].case.init is None
        assert results[0].distance < 1e-12


def test_a_chain_counts_the_same_whatever_its_weights(found):
    trinomial = {2: [1, 2, 3, 2, 1], 3: [1, 3, 6, 7, 6, 3, 1]}
    for depth, line in trinomial.items():
        wanted = np.outer(line, line) / sum(line) ** 2
        for r in found.depths[depth]:
            np.testing.assert_allclose(r.a.share, wanted, atol=1e-12)


def test_gradients_are_as_far_as_their_noise_says(found):
    drawn = [r for r in found.results if r.case.init]
    assert len(drawn) == 2 * 3 + 4 + 4
    for r in drawn:
        assert r.b.samples == SMALL.draws
        assert 0 < r.distance < 2.5 * r.noise
        assert r.single == pytest.approx(r.noise * math.sqrt(SMALL.draws))


def test_a_wrong_weighting_is_far():
    """Paths of a residual chain are no expectation of its squared gradient."""
    r = luo.both(luo.effects(8)[-1], luo.Effort(channels=8, draws=64))
    wrong = eg.compare(eg.importance(r.case.net), r.b, bootstrap=0).total_variation.value
    assert r.distance < 1.5 * r.noise
    assert wrong > 3 * r.distance


def test_what_enlarges_and_what_shrinks(found):
    plain, strided, dilated, skips = (r.a.erf().size for r in found.effects)
    assert strided > dilated > plain > skips
    plain, strided, dilated, skips = (r.b.erf().size for r in found.effects)
    assert strided > dilated > plain > skips


def test_sides_grow_as_the_root(found):
    counted = found.growth["counted"]
    assert counted.side.slope == pytest.approx(0.5, abs=0.06)
    assert counted.shares[0] == counted.sides[0] / 7
    assert set(found.growth) == {"counted", "gradient, random", "gradient, random + ReLU"}


def test_mean_sizes_are_the_root_of_mean_squares():
    case = luo.kinds(4, 16)[1]
    sizes = luo.drawn(case, 32, "mean_abs")
    squares = luo.counted(case)
    like = eg.compare(luo.root(squares), sizes, bootstrap=0).total_variation.value
    unlike = eg.compare(squares, sizes, bootstrap=0).total_variation.value
    assert like < unlike / 3


def test_the_report_has_every_table(found):
    text = luo.report(found, SMALL)
    assert text.count("\n### ") == 5
    assert "| 4 | random + ReLU | 9 |" in text
    for line in text.splitlines():
        assert "nan" not in line
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("name", list(luo_figures.FIGURES))
def test_figures_have_one_scale(found, name, tmp_path):
    figure = luo_figures.FIGURES[name](found)
    images = [image for axes in figure.axes for image in axes.images]
    if name == "luo_growth":
        assert not images
        assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    else:
        assert {image.get_clim() for image in images} == {(0.0, 1.0)}
        assert sum(axes.get_ylabel().startswith("√") for axes in figure.axes) == 1
    path = tmp_path / "picture.png"
    panels.save_picture(figure, path)
    assert 1000 < path.stat().st_size < 150_000


def test_luo_s_command(capsys, monkeypatch):
    monkeypatch.setattr(luo, "QUICK", SMALL)
    before = torch.get_num_threads()
    assert luo.main(["--quick"]) == 0
    assert torch.get_num_threads() == before
    assert "### Growth with depth" in capsys.readouterr().out


# --- large kernels ----------------------------------------------------------------------------


def test_the_protocol_is_the_papers():
    """Their steps, written out: ReLU of the centre's channels, sum, gradient, ReLU, sum."""
    net = eg.load("resnet18", (64, 64))
    module = eg.to_torch(net, init="torchvision")
    large_kernels.calibrate(module, (3, 64, 64), 0)
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 64))
    x = torch.tensor(image, dtype=torch.float32, requires_grad=True)
    out = module(x)
    centre = torch.relu(out[:, :, out.shape[2] // 2, out.shape[3] // 2]).sum()
    (gradient,) = torch.autograd.grad(centre, x)
    wanted = torch.relu(gradient).sum((0, 1)).numpy()
    got = eg.gradient_importance(module, (3, 64, 64), statistic="mean_relu", images=image)
    np.testing.assert_allclose(got.values, wanted, rtol=1e-4, atol=1e-6 * wanted.max())


def test_calibrated_norms_have_the_statistics_of_an_input():
    net = eg.load("resnet18", (64, 64))
    module = eg.to_torch(net, init="torchvision")
    large_kernels.calibrate(module, (3, 64, 64), 0)
    assert not module.training
    norm = next(m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    made = torch.nn.functional.conv2d(
        x, next(p for p in module.parameters() if p.ndim == 4), stride=2, padding=3
    )
    torch.testing.assert_close(norm.running_mean, made.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, made.var((0, 2, 3)))


def test_root_keeps_the_shape_and_sets_the_total():
    c = large_kernels.counted("resnet18", 64, "batch")
    assert c.imp.measure == "variance"
    assert 0 < c.seconds <= c.first * 50
    found = large_kernels.root(c.imp, 7.0)
    assert found.total == pytest.approx(7)
    np.testing.assert_allclose(found.relative, np.sqrt(c.imp.relative))


def test_larger_kernels_contribute_from_further():
    sides = {
        name: [
            row.side
            for row in eg.high_contribution(
                large_kernels.counted(name, 512, "batch").imp, (0.2, 0.3, 0.5)
            )
        ]
        for name in large_kernels.NETWORKS
    }
    order = [sides[name] for name in ("resnet101", "resnet152", "replknet13", "replknet31")]
    for smaller, larger in itertools.pairwise(order):
        assert all(a < b for a, b in zip(smaller, larger, strict=True))


def test_the_table_of_large_kernels():
    found = large_kernels.run(64, 1, ("resnet18", "resnet34"), ("slak",))
    text = large_kernels.report(found)
    assert text.count("### ") == 4
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [len(lines) for lines in tables] == [2 + 6, 2 + 4, 2 + 2, 2 + 4]
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
    free = {line.split("|")[2:6].__str__() for line in tables[3][2:]}
    logs = {line.split("|")[6:10].__str__() for line in tables[3][2:]}
    assert len(free) == 1  # does not depend on the units
    assert len(logs) > 1  # does


def test_the_figure_of_large_kernels():
    found = large_kernels.run(128, 1, ("resnet18",), ())
    figure = large_kernels.figure(found)
    images = [image for axes in figure.axes for image in axes.images]
    assert [image.get_array().shape for image in images] == [(128, 128)] * 2
    assert {image.get_clim() for image in images} == {(0.0, 1.0)}
    sides = [patch.get_width() for patch in figure.axes[0].patches]
    rows = eg.high_contribution(large_kernels.root(found.normed[0].imp))
    assert sides == [row.side for row in rows]
    without = large_kernels.figure(large_kernels.run(128, 0, ("resnet18",), ("slak",)))
    assert len([image for axes in without.axes for image in axes.images]) == 2


def test_the_table_of_closeness(capsys):
    closeness.main(["resnet18", "--size", "64", "--samples", "24", "--scalar", "channel"])
    head, _, line = capsys.readouterr().out.strip().splitlines()
    names, values = ([c.strip() for c in text.strip("|").split("|")] for text in (head, line))
    cells = dict(zip(names, values, strict=True))
    assert (cells["network"], cells["draws"]) == ("resnet18", "24")
    assert float(cells["ratio"]) < 1.5
    # counts are no mean squares here
    assert float(cells["paths"]) > 1.2 * float(cells["variance"])
