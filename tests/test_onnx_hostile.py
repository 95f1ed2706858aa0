"""ONNX files that are broken, absurd or made to harm: an error of erfgraph's, soon and small."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import model, nodes

import erfgraph as eg
from erfgraph.importers import onnx_graph, onnx_wire
from erfgraph.importers.onnx_wire import lean

QUICKLY = 30.0  # seconds, with every allocation watched
SMALL = 64 << 20  # bytes
CONV = model("a = Conv <pads = [1, 1, 1, 1]> (x, w)  y = Relu (a)", w=(1, 1, 3, 3))


@contextmanager
def contained() -> Iterator[None]:
    """Neither much time nor much memory."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        yield
    finally:
        taken = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken < QUICKLY
    assert peak < SMALL


def refused(
    made: Any, match: str, kind: type[Exception] = eg.ErfgraphError, **options: Any
) -> None:
    with contained(), pytest.raises(kind, match=match):
        eg.from_onnx(made, **options)


# --- files --------------------------------------------------------------------------------


def test_files_that_are_no_models(tmp_path: Path) -> None:
    cases: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "empty"),
        "text": (b"PK\x03\x04 this is a zip", "no ONNX model"),
        "words": (b"conv7 conv7 conv7\n", "no ONNX model"),
        "zeros": (bytes(1000), "no ONNX model"),
        "ones": (b"\xff" * 1000, "no ONNX model"),
        "no graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "without operations"),
    }
    for name, (data, problem) in cases.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        with contained(), pytest.raises(eg.FileError, match=problem) as caught:
            eg.from_onnx(path)
        assert str(path) in str(caught.value)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "cannot be read: No such file", eg.FileError)
    refused(tmp_path, "cannot be read: Is a directory", eg.FileError)
    refused("a\0b.onnx", "no path of a file", eg.FileError)
    refused(3, "got int, wanted the path of an ONNX file", eg.InputError)
    if Path("/dev/zero").exists():
        refused("/dev/zero", "not an ordinary file", eg.FileError)


def test_a_file_beyond_what_a_message_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 31)  # sparse: takes no place
    refused(path, "at most 2147483647; its weights belong in a file of their own", eg.FileError)


def test_every_beginning_of_a_file(tmp_path: Path) -> None:
    data = CONV.SerializeToString()
    path = tmp_path / "cut.onnx"
    for n in range(len(data)):
        path.write_bytes(data[:n])
        try:
            net = eg.from_onnx(path)
        except eg.FileError:
            continue
        # what stands behind the graph are versions of operations that it does not have
        assert n > len(data) - 40
        assert net.output.shape == (6, 7)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_changed_bytes(data: st.DataObject) -> None:
    whole = bytearray(MIXED)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    try:
        made = onnx.ModelProto.FromString(lean(memoryview(bytes(whole))))
    except Exception:
        return  # no message; files are tried above
    with contained(), suppress(eg.ErfgraphError):
        eg.from_onnx(made, (12, 12))


MIXED = model(
    "s = Shape (x)  h = Gather <axis = 0> (s, two)  u = Unsqueeze (h, zero)"
    "  a = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w)  b = Sigmoid (a)  c = Mul (a, b)"
    "  d = Resize (c, , f)  e = Slice (x, zero, u, twos)  g = Concat <axis = 1> (d, e)"
    "  m = MaxPool <kernel_shape = [2, 2], ceil_mode = 1> (g)  t = Transpose <perm = [0, 2, 3, 1]>"
    " (m)  r = Reshape (t, q)  n = MatMul (r, v)  y = Softmax (n)",
    inputs="float[1, 2, H, W] x",
    two=2,
    zero=[0],
    twos=[2],
    w=(3, 2, 3, 3),
    f=np.array([1, 1, 2, 2], np.float32),
    q=[1, -1, 5],
    v=(5, 4),
).SerializeToString()


def test_the_model_that_is_changed_is_whole() -> None:
    assert eg.from_onnx(onnx.ModelProto.FromString(MIXED), (12, 12)).output.channels == 4


# --- weights stay in the file -------------------------------------------------------------


def test_the_numbers_of_weights_are_not_read(tmp_path: Path) -> None:
    made = model("y = Conv (x, w)", inputs="float[1, 512, 9, 9] x", w=(512, 512, 7, 7))
    path = tmp_path / "large.onnx"
    path.write_bytes(made.SerializeToString())
    assert path.stat().st_size > 40 << 20
    with contained():
        net = eg.from_onnx(path)
    assert [(m.shape, m.channels) for m in net.maps] == [((9, 9), 512), ((3, 3), 512)]


def test_external_weights_need_not_be_there(tmp_path: Path) -> None:
    made = model("y = Conv (x, w)", w=(4, 1, 3, 3))
    weight = made.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for location in ("none.bin", "../../../../etc/passwd", "/etc/passwd", "http://x/y"):
        del weight.external_data[:]
        weight.external_data.add(key="location", value=location)
        path = tmp_path / "model.onnx"
        path.write_bytes(made.SerializeToString())
        assert eg.from_onnx(path).output.shape == (4, 5)


