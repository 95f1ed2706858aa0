"""What the benchmarks say is so: how times are read, and that the peers count the same paths."""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import pkgutil
import time

import numpy as np
import pytest

import erfgraph as eg
from benchmarks import floor, graph_peers, suite, table, timing
from benchmarks.rows import chains, graphs
from benchmarks.timing import Fact, Row, Work

EFFORT = timing.Effort(rounds=3, least=0.0, budget=60.0)


def clock(*times: float) -> timing.Clock:
    """A clock that tells these times, one a call."""
    told = itertools.chain([99.0], times)  # the first warms up
    return lambda least: next(told)


def row(reading: str, goal: float | None, ours: list[float], theirs: list[float]) -> Row:
    return Row(Work("a", clock(*ours)), Work("b", clock(*theirs)), reading, goal)


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No other work, whatever there is."""
    if request.function is not test_what_other_processes_take_is_seen:
        monkeypatch.setattr(timing, "elsewhere", lambda: 0.0)


def disturb(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Let other work take hours in every first, second, … round, from the first on."""
    looks = itertools.count()
    # two looks a round; the second of a disturbed one finds more than the first
    monkeypatch.setattr(
        timing,
        "elsewhere",
        lambda: 1e4 * ((n := next(looks)) // 2 // every + (n // 2 % every > 0 or n % 2)),
    )


# --- reading times ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "goal", "found", "met"),
    [
        ("faster", 4.0, "4 times faster", True),
        ("faster", 4.1, "4 times faster", False),
        ("as long", 0.25, "0.25 times as long", True),
        ("as long", 0.2, "0.25 times as long", False),
        ("later", -6.0, "-6 s more", True),
        ("later", -6.1, "-6 s more", False),
        ("as long", None, "0.25 times as long", None),
    ],
)
def test_the_median_of_a_pair_is_what_counts(
    reading: str, goal: float | None, found: str, met: bool | None
) -> None:
    line = timing.line(row(reading, goal, [2.0, 2.0, 7.0], [8.0, 8.0, 8.0]), EFFORT)
    assert (line.found, line.met) == (found, met)
    assert (line.took, line.against_took) == ("2 s", "8 s")


def test_the_two_take_turns() -> None:
    order: list[str] = []
    clocks = [lambda least, name=name: order.append(name) or 1.0 for name in "ab"]
    rounds = timing.side_by_side(
        Row(Work("a", clocks[0]), Work("b", clocks[1]), "faster", 1), EFFORT
    )
    assert "".join(order) == "abababab"  # one pair warms up
    assert rounds == [timing.Round(1.0, 1.0, calm=True)] * 3


def test_a_row_stops_when_its_time_is_up() -> None:
    spent = timing.Effort(rounds=3, least=0.0, budget=0.0)
    rounds = timing.side_by_side(row("faster", 1, [], []), spent)
    assert rounds == [timing.Round(99.0, 99.0, calm=True)]  # then the first must do


def test_disturbed_rounds_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    disturb(monkeypatch, every=2)  # the first, which warms up, then every other
    times = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    rounds = timing.side_by_side(row("faster", 1, times, times), EFFORT)
    assert rounds == [timing.Round(t, t, calm=True) for t in (1.0, 3.0, 5.0)]


def test_rounds_count_if_all_are_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    disturb(monkeypatch, every=1)
    times = [2.0] * 9
    rounds = timing.side_by_side(row("faster", 1, times, times), EFFORT)
    assert rounds == [timing.Round(2.0, 2.0, calm=False)] * 9


def test_what_other_processes_take_is_seen() -> None:
    start, spent, others = time.perf_counter(), time.process_time(), timing.elsewhere()
    while time.process_time() - spent < 0.3:
        pass
    passed, others = time.perf_counter() - start, timing.elsewhere() - others
    assert -0.05 <= others <= passed * (os.cpu_count() or 1) - 0.25  # without this process


@pytest.mark.parametrize(("found", "met"), [(5.63, True), (13.0, True), (13.2, False)])
def test_facts_have_a_most(found: float, met: bool) -> None:
    line = timing.line(Fact("graph", "bytes", lambda: found, 13), EFFORT)
    assert (line.found, line.goal, line.met) == (f"{found:.3g}", "at most 13", met)


@pytest.mark.parametrize("holds", [True, False])
def test_claims_hold_or_do_not(holds: bool) -> None:
    line = timing.line(Fact("chain", "no overflow", lambda: holds), EFFORT)
    assert (line.found, line.met) == ("yes" if holds else "no", holds)


