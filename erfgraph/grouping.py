"""`groups`: the layers of a network, its blocks, or its stages, as nodes of a smaller graph."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from erfgraph.arithmetic import ReceptiveField, receptive_fields
from erfgraph.errors import unknown_name
from erfgraph.layer_labels import (
    MERGES,
    Strides,
    block_label,
    core_label,
    layer_label,
    stage_label,
    with_result,
)
from erfgraph.network import Network
from erfgraph.repeats import doors

DETAILS = ("layers", "blocks", "stages")
SMALLER = 0.75  # a block whose inside is smaller than this, of both its ends, is an hourglass
MOST_ASIDE = 4  # layers on one way that are drawn as one with the merge
POOLED = ("global_pool", "adaptive_pool")


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that are drawn as one; one map leaves them.

    Attributes
    ----------
    label, core : str
        What it is called; the same without channels and stride.
    op : str
        Name of the `Network` method; ``"block"``, ``"fusion"`` or ``"stage"``.
    maps : tuple of int
        Indices of the feature maps that it makes, the one that leaves last.
    look : hashable
        Equal for groups that are equal inside.
    parts : int
        How many layers or blocks follow each other in a stage.
    """

    label: str
    core: str
    op: str
    maps: tuple[int, ...]
    look: Hashable
    parts: int = 1


def groups(
    net: Network, detail: str, fields: Sequence[ReceptiveField] | None = None
) -> list[Group]:
    """What is drawn as one, in the order of the maps that leave.

    Parameters
    ----------
    net : Network
    detail : str
        ``"layers"``: every layer. ``"blocks"``: what lies between the map that all branches
        come from and the merge at which they meet, if nothing else leaves it and it does not
        first shrink and then grow, is one. ``"stages"``: besides, layers and blocks that follow
        each other at one size, and a merge with the layers that bring maps to it alone.
    fields : sequence of ReceptiveField, optional
        Those of all maps, if they are known.

    Raises
    ------
    NameLookupError
        If the detail is unknown.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv3p1 max2 res(conv3p1*2)*3 max2 conv3p1", (32, 32))
    >>> [group.label for group in groups(net, "blocks")][3:]
    ['res(3×3, 3×3)', 'res(3×3, 3×3)', 'res(3×3, 3×3)', 'max pool 2×2, /2', 'conv 3×3']
    >>> [group.label for group in groups(net, "stages")][2:]
    ['max pool 2×2, 3 × res(3×3, 3×3), /2', 'max pool 2×2, conv 3×3, /2']
    """
    if detail not in DETAILS:
        raise unknown_name("detail", str(detail), DETAILS)
    if detail == "layers":
        return [_layer(net, i) for i in range(len(net.maps))]
    strides = [field.stride for field in fields or receptive_fields(net)]
    aside = _aside(net)
    blocks = _blocks(net, aside)
    taken = {i for maps in blocks for i in maps} | set(aside)
    found = [_layer(net, i, aside) for i in range(len(net.maps)) if i not in taken]
    found += [_block(net, maps, strides) for maps in blocks]
    found.sort(key=lambda group: group.maps[-1])
    return found if detail == "blocks" else _stages(net, _fused(net, found), strides)


def reads_of(net: Network, found: Sequence[Group]) -> list[list[int]]:
    """For each group the numbers of those that it reads, as often as its first layer does."""
    of_map = {i: k for k, group in enumerate(found) for i in group.maps}
    return [
        list(
            dict.fromkeys(
                of_map[link.src]
                for i in group.maps
                for link in net.maps[i].links
                if of_map[link.src] != k
            )
        )
        for k, group in enumerate(found)
    ]


def _layer(net: Network, i: int, aside: Sequence[int] = ()) -> Group:
    m = net.maps[i]
    hung = [a for a in aside if _root(net, a, aside) == i]  # squeeze-and-excitation on it
    label = layer_label(m) + (", SE" if hung else "")
    return Group(label, core_label(m), m.op, (*hung, i), label)


