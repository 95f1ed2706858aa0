"""Names from what exporters note beside operations: the modules that they stand in.

PyTorch's older exporter puts the modules' names into the node's:
``/layer4/layer4.2/conv3/Conv``. The newer one has them beside it, as
``['', 'layer4', 'layer4.2', 'layer4.2.conv3', 'conv2d']``. Both give ``layer4.2.conv3``, as the
module is called in PyTorch. Other exporters' nodes keep their own names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erfgraph.importers.names import Names, Step, names
from erfgraph.importers.onnx_graph import Graph, Node

SCOPES = "pkg.torch.onnx.name_scopes"
CLASSES = "pkg.torch.onnx.class_hierarchy"
RULE = "pkg.onnxscript.rewriter.rule_name"  # which rule joined operations to this one
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
    if dot and kind == "weight" and RULE in node.hints and owner not in modules:
        around = [m for m in modules if owner.startswith(f"{m}.")]
        joined = [m for m in reversed(modules) if m not in around]
        return Place((*around, owner), short, tuple(joined))
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
    calls : list of tuple of str
        Per operation, the calls of modules around it, outermost first.
    names : Names
    """

    places: list[Place]
    calls: list[tuple[str, ...]]
    names: Names

    def maker(self, i: int, node: Node) -> str:
        """Name of the feature map that an operation makes."""
        return node.name if self.places[i].modules is None else self.names.maker[i]

    def labels(self, i: int, node: Node) -> list[str]:
        """Names of what an operation hands on, if it leaves modules, innermost first."""
        if self.places[i].modules is None:
            return [node.name]
        found = []
        for call in reversed(self.calls[i]):
            leaving = self.names.returned.get(call, ())
            path = _unmarked(call)
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
    places = _placed(graph, [place(node) for node in graph.nodes])
    makers: dict[str, int] = {}  # of tensors that depend on the image
    traced = {image}
    steps = []
    calls: list[tuple[str, ...]] = []
    count: dict[str, int] = {}  # calls of a module so far
    inside: dict[str, str] = {}  # the modules around the operation before, and their calls
    for i, node in enumerate(graph.nodes):
        depends = [name for name in node.inputs if name in traced]
        if depends and node.op not in SHAPE_ONLY:
            traced.update(node.outputs)
            makers.update((name, i) for name in node.outputs)
        sources = tuple(makers[name] for name in dict.fromkeys(depends) if name in makers)
        if node.op in SHAPE_ONLY:
            sources = ()
        if depends:
            inside = {
                path: inside.get(path) or _called(path, count) for path in places[i].modules or ()
            }
        calls.append(tuple(inside.values()) if depends else ())
        alone = len(set(depends)) == 1 and transparent[i]
        steps.append(Step(calls[i], places[i].short, sources, alone))
    paths = {call: _unmarked(call) for of in calls for call in of}
    outputs = [makers[name] for name in graph.outputs if name in makers]
    return Naming(places, calls, names(steps, paths, outputs))


def _called(path: str, count: dict[str, int]) -> str:
    """One more call of a module."""
    count[path] = count.get(path, -1) + 1
    return f"{path}@{count[path]}" if count[path] else path


def _placed(graph: Graph, places: list[Place]) -> list[Place]:
    """Operations that an exporter added without a note stand where what they read was made."""
    if all(at.modules is None for at in places):
        return places
    readers: dict[str, int] = {}
    for i, node in reversed(list(enumerate(graph.nodes))):
        readers.update((name, i) for name in node.inputs)
    made: dict[str, tuple[str, ...]] = {}
    found = []
    for node, at in zip(graph.nodes, places, strict=True):
        if at.modules is None:
            before = next((made[name] for name in node.inputs if name in made), ())
            users = [places[readers[n]].modules for n in node.outputs if n in readers]
            after = next((m for m in users if m is not None), before)
            pairs = itertools.takewhile(lambda p: p[0] == p[1], zip(before, after, strict=False))
            at = Place(tuple(a for a, _ in pairs), node.op.lower())
        made.update((name, at.modules or ()) for name in node.outputs)
        found.append(at)
    return found
