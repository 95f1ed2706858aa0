"""How close `variance` is to the mean-square gradient, on networks of the zoo as PyTorch modules.

``python -m benchmarks.closeness`` draws weights by each network's own rule and prints Markdown:
the total-variation distance of both shares, the sampling noise of the gradient's, their ratio,
and the distance of the raw path counts, in evaluation mode at initialisation (`identity`) and in
training mode (`batch`). One command gives one table; it takes long, as every draw is a whole
forward and backward pass.
"""

from __future__ import annotations

import argparse
from typing import Any

import erfgraph as eg
from erfgraph.tables import FORMATS

NETWORKS = ("vgg16", "resnet18", "resnet50", "mobilenet_v2", "densenet121")
HEAD = ("network", "batchnorm", "scalar", "draws", "variance", "noise", "ratio", "paths")


def distance(a: Any, b: Any) -> float:
    """Total variation of two maps' shares."""
    return float(abs(a.share - b.share).sum() / 2)


def row(name: str, size: int, samples: int, batchnorm: str, scalar: str) -> tuple[str, ...]:
    """One line of the table."""
    net = eg.load(name, (size, size))
    gradient = eg.gradient_importance(
        eg.to_torch(net, init="torchvision"),
        (net.input.channels, size, size),
        samples=samples,
        init=net.init,
        batchnorm=batchnorm,
        scalar=scalar,
    )
    found = eg.importance(
        net, measure="variance", init="torchvision", batchnorm=batchnorm, scalar=scalar
    )
    apart, noise = distance(found, gradient), gradient.relative_error
    paths = distance(eg.importance(net), gradient)
    numbers = (f"{v:.3f}" for v in (apart, noise, apart / noise, paths))
    return (name, batchnorm, scalar, str(samples), *numbers)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.closeness", description=__doc__)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--size", type=int, default=224, help="side of the input")
    parser.add_argument("--samples", type=int, default=48, help="draws of weights")
    parser.add_argument("--batchnorm", nargs="*", default=["identity"], metavar="MODE")
    parser.add_argument("--scalar", nargs="*", default=["sum"], metavar="SCALAR")
    given = parser.parse_args(arguments)
    rows = [
        row(name, given.size, given.samples, batchnorm, scalar)
        for name in given.networks
        for batchnorm in given.batchnorm
        for scalar in given.scalar
    ]
    print(FORMATS["markdown"](HEAD, rows))


if __name__ == "__main__":
    main()