def test_external_numbers_that_are_needed_are_not_read(tmp_path: Path) -> None:
    made = model("y = Reshape (x, s)", s=[1, 1, 42])
    shape = made.graph.initializer[0]
    shape.ClearField("raw_data")
    shape.data_location = TensorProto.EXTERNAL
    shape.external_data.add(key="location", value="../secret")
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    refused(path, "Reshape at node 'y': its sizes are not known before the model runs")


def test_a_message_that_is_lean_is_the_same_model() -> None:
    assert lean(memoryview(MIXED)) == MIXED


def test_what_is_left_out_is_what_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_wire, "LARGE", 64)
    made = onnx.ModelProto.FromString(lean(memoryview(MIXED)))
    kept = {t.name: len(t.raw_data) for t in made.graph.initializer}
    assert kept == {"two": 8, "zero": 8, "twos": 8, "w": 0, "f": 16, "q": 24, "v": 0}
    assert [list(t.dims) for t in made.graph.initializer if t.name == "w"] == [[3, 2, 3, 3]]
    assert len(made.graph.node) == len(onnx.ModelProto.FromString(MIXED).graph.node)
    monkeypatch.setattr(onnx_wire, "MOST_KEPT", 200)
    with pytest.raises(eg.FileError, match="more than 0 MiB beside its tensors' numbers"):
        lean(memoryview(MIXED))


# --- graphs -------------------------------------------------------------------------------


def test_tensors_that_nothing_makes() -> None:
    missing = "reads 'b', which neither the model's inputs nor an operation before it make"
    refused(model("y = Add (x, b)"), missing, eg.FileError)
    refused(model("a = Relu (b)  b = Relu (a)  y = Add (x, b)"), missing, eg.FileError)
    refused(model("a = Conv (x, w)  y = Add (a, b)  b = Relu (x)", w=(1, 1, 1, 1)), missing)


def test_tensors_that_are_made_twice() -> None:
    twice = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Relu", ["x"], ["y"])]
    refused(nodes(*twice), "tensor 'y' is made twice", eg.FileError)
    refused(nodes(helper.make_node("Relu", ["x"], ["x"])), "tensor 'x' is made twice")


def test_graphs_inside_graphs() -> None:
    flag = [onnx.numpy_helper.from_array(np.array(True), "c")]
    node = helper.make_node("Relu", ["x"], ["r0"])
    for k in range(28):
        info = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
        graph = helper.make_graph([node], "g", [], [info])
        node = helper.make_node("If", ["c"], [f"r{k + 1}"], then_branch=graph)
    refused(nodes(node, initializer=flag), "nested more than 24 deep", eg.FileError)


def function(name: str, calls: list[str]) -> onnx.FunctionProto:
    made, before = [], "a"
    for k, call in enumerate(calls):
        domain = "" if call == "Relu" else "own"
        made.append(helper.make_node(call, [before], [f"t{k}"], domain=domain))
        before = f"t{k}"
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], [before], made, opsets)


def with_functions(*functions: onnx.FunctionProto) -> onnx.ModelProto:
    made = nodes(helper.make_node("F0", ["x"], ["y"], domain="own"))
    made.functions.extend(functions)
    return made


def test_functions_that_call_themselves() -> None:
    refused(with_functions(function("F0", ["F0"])), "calls functions too deeply, or itself")
    both = function("F0", ["F1"]), function("F1", ["F0", "F0"])
    refused(with_functions(*both), "too deeply, or itself|more than 100000 operations")


def test_functions_that_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MOST_NODES", 10_000)
    many = [function(f"F{k}", [f"F{k + 1}"] * 10) for k in range(12)]
    refused(with_functions(*many, function("F12", ["Relu"])), "more than 10000 operations")


def test_more_operations_than_a_network_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MOST_NODES", 3)
    made = model("a = Relu (x)  b = Relu (a)  c = Relu (b)  y = Relu (c)")
    refused(made, "more than 3 operations", eg.FileError)


def test_impossible_shapes() -> None:
    for dims in ([-1, 1, 3, 3], [1 << 30, 1 << 30, 3, 3]):
        made = model("y = Conv (x, w)", w=(1, 1, 3, 3))
        del made.graph.initializer[0].dims[:]
        made.graph.initializer[0].dims.extend(dims)
        refused(made, "tensor 'w': impossible shape", eg.FileError)


def test_numbers_that_do_not_fit_their_shape() -> None:
    made = model("y = Reshape (x, s)", s=[1, 1, 42])
    made.graph.initializer[0].raw_data = b"\1\2\3"
    refused(made, "tensor 's': cannot be decoded")
    made.graph.initializer[0].data_type = 77
    refused(made, "tensor 's': cannot be decoded")


# --- bombs --------------------------------------------------------------------------------

