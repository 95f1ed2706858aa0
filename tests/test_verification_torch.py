"""The checks by autograd: they hold, and fail where what they check is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import sweeps, weighting
from erfgraph.counts import Counts
from erfgraph.verification import drawing, observations, runner
from erfgraph.verification.nouns import AUTOGRAD, Request

torch = pytest.importorskip("torch")

BY_AUTOGRAD = [c for c in runner.CLAIMS if AUTOGRAD in c.hows]


def run(name, seed=0, net=None):
    claim = next(c for c in (*runner.CLAIMS, *runner.OWN) if c.name == name)
    return runner._checked(claim, Request(AUTOGRAD, seed, net))


@pytest.mark.parametrize("claim", BY_AUTOGRAD, ids=lambda c: c.name)
def test_every_claim_by_autograd_holds(claim):
    threads = torch.get_num_threads()
    found = claim.run(Request(AUTOGRAD))
    assert found.passed, found
    assert torch.get_num_threads() == threads


def test_same_seed_same_result():
    first, again, other = (run("observations/dropout", seed) for seed in (3, 3, 4))
    assert first == again
    assert first.found != other.found
    assert other.passed


# --- what is wrong fails --------------------------------------------------------------------


def off_by_one(monkeypatch):
    real = sweeps.count

    def more(plan, keep, exact=True, views=None):
        found = real(plan, keep, exact, views)
        for index, counts in found.items():
            values = counts.array().copy()
            values.flat[values.size // 2] += 1
            found[index] = Counts(values)
        return found

    monkeypatch.setattr(sweeps, "count", more)


def test_a_path_count_off_by_one_fails(monkeypatch):
    off_by_one(monkeypatch)
    assert not run("gradients/unit-weights").passed
    net = eg.load("conv3p1*3", (9,))
    assert not run("own/gradient", net=net).passed


def test_a_branch_of_twice_the_variance_fails(monkeypatch):
    """In the exact check, and in the one by sampling."""
    real = weighting.drawn_variance
    twice = {"conv2", "conv4", "conv6", "conv8"}

    def wrong(m, *rest):
        return real(m, *rest) * (2 if m.name in twice else 1)

    monkeypatch.setattr(weighting, "drawn_variance", wrong)
    for name in ("path-variances", "mean-square", "mean-square-relu", "convergence", "not-paths"):
        assert not run(f"gradients/{name}").passed, name
    assert run("gradients/unit-weights").passed
    assert run("gradients/uniform").passed


def test_counts_in_place_of_variance_fail(monkeypatch):
    """The classic mistake: raw counts compared with the mean square of a residual net."""
    real = sweeps.importance

    def counted(net, *rest, measure="paths", **options):
        return real(net, *rest, measure="paths")

    monkeypatch.setattr(sweeps, "importance", counted)
    for name in ("mean-square", "convergence-relu", "not-paths", "batch-norm", "path-variances"):
        assert not run(f"gradients/{name}").passed, name
    assert run("gradients/chain-mean-square").passed  # of a chain they are the same


def test_the_wrong_statistic_fails(monkeypatch):
    real = drawing.drawn

    def other(net, samples, seed, init, statistic="mean_square", **options):
        swap = {"mean_square": "mean_abs", "mean_abs": "mean_square"}[statistic]
        return real(net, samples, seed, init, swap, **options)

    monkeypatch.setattr(drawing, "drawn", other)
    for name in ("gradients/chain-mean-square", "gradients/chain-absolute",
                 "gradients/mean-square", "observations/random"):  # fmt: skip
        assert not run(name).passed, name


def test_a_distance_that_levels_off_fails(monkeypatch):
    """Values, not shares: a factor that is off shows as well."""
    real = sweeps.importance

    def scaled(net, *rest, **options):
        found = real(net, *rest, **options)
        return replace(found, counts=Counts(found.counts.array() * 1.5))

    monkeypatch.setattr(sweeps, "importance", scaled)
    assert not run("gradients/convergence").passed


def test_signs_that_are_lost_fail(monkeypatch):
    real = drawing.unit_weights
    monkeypatch.setattr(drawing, "unit_weights", lambda net, *rest: real(net, *rest) * 1.001)
    assert not run("observations/ones").passed
    assert not run("gradients/unit-weights").passed


def test_effects_that_are_none_fail(monkeypatch):
    same = dict.fromkeys(observations.VARIANTS, "conv3p1*8")
    monkeypatch.setattr(observations, "VARIANTS", same)
    assert not run("observations/effects").passed


def test_dropout_that_changes_the_shape_fails(monkeypatch):
    """Chains of fewer layers than the claim is about."""
    real = observations._dropping
    monkeypatch.setattr(
        observations, "_dropping", lambda n, channels, p: _padded(real(n - 2, channels, p))
    )
    assert not run("observations/dropout").passed


def _padded(make):
    def made():
        return torch.nn.Sequential(torch.nn.ZeroPad2d(-2), make())

    return made


def test_fields_that_grow_otherwise_fail(monkeypatch):
    real = observations.chain

    def faster(n, *rest):
        return real(max(1, n * n // 28), *rest)

    monkeypatch.setattr(observations, "chain", faster)
    assert not run("observations/root").passed


def test_a_nonlinearity_that_is_none_fails(monkeypatch):
    real = observations.chain
    monkeypatch.setattr(observations, "chain", lambda n, kind=None: real(n, kind=None))
    assert not run("observations/relu").passed


# --- one's own ------------------------------------------------------------------------------


def test_own_networks():
    net = eg.load("conv3p1 max2 res(conv3p1 conv3p1) conv3p1", (12, 12), channels=16)
    found = eg.verify(only="own", nets=net)
    assert found.passed, found.failed
    assert not [row for row in found.left_out if row.how == AUTOGRAD]


def test_more_paths_than_float64_holds_exactly():
    net = eg.load("conv3p1*12", (25,), channels=32)
    row = run("own/gradient", net=net)
    assert row.passed
    assert row.expected == "equal, then to 1e-12"
    assert 32 * 96**7 < 2**53 <= 32 * 96**8
    assert row.detail.startswith("conv7 is the last map with fewer than 2**53 paths")


def test_the_input_alone_is_left_out():
    left = run("own/gradient", net=eg.Network((5,)))
    assert left.reason == "the network has one feature map, its input"


def test_own_variance_that_is_wrong_fails(monkeypatch):
    net = eg.load("conv3p1 res(conv3p1 conv3p1)*2", (13, 13), channels=16)
    assert run("own/mean-square", net=net).passed
    real = sweeps.importance
    monkeypatch.setattr(
        sweeps, "importance", lambda net, *rest, measure, **options: real(net, *rest)
    )
    assert not run("own/mean-square", net=net).passed


def test_random_signs_take_away_what_channels_share():
    """Behind a last ReLU the sum's mean square is more than the sum of the mean squares."""
    net = eg.Network((7,), channels=2)
    net.identity(net.conv(net.input, 3, padding=1, channels=64), "relu")
    found = {
        scalar: drawing.drawn(net, 256, 0, "kaiming_fan_in", scalar=scalar)
        for scalar in ("sum", "channel")
    }
    one = eg.importance(net, measure="variance", init="kaiming_fan_in", scalar="channel")
    total = found["channel"].total / 64
    error = np.sqrt((found["channel"].standard_error ** 2).sum()) / 64
    assert abs(total - one.total) < 5 * error
    assert found["sum"].total > 2 * found["channel"].total


def test_noise_is_what_is_said():
    """Total variation over its expectation is about 1; over its bound, nearly never above 1."""
    net = eg.load("conv3p1*4", (9,), channels=16)
    share = eg.importance(net).share
    runs = [drawing.drawn(net, 64, seed, "lecun") for seed in range(40)]
    ratios = np.array([drawing.variation(r.share, share) / r.relative_error for r in runs])
    assert 0.8 < ratios.mean() < 1.2
    assert ratios.max() > drawing.NOISE  # a few units: a multiple of the mean would not do
    assert sum(not drawing.within_noise(share, r, "").passed for r in runs) <= 1
    assert max(drawing.noise_quantile(r) / r.relative_error for r in runs) < 4
