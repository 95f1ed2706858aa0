"""The explicit graph: every unit a node, every read an edge, as blocks of sparse matrices.

One block per pair of joined feature maps, of shape (units of the source, units of the
target), is the Kronecker product of the layer's axis maps (a sum of them where a mask makes
the layer non-separable). Rows are sources, as in networkx and `scipy.sparse.csgraph`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from erfgraph import axes, memory
from erfgraph.display import Shown
from erfgraph.errors import InputError, SizeError
from erfgraph.layers import Terms
from erfgraph.network import FeatureMap, Network, unit_of
from erfgraph.params import Shape

if TYPE_CHECKING:
    import networkx as nx
    from scipy.sparse import csr_array

BUILD_BYTES = 48  # an edge needs this much for a moment while its block is built
MOST_NODES_AS_OBJECTS = 200_000  # networkx holds about a kilobyte a node or edge


class Unit(NamedTuple):
    """A node: a position of a feature map."""

    layer: str
    position: Shape


class GraphSize(NamedTuple):
    """How large an explicit graph is."""

    n_units: int
    n_edges: int


@dataclass(frozen=True, eq=False)
class Graph(Shown):
    """The directed acyclic graph of a network's units, edges from lower to higher maps.

    Made by `graph`. Units are numbered map after map, in raster order within a map.

    Attributes
    ----------
    network : Network
    blocks : mapping of (int, int) to scipy.sparse.csr_array
        For every pair of joined feature maps (source, target), by index: multiplicities,
        shape (units of the source, units of the target).
    """

    network: Network
    maps: tuple[FeatureMap, ...] = field(repr=False)
    blocks: Mapping[tuple[int, int], csr_array] = field(repr=False)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Number of the first unit of every map, and at last `n_units`."""
        return tuple(np.cumsum([0, *(math.prod(m.shape) for m in self.maps)]).tolist())

    @property
    def n_units(self) -> int:
        """Number of nodes."""
        return self.offsets[-1]

    @cached_property
    def n_edges(self) -> int:
        """Number of distinct edges; one that is read several times counts once."""
        return sum(int(block.nnz) for block in self.blocks.values())

    @property
    def n_bytes(self) -> int:
        """Bytes that the blocks hold."""
        return sum(
            int(b.data.nbytes + b.indices.nbytes + b.indptr.nbytes) for b in self.blocks.values()
        )

    @cached_property
    def adjacency(self) -> csr_array:
        """The whole adjacency, shape (n_units, n_units): ``[u, v]`` is the multiplicity of u -> v.

        Built on first use, beside the blocks.
        """
        from scipy.sparse import coo_array

        kind = np.int32 if self.n_units < 1 << 31 else np.int64
        rows, cols, data = [], [], []
        for (src, dst), block in self.blocks.items():
            part = block.tocoo()
            rows.append(np.add(part.row, self.offsets[src], dtype=kind))
            cols.append(np.add(part.col, self.offsets[dst], dtype=kind))
            data.append(part.data)
        shape = (self.n_units, self.n_units)
        if not rows:
            return coo_array(shape, dtype=np.int64).tocsr()
        entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols)))
        return coo_array(entries, shape=shape).tocsr()

    def node(self, layer: str | FeatureMap, position: Any = None) -> int:
        """The number of a unit.

        Parameters
        ----------
        layer : str or FeatureMap
        position : int or sequence of int, optional
            Default the centre of the map.

        Returns
        -------
        int

        Raises
        ------
        NameLookupError, InputError
            If there is no such map or position.
        """
        found = self._find(layer)
        at = unit_of(found, position)
        return self.offsets[found.index] + int(np.ravel_multi_index(at, found.shape))

    def unit(self, node: int) -> Unit:
        """The feature map and position of a numbered unit.

        Raises
        ------
        InputError
            If the number is not in [0, n_units).
        """
        if not 0 <= node < self.n_units:
            raise InputError(f"node: got {node}, wanted 0 to {self.n_units - 1}")
        index = int(np.searchsorted(self.offsets, node, side="right")) - 1
        found = self.maps[index]
        at = np.unravel_index(node - self.offsets[index], found.shape)
        return Unit(found.name, tuple(int(i) for i in at))

    def _find(self, layer: str | FeatureMap) -> FeatureMap:
        found = self.network._resolve(layer, "layer")
        if found.index >= len(self.maps):
            raise InputError(f"layer: {found.name!r} was added after the graph was built")
        return found

    def to_networkx(self) -> nx.DiGraph[Unit]:
        """The graph as a ``networkx.DiGraph``.

        Returns
        -------
        networkx.DiGraph
            Nodes are `Unit` tuples with the attributes ``layer`` and ``position``, edges have
            ``multiplicity``.

        Raises
        ------
        SizeError
            If it has too many nodes or edges for Python objects.
        """
        return self._objects(np.ones(self.n_units, dtype=bool))

    def between(self, source: tuple[Any, Any] | int, target: tuple[Any, Any] | int) -> Any:
        """The subgraph of all paths between two units.

        Parameters
        ----------
        source, target : int or (layer, position)

        Returns
        -------
        networkx.DiGraph
            As `to_networkx`; every node and edge has besides the attribute ``paths``, the
            number of paths from source to target that run through it. Without nodes where
            there is no path.

        Examples
        --------
        >>> import erfgraph as eg
        >>> g = eg.graph(eg.load("conv3*2"))
        >>> part = g.between(("input", 2), ("conv2", 0))
        >>> len(part), part.nodes[eg.Unit("conv1", (1,))]["paths"]
        (5, 1)
        """
        ends = [e if isinstance(e, int) else self.node(*e) for e in (source, target)]
        onwards = self._reached(ends[0], forward=True)
        back = self._reached(ends[1], forward=False)
        found = self._objects(onwards & back)
        _count_through(found, self.unit(ends[0]), self.unit(ends[1]))
        return found

    def _reached(self, node: int, *, forward: bool) -> np.ndarray:
        reached = np.zeros(self.n_units, dtype=bool)
        reached[node] = True
        # sources come before targets, so one pass in the maps' order reaches everything
        for src, dst in sorted(self.blocks, key=lambda pair: pair[1] if forward else -pair[0]):
            low = slice(self.offsets[src], self.offsets[src + 1])
            high = slice(self.offsets[dst], self.offsets[dst + 1])
            block = self.blocks[src, dst]
            if forward and reached[low].any():
                reached[high] |= (block.T @ reached[low].astype(np.int64)) > 0
            elif not forward and reached[high].any():
                reached[low] |= (block @ reached[high].astype(np.int64)) > 0
        return reached

    def _objects(self, kept: np.ndarray) -> nx.DiGraph[Unit]:
        import networkx as nx

        nodes = np.flatnonzero(kept)
        if len(nodes) > MOST_NODES_AS_OBJECTS or (
            kept.all() and self.n_edges > 10 * MOST_NODES_AS_OBJECTS
        ):
            raise SizeError(
                f"{len(nodes)} units and up to {self.n_edges} edges are too many for networkx "
                f"objects (at most {MOST_NODES_AS_OBJECTS} units); use .blocks or .adjacency"
            )
        made: nx.DiGraph[Unit] = nx.DiGraph(name=self.network.name or "network")
        units = {int(n): self.unit(int(n)) for n in nodes}
        made.add_nodes_from(
            (u, {"layer": u.layer, "position": u.position}) for u in units.values()
        )
        for (src, dst), block in self.blocks.items():
            part = block.tocoo()
            low, high = self.offsets[src], self.offsets[dst]
            rows, cols = part.row + low, part.col + high
            inside = kept[rows] & kept[cols]
            made.add_edges_from(
                (units[u], units[v], {"multiplicity": m})
                for u, v, m in zip(
                    rows[inside].tolist(),
                    cols[inside].tolist(),
                    part.data[inside].tolist(),
                    strict=True,
                )
            )
        return made

    def save(self, path: Any) -> None:
        """Write the graph as ``.graphml`` or as ``.json`` (node-link, as networkx reads it).

        Node ids are texts such as ``conv1[3,4]``.

        Raises
        ------
        FileError
            If the suffix is another or the file cannot be written.
        SizeError
            As `to_networkx`.
        """
        from erfgraph.graphfile import save_graph

        save_graph(self.to_networkx(), path)

    def to_dict(self) -> dict[str, Any]:
        """Size of the graph and of each block, ready for JSON."""
        return {
            "network": self.network.name,
            "n_units": self.n_units,
            "n_edges": self.n_edges,
            "n_bytes": self.n_bytes,
            "maps": [
                {"name": m.name, "shape": list(m.shape), "first_unit": offset}
                for m, offset in zip(self.maps, self.offsets, strict=False)
            ],
            "blocks": [
                {
                    "source": self.maps[src].name,
                    "target": self.maps[dst].name,
                    "n_edges": int(block.nnz),
                }
                for (src, dst), block in self.blocks.items()
            ],
        }