LOTS = np.array([10**12])
BOMBS: dict[str, tuple[Any, str]] = {
    "ConstantOfShape": (
        model("a = ConstantOfShape (n)  b = Add (x, a)  y = Conv (b, w)", n=LOTS, w=(1, 1, 1, 1)),
        "cannot be broadcast|makes .* channels|expand",
    ),
    "beyond 64 bits": (
        model("a = ConstantOfShape (n)  y = Add (x, a)", n=[1 << 40, 1 << 40]),
        "a constant of impossible shape",
    ),
    "Range": (model("a = Range (o, n, i)  y = Reshape (x, a)", o=0, n=10**12, i=1), "not known"),
    "a range without end": (
        model("a = Range (o, n, i)  y = Reshape (x, a)", o=0, n=5, i=0),
        "does not fit its inputs|not known",
    ),
    "Expand": (
        model("a = Expand (x, n)  y = Conv (a, w)", n=[10**6, 10**6, 6, 7], w=(1, 1, 1, 1)),
        "makes 1000000000000 channels, wanted at most",
    ),
    "Expand of a constant": (
        model("a = Expand (o, n)  y = Reshape (x, a)", o=[1], n=[10**12]),
        "not known before the model runs",
    ),
    "Tile": (model("a = Tile (x, n)  y = Relu (a)", n=[1, 10**12, 1, 1]), "channels, wanted"),
    "Tile of positions": (model("y = Tile (x, n)", n=[1, 1, 10**9, 1]), "tiled 1000000000 times"),
    "Pad": (
        model("a = Pad (x, n)  y = Conv (a, w)", n=[0, 0, 1 << 40, 0, 0, 0, 0, 0], w=(1, 1, 1, 1)),
        "at most",
    ),
    "Pad of channels": (
        model("y = Pad (x, n)", "float[1, 2, 6, 7] x", n=[0, 1 << 40, 0, 0, 0, 0, 0, 0]),
        "wanted numbers of at most 2147483648",
    ),
    "Resize": (
        model("y = Resize (x, , f)", f=np.array([1, 1, 1e9, 1], np.float32)),
        "scales: got 1000000000.0, wanted a positive number",
    ),
    "Resize to a size": (model("y = Resize (x, , , s)", s=[1, 1, 1 << 40, 7]), "at most|limit"),
    "channels": (
        nodes(
            helper.make_node("Conv", ["x", "w"], ["y"]),
            initializer=[TensorProto(name="w", data_type=1, dims=[1 << 36, 1, 1, 1])],
        ),
        "channels and weights of shape",
    ),
    "a kernel": (
        nodes(
            helper.make_node("Conv", ["x", "w"], ["y"], pads=[1 << 30] * 4),
            initializer=[TensorProto(name="w", data_type=1, dims=[1, 1, 1 << 20, 1 << 18])],
        ),
        "at most 65536 taps",
    ),
    "a pool": (
        nodes(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1 << 62, 1 << 62])),
        "at most",
    ),
    "Gather": (
        model("y = Gather <axis = 1> (x, i)", i=np.zeros((1 << 16) + 1, np.int64)),
        "indices that depend|not known",
    ),
    "ScatterND": (
        model(
            "y = ScatterND (x, i, u)",
            inputs="float[1, 1, 60000, 60000] x",
            i=[[0, 0, 0, 0], [0, 0, 59999, 59999]],
            u=(2,),
        ),
        "other places than a box",
    ),
    "blocks": (
        nodes(helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=1 << 40)),
        "blocksize",
    ),
    "blocks of nothing": (
        nodes(helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=0)),
        "cannot be translated as it stands",
    ),
    "dilation of nothing": (
        model("y = Conv <dilations = [0, 1]> (x, w)", w=(1, 1, 3, 3)),
        "dilation: got",
    ),
    "stride of nothing": (model("y = Conv <strides = [0, 1]> (x, w)", w=(1, 1, 3, 3)), "stride"),
    "negative pads": (model("y = Conv <pads = [-1, 0, 0, 0]> (x, w)", w=(1, 1, 3, 3)), "padding"),
    "groups": (model("y = Conv <group = 0> (x, w)", w=(1, 1, 3, 3)), "in 0 groups"),
    "Split": (
        nodes(helper.make_node("Split", ["x"], ["y"], axis=2, num_outputs=10**12)),
        "1000000000000 parts of a dimension of size 6",
    ),
    "a word for a number": (
        nodes(helper.make_node("Transpose", ["x"], ["y"], perm=["a", "b", "c", "d"])),
        "cannot be translated as it stands|perm",
    ),
    "an attribute that is the row's own": (
        nodes(helper.make_node("Conv", ["x", "x"], ["y"], c=1, x=2)),
        "cannot be translated as it stands",
    ),
    "no inputs": (nodes(helper.make_node("Conv", [], ["y"])), "makes no feature map"),
    "no outputs": (nodes(helper.make_node("Relu", ["x"], [])), "Relu at node '#1' makes nothing"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    made, problem = BOMBS[name]
    refused(made, problem)


@pytest.mark.parametrize("shape", [(0, 5), (-1, 5), (1 << 40, 5), "ab", (1, 2, 3, 4, 5), 7.5])
def test_input_shapes_that_cannot_be(shape: Any) -> None:
    refused(CONV, "input.shape: got", eg.InputError, input_shape=shape)
