"""Constants: what a model computes from the shapes of its tensors, computed.

Only NumPy on small arrays, by the operations below; a result's size is known before it is
made. Of all other constants, only shapes are found out, by ONNX's own shape inference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.errors import ErfgraphError, FileError, excerpt
from erfgraph.extras import onnx_module
from erfgraph.importers.onnx_folds import EVALUATED, TooLargeError
from erfgraph.importers.onnx_graph import LARGEST_SIZE, MOST_ELEMENTS, Node
from erfgraph.importers.trained import numbers_of
from erfgraph.importers.values import Constant


@dataclass(frozen=True, slots=True)
class Lacking:
    """A tensor that is not known, and why; it matters only to what needs it."""

    why: str


Known = Constant | Lacking


def held(array: Any) -> Constant:
    """An array as a constant."""
    made = np.asarray(array)
    return Constant(made.shape, lambda: made)


def fold(node: Node, inputs: Sequence[Any], opset: int) -> list[Any]:
    """The results of an operation whose inputs do not depend on the model's input.

    Parameters
    ----------
    node : Node
    inputs : sequence of Constant, Lacking, list of them, or None
    opset : int
        Version of the standard's operations.

    Returns
    -------
    list of Constant, Lacking, or list of them

    Raises
    ------
    FileError
        If the operation does not fit its inputs.
    """
    lacking = next((v for v in inputs if isinstance(v, Lacking)), None)
    if lacking is not None:
        return [lacking] * len(node.outputs)
    if node.op == "SequenceConstruct":
        return [list(inputs)]
    evaluate = EVALUATED.get(node.op)
    small = all(v is None or _is_small(v) for v in inputs)
    if evaluate is not None and (small or node.op in ("Shape", "Size")):
        try:
            return _evaluated(node, evaluate, inputs)
        except TooLargeError:
            pass
    found = _inferred(node, inputs, opset)
    if evaluate is not None and node.op in MOVES and isinstance(found[0], Constant):
        found[0] = _moved(node, evaluate, inputs, found[0])
    return found


# what exporters do to weights that are too large to compute with here
MOVES = ("Transpose", "Reshape", "Identity", "Cast", "Squeeze", "Unsqueeze", "Flatten")


def _moved(
    node: Node, evaluate: Callable[..., Any], inputs: Sequence[Any], found: Constant
) -> Constant:
    """The same numbers, should they be asked for; other arguments are small."""
    first, *rest = inputs
    numbers = numbers_of(first)
    if numbers is None or not all(v is None or _is_small(v) for v in rest):
        return found

    def read() -> Any:
        attributes = {key: _array(value) for key, value in node.attributes.items()}
        return evaluate(numbers(), *(_array(v) for v in rest), **attributes)

    return Constant(found.shape, stored=read)


def _is_small(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_small(v) for v in value)
    return (
        isinstance(value, Constant)
        and value.read is not None
        and math.prod(value.shape) <= MOST_ELEMENTS
    )


def _array(value: Any) -> Any:
    if isinstance(value, list):
        return [_array(v) for v in value]
    if isinstance(value, Constant):
        # a tensor of which only the shape is asked for takes no memory
        return np.broadcast_to(np.int8(0), value.shape) if value.read is None else value.read()
    return value


def _evaluated(node: Node, evaluate: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
    attributes = {key: _array(value) for key, value in node.attributes.items()}
    try:
        with np.errstate(all="ignore"):
            found = evaluate(*(_array(v) for v in inputs), **attributes)
    except (ErfgraphError, TooLargeError):
        raise
    except Exception as error:  # NumPy's own errors, of whatever a file holds
        reason = excerpt(" ".join(str(error).split()), most=200)
        kind = type(error).__name__
        raise FileError(
            f"{node.op} at {node.where}: does not fit its inputs ({kind}: {reason})"
        ) from None
    if isinstance(found, tuple):
        return [_result(v) for v in found]
    return [_result(found)]


def _result(value: Any) -> Any:
    return [_result(v) for v in value] if isinstance(value, list) else held(value)


# --- shapes alone -------------------------------------------------------------------------


def _inferred(node: Node, inputs: Sequence[Any], opset: int) -> list[Any]:
    """Results of which ONNX's shape inference knows the shapes."""
    shapes = shapes_of(node, inputs, opset)
    found: list[Any] = []
    for shape in shapes:
        if shape is None:
            found.append(
                Lacking(f"{node.op} at {node.where}: a constant whose shape cannot be found out")
            )
        elif math.prod(shape) > LARGEST_SIZE or min(shape, default=0) < 0:
            raise FileError(f"{node.op} at {node.where}: a constant of impossible shape {shape}")
        else:
            found.append(Constant(shape))
    return found


def shapes_of(node: Node, inputs: Sequence[Any], opset: int) -> list[tuple[int, ...] | None]:
    """Shapes of an operation's results, by the standard; None where they are not known."""
    unknown: list[tuple[int, ...] | None] = [None] * len(node.outputs)
    if node.op == "ConstantOfShape" and inputs and _is_small(inputs[0]):
        return [tuple(int(n) for n in inputs[0].read().ravel().tolist())]
    domain, _, op = node.op.rpartition(".")
    plain = all(v is None or isinstance(v, Constant) for v in inputs)
    if domain or not plain or any(not _is_plain(v) for v in node.attributes.values()):
        return unknown
    onnx = onnx_module()
    names = [f"i{k}" if v is not None else "" for k, v in enumerate(inputs)]
    outputs = [f"o{k}" for k in range(len(node.outputs))]
    values, stored = [], []
    for name, value in zip(names, inputs, strict=True):
        if value is None:
            continue
        if _is_small(value):
            stored.append(onnx.numpy_helper.from_array(value.read(), name))
        else:
            float_type = onnx.TensorProto.FLOAT
            values.append(onnx.helper.make_tensor_value_info(name, float_type, value.shape))
    try:
        made = onnx.helper.make_node(op, names, outputs, **node.attributes)
        results = [onnx.helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = onnx.helper.make_graph([made], "constant", values, results, stored)
        opsets = [onnx.helper.make_opsetid("", opset)]
        model = onnx.helper.make_model(graph, opset_imports=opsets)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # of another language's library; then the shape is not known
        return unknown
    return [_static(value) for value in inferred.graph.output]


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str | list)


def _static(value: Any) -> tuple[int, ...] | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape") or any(
        not d.HasField("dim_value") or d.dim_value < 0 for d in kind.shape.dim
    ):
        return None
    return tuple(int(d.dim_value) for d in kind.shape.dim)
