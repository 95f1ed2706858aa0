"""What an ONNX model's outputs depend on, found out by running it: nothing of erfgraph's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import erfgraph as eg
from erfgraph.importers.layout import is_spatial
from erfgraph.importers.onnx_graph import graph_of
from erfgraph.importers.onnx_import import OnnxRun
from erfgraph.importers.onnx_input import find_image
from erfgraph.importers.onnx_ops import TABLE
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.translate import Translator
from erfgraph.importers.values import Traced

LARGE = 1e4  # a change that decides every maximum
NOTICED = 1e-5 * LARGE  # beyond the rounding of a weight that is zero


def runner(model: onnx.ModelProto) -> Any:
    """Runs a model: ONNX Runtime, or the standard's own reference where that cannot."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    except Exception:  # an operation that is too new for it
        session = ReferenceEvaluator(model)
    return lambda feeds: session.run(None, feeds)


def translated(model: onnx.ModelProto, name: str | None = None, shape: Any = None) -> OnnxRun:
    """A model on its way through the importer, with all of its tensors."""
    graph = graph_of(model)
    image = find_image(graph, name)
    spatial, channels = image.sizes(shape, None)
    translator = Translator(Tracer(eg.Network(spatial, channels)), TABLE)
    run = OnnxRun(graph, image, translator, model.opset_import[0].version)
    run.run(None)
    return run


def dependence(
    model: onnx.ModelProto, feeds: Mapping[str, np.ndarray], name: str, spatial: Sequence[int]
) -> dict[tuple[int, ...], np.ndarray]:
    """For every position of an input, which elements of the first output change with it."""
    run = runner(model)
    base = np.asarray(run(feeds)[0], dtype=np.float64)
    image = feeds[name]
    found = {}
    for position in itertools.product(*(range(image.shape[d]) for d in spatial)):
        changed = np.array(image)
        where: list[Any] = [slice(None)] * image.ndim
        for d, p in zip(spatial, position, strict=True):
            where[d] = p
        changed[tuple(where)] += np.asarray(LARGE, image.dtype)
        out = np.asarray(run({**feeds, name: changed})[0], dtype=np.float64)
        found[position] = np.abs(out - base) > NOTICED
    return found


def units_of(v: Traced) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """For every unit of a tensor's map, the elements of the tensor that are of it."""
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for index in np.ndindex(v.shape):
        unit = [0] * len(v.map.shape)
        for dim, i in zip(v.dims, index, strict=True):
            for atom in reversed(dim):
                i, digit = divmod(i, atom.size)
                if is_spatial(atom):
                    unit[atom.axis] += digit * atom.stride
        found.setdefault(tuple(unit), []).append(index)
    return found


def differences(
    run: OnnxRun, output: str, read: Mapping[tuple[int, ...], np.ndarray]
) -> list[str]:
    """Units whose theoretical field is another than what running the model shows."""
    v = run.values[output]
    v = run.translator.t.real(v)
    wrong = []
    for unit, elements in units_of(v).items():
        imp = eg.importance(run.net, v.map, unit)
        counted = {tuple(map(int, p)) for p in np.argwhere(imp.values > 0)}
        seen = {p for p, changed in read.items() if any(changed[e] for e in elements)}
        if counted != seen:
            wrong.append(f"{unit}: counted {sorted(counted)}, seen {sorted(seen)}")
    return wrong
