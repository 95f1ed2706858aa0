"""Which input is the image, and which of its dimensions are channels and positions.

An ONNX input says sizes, not what they mean. So the model is followed from the input to the
first operation that knows: a convolution or pool has channels in its dimension 1 and positions
behind. Transposes on the way are undone (TensorFlow's exports start with one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erfgraph.errors import InputError, excerpt, unknown_name
from erfgraph.featuremap import input_shape as checked_shape
from erfgraph.importers.layout import Dims, channels, repeats, whole
from erfgraph.importers.onnx_graph import Graph, Node

MOST_STEPS = 2000  # operations that are looked at
CHANNELS = 3  # where neither the model nor the caller says
LAYERS = (
    *("Conv", "ConvInteger", "ConvTranspose", "QLinearConv", "com.microsoft.FusedConv"),
    *("MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization"),
    *("DepthToSpace", "SpaceToDepth", "LRN"),
)
# operations that leave dimensions where they are, for what they do to sizes
IN_PLACE = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Cast", "Identity", "Clip", "Relu", "Neg", "Sqrt"),
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Pad", "Slice", "Concat"),
    *("Resize", "Upsample", "Split", "LayerNormalization", "Sigmoid", "Tanh", "Exp", "Gather"),
)

Declared = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """The input that becomes the network's.

    Attributes
    ----------
    name : str
    declared : tuple of int, str or None
        Sizes and symbols of its dimensions.
    channel : int or None
        The dimension of channels.
    spatial : tuple of int
        The dimensions of positions.
    features : int or None
        Channels, if the first convolution says.
    """

    name: str
    declared: Declared
    channel: int | None
    spatial: tuple[int, ...]
    features: int | None

    def sizes(self, shape: Any, given: int | None) -> tuple[tuple[int, ...], int]:
        """Spatial shape and channels, from what the caller gave and the model says."""
        wanted = " and ".join(f"axis {d}" for d in self.spatial)
        own = [self.declared[d] for d in self.spatial]
        if shape is None:
            if not all(isinstance(n, int) for n in own):
                raise InputError(
                    f"input_shape: the model leaves the size of input {excerpt(self.name)!r} open "
                    f"({self.text}); wanted {len(own)} numbers (for {wanted}), as (224, 224)"
                )
            shape = own
        spatial = checked_shape(shape)
        if len(spatial) != len(own):
            raise InputError(
                f"input_shape: got {shape!r}, wanted {len(own)} spatial sizes: input "
                f"{excerpt(self.name)!r} is {self.text}, its positions on {wanted}"
            )
        said = 1 if self.channel is None else self.declared[self.channel]
        known = said if isinstance(said, int) else self.features
        if given is not None and known is not None and given != known:
            raise InputError(
                f"channels: got {given!r}, but input {excerpt(self.name)!r} has {known}"
            )
        return spatial, known or given or CHANNELS

    @property
    def text(self) -> str:
        """Its declared dimensions."""
        return excerpt("[" + ", ".join("?" if d is None else str(d) for d in self.declared) + "]")

    def dims(self, shape: Sequence[int], features: int) -> Dims:
        """The dimensions of the input as a tensor of the network's input map."""
        made = []
        for d, size in enumerate(self.declared):
            if d == self.channel:
                made.append(channels(features))
            elif d in self.spatial:
                axis = self.spatial.index(d)
                made.append(whole(axis, shape[axis]))
            else:  # a batch of a fixed size: the same network for each of its images
                made.append(repeats(size if isinstance(size, int) else 1))
        return tuple(made)

    def symbols(self, shape: Sequence[int], features: int) -> dict[str, int]:
        """What the model's symbols stand for."""
        found: dict[str, int] = {}
        for d, symbol in enumerate(self.declared):
            if isinstance(symbol, str):
                at = self.spatial.index(d) if d in self.spatial else None
                found[symbol] = shape[at] if at is not None else 1
                if d == self.channel:
                    found[symbol] = features
        return found


