"""The theory suite: what it finds, that every check can fail, and the command."""

from __future__ import annotations

import builtins
import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import arithmetic, explicit, shape, sweeps, theory, weighting
from erfgraph.cli import main
from erfgraph.counts import Counts
from erfgraph.tasks import classification, segmentation
from erfgraph.verification import branches, chains, counting, fields, outcomes, runner
from erfgraph.verification.nouns import AUTOGRAD, HOWS, LeftOutError, Outcome, Request

QUICK = [(c, how) for c in runner.CLAIMS for how in c.hows if how != AUTOGRAD]


def failures(**options):
    return {(row.name, row.how) for row in eg.verify(quick=True, **options).failed}


def names(rows):
    return {name for name, _ in rows}


def call(capsys, *arguments):
    status = main(["verify", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def no_torch(monkeypatch):
    """Neither found nor imported."""
    real = runner.importlib.util.find_spec

    def absent(name, *rest):
        return None if name.partition(".")[0] == "torch" else real(name, *rest)

    imported = builtins.__import__

    def refused(name, *rest, **more):
        if name.partition(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return imported(name, *rest, **more)

    monkeypatch.setattr(runner.importlib.util, "find_spec", absent)
    monkeypatch.setattr(builtins, "__import__", refused)


# --- what it finds --------------------------------------------------------------------------


@pytest.mark.parametrize(("claim", "how"), QUICK, ids=lambda v: getattr(v, "name", v))
def test_every_quick_claim_holds(claim, how):
    found = claim.run(Request(how))
    assert found.passed, found
    assert found.detail


def test_quick_leaves_out_what_needs_torch(no_torch):
    found = eg.verify(quick=True)
    assert found.passed
    assert len(found.rows) == len(QUICK)
    assert {row.how for row in found.left_out} == {AUTOGRAD}
    assert {row.reason for row in found.left_out} == {"needs PyTorch, and is not quick"}
    assert len(found.left_out) == sum(AUTOGRAD in c.hows for c in runner.CLAIMS)


def test_claims_are_well_formed():
    every = (*runner.CLAIMS, *runner.OWN)
    assert len({c.name for c in every}) == len(every) > 50
    for c in every:
        assert c.hows
        assert set(c.hows) <= set(HOWS)
        assert c.text.endswith(".")
        assert c.source
        assert "/" in c.name
    assert {c.group for c in runner.OWN} == {"own"}


def test_names_of_claims_and_groups():
    both = eg.verify(quick=True, only=["chains/sides", "fields/square"])
    assert [row.name for row in both.rows] == ["chains/sides", "fields/square"]
    group = eg.verify(quick=True, only="branches")
    assert names((row.name, row.how) for row in group.rows) == {c.name for c in branches.CLAIMS}
    with pytest.raises(eg.ErfgraphError, match=r"unknown claim 'chains/side'; did you mean"):
        eg.verify(quick=True, only="chains/side")


def test_bad_arguments():
    for seed in (-1, 1.5, "a", True):
        with pytest.raises(eg.InputError, match="seed: got"):
            eg.verify(quick=True, only="chains/sides", seed=seed)
    with pytest.raises(eg.InputError, match="asked of networks, got none"):
        eg.verify(quick=True, only="own")
    with pytest.raises(eg.ErfgraphError, match="resnet5"):
        eg.verify(quick=True, nets="resnet5")


def test_progress_counts_every_check():
    seen = []
    found = eg.verify(quick=True, only="chains", progress=lambda *at: seen.append(at))
    n = len(found.rows) + len(found.left_out)
    assert seen == [(i + 1, n) for i in range(n)]


def test_a_check_that_raises_has_failed(monkeypatch):
    def broken(*rest, **more):
        raise RuntimeError("lost  its\nway")

    monkeypatch.setattr(sweeps, "importance", broken)
    found = eg.verify(quick=True, only="chains/sides")
    (row,) = found.rows
    assert not found.passed
    assert (row.found, row.detail) == ("RuntimeError", "lost its way")


# --- every check can fail -------------------------------------------------------------------


def off_by_one(monkeypatch):
    """One more path at one unit, wherever the sweep counts them."""
    real = sweeps.count

    def more(plan, keep, exact=True, views=None):
        found = real(plan, keep, exact, views)
        for index, counts in found.items():
            values = counts.array().copy()
            if values.dtype == np.int64 and values.size > 2:
                values.flat[values.size // 2] += 1
                found[index] = Counts(values)
        return found

    monkeypatch.setattr(sweeps, "count", more)


def test_a_path_count_off_by_one_fails(monkeypatch):
    off_by_one(monkeypatch)
    failed = failures(only=["chains", "branches", "growth"])
    by_sweep = {
        "chains/three-sevens", "chains/threes-and-fives", "chains/trinomials",
        "chains/trinomial-squares", "chains/convolution", "chains/outer-product",
        "chains/variance", "chains/kurtosis", "growth/strided-variance",
        "growth/dilated-variance", "branches/skip-variance", "branches/skips-mixed",
        "branches/sub-path-sum",
    }  # fmt: skip
    assert failed == {(name, "sweep") for name in by_sweep}


def test_an_edge_more_fails(monkeypatch):
    real = explicit.graph

    def longer(net, *rest):
        made = real(net, *rest)
        blocks = dict(made.blocks)
        key = min(blocks)
        blocks[key] = (blocks[key] * 2).tocsr()  # every edge of the first layer twice
        return explicit.Graph(made.network, made.maps, blocks)

    monkeypatch.setattr(explicit, "graph", longer)
    failed = failures(only=["chains/three-sevens", "chains/trinomials", "chains/edges"])
    ways = ("explicit graph", "enumeration")
    assert failed == {(f"chains/{n}", how) for n in ("three-sevens", "trinomials") for how in ways}


def test_growth_by_n_in_place_of_its_root_fails(monkeypatch):
    def wide(n):
        return 3.6 * n, 3.6 * n / (2 * n + 1)

    monkeypatch.setattr(runner.growth, "_chain", wide)
    assert names(failures(only="growth")) == {"growth/root", "growth/share"}


def test_an_interval_that_says_nothing_fails():
    wide = theory.Fit(0.5, -3.0, 4.0)
    assert not outcomes.exponent(0.5, wide, 0.1, "").passed
    assert outcomes.exponent(0.5, theory.Fit(0.5, 0.45, 0.55), 0.1, "").passed
    assert not outcomes.exponent(0.5, theory.Fit(0.6, 0.55, 0.65), 0.1, "").passed


def test_a_wrong_recurrence_fails(monkeypatch):
    real = arithmetic.receptive_field

    def larger(net, layer=None):
        found = real(net, layer)
        return replace(found, size=tuple(n + 1 for n in found.size))

    monkeypatch.setattr(arithmetic, "receptive_field", larger)
    failed = failures(only="fields")
    arithmetic_claims = {c.name for c in fields.CLAIMS if "slim" in c.name or "layer" in c.name}
    assert failed == {(n, "closed form") for n in {*arithmetic_claims, "fields/recurrence"}}


def test_a_wrong_formula_of_the_recurrence_fails(monkeypatch):
    real = theory.field

    def larger(steps):
        size, stride, padding = real(steps)
        return size, stride, padding + 1

    monkeypatch.setattr(theory, "field", larger)
    failed = failures(only="fields")
    assert ("fields/vgg16-slim", "closed form") in failed
    assert ("fields/vgg16-slim", "sweep") not in failed
    assert {how for name, how in failed if name == "fields/recurrence"} == {
        "closed form", "sweep", "explicit graph",
    }  # fmt: skip


def shared(values):
    values = np.asarray(values, dtype=float)
    return values / values.sum()


@pytest.mark.parametrize(
    ("target", "name", "wrong", "claims"),
    [
        # closed forms that are not those of the graph
        (theory, "chain_paths", lambda real: lambda k: [v + 1 for v in real(k)],
         {"chains/convolution", "chains/outer-product", "branches/sub-path-sum"}),
        (theory, "central_trinomial", lambda real: lambda n: real(n) + (n == 5),
         {"chains/trinomials", "chains/trinomial-squares"}),
        (theory, "chain_edges", lambda real: lambda n, k=3: real(n, k) + 1, {"chains/edges"}),
        (theory, "gaussian_distance", lambda real: lambda k: 1.05 * real(k), {"chains/gaussian"}),
        (theory, "skip_variance", lambda real: lambda n, k=3: theory.chain_variance([k] * n),
         {"branches/skip-variance", "branches/skips-mixed"}),
        (theory, "transposed_coverage", lambda real: lambda k, s: real(k + 1, s),
         {"fields/checkerboard"}),
        (theory, "dilated_support", lambda real: lambda d: real([1, *d]),
         {"fields/gridding", "fields/hybrid-dilation"}),
        (theory, "binomial_share", lambda real: lambda n, a, b: real(n, a - 1, b),
         {"branches/veit"}),
        (theory, "cosine_kernels", lambda real: lambda n: real(n + 1)[:n],
         {"fields/signed-kernels"}),
        # measures that are wrong
        (shape, "isotropy", lambda real: lambda share: 0.99, {"chains/isotropy"}),
        (classification, "coverage", lambda real: lambda net: real(eg.load("conv3", 30)),
         {"fields/unproductive", "fields/productive-skips"}),
        (segmentation, "checkerboard",
         lambda real: lambda net, **k: real(eg.load("deconv4s2", 9), **k),
         {"fields/checkerboard"}),
        (fields, "_weighted", lambda real: lambda k, how: np.abs(real(k, how)),
         {"fields/absolute-bound"}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_what_is_wrong_fails_and_nothing_else(monkeypatch, target, name, wrong, claims):
    monkeypatch.setattr(target, name, wrong(getattr(target, name)))
    failed = names(failures(only=["chains", "fields", "branches"]))
    if name == "_weighted":  # absolute values of ones are ones
        assert failed <= claims
    else:
        assert failed == claims


def test_counting_with_absolute_weights_as_if_it_were_the_gradient_fails(monkeypatch):
    """A bound that is not above what it bounds."""
    real = fields._weighted

    def signed(kernels, how):
        n = len(kernels)
        return real(theory.cosine_kernels(n), how)

    monkeypatch.setattr(fields, "_weighted", signed)
    assert names(failures(only="fields")) == {"fields/absolute-bound"}


def test_an_empty_square_fails(monkeypatch):
    from erfgraph import erf

    nothing = replace(erf.RULES["square"], passing=lambda imp, t: np.zeros(imp.shape, dtype=bool))
    monkeypatch.setitem(erf.RULES, "square", nothing)
    assert names(failures(only="fields")) == {"fields/square"}


def test_a_field_that_does_not_grow_fails(monkeypatch):
    """Thresholds that hold everything, or nothing but the peak."""
    real = eg.ImportanceMap.erf
    monkeypatch.setattr(eg.ImportanceMap, "erf", lambda self, *a: real(self, 1.0))
    found = names(failures(only=["chains", "growth", "branches"]))
    assert found == {
        "chains/sides", "growth/root", "growth/share", "growth/subsampling", "growth/dilation",
        "branches/skips-shrink",
    }  # fmt: skip


def test_paths_without_weights_of_depth_fail(monkeypatch):
    """A spectrum that counts position paths as if they were sub-paths."""
    from erfgraph import scale_spectrum

    real = scale_spectrum.spectrum

    def mixed(*rest, **more):
        found = real(*rest, **more)
        return replace(found, subpaths=found.paths, paths=found.subpaths)

    monkeypatch.setattr(scale_spectrum, "spectrum", mixed)
    assert names(failures(only="branches")) == {
        "branches/binomial", "branches/veit", "branches/position-paths", "branches/longer",
    }  # fmt: skip


def test_a_skip_that_is_walked_twice_fails(monkeypatch):
    real = counting.walked

    def twice(net, unit=None):
        for path, times in real(net, unit):
            yield path, times * (1 + (len(path) == 2))

    monkeypatch.setattr(branches, "walked", twice)
    assert names(failures(only="branches")) == {"branches/binomial-walked"}


# --- weights --------------------------------------------------------------------------------


def doubled(monkeypatch, layer):
    """The variance of one layer's weights doubled, as if it had been read off wrongly."""
    real = weighting.drawn_variance

    def wrong(m, *rest):
        return real(m, *rest) * (2 if m.name == layer else 1)

    monkeypatch.setattr(weighting, "drawn_variance", wrong)


def test_a_branch_of_twice_the_variance_fails(monkeypatch):
    doubled(monkeypatch, "conv2")
    failed = names(failures(only=["chains", "branches", "fields", "weights"]))
    assert failed == {
        "weights/factor", "weights/residual", "weights/not-paths", "weights/concatenation",
        "weights/initialisation", "weights/batch-norm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "wrong", "claims"),
    [
        ("uniform", "paths", {"factor", "residual"}),
        ("variance", "paths", None),
        ("variance", "uniform", {"initialisation", "fixed", "batch-norm"}),
    ],
)
def test_one_measure_for_another_fails(monkeypatch, measure, wrong, claims):
    real = sweeps.importance

    def other(net, *rest, measure="paths", **options):
        if measure == swapped:
            measure, options = wrong, {}
        return real(net, *rest, measure=measure, **options)

    swapped = measure
    monkeypatch.setattr(sweeps, "importance", other)
    failed = {name.removeprefix("weights/") for name in names(failures(only="weights"))}
    assert failed >= (claims or {"factor", "residual", "not-paths", "initialisation", "fixed"})


def test_a_chain_whose_borders_count_less_fails(monkeypatch):
    real = sweeps.importance

    def faded(net, *rest, measure="paths", **options):
        found = real(net, *rest, measure=measure, **options)
        if measure == "paths":
            return found
        values = found.counts.array().copy()
        values.flat[0] *= 1 + 1e-9
        return replace(found, counts=Counts(values))

    monkeypatch.setattr(sweeps, "importance", faded)
    failed = names(failures(only="weights"))
    assert failed >= {"weights/chain-uniform", "weights/chain-variance", "weights/factor"}


# --- one's own network ----------------------------------------------------------------------

MIXED = "cat(conv1s2 | conv3s2p1 | max3s2p1) res(conv3p1) deconv2s2"


def own(**options):
    return eg.verify(quick=True, only="own", **options)


def test_own_networks():
    found = own(nets=[eg.load(MIXED, (9, 8)), "conv3*3"])
    assert found.passed
    assert {row.network for row in found.rows} == {MIXED, "conv3*3"}
    quick = [c.name for c in runner.OWN if AUTOGRAD not in c.hows]
    assert [row.name for row in found.rows] == quick * 2
    assert len(found.left_out) == 2 * (len(runner.OWN) - len(quick))


def test_a_network_of_the_zoo_is_too_large_to_walk():
    found = own(nets="vgg16")
    assert found.passed
    assert "own/enumeration" in {row.name for row in found.left_out}
    assert any("paths and the graph" in row.reason for row in found.left_out)


def test_too_large_a_graph_is_left_out(monkeypatch):
    monkeypatch.setattr(runner.own, "MOST_EDGES", 10)
    found = own(nets="conv3*5")
    assert ("own/graph", "the explicit graph would have 75 edges, at most 10") in {
        (row.name, row.reason) for row in found.left_out
    }


def test_a_unit_without_a_path():
    net = eg.Network((1,))
    net.conv(net.input, 1, dilation=1, padding=((3, 3),))  # the centre reads the one position
    assert own(nets=net).passed
    blind = eg.Network((4,))
    blind.crop(blind.pad(blind.input, ((5, 0),)), ((0, 6),))  # zeros only
    found = own(nets=blind)
    assert {"own/reciprocity", "own/invariants"} <= {row.name for row in found.left_out}


def test_an_own_network_that_is_counted_wrongly_fails(monkeypatch):
    off_by_one(monkeypatch)
    failed = {row.name for row in own(nets="conv3p1*4 res(conv3p1)").failed}
    assert {"own/graph", "own/enumeration"} <= failed


def test_a_forward_sweep_that_disagrees_fails(monkeypatch):
    real = sweeps.influence
    monkeypatch.setattr(sweeps, "influence", lambda net, unit, layer: real(net, 0, layer))
    assert {row.name for row in own(nets="conv3p1*4").failed} == {"own/reciprocity"}


@pytest.mark.parametrize("by", [-1, 1])
def test_a_field_of_the_wrong_size_fails(monkeypatch, by):
    real = arithmetic.ReceptiveField.field

    def moved(self, unit=None):
        return tuple(h and (h[0], h[1] + by) for h in real(self, unit))

    monkeypatch.setattr(arithmetic.ReceptiveField, "field", moved)
    assert {row.name for row in own(nets="conv3s2*3").failed} == {"own/fields"}


def test_a_field_that_does_not_hold_the_graph_fails(monkeypatch):
    """Where the border cuts it, too."""
    net = eg.load("conv3p1*6", (5,))
    assert own(nets=net).passed
    real = arithmetic.ReceptiveField.field
    monkeypatch.setattr(
        arithmetic.ReceptiveField,
        "field",
        lambda self, unit=None: tuple((max(a, 1), b) for a, b in real(self, unit)),
    )
    assert {row.name for row in own(nets=net).failed} == {"own/fields"}


def test_broken_invariants_fail(monkeypatch):
    monkeypatch.setattr(eg.ImportanceMap, "share", property(lambda self: self.values * 1.0))
    assert {row.name for row in own(nets="conv3p1*4").failed} == {"own/invariants"}


def test_coverage_that_does_not_nest_fails(monkeypatch):
    real = classification.coverage

    def wrong(net):
        found = real(net)
        rows = (*found.rows[:-1], replace(found.rows[-1], effective=2.0))
        return replace(found, rows=rows)

    monkeypatch.setattr(classification, "coverage", wrong)
    assert {row.name for row in own(nets="conv3p1*4").failed} == {"own/coverage"}


def test_reasons_are_no_errors():
    """A claim may say why it cannot be asked; nothing else passes silently."""
    claim = replace(runner.CLAIMS[0], run=_leave_out)
    left = runner._checked(claim, Request("sweep"))
    assert (left.name, left.reason) == (claim.name, "not here")


def _leave_out(request):
    raise LeftOutError("not here")


# --- results --------------------------------------------------------------------------------


def test_results_as_tables_and_json():
    found = eg.verify(quick=True, only=["chains/trinomials", "chains/gaussian"])
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["passed"] is True
    assert (document["checks"], document["failed"], document["seed"]) == (4, 0, 0)
    row = document["rows"][0]
    assert row["expected"] == row["found"] == [1, 3, 7, 19, 51]
    assert set(row) == {
        "name", "claim", "source", "how", "expected", "found", "passed", "detail", "network",
    }  # fmt: skip
    lines = found.to_text("markdown").splitlines()
    assert len(lines) == 2 + 4
    assert "| 1, 3, 7, 19, 51 | 1, 3, 7, 19, 51 | ok |" in lines[2]
    rows = list(csv.reader(io.StringIO(found.to_text("csv"))))
    assert rows[0][:2] == ["check", "claim"]
    assert [row[2] for row in rows[1:]] == ["sweep", "explicit graph", "enumeration", "sweep"]


def test_numbers_that_json_does_not_know():
    claim = replace(runner.CLAIMS[0], run=lambda r: Outcome([float("inf")], float("nan"), False))
    row = runner._checked(claim, Request("sweep"))
    assert json.dumps(row.to_dict(), allow_nan=False)
    assert (row.to_dict()["expected"], row.to_dict()["found"]) == (["inf"], "nan")


def test_nothing_run_is_not_passed():
    found = eg.verify(quick=True, only="gradients")
    assert not found.rows
    assert found.left_out
    assert not found.passed


# --- the command ----------------------------------------------------------------------------


def test_command(capsys):
    status, out, err = call(capsys, "--quick", "--only", "chains/three-sevens")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["check", "how", "expected", "found"]
    assert lines[1].split() == ["chains/three-sevens", "sweep", "37", "37", "ok"]
    assert lines[-1] == "3 of 3 checks passed"


def test_command_as_json(capsys):
    status, out, err = call(capsys, "conv3*3", "--quick", "--only", "own", "--json")
    assert (status, err, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    assert found["passed"]
    assert {row["network"] for row in found["rows"]} == {"conv3*3"}
    assert {row["how"] for row in found["left_out"]} == {AUTOGRAD}


def test_command_fails_where_a_check_does(capsys, monkeypatch):
    monkeypatch.setattr(theory, "central_trinomial", lambda n: n)
    status, out, _ = call(capsys, "--quick", "--only", "chains/trinomials")
    assert status == 1
    assert "FAILS: chains/trinomials, sweep: Chains of 3 taps" in out
    assert out.splitlines()[-1] == "0 of 3 checks passed"
    assert call(capsys, "--quick", "--only", "chains/trinomials", "--json")[0] == 1
    assert call(capsys, "--quick", "--only", "chains/trinomials", "--format", "csv")[0] == 1
    assert call(capsys, "--quick", "--only", "chains/edges")[0] == 0


@pytest.mark.parametrize("form", ["markdown", "csv", "latex"])
def test_command_prints_tables(capsys, form):
    status, out, _ = call(capsys, "--quick", "--only", "fields/gridding", "--format", form)
    assert status == 0
    assert out == eg.verify(quick=True, only="fields/gridding").to_text(form)


@pytest.mark.parametrize("suffix", [".md", ".csv", ".tex", ".json"])
def test_command_writes_files(capsys, tmp_path, suffix):
    path = tmp_path / f"suite{suffix}"
    status, out, _ = call(capsys, "--quick", "--only", "chains/sides", "-o", str(path))
    assert status == 0
    assert f"wrote {path}" in out
    assert "chains/sides" in path.read_text()
    if suffix == ".json":
        assert json.loads(path.read_text())["passed"]


def test_command_lists_claims(capsys):
    status, out, _ = call(capsys, "--list")
    assert status == 0
    assert len(out.splitlines()) == 1 + len(runner.CLAIMS) + len(runner.OWN)
    status, out, _ = call(capsys, "--list", "--only", "chains", "--json")
    assert [row["name"] for row in json.loads(out)] == [c.name for c in chains.CLAIMS]
    out = call(capsys, "--list", "--format", "markdown")[1]
    assert out.startswith("| check | how | claim | source |")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "chain"), "unknown claim 'chain'; did you mean 'chains'"),
        (("--quick", "resnet5"), "unknown network 'resnet5'"),
        (("--quick", "--only", "own"), "asked of networks, got none"),
        (("--quick", "--seed=-1"), "seed: got -1"),
        (("--quick", "--format", "html"), "unknown format 'html'"),
        (("--quick", "-o", "x.pdf"), "got suffix '.pdf'"),
        (("--quick", "--input", "9"), "without a NET"),
    ],
)
def test_command_refuses(capsys, arguments, said):
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert said in err


def test_command_without_torch(capsys, no_torch):
    status, out, err = call(capsys)
    assert (status, out) == (2, "")
    assert "PyTorch is not installed, and checks by autograd need it" in err
    assert "--quick or --no-torch" in err
    status, out, err = call(capsys, "--only", "gradients", "--only", "fields/square", "--no-torch")
    assert (status, err) == (0, "")
    assert "left out (needs PyTorch, and is not quick): gradients/unit-weights, " in out
    assert "1 of 1 checks passed, 11 left out" in out
    assert call(capsys, "--only", "fields/square")[0] == 0  # asks for none by autograd
