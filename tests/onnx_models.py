"""Small ONNX models from text, and from PyTorch modules."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

OPSET = 21


def model(
    body: str,
    inputs: str = "float[1, 1, 6, 7] x",
    output: str = "y",
    opset: int = OPSET,
    **tensors: Any,
) -> onnx.ModelProto:
    """A model from the text of its nodes; tensors given by name are stored in it.

    An int is an int64 scalar, a list of ints a vector; a tuple is the shape of ones.
    """
    text = (
        f'<ir_version: 8, opset_import: ["" : {opset}, "com.microsoft" : 1, "com.acme" : 1]>\n'
        f"net ({inputs}) => (float {output}) {{ {body} }}"
    )
    made = parser.parse_model(text)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    for name, value in tensors.items():
        array = np.ones(value, np.float32) if isinstance(value, tuple) else np.asarray(value)
        made.graph.initializer.append(numpy_helper.from_array(array, name))
    return made


def nodes(*made: onnx.NodeProto, shape: Sequence[Any] = (1, 1, 6, 7), **kwargs: Any) -> Any:
    """A model from nodes, which need not fit each other."""
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        list(made),
        "net",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info("y", kind, None)],
        **kwargs,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def exported(
    module: Any, shape: Sequence[int], folder: Path, dynamo: bool, **options: Any
) -> Path:
    """The file that PyTorch exports of a module."""
    import torch

    path = folder / f"{type(module).__name__}_{dynamo}.onnx"
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        torch.no_grad(),
    ):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (torch.zeros(1, *shape),), str(path), dynamo=dynamo, **options
        )
    return path