def find_image(graph: Graph, name: str | None) -> Image:
    """The input that becomes the network's.

    Parameters
    ----------
    graph : Graph
    name : str, optional
        The caller's choice; default the first that has positions.

    Raises
    ------
    InputError
        If there is none.
    """
    if name is not None and name not in graph.inputs:
        raise unknown_name("input", name, graph.inputs, where=" of the model")
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for tensor in dict.fromkeys(node.inputs):
            readers.setdefault(tensor, []).append(node)
    found = []
    for candidate, declared in graph.inputs.items():
        if name in (None, candidate) and declared is not None:
            image = _image(graph, candidate, declared, readers)
            if image is not None and 1 <= len(image.spatial) <= 3:
                found.append(image)
    if not found:
        inputs = ", ".join(
            f"{excerpt(n)!r} {excerpt(str(d))}" for n, d in list(graph.inputs.items())[:8]
        )
        raise InputError(
            f"the model has no input with 1 to 3 spatial axes (its inputs: {inputs or 'none'})"
        )
    # one that a layer reads tells more than its number of dimensions
    return next((image for image in found if image.features is not None), found[0])


def _image(
    graph: Graph, name: str, declared: Declared, readers: Mapping[str, list[Node]]
) -> Image | None:
    for node, dims in _reached(graph, name, len(declared), readers):
        spatial = tuple(d for d in dims[2:] if d is not None)
        features = None
        if node.op in ("Conv", "com.microsoft.FusedConv") and node.inputs[1:2]:
            weight = graph.constants.get(node.inputs[1])
            group = node.attributes.get("group", 1)
            if weight is not None and len(weight.shape) > 2 and isinstance(group, int):
                features = weight.shape[1] * group
        if spatial:
            return Image(name, declared, dims[1], spatial, features)
    rank = len(declared)
    if rank < 3:
        return None
    # nothing in the model says; few channels stand last, as in TensorFlow, or else second
    last = declared[-1] in (1, 3, 4) and declared[1] not in (1, 3, 4)
    channel = rank - 1 if last else 1
    return Image(name, declared, channel, tuple(d for d in range(1, rank) if d != channel), None)


def _reached(
    graph: Graph, name: str, rank: int, readers: Mapping[str, list[Node]]
) -> Iterator[tuple[Node, list[int | None]]]:
    """Layers that read the input, and where its dimensions are in what they read."""
    todo: list[tuple[str, list[int | None]]] = [(name, list(range(rank)))]
    seen = {name}
    steps = 0
    while todo and steps < MOST_STEPS:
        tensor, dims = todo.pop(0)
        for node in readers.get(tensor, ()):
            steps += 1
            if node.op in LAYERS:
                if len(dims) > 2:
                    yield node, dims
                continue
            moved = _moved(graph, node, dims)
            if moved is not None:
                for output in node.outputs:
                    if output not in seen:
                        seen.add(output)
                        todo.append((output, moved))


def _moved(graph: Graph, node: Node, dims: list[int | None]) -> list[int | None] | None:
    """Dimensions behind an operation that only moves them."""
    if node.op in IN_PLACE:
        return dims
    if node.op == "Transpose":
        order = node.attributes.get("perm", list(range(len(dims)))[::-1])
        if isinstance(order, list) and sorted(order) == list(range(len(dims))):
            return [dims[i] for i in order]
    if node.op in ("Squeeze", "Unsqueeze"):
        axes = node.attributes.get("axes")
        stored = graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if stored is not None and stored.read is not None:
            axes = stored.read().ravel().tolist()
        total = len(dims) + (len(axes) if isinstance(axes, list) else 0)
        if not isinstance(axes, list) or not all(isinstance(a, int) for a in axes) or not total:
            return None
        if node.op == "Squeeze":
            if not dims:
                return None
            return [d for i, d in enumerate(dims) if i not in {a % len(dims) for a in axes}]
        new = {a % total for a in axes}
        rest = iter(dims)
        return [None if i in new else next(rest, None) for i in range(total)]
    return None