def _count_through(found: Any, source: Unit, target: Unit) -> None:
    """Give every node and edge of a subgraph of paths the number of paths through it."""
    import networkx as nx

    order = list(nx.topological_sort(found))
    to = dict.fromkeys(order, 0)
    onward = dict.fromkeys(order, 0)
    if order:
        to[source] = onward[target] = 1
    for u in order:
        for v, data in found[u].items():
            to[v] += to[u] * data["multiplicity"]
    for u in reversed(order):
        for v, data in found[u].items():
            onward[u] += onward[v] * data["multiplicity"]
            data["paths"] = to[u] * data["multiplicity"] * onward[v]
    nx.set_node_attributes(found, {u: to[u] * onward[u] for u in order}, "paths")


# --- building -----------------------------------------------------------------------------


def graph_size(net: Network) -> GraphSize:
    """How large the explicit graph would be, without building it.

    Returns
    -------
    GraphSize
        ``n_edges`` is an upper bound where two links or terms may share edges (``x + x``,
        masks with reflected padding), else exact.

    Examples
    --------
    >>> import erfgraph as eg
    >>> graph_size(eg.load("vgg16"))
    GraphSize(n_units=204673, n_edges=1295388)
    """
    units = sum(math.prod(m.shape) for m in net.maps)
    edges = sum(
        math.prod(axes.edge_count(a) for a in term)
        for m in net.maps
        for link in m.links
        for term in link.terms
    )
    return GraphSize(units, edges)