def _root(net: Network, i: int, aside: Sequence[int]) -> int:
    while i in aside:
        i = net.maps[i].links[0].src
    return i


def _aside(net: Network) -> list[int]:
    """Maps of one unit that only scale others, as a squeeze-and-excitation's: no way on."""
    readers = _readers(net)
    found: list[int] = []
    for m in reversed(net.maps[1:-1]):
        one = len(m.links) == 1 and all(n == 1 for n in m.shape)
        if one and all(r in found for r in readers[m.index]):
            found.append(m.index)
    return sorted(i for i in found if net.maps[_root(net, i, found)].shape != net.maps[i].shape)


def _readers(net: Network) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in net.maps]
    for m in net.maps:
        for src in dict.fromkeys(link.src for link in m.links):
            readers[src].append(m.index)
    return readers


def _blocks(net: Network, aside: Sequence[int]) -> list[tuple[int, ...]]:
    """The largest blocks, each with at most half of the network."""
    entries = doors([[link.src for link in m.links] for m in net.maps])
    readers = _readers(net)
    found: list[tuple[int, ...]] = []
    for m in net.maps:
        if len({link.src for link in m.links}) > 1:
            maps = _between(net, entries[m.index], m.index)
            hung = [a for a in aside if _root(net, a, aside) in maps[:-1]]
            inside = {*maps, *hung}
            closed = all(r in inside for i in maps[:-1] for r in readers[i])
            if closed and 2 * len(inside) <= len(net.maps) and _flat(net, entries[m.index], maps):
                found.append((*sorted(inside - {m.index}), m.index))
    taken: set[int] = set()
    largest: list[tuple[int, ...]] = []
    for block in sorted(found, key=len, reverse=True):
        if not taken.intersection(block):
            taken.update(block)
            largest.append(block)
    return largest


def _between(net: Network, entry: int, merge: int) -> list[int]:
    """Maps on the ways from one, exclusive, to a merge, inclusive."""
    found, ahead = {merge}, [merge]
    while ahead:
        for link in net.maps[ahead.pop()].links:
            if link.src != entry and link.src not in found:
                found.add(link.src)
                ahead.append(link.src)
    return sorted(found)


def _flat(net: Network, entry: int, maps: Sequence[int]) -> bool:
    """Whether nothing inside is much smaller than both ends; what is pooled to one unit may be."""
    ends = net.maps[entry].shape, net.maps[maps[-1]].shape
    least = [SMALLER * min(sizes) for sizes in zip(*ends, strict=False)]
    pooled: set[int] = set()
    for m in (net.maps[i] for i in maps[:-1]):
        small = any(n < low for n, low in zip(m.shape, least, strict=False))
        if small and (m.op in POOLED or any(link.src in pooled for link in m.links)):
            pooled.add(m.index)
        elif small:
            return False
    return True


def _block(net: Network, maps: tuple[int, ...], strides: Sequence[Strides]) -> Group:
    inside = {i: k for k, i in enumerate(maps)}
    entry = next(k.src for i in maps for k in net.maps[i].links if k.src not in inside)
    core = block_label(net, entry, maps)
    label = with_result(core, net, maps, strides[entry], strides[maps[-1]])
    return Group(label, core, "block", maps, _look(net, maps))


def _fused(net: Network, found: Sequence[Group]) -> list[Group]:
    """Merges together with the single layers that bring maps to them: crops, changes of size."""
    reads = reads_of(net, found)
    readers = [0] * len(found)
    for source in (s for sources in reads for s in sources):
        readers[source] += 1
    gone: set[int] = set()
    merged: dict[int, Group] = {}
    for k, group in enumerate(found):
        if group.op in MERGES and len(reads[k]) > 1:
            ways = [_tributary(found, reads, readers, s) for s in reads[k]]
            aside = [t for way in ways if _level(net, found, way, group) for t in way]
            if aside:
                gone.update(aside)
                merged[k] = _fusion(net, [found[t] for t in sorted(aside)], group)
    return [merged.get(k, group) for k, group in enumerate(found) if k not in gone]