def test_clocks_time_what_they_say() -> None:
    made: list[int] = []

    def make() -> int:
        time.sleep(0.05)
        made.append(1)
        return 0

    assert timing.calls(lambda: time.sleep(0.01))(0.05) >= 0.01
    assert timing.anew(make, lambda _: None)(0) < 0.05
    assert made == [1]
    assert timing.statement("import time; time.sleep(0.01)")(0) >= 0.01


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.94, "99.9"), (0.0123, "0.0123"), (-3.0, "-3")]
)
def test_numbers_read_well(value: float, text: str) -> None:
    assert timing.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.5, "2.5 s"), (0.25, "250 ms"), (0.00065, "650 µs"), (1e-3, "1 ms")]
)
def test_durations_have_their_unit(value: float, text: str) -> None:
    assert timing.duration(value) == text


# --- the table ----------------------------------------------------------------------------


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the real ones: a goal that is met, one missed by 1.5, one that is long."""
    made = lambda: [  # noqa: E731
        row("faster", 300, [1.0] * 99, [346.0] * 99),
        row("as long", 2, [3.0] * 99, [1.0] * 99),
        Fact("long", "", lambda: 1 / 0, 1, long=True),
    ]
    monkeypatch.setattr(table, "THEMES", {"some": made})


@pytest.mark.usefixtures("rows")
def test_a_missed_goal_is_said_twice(tmp_path, capsys) -> None:
    path = tmp_path / "table.md"
    assert table.main(["--quick", "-o", str(path)]) == 0
    text = path.read_text()
    assert text == capsys.readouterr().out
    assert text.splitlines()[:4] == [
        "| work | time | against | time | found | goal |",
        "|---|---|---|---|---|---|",
        "| a | 1 s | b | 346 s | 346 times faster | at least 300 |",
        "| a | 3 s | b | 1 s | 3 times as long | **missed:** at most 2 |",
    ]
    assert "1 of 2 goals are met; missed: a (3 times as long)." in text
    assert f"numpy {np.__version__}" in text
    assert [p.name for p in tmp_path.iterdir()] == ["table.md"]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("options", "status"), [([], 0), (["--check"], 1), (["--check", "--slack", "1.6"], 0)]
)
def test_check_fails_on_a_missed_goal(options: list[str], status: int) -> None:
    assert table.main(["--quick", *options]) == status


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("calm", [True, False])
def test_a_busy_machine_is_said(calm: bool, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    if not calm:
        disturb(monkeypatch, every=1)
    table.main(["--quick"])
    printed = capsys.readouterr().out
    assert ("346 times faster †" in printed) is not calm
    assert ("† Other work kept the processors busy" in printed) is not calm


@pytest.mark.usefixtures("rows")
def test_an_interrupted_run_leaves_the_old_table(tmp_path) -> None:
    path = tmp_path / "table.md"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        table.main(["-o", str(path)])
    assert path.read_text() == "old"


def test_an_unknown_theme_is_an_error(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        table.main(["speed"])
    assert stopped.value.code == 2
    assert "no theme 'speed'" in capsys.readouterr().err


def test_one_theme_runs_for_real(capsys) -> None:
    assert table.main(["graphs", "--quick"]) == 0
    assert "scipy.sparse.kron per layer in a plain loop" in capsys.readouterr().out


# --- peers --------------------------------------------------------------------------------

NETWORKS = [
    ("conv3*6", None),
    ("conv3p1 res(conv3p1 conv3p1)*2", (12, 12)),
    ("conv3s2p1 add(conv1 | conv3p1 | conv5p2)", (13, 9)),
    ("conv3p1 add( | )", (4, 4)),  # each position twice
]


@pytest.mark.parametrize(("source", "shape"), NETWORKS)
def test_networkx_counts_the_same_paths(source: str, shape: tuple[int, ...] | None) -> None:
    graph = eg.graph(eg.load(source, shape))
    unit = graph.unit(graph.node(graph.network.output))
    paths = graph_peers.networkx_paths(graph.to_networkx(), unit)
    for name, found in eg.importances(graph.network).items():
        assert (
            found.values.tolist()
            == np.reshape(
                [paths[eg.Unit(name, at)] for at in np.ndindex(found.shape)], found.shape
            ).tolist()
        )


def by_products(source: str, shape: tuple[int, ...] | None, peer: str) -> None:
    net = eg.load(source, shape)
    graph = eg.graph(net)
    unit = graph.node(net.output) - graph.offsets[-2]
    blocks = getattr(graph_peers, f"{peer}_blocks")(graph)
    found = getattr(graph_peers, f"{peer}_paths")(graph, blocks, unit)
    assert np.array_equal(found.reshape(net.input.shape), eg.importance(net).values)


@pytest.mark.parametrize(("source", "shape"), NETWORKS)
def test_scipy_counts_the_same_paths(source: str, shape: tuple[int, ...] | None) -> None:
    by_products(source, shape, "scipy")


@pytest.mark.parametrize(("source", "shape"), NETWORKS)
def test_graphblas_counts_the_same_paths(source: str, shape: tuple[int, ...] | None) -> None:
    pytest.importorskip("graphblas")
    by_products(source, shape, "graphblas")


@pytest.mark.parametrize("size", [224, 96])
def test_the_one_channel_pass_counts_the_same_paths(size: int) -> None:
    pytest.importorskip("torch")
    from benchmarks import peers

    found = peers.one_channel_pass(peers.one_channel_resnet50(), size)
    assert np.array_equal(found, eg.importance(eg.load("resnet50", (size, size))).values)


def test_the_gradient_sample_reaches_what_the_paths_reach() -> None:
    pytest.importorskip("torch")
    from benchmarks import peers

    found = peers.gradient_sample(peers.resnet50(), 96).numpy()[0]
    net = eg.load("resnet50", (96, 96))
    assert net.output.shape == (3, 3)
    assert np.array_equal((found != 0).any(axis=0), eg.importance(net).values > 0)


def test_kron_builds_the_same_blocks() -> None:
    net = eg.load("conv3s2p1 conv5 max2", (31, 20))
    for ours, theirs in zip(eg.graph(net).blocks.values(), graphs.kron_blocks(net), strict=True):
        assert (ours != theirs).nnz == 0


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("chain", chains.CHAINS, ids=lambda chain: chain.name)
def test_the_chains_totals_are_checked(
    chain: chains.Chain, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for depth in (1, 2, 50):
        monkeypatch.setattr(chains, "DEEP", depth)
        asked = chains.Again(chain, exact)
        asked(depth)(0)
        assert asked.holds()
    monkeypatch.setattr(chains.Chain, "total", lambda self, depth: 2 * 3**depth)
    assert not asked.holds()


@pytest.mark.parametrize(
    ("source", "shape", "shapes"),
    [
        ("conv3*2", None, [(1,)] * 3 + [(3,)] * 3),
        ("conv3 conv1", None, [(1,)] * 3),  # what is copied once needs no addition
        ("add( | )", (4, 4), [(1, 1)]),  # the second copy is added to the first
        ("conv5x3", (9, 9), [(1, 1)] * 5 + [(5, 1)] * 3),
        ("conv3p1 res(conv3p1)", (9,), [(1,)] * 3 + [(3,)] * 3),  # the skip comes first
    ],
)
def test_the_least_of_a_sweep(
    source: str, shape: tuple[int, ...] | None, shapes: list[tuple[int, ...]]
) -> None:
    assert sorted(floor.additions(eg.load(source, shape))) == sorted(shapes)


# --- the suite ----------------------------------------------------------------------------

CLASSES = [
    value
    for found in pkgutil.iter_modules(suite.__path__, "benchmarks.suite.")
    for value in vars(importlib.import_module(found.name)).values()
    if inspect.isclass(value) and value.__module__ == found.name
]


@pytest.mark.parametrize("benchmark", CLASSES, ids=lambda benchmark: benchmark.__name__)
def test_parameters_of_the_suite_have_names(benchmark: type) -> None:
    assert len(benchmark.params) == len(benchmark.param_names)
    kinds = ("time_", "timeraw_", "peakmem_", "track_")
    methods = [value for name, value in vars(benchmark).items() if name.startswith(kinds)]
    assert methods
    for method in methods:  # each takes every parameter
        inspect.signature(method).bind(None, *benchmark.params)


def test_the_suite_loads_no_peer() -> None:
    """asv imports every module: those whose packages are not installed must not mind."""
    import subprocess
    import sys

    code = (
        "import benchmarks.suite as suite, importlib, pkgutil, sys\n"
        "for m in pkgutil.iter_modules(suite.__path__): "
        "importlib.import_module('benchmarks.suite.' + m.name)\n"
        "print([m for m in ('torch', 'graphblas', 'networkx') if m in sys.modules])"
    )
    folder = suite.__path__[0] + "/../.."
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