def graph(net: Network, max_edges: int | None = None) -> Graph:
    """The explicit graph of a network.

    Parameters
    ----------
    net : Network
    max_edges : int, optional
        Refuse to build more edges; default what fits into half of the free memory.

    Returns
    -------
    Graph

    Raises
    ------
    SizeError
        If the graph has more edges; the message states its size.

    Examples
    --------
    >>> import erfgraph as eg
    >>> g = eg.graph(eg.load("conv3*5"))
    >>> g.n_units, g.n_edges
    (36, 75)
    >>> g.unit(g.node("conv1", 2))
    Unit(layer='conv1', position=(2,))
    """
    size = graph_size(net)
    limit = memory.free_memory() // (2 * BUILD_BYTES) if max_edges is None else max_edges
    if size.n_edges > limit:
        raise SizeError(
            f"the explicit graph would have {size.n_units} units and {size.n_edges} edges, the "
            f"limit (max_edges) is {limit}; erfgraph.importance counts without it"
        )
    terms: dict[tuple[int, int], Terms] = {}
    for m in net.maps:
        for link in m.links:
            key = (link.src, m.index)
            terms[key] = terms.get(key, ()) + link.terms
    blocks = {key: _block(links) for key, links in terms.items()}
    return Graph(net, net.maps, blocks)


def _block(terms: Terms) -> csr_array:
    """Multiplicities between two maps: the sum of its terms' Kronecker products."""
    parts = [reduce(_kron, (_transposed_matrix(a) for a in term)) for term in terms]
    if len(parts) == 1:
        return parts[0]
    total = reduce(lambda a, b: a + b, (part.astype(np.int64) for part in parts))
    total.data = total.data.astype(_smallest(int(total.data.max(initial=0))))
    return total


def _transposed_matrix(axis: axes.AxisMap) -> csr_array:
    found = axes.matrix(axes.transpose(axis))
    found.data = found.data.astype(_smallest(int(found.data.max(initial=0))))
    return found


def _smallest(largest: int) -> Any:
    """The smallest type that holds a multiplicity: nearly always one byte."""
    return np.uint8 if largest < 1 << 8 else np.int64


def _kron(a: csr_array, b: csr_array) -> csr_array:
    """Kronecker product in CSR, straight into its final arrays.

    `scipy.sparse.kron` goes through 64-bit coordinates and needs several times the memory.
    """
    from scipy.sparse import csr_array

    rows, cols = a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]
    kind = np.int32 if max(rows, cols, int(a.nnz) * int(b.nnz)) < 1 << 31 else np.int64
    in_a, in_b = np.diff(a.indptr), np.diff(b.indptr)
    lengths = np.multiply.outer(in_a, in_b).ravel()
    indptr = np.zeros(rows + 1, dtype=kind)
    np.cumsum(lengths, out=indptr[1:])
    largest = int(a.data.max(initial=0)) * int(b.data.max(initial=0))
    indices = np.empty(indptr[-1], dtype=kind)
    data = np.ones(indptr[-1], dtype=_smallest(largest))
    # neighbouring rows of `a` of equal length have equal layouts, so each run of them is one
    # table: a row of `a` by a slot; the slots of a row run over rows of `b`, then its entries
    turns = np.flatnonzero(np.diff(in_a)) + 1
    for first, stop in itertools.pairwise([0, *turns.tolist(), len(in_a)]):
        if length := int(in_a[first]):
            entry_a, entry_b = _slots(length, in_b)
            low, high = int(a.indptr[first]), int(a.indptr[stop])
            part = slice(low * int(b.nnz), high * int(b.nnz))
            table = indices[part].reshape(stop - first, -1)
            col_a = np.multiply(a.indices[low:high], b.shape[1], dtype=kind)
            np.take(col_a.reshape(-1, length), entry_a, axis=1, out=table, mode="clip")
            table += b.indices[entry_b].astype(kind)
            if largest > 1:
                values = a.data[low:high].astype(data.dtype).reshape(-1, length)[:, entry_a]
                data[part].reshape(stop - first, -1)[...] = values * b.data[entry_b]
    return csr_array((data, indices, indptr), shape=(rows, cols))


def _slots(length: int, in_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each slot of a product's rows, which entry of the row of `a` and which of `b`."""
    ends = np.cumsum(in_b)
    repeats = np.repeat(in_b, length)  # a row of `b` comes once for each entry of the row of `a`
    first = np.repeat(np.cumsum(repeats) - repeats, repeats)
    within = np.arange(len(first)) - first
    entry_a = np.repeat(np.tile(np.arange(length), len(in_b)), repeats)
    return entry_a, np.repeat(np.repeat(ends - in_b, length), repeats) + within
