"""Names from what exporters note beside operations: the modules that they stand in.

PyTorch's older exporter puts the modules' names into the node's:
``/layer4/layer4.2/conv3/Conv``. The newer one has them beside it, as
``['', 'layer4', 'layer4.2', 'layer4.2.conv3', 'conv2d']``. Both give ``layer4.2.conv3``, as the
module is called in PyTorch. Other exporters' nodes keep their own names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erfgraph.importers.names import Names, Step, names
from erfgraph.importers.onnx_graph import Graph, Node

SCOPES = "pkg.torch.onnx.name_scopes"
CLASSES = "pkg.torch.onnx.class_hierarchy"
LONGEST_HINT = 1 << 14  # characters of a note that are looked at
# uses of a tensor that do not hand its values on
SHAPE_ONLY = ("Shape", "Size")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands among modules.

    Attributes
    ----------
    modules : tuple of str, optional
        Paths of the modules around it, outermost first; None where no exporter says.
    short : str
        What the exporter calls the operation.
    through : tuple of str
        Modules that return its result beside those: norms that became part of it.
    """

    modules: tuple[str, ...] | None
    short: str
    through: tuple[str, ...] = ()


def place(node: Node) -> Place:
    """Where a node stands.

    Examples
    --------
    >>> node = Node("Conv", "/layer4/layer4.2/conv3/Conv", (), (), {}, {})
    >>> place(node).modules
    ('layer4', 'layer4.2', 'layer4.2.conv3')
    """
    if SCOPES in node.hints:
        scopes = _quoted(node.hints[SCOPES])[:-1]
        target = (_quoted(node.hints.get(CLASSES, "")) or [node.op])[-1].split(".")
        short = target[1] if len(target) > 1 and target[0] == "aten" else node.op
        return _whole(node, tuple(_unmarked(s) for s in scopes if s), short.lower())
    if node.name.startswith("/"):
        *parts, last = node.name[1:].split("/")
        return _whole(node, _paths(parts), re.sub(r"_\d+$", "", last).lower())
    return Place(None, node.op)


def _whole(node: Node, modules: tuple[str, ...], short: str) -> Place:
    """The place of a node; a layer that was joined with the norm behind it keeps its name."""
    weight = node.inputs[1] if len(node.inputs) > 1 else ""
    owner, dot, kind = weight.rpartition(".")
    above = modules[-2] if len(modules) > 1 else ""
    if dot and kind == "weight" and modules and owner != modules[-1]:
        inside = owner.startswith(f"{above}.") if above else "." not in owner
        if node.op in ("Conv", "ConvTranspose") and inside and not owner.startswith(modules[-1]):
            return Place((*modules[:-1], owner), short, modules[-1:])
    return Place(modules, short)


def _quoted(text: str) -> list[str]:
    """The strings of a list, as Python writes one."""
    return re.findall(r"'([^']*)'", text[:LONGEST_HINT])


def _unmarked(scope: str) -> str:
    """A module's path without the mark of a second call."""
    return scope.partition("@")[0]


def _paths(parts: Sequence[str]) -> tuple[str, ...]:
    """Paths of modules from the names that the older exporter gives them.

    Each is the module's own name, with its container's where its own is a number. A container
    that is a module of its own comes before.
    """
    found: list[str] = []
    path = last = ""
    for part in parts:
        rest = part[len(last) :]
        inside = bool(last) and part.startswith(last) and re.fullmatch(r"(\.\d+)+", rest)
        if inside:
            path += rest
        else:
            path = f"{path}.{part}" if path else part
        last = part
        found.append(path)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Naming:
    """Names for the operations of a graph.

    Attributes
    ----------
    places : list of Place
    names : Names
    """

    places: list[Place]
    names: Names

    def maker(self, i: int, node: Node) -> str:
        """Name of the feature map that an operation makes."""
        return node.name if self.places[i].modules is None else self.names.maker[i]

    def labels(self, i: int, node: Node) -> list[str]:
        """Names of what an operation hands on, if it leaves modules, innermost first."""
        if self.places[i].modules is None:
            return [node.name]
        found = []
        for path in reversed(self.places[i].modules or ()):
            leaving = self.names.returned.get(path, ())
            if i in leaving:
                found.append(path if len(leaving) == 1 else f"{path}:{leaving.index(i)}")
        return [*found, *self.places[i].through]


def naming(graph: Graph, image: str, transparent: Mapping[int, bool]) -> Naming:
    """Names for all operations of a graph.

    Parameters
    ----------
    graph : Graph
    image : str
        The input that is traced.
    transparent : mapping of int to bool
        Whether an operation makes no feature map, if one of its inputs alone depends on the
        image.
    """
    places = [place(node) for node in graph.nodes]
    makers: dict[str, int] = {}  # of tensors that depend on the image
    traced = {image}
    steps = []
    for i, node in enumerate(graph.nodes):
        depends = [name for name in node.inputs if name in traced]
        if depends and node.op not in SHAPE_ONLY:
            traced.update(node.outputs)
            makers.update((name, i) for name in node.outputs)
        sources = tuple(makers[name] for name in dict.fromkeys(depends) if name in makers)
        if node.op in SHAPE_ONLY:
            sources = ()
        modules = places[i].modules or ()
        alone = len(set(depends)) == 1 and transparent[i]
        steps.append(Step(modules if depends else (), places[i].short, sources, alone))
    paths = {path: path for at in places for path in at.modules or ()}
    outputs = [makers[name] for name in graph.outputs if name in makers]
    return Naming(places, names(steps, paths, outputs))
