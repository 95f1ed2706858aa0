"""`branches`: what meets at an add or a concat, and whether it is centred alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from erfgraph.arithmetic import Misalignment, ReceptiveField, receptive_fields
from erfgraph.display import Shown
from erfgraph.errors import InputError
from erfgraph.network import FeatureMap, Network


@dataclass(frozen=True, eq=False)
class Branches(Shown):
    """What meets at a merge: the field of every branch, and of the merge itself.

    Attributes
    ----------
    merge : str
        The feature map at which they meet.
    op : str
        ``"add"``, ``"concat"``, ``"multiply"`` or ``"gate"``.
    fields : tuple of ReceptiveField
        One per branch, in the order in which they are read; itself the hull over all ways
        below it.
    own : ReceptiveField
        Of the merge: unit by unit the hull over its branches, so at least as large as the
        largest, and larger where they are not aligned.
    misaligned : tuple of Misalignment
        Per axis on which the branches differ in stride or centres; those of merges below are
        in `own`.
    """

    merge: str
    op: str
    fields: tuple[ReceptiveField, ...]
    own: ReceptiveField
    misaligned: tuple[Misalignment, ...]

    @cached_property
    def largest(self) -> tuple[int, ...]:
        """Per axis the size of the largest branch's field."""
        return tuple(map(max, zip(*(f.size for f in self.fields), strict=True)))

    @property
    def aligned(self) -> tuple[bool, ...]:
        """Per axis whether the branches agree here in stride and centres."""
        there = {m.axis for m in self.misaligned}
        return tuple(axis not in there for axis in range(len(self.own.shape)))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "merge": self.merge,
            "op": self.op,
            "branches": [f.to_dict() for f in self.fields],
            "largest": list(self.largest),
            "own": self.own.to_dict(),
            "aligned": list(self.aligned),
            "misaligned": [m.to_dict() for m in self.misaligned],
        }


def branches(net: Network, merge: str | FeatureMap) -> Branches:
    """The receptive field of every branch of a merge.

    A residual connection joins maps with different receptive fields; usually the larger is
    taken as the size of the sum.

    Parameters
    ----------
    net : Network
    merge : str or FeatureMap
        A feature map made by add, concat, multiply, or by a gate that is followed.

    Returns
    -------
    Branches

    Raises
    ------
    NameLookupError
        If there is no such layer.
    InputError
        If the feature map merges nothing.
    SizeError
        As `receptive_fields`.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.branches(eg.load("resnet50"), "layer4.0")
    >>> [(f.name, f.size[0], f.stride[0]) for f in found.fields]
    [('layer4.0.conv3', 299, 32), ('layer4.0.downsample.0', 267, 32)]
    >>> found.largest, found.own.size, found.aligned
    ((299, 299), (299, 299), (True, True))
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    m = net._resolve(merge, "merge")
    if len(m.links) < 2:
        wanted = ", ".join(other.name for other in net.maps if len(other.links) > 1) or "none"
        raise InputError(
            f"merge: {m.name!r} reads {len(m.links)} map, wanted one that joins branches "
            f"(this network's: {wanted if len(wanted) < 400 else wanted[:400] + ' …'})"
        )
    known = receptive_fields(net)
    own = known[m.index]
    return Branches(
        merge=m.name,
        op=m.op,
        fields=tuple(known[link.src] for link in m.links),
        own=own,
        misaligned=tuple(x for x in own.misaligned if x.merge == m.name),
    )
