"""Which tensor is a Keras model's image, what shape it has, and what its dimensions are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph.errors import InputError, LayerError
from erfgraph.importers import layout
from erfgraph.importers.keras_formats import channel_of
from erfgraph.importers.keras_record import Recorded, Slot
from erfgraph.importers.layout import Atom, Dim, Dims

Shape = tuple[int, ...]


# --- which, and of what shape -------------------------------------------------------------


def inputs_of(model: Any, what: str) -> list[tuple[tuple[int | None, ...], str]]:
    """Shape, batch included, and type of every input of a model.

    Raises
    ------
    InputError
        If the model was not built, so that nothing is known of them.
    """
    inputs = getattr(model, "inputs", None)
    if inputs:
        return [(tuple(x.shape), x.dtype) for x in inputs]
    config = model.get_build_config() if getattr(model, "built", False) else None
    shapes = list((config or {}).values())
    if config and "shapes_dict" in config:
        shapes = list(config["shapes_dict"].values())
    if len(shapes) == 1 and isinstance(shapes[0], dict):
        shapes = list(shapes[0].values())
    elif len(shapes) == 1 and isinstance(shapes[0], list | tuple):
        nested = all(isinstance(n, list | tuple) for n in shapes[0])
        shapes = list(shapes[0]) if nested else shapes
    if not shapes or not all(isinstance(s, list | tuple) for s in shapes):
        raise InputError(
            f"{what}: the shape of its input is not known; build it first, as in "
            "model.build((None, 224, 224, 3)), or give a functional model"
        )
    return [(tuple(s), getattr(model, "compute_dtype", "float32")) for s in shapes]


def image_among(shapes: Sequence[Sequence[int | None]]) -> int:
    """The input with most dimensions: the image, where others are vectors."""
    return max(range(len(shapes)), key=lambda i: (len(shapes[i]), -i))


def concrete(
    shape: Sequence[int | None], given: Sequence[int] | None, last: bool, what: str
) -> Shape:
    """An input's shape without unknown dimensions: of a batch of one, and as the caller says.

    Parameters
    ----------
    shape : sequence of int or None
        Batch included.
    given : sequence of int, optional
        Spatial shape.
    last : bool
        Whether channels are behind the positions.
    what : str
        The model, for errors.
    """
    found = [1, *shape[1:]]
    unknown = [d for d, n in enumerate(found) if n is None]
    if not unknown:
        return tuple(n for n in found if n is not None)
    said = tuple("None" if n is None else n for n in shape[1:])
    if given is None:
        raise InputError(
            f"{what}: its input has shape ({', '.join(map(str, said))}); give input_shape, "
            "the spatial shape"
        )
    for channel in (len(found) - 1, 1) if last else (1, len(found) - 1):
        spatial = [d for d in range(1, len(found)) if d != channel]
        if channel not in unknown and len(spatial) == len(given):
            for d, n in zip(spatial, given, strict=True):
                found[d] = n if found[d] is None else found[d]
            return tuple(n for n in found if n is not None)
    raise InputError(
        f"input_shape: got {tuple(given)}, wanted the spatial shape of an input of shape "
        f"({', '.join(map(str, said))}), whose channels must be known"
    )


# --- what its dimensions are --------------------------------------------------------------


def arrangement(
    steps: Sequence[Recorded], image: Slot, last: bool, what: str
) -> tuple[Shape, int, Dims]:
    """Spatial shape and channels of a model's input, and what its dimensions hold of them.

    The first layer that says where its channels are decides, whatever permutations and
    reshapes stand before it; where there is none, Keras' own setting does.

    Parameters
    ----------
    steps : sequence of Recorded
    image : Slot
    last : bool
        Keras' setting: whether channels come last.
    what : str
        The model, for errors.

    Raises
    ------
    InputError
        If there are not one to three spatial axes.
    """
    found = _read_by_first(steps, image)
    if not any(found) or not _whole(found, image.shape):
        channel = len(image.shape) - 1 if last else 1
        found = [layout.whole(d, n) for d, n in enumerate(image.shape) if d not in (0, channel)]
    axes: list[Dim] = sorted((dim for dim in found if dim), key=lambda dim: _place(dim[0]))
    if not 1 <= len(axes) <= 3:
        raise InputError(
            f"{what}: its input of shape {image.shape[1:]} has {len(axes)} spatial axes, "
            "wanted 1 to 3 beside the channels"
        )
    digits: dict[int, list[tuple[int, Atom]]] = {d: [] for d in range(len(image.shape))}
    for axis, dim in enumerate(axes):
        stride = layout.size_of(dim)
        for source, size, at in dim:  # a digit of dimension `source` of the input
            stride //= size
            digits[source].append((at, Atom(axis, size, stride)))
    dims = []
    for d, n in enumerate(image.shape):
        spatial = [atom for _, atom in sorted(digits[d], key=lambda pair: -pair[0])]
        dims.append(layout.joined(tuple(spatial)) or layout.channels(n))
    arranged, channels = layout.row_major(dims)
    return tuple(layout.size_of(dim) for dim in axes), channels, arranged


def _whole(found: Sequence[Dim], shape: Shape) -> bool:
    """Whether every dimension of the input is positions throughout, or not at all."""
    sizes = [1] * len(shape)
    for atom in layout.atoms_of(found):
        sizes[atom.axis] *= atom.size
    return all(size in (1, n) for size, n in zip(sizes, shape, strict=True))


def _place(atom: Atom) -> tuple[int, int]:
    """Where a digit stands in the input: its dimension, outer digits first."""
    return atom.axis, -atom.stride


def _read_by_first(steps: Sequence[Recorded], image: Slot) -> list[Dim]:
    """The dimensions that the first layer with a data format takes for axes.

    Each is digits of the input's dimensions, which stand in for axes here.
    """
    known: dict[int, Dims] = {
        image.index: tuple(layout.whole(d, n) for d, n in enumerate(image.shape))
    }
    for step in steps:
        sources = [x for x in step.sources if x.index in known]
        if not sources:
            continue
        x = sources[0]
        dims = known[x.index]
        says = isinstance(getattr(step.operation, "data_format", None), str)
        if says and step.key != "Flatten" and len(x.shape) > 2:
            channel = channel_of(step.operation, x)
            return [dim for d, dim in enumerate(dims) if d != channel]
        for made in step.results:
            known[made.index] = _after(step, x, dims, made.shape)
    return []


def _after(step: Recorded, x: Slot, dims: Dims, shape: Shape) -> Dims:
    """What is left of the input's dimensions in a result."""
    op = step.operation
    order: Sequence[int] | None = None
    if step.key == "Permute":
        order = (0, *op.dims)
    elif step.key == "ops.Transpose":
        order = op.axes or range(len(dims))[::-1]
    if order is not None:
        return layout.permute(dims, [d % len(dims) for d in order])
    if shape == x.shape:
        return dims
    try:
        return layout.reshape(dims, shape)
    except LayerError:  # padded, resized or repeated along some of them, or anything else
        return dims if len(shape) == len(dims) else ((),) * len(shape)
