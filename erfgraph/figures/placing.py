"""Where the units of a network stand in a drawing, and which edges are drawn how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from erfgraph.axes import AxisMap, Taps, triplets
from erfgraph.explicit import Graph
from erfgraph.network import FeatureMap, Network

# positions closer than this, in units of the input, are moved apart
CLOSEST = 0.5


def axis_positions(net: Network) -> list[list[np.ndarray]]:
    """Where each position of each axis of each map stands, in positions of the input.

    A position stands above the middle of what it reads, as far as that is regular: the field
    of a unit beside the border is not the middle of its taps.
    """
    placed: list[list[np.ndarray]] = []
    for m in net.maps:
        if not m.links:
            placed.append([np.arange(n, dtype=float) for n in m.shape])
            continue
        below = placed[m.links[0].src]
        if len(below) != len(m.shape):
            below = [below[-1]] * len(m.shape)
        placed.append(
            [
                _above([term[a] for term in m.links[0].terms], n, below[a])
                for a, n in enumerate(m.shape)
            ]
        )
    return placed


def _above(axis_maps: list[AxisMap], n: int, below: np.ndarray) -> np.ndarray:
    """Regular positions above the middles of what is read."""
    sums, reads = np.zeros(n), np.zeros(n)
    spacing = float(np.median(np.diff(below))) if len(below) > 1 else 1.0
    for axis in axis_maps:
        outs, srcs = _reads(axis)
        # taps on padding count: beyond the border positions go on at the same spacing
        np.add.at(sums, outs, below[0] + spacing * srcs)
        np.add.at(reads, outs, 1)
    index = np.flatnonzero(reads)
    if not len(index):
        return np.asarray(below.mean() + spacing * (np.arange(n) - (n - 1) / 2))
    middles = sums[index] / reads[index]
    lag = len(index) // 2  # far apart: neighbours may read the same, as after upsampling
    steps = (middles[lag:] - middles[:-lag]) / (index[lag:] - index[:-lag]) if lag else [spacing]
    step = float(np.median(steps))
    if step < CLOSEST:  # dense layers: all read the same
        apart = max(spacing, CLOSEST)
        return np.asarray(np.median(middles) + apart * (np.arange(n) - (n - 1) / 2))
    return step * np.arange(n) + float(np.median(middles - step * index))


def _reads(axis: AxisMap) -> tuple[np.ndarray, np.ndarray]:
    """Output and source position of every read, with the sources that are padding."""
    if not isinstance(axis, Taps):
        outs, srcs, counts = triplets(axis)
        return np.repeat(outs, counts), np.repeat(srcs, counts)
    steps = [(run, np.arange(run.length)) for run in axis.runs]
    return (
        np.concatenate([run.out + j * run.out_step for run, j in steps]),
        np.concatenate([run.src + j * run.src_step for run, j in steps]),
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Units and edges with coordinates; units are numbered as in the graph.

    Attributes
    ----------
    points : float64 array (units, 3)
        x, y in input positions; the third is the index of the map.
    sources, targets, counts : int64 arrays (edges,)
        Ends and multiplicity of every edge.
    skips : bool array (edges,)
        Whether an edge passes another map's plane.
    cone : bool array (units,)
        Units on a path to the chosen one, itself included.
    """

    points: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    skips: np.ndarray
    cone: np.ndarray

    @property
    def in_cone(self) -> np.ndarray:
        """Edges on a path to the chosen unit."""
        return np.asarray(self.cone[self.targets])


def place_graph(graph: Graph, masks: dict[str, np.ndarray]) -> Drawn:
    """Coordinates of a graph's units and edges.

    Parameters
    ----------
    graph : Graph
    masks : dict of str to bool array
        For each map below the chosen unit, the units with a path to it.
    """
    positions = axis_positions(graph.network)
    pitch = 1 + max(np.ptp(p[-1]) for p in positions) + 1.5  # between slices of three axes
    points = [_grid(p, m, pitch) for p, m in zip(positions, graph.maps, strict=True)]
    cone = [
        masks[m.name].ravel() if m.name in masks else np.zeros(len(p), dtype=bool)
        for m, p in zip(graph.maps, points, strict=True)
    ]
    sources, targets, counts, skips = [], [], [], []
    for (src, dst), block in graph.blocks.items():
        part = block.tocoo()
        sources.append(part.row.astype(np.int64) + graph.offsets[src])
        targets.append(part.col.astype(np.int64) + graph.offsets[dst])
        counts.append(part.data.astype(np.int64))
        skips.append(np.full(part.nnz, dst - src > 1))
    return Drawn(
        np.concatenate(points),
        _joined(sources, np.int64),
        _joined(targets, np.int64),
        _joined(counts, np.int64),
        _joined(skips, np.bool_),
        np.concatenate(cone),
    )


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.asarray(np.concatenate(parts) if parts else np.zeros(0, dtype=kind))


def _grid(axes: list[np.ndarray], m: FeatureMap, pitch: float) -> np.ndarray:
    """Points of one map's units in raster order; slices of a third axis stand side by side."""
    mesh = [c.ravel() for c in np.meshgrid(*axes, indexing="ij")]
    x = mesh[-1] + (pitch * mesh[0] if len(mesh) == 3 else 0)
    # y grows downwards in images, and away from the viewer upwards: turn it
    y = -mesh[-2] if len(mesh) > 1 else np.zeros_like(x)
    return np.stack([x, y, np.full(len(x), float(m.index))], axis=1)


def edge_lines(points: np.ndarray, drawn: Drawn, which: np.ndarray, bow: float) -> np.ndarray:
    """Edges as lines: straight, or bowed in x where they pass the units of another map.

    Parameters
    ----------
    points : array (units, axes)
        Coordinates, in any scale.
    which : bool array (edges,)
        All skipping or none.
    bow : float
        How far the control point of the curve stands aside; 0 for straight lines.

    Returns
    -------
    float64 array, shape (edges, points of a line, axes)
    """
    start, stop = points[drawn.sources[which]], points[drawn.targets[which]]
    if not bow:
        return np.stack([start, stop], axis=1)
    middle = (start + stop) / 2
    middle[:, 0] += bow
    t = np.linspace(0, 1, 17)[None, :, None]
    a, b, c = start[:, None], middle[:, None], stop[:, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c)