def _tributary(
    found: Sequence[Group], reads: Sequence[Sequence[int]], readers: Sequence[int], end: int
) -> list[int]:
    """Single layers from a fork on that only lead to one end; none if blocks are among them."""
    way: list[int] = []
    while readers[end] == 1 and len(reads[end]) == 1 and len(way) <= MOST_ASIDE:
        if found[end].op in ("block", "input", *MERGES):
            return []
        way.append(end)
        end = reads[end][0]
    return way if readers[end] > 1 and len(way) <= MOST_ASIDE else []


def _level(net: Network, found: Sequence[Group], way: Sequence[int], merge: Group) -> bool:
    """Whether no map on a way is much smaller than both its ends."""
    maps = [found[t].maps[-1] for t in reversed(way)]
    return bool(way) and _flat(net, net.maps[maps[0]].links[0].src, [*maps, merge.maps[-1]])


def _fusion(net: Network, aside: Sequence[Group], merge: Group) -> Group:
    maps = tuple(i for group in (*aside, merge) for i in group.maps)
    cores = list(dict.fromkeys(group.core for group in aside))
    many = f"{merge.core} of {len(net.maps[maps[-1]].links)}, {len(aside)} layers"
    core = f"{cores[0]}, {merge.core}" if len(cores) == 1 else many
    return Group(core, core, "fusion", maps, _look(net, maps))


def _look(net: Network, maps: Sequence[int]) -> Hashable:
    """What several layers are and how they are linked."""
    inside = {i: k for k, i in enumerate(maps)}
    return tuple(
        (layer_label(net.maps[i]), tuple(inside.get(k.src, -1) for k in net.maps[i].links))
        for i in maps
    )


def _stages(net: Network, found: Sequence[Group], strides: Sequence[Strides]) -> list[Group]:
    """Groups that follow each other without branches, up to the next that makes maps smaller."""
    reads = reads_of(net, found)
    readers = [0] * len(found)
    for source in (s for sources in reads for s in sources):
        readers[source] += 1
    chains: list[list[int]] = []
    ending: dict[int, list[int]] = {}
    for k, sources in enumerate(reads):
        source = sources[0] if len(sources) == 1 else 0
        chain = ending.get(source, []) if source and readers[source] == 1 else []
        # a layer from a fork on to blocks stands for itself, so that modules look alike
        fork = bool(chain) and bool(reads[source]) and readers[reads[source][0]] > 1
        apart = fork and found[source].op == "conv" and found[k].op == "block"
        if chain and not apart and _goes_on(net, found[source], found[k]):
            chain.append(k)
        else:
            chain = [k]
            chains.append(chain)
        ending[k] = chain
    return sorted(
        (_stage(net, [found[k] for k in chain], strides) for chain in chains),
        key=lambda group: group.maps[-1],
    )


def _goes_on(net: Network, before: Group, after: Group) -> bool:
    """Whether a stage goes on: a map is no smaller than the one before, and no merge ended it."""
    if before.op in (*MERGES[:3], "fusion") or after.op == "input":
        return False
    shapes = net.maps[before.maps[-1]].shape, net.maps[after.maps[-1]].shape
    return all(a >= SMALLER * b for b, a in zip(*shapes, strict=False))


def _stage(net: Network, chain: Sequence[Group], strides: Sequence[Strides]) -> Group:
    if len(chain) == 1:
        return chain[0]
    maps = tuple(i for group in chain for i in group.maps)
    core = stage_label([group.core for group in chain])
    entry = next(k.src for k in net.maps[chain[0].maps[0]].links)
    look = tuple(group.look for group in chain)
    label = with_result(core, net, maps, strides[entry], strides[maps[-1]])
    return Group(label, core, "stage", maps, look, len(chain))
