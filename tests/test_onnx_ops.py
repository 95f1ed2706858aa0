"""Every row of ONNX's table: shapes and edges against a runtime that runs the model."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import onnx
import onnx_oracle
import pytest
from onnx import numpy_helper
from onnx_models import model

import erfgraph as eg
from erfgraph.importers.onnx_folds import cut
from erfgraph.importers.onnx_ops import TABLE
from erfgraph.importers.values import Traced

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# --- path counts: with all weights one, an impulse arrives as often as there are paths --------

K33, K32 = (1, 1, 3, 3), (1, 1, 3, 2)
COUNTED: dict[str, dict[str, Any]] = {
    "conv": {"body": "y = Conv <pads = [1, 1, 1, 1]> (x, w)", "w": K33},
    "conv asymmetric": {
        "body": "y = Conv <pads = [0, 2, 1, 0], strides = [2, 1], dilations = [1, 2]> (x, w)",
        "w": K32,
    },
    "conv same upper": {
        "body": 'y = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w)',
        "w": K32,
    },
    "conv same lower": {
        "body": 'y = Conv <auto_pad = "SAME_LOWER", strides = [2, 3]> (x, w)',
        "w": (1, 1, 2, 4),
    },
    "conv valid": {
        "body": 'y = Conv <auto_pad = "VALID", kernel_shape = [3, 3]> (x, w)',
        "w": K33,
    },
    "conv 1d": {
        "body": "y = Conv <dilations = [2], pads = [3, 0]> (x, w)",
        "inputs": "float[1, 1, 9] x",
        "w": (1, 1, 3),
    },
    "conv 3d": {
        "body": "y = Conv <strides = [1, 2, 1], pads = [1, 0, 0, 0, 1, 0]> (x, w)",
        "inputs": "float[1, 1, 3, 4, 3] x",
        "w": (1, 1, 2, 3, 2),
    },
    "twice": {"body": "a = Conv (x, w)  y = Conv <pads = [2, 2, 2, 2]> (a, w)", "w": K33},
    "residual": {
        "body": "a = Conv <pads = [1, 1, 1, 1]> (x, w)  b = Add (a, x)  y = Conv (b, w)",
        "w": K33,
    },
    "x + x": {"body": "a = Conv (x, w)  y = Add (a, a)", "w": K33},
    "sum of three": {
        "body": "a = Conv <pads = [1, 1, 1, 1]> (x, w)  y = Sum (x, a, x)",
        "w": K33,
    },
    "transposed": {
        "body": "y = ConvTranspose <strides = [2, 3], pads = [1, 0, 0, 1]> (x, w)",
        "w": K33,
    },
    "transposed more": {
        "body": "y = ConvTranspose <strides = [3, 2], output_padding = [2, 1],"
        " dilations = [2, 1]> (x, w)",
        "w": K32,
    },
    "transposed to a shape": {
        "body": "y = ConvTranspose <strides = [2, 2], output_shape = [12, 15]> (x, w)",
        "w": K33,
    },
    "transposed to a large shape": {
        "body": "y = ConvTranspose <strides = [2, 2], output_shape = [14, 15]> (x, w)",
        "w": K32,
    },
    "transposed same upper": {
        "body": 'y = ConvTranspose <strides = [2, 2], auto_pad = "SAME_UPPER"> (x, w)',
        "w": K33,
    },
    "transposed same lower": {
        "body": 'y = ConvTranspose <strides = [2, 2], auto_pad = "SAME_LOWER"> (x, w)',
        "w": K33,
    },
    "concat": {"body": "a = Concat <axis = 1> (x, x)  y = Conv (a, w)", "w": (1, 2, 3, 3)},
    "concat of positions": {
        "body": "a = Concat <axis = 2> (x, x)  y = Conv (a, w)",
        "w": K33,
    },
    "pad reflect": {
        "body": 'a = Pad <mode = "reflect"> (x, p)  y = Conv (a, w)',
        "p": [0, 0, 1, 2, 0, 0, 0, 1],
        "w": K33,
    },
    "pad edge": {
        "body": 'a = Pad <mode = "edge"> (x, p)  y = Conv (a, w)',
        "p": [0, 0, 2, 0, 0, 0, 1, 1],
        "w": K33,
    },
    "pad wrap": {
        "body": 'a = Pad <mode = "wrap"> (x, p)  y = Conv (a, w)',
        "p": [0, 0, 1, 1, 0, 0, 1, 2],
        "w": K33,
    },
    "pad axes": {
        "body": "a = Pad (x, p, , d)  y = Conv (a, w)",
        "p": [1, -1, 0, 2],
        "d": [-1, 2],
        "w": K33,
    },
    "pad opset 2": {
        "body": "a = Pad <pads = [0, 0, 1, 0, 0, 0, 0, 2]> (x)  y = Conv (a, w)",
        "opset": 9,
        "w": K33,
    },
    "slice": {
        "body": "y = Slice (x, s, e, d, t)",
        "s": [1, -1],
        "e": [5, -(2**62)],
        "d": [2, 3],
        "t": [2, -2],
    },
    "slice opset 9": {
        "body": "y = Slice <starts = [1], ends = [100], axes = [3]> (x)",
        "opset": 9,
    },
    "split": {
        "body": "a, b = Split <axis = 3> (x, s)  c = Conv (b, w)  y = Add (a, c)",
        "s": [3, 4],
        "w": (1, 1, 1, 2),
    },
    "split equal": {
        "body": "a, b = Split <axis = 2> (x)  y = Add (a, b)",
        "opset": 13,
    },
    "split into outputs": {
        "body": "a, b = Split <axis = 3, num_outputs = 2> (x)  c = Conv (a, w)  y = Add (b, c)",
        "w": (1, 1, 1, 2),
    },
    "split opset 9": {
        "body": "a, b = Split <axis = 2, split = [2, 4]> (x)  y = Conv (b, w)",
        "opset": 9,
        "w": K33,
    },
    "transpose": {"body": "a = Transpose <perm = [0, 1, 3, 2]> (x)  y = Conv (a, w)", "w": K32},
    "reshape": {
        "body": "a = Reshape (x, s)  b = ReduceSum <keepdims = 0> (a, d)  y = Conv (b, w)",
        "s": [1, 0, 3, 2, -1],
        "d": [3],
        "w": (1, 1, 2, 2),
    },
    "depth to space": {
        "body": "a = Conv (x, w)  b = DepthToSpace <blocksize = 2> (a)  y = Conv (b, v)",
        "w": (4, 1, 2, 2),
        "v": K33,
    },
    "depth to space crd": {
        "body": 'a = Conv (x, w)  b = DepthToSpace <blocksize = 2, mode = "CRD"> (a)'
        "  y = Conv (b, v)",
        "w": (4, 1, 2, 2),
        "v": K33,
    },
    "space to depth": {
        "body": "a = SpaceToDepth <blocksize = 2> (x)  y = Conv (a, w)",
        "inputs": "float[1, 1, 6, 8] x",
        "w": (1, 4, 2, 2),
    },
    "resize nearest": {
        "body": 'a = Resize <coordinate_transformation_mode = "asymmetric",'
        ' nearest_mode = "floor"> (x, , s)  y = Conv (a, w)',
        "s": np.array([1, 1, 2, 1.5], np.float32),
        "w": K33,
    },
    "resize to a size": {
        "body": "a = Resize (x, , , s)  y = Conv (a, w)",
        "s": [1, 1, 9, 4],
        "w": K33,
    },
    "resize axes": {
        "body": 'a = Resize <axes = [3], nearest_mode = "ceil"> (x, , s)  y = Conv (a, w)',
        "s": np.array([1.6], np.float32),
        "w": K33,
    },
    "resize opset 10": {
        "body": "a = Resize (x, s)  y = Conv (a, w)",
        "s": np.array([1, 1, 1.5, 2], np.float32),
        "opset": 10,
        "w": K33,
    },
    "upsample opset 9": {
        "body": "a = Upsample (x, s)  y = Conv (a, w)",
        "s": np.array([1, 1, 2, 3], np.float32),
        "opset": 9,
        "w": K33,
    },
    "upsample opset 7": {
        "body": "a = Upsample <scales = [1.0, 1.0, 2.0, 2.0]> (x)  y = Conv (a, w)",
        "opset": 7,
        "w": K33,
    },
    "reduce sum": {"body": "a = Conv (x, w)  y = ReduceSum (a, d)", "d": [3], "w": K33},
    "reduce opset 11": {"body": "y = ReduceSum <axes = [2]> (x)", "opset": 11},
    "matmul": {
        "body": "a = Flatten (x)  b = MatMul (a, m)  y = Reshape (b, s)",
        "m": (42, 1),
        "s": [1, 1, 1, 1],
    },
    "gemm": {
        "body": "a = Flatten (x)  b = Gemm <transB = 1> (a, m)  y = Unsqueeze (b, s)",
        "m": (1, 42),
        "s": [2, 3],
    },
    "einsum": {
        "body": 'y = Einsum <equation = "bchw,ck->bkhw"> (x, m)',
        "m": (1, 1),
    },
    "gather": {"body": "y = Gather <axis = 3> (x, i)", "i": [1, 3, 5]},
    "gather one": {
        "body": "a = Gather <axis = 2> (x, i)  y = Unsqueeze (a, d)",
        "i": 4,
        "d": [2],
    },
    "tile": {"body": "a = Tile (x, t)  y = Conv (a, w)", "t": [1, 1, 2, 1], "w": K33},
    "scatter into a box": {
        "body": "s = Shape (x)  a = Conv (x, w)  y = ScatterND (x, i, a)",
        "i": np.stack(
            np.meshgrid([0], [0], range(1, 5), range(2, 7), indexing="ij"), axis=-1
        ).astype(np.int64),
        "w": K33,
    },
    "nhwc": {
        "body": "a = Transpose <perm = [0, 3, 1, 2]> (x)  b = Conv (a, w)"
        "  y = Transpose <perm = [0, 2, 3, 1]> (b)",
        "inputs": "float[1, 6, 7, 1] x",
        "w": K33,
    },
    "roll": {
        "body": "a = Slice (x, s, e, d)  b = Slice (x, z, s, d)  c = Concat <axis = 3> (a, b)"
        "  y = Conv (c, w)",
        "s": [2],
        "e": [100],
        "z": [0],
        "d": [3],
        "w": K33,
    },
    "shape arithmetic": {
        "body": "s = Shape (x)  h = Gather (s, two)  k = Div (h, two)  u = Unsqueeze (k, zero)"
        "  v = Concat <axis = 0> (zero, u)  a = Slice (x, zero, u, twos)  y = Conv (a, w)",
        "two": 2,
        "twos": [2],
        "zero": [0],
        "w": K33,
    },
    "sequence": {
        "body": "q = SplitToSequence <axis = 2> (x, k)  a = SequenceAt (q, one)"
        "  b = ConcatFromSequence <axis = 2> (q)  c = Concat <axis = 2> (a, b)  y = Conv (c, w)",
        "k": 2,
        "one": 1,
        "w": K33,
    },
}


@pytest.mark.parametrize("name", COUNTED)
def test_path_counts_are_the_answers_to_impulses(name: str) -> None:
    made = model(**COUNTED[name])
    run = onnx_oracle.translated(made)
    v = run.translator.t.real(run.values["y"])
    runtime = onnx_oracle.runner(made)
    shape = tuple(d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim)
    answers = {}
    for position in itertools.product(*(range(shape[d]) for d in run.image.spatial)):
        impulse = np.zeros(shape, np.float32)
        index = [0] * len(shape)
        for d, p in zip(run.image.spatial, position, strict=True):
            index[d] = p
        impulse[tuple(index)] = 1
        answers[position] = runtime({"x": impulse})[0]
    assert v.shape == next(iter(answers.values())).shape
    for unit, elements in onnx_oracle.units_of(v).items():
        counted = eg.importance(run.net, v.map, unit).values
        for position, answer in answers.items():
            assert counted[position] == sum(answer[e] for e in elements)


# --- the standard's own examples ----------------------------------------------------------

# what an element depends on is not all that decides it, or its positions cannot be moved so
UNCOUNTED = (
    *("ArgMax", "ArgMin", "ReduceMin", "MaxUnpool"),
    *("BatchNormalization", "GroupNormalization", "Hardmax", "InstanceNormalization"),
    *("LayerNormalization", "LogSoftmax", "MeanVarianceNormalization", "RMSNormalization"),
    *("Softmax", "Acos", "Asin", "Atanh", "LpNormalization"),
)


def examples() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [case for case in collect_testcases(None) if case.model and case.data_sets]


def with_one_input(case: Any) -> tuple[onnx.ModelProto, str, np.ndarray, np.ndarray] | None:
    """An example whose inputs but the first of positions are stored in the model."""
    made = onnx.ModelProto()
    made.CopyFrom(case.model)
    inputs, outputs = case.data_sets[0]
    names = [value.name for value in made.graph.input]
    arrays = [isinstance(v, np.ndarray) for v in inputs]
    images = [
        n
        for n, v, ok in zip(names, inputs, arrays, strict=False)
        if ok and 3 <= v.ndim <= 5 and v.dtype.kind in "fui" and v.size
    ]
    if not images or not all(arrays) or not isinstance(outputs[0], np.ndarray):
        return None
    for name, value in zip(names, inputs, strict=False):
        if name != images[0]:
            made.graph.initializer.append(numpy_helper.from_array(value, name))
    kept = [value for value in made.graph.input if value.name == images[0]]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    return made, images[0], inputs[names.index(images[0])], outputs[0]


def test_the_examples_of_the_standard() -> None:
    shapes, fields, wrong = set(), set(), []
    for case in examples():
        found = with_one_input(case)
        if found is None or "_expanded" in case.name:
            continue
        made, name, image, want = found
        try:
            run = onnx_oracle.translated(made, name)
        except eg.ErfgraphError:
            continue  # said clearly; which they are, other tests say
        output = made.graph.output[0].name
        v = run.values.get(output)
        ops = {node.op_type for node in made.graph.node}
        if not isinstance(v, Traced):
            continue
        if v.shape != want.shape:
            wrong.append(f"{case.name}: {v.shape}, wanted {want.shape}")
            continue
        shapes |= ops
        if image.dtype.kind != "f" or image.size > 2000 or ops & set(UNCOUNTED):
            continue
        read = onnx_oracle.dependence(made, {name: image}, name, run.image.spatial)
        fields |= ops
        wrong += [
            f"{case.name}: {text}" for text in onnx_oracle.differences(run, output, read)[:1]
        ]
    assert wrong == []
    assert len(shapes) >= 100
    assert len(fields) >= 70


UNKNOWN = (
    *("AffineGrid", "BlackmanWindow", "Col2Im", "Compress", "CumSum"),
    *("DFT", "DeformConv", "Det", "GRU", "GatherElements"),
    *("GatherND", "GridSample", "ImageDecoder", "LSTM", "Loop"),
    *("MaxRoiPool", "MelWeightMatrix", "Multinomial", "NonMaxSuppression", "NonZero"),
    *("OneHot", "RNN", "RoiAlign", "RotaryEmbedding", "STFT"),
    *("Scan", "Scatter", "ScatterElements", "TopK", "Unique"),
)


@pytest.mark.parametrize("op", UNKNOWN)
def test_operations_that_are_not_known_are_errors(op: str) -> None:
    assert op not in TABLE
    with pytest.raises(eg.UnknownOperationError, match=f"unknown operation '{op}' at node 'y'"):
        eg.from_onnx(model(f"y = {op} (x)"))


def test_slices_are_pythons() -> None:
    for n in range(5):
        for start, stop in itertools.product(range(-6, 7), repeat=2):
            for step in (1, 2, 3):
                assert list(cut(n, start, stop, step)) == list(range(n)[start:stop:step])
            for step in (-1, -2):
                if n and start >= -n and stop >= -n - 1:
                    low = None if stop < -n else stop
                    assert list(cut(n, start, stop, step)) == list(range(n)[start:low:step])
