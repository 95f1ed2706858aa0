"""Print speed as ratios, every pair measured side by side in one run, as Markdown.

Run from the repository's root: ``python -m benchmarks.table [--quick]``. Each pair is timed
in turn, A B A B …, and the median of the ratios is what counts. With ``--check`` the exit
status is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import scipy.sparse as sp

import erfgraph as eg
from erfgraph import axes
from erfgraph.explicit import graph


@dataclass(frozen=True)
class Row:
    """One line: how much longer `slow` takes than `fast`, and the goal for that."""

    work: str
    against: str
    fast: Callable[[], object]
    slow: Callable[[], object]
    goal: float
    at_least: bool = True  # else at most


def seconds(call: Callable[[], object], least: float) -> float:
    """Time of one call, averaged over as many as take `least` seconds."""
    n, start = 0, time.perf_counter()
    while True:
        call()
        n += 1
        if (spent := time.perf_counter() - start) >= least:
            return spent / n


def ratio(row: Row, rounds: int, least: float) -> float:
    row.fast(), row.slow()
    return statistics.median(
        seconds(row.slow, least) / seconds(row.fast, least) for _ in range(rounds)
    )


def mapped(name: str, size: int, exact: bool) -> Callable[[], object]:
    net = eg.load(name, (size, size))
    return lambda: eg.importance(net, exact=exact)


def peer_rows(quick: bool) -> list[Row]:
    try:
        import torch

        from benchmarks import peers
    except ImportError:
        print("torch is not installed: rows against PyTorch are left out", file=sys.stderr)
        return []
    torch.set_num_threads(2)
    model = peers.resnet50()
    return [
        Row(
            f"ResNet-50 path map, {size}²",
            "one input-gradient sample in PyTorch",
            mapped("resnet50", size, exact=False),
            lambda size=size: peers.gradient_sample(model, size),
            goal,
        )
        for size, goal in ((224, 100), (1024, 1000))[: 1 if quick else 2]
    ]


def kron_blocks(net: eg.Network) -> object:
    return [
        sp.kron(*(axes.matrix(axes.transpose(a)) for a in term), format="csr")
        for m in net.maps
        for link in m.links
        for term in link.terms
    ]


def rows(quick: bool) -> list[Row]:
    vgg = eg.load("vgg16")
    return [
        *peer_rows(quick),
        *(
            Row(
                f"{name} path map, 224², float64",
                "the same in exact integers",
                mapped(name, 224, exact=False),
                mapped(name, 224, exact=True),
                10,
                at_least=False,
            )
            for name in ("resnet50", "resnet152")
        ),
        *(
            Row(
                "resnet50 path map, 512²",
                f"the same at {size}²",
                mapped("resnet50", 512, exact=False),
                mapped("resnet50", size, exact=False),
                1.5,
                at_least=False,
            )
            for size in (1024, 4096)
        ),
        Row(
            "explicit graph of VGG-16, 224²",
            "scipy.sparse.kron layer by layer",
            lambda: graph(vgg),
            lambda: kron_blocks(vgg),
            1.0,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no 1024² gradient")
    parser.add_argument("--check", action="store_true", help="exit status 1 on a missed goal")
    options = parser.parse_args()
    quick = options.quick
    missed = 0
    print("| work | against | ratio | goal |\n|---|---|---|---|")
    for row in rows(quick):
        found = ratio(row, 3 if quick else 7, 0.02 if quick else 0.1)
        met = found >= row.goal if row.at_least else found <= row.goal
        missed += not met
        goal = f"at {'least' if row.at_least else 'most'} {row.goal:g}"
        print(f"| {row.work} | {row.against} | {found:.3g} | {goal}{'' if met else ' MISSED'} |")
    g = graph(eg.load("vgg16"))
    held = g.n_bytes / g.n_edges
    missed += held > 16
    print(f"| explicit graph of VGG-16, 224² | bytes an edge | {held:.3g} | at most 16 |")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
