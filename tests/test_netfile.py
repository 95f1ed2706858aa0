"""Network files: three formats, one vocabulary, and errors that name the offending field."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import registry

import erfgraph as eg
from erfgraph import files, netfile, zoo
from erfgraph.network import LAYER_METHODS, Network

FORMATS = (".toml", ".json", ".yaml", ".yml")
QUICKLY = 5.0


def save_text(folder: Path, text: str | bytes, suffix: str = ".json") -> Path:
    path = folder / f"net{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def document(*layers: Any, **fields: Any) -> dict[str, Any]:
    return {"input": [9], "layers": list(layers)} | fields


def assert_same(net: Network, other: Network) -> None:
    assert other.to_dict() == net.to_dict()
    assert other.maps[0] is not net.maps[0]
    for a, b in zip(net.maps, other.maps, strict=True):
        assert (a.name, a.shape, a.channels, a.op) == (b.name, b.shape, b.channels, b.op)
        assert [link.src for link in a.links] == [link.src for link in b.links]
    assert {k: m.index for k, m in net.names.items()} == {
        k: m.index for k, m in other.names.items()
    }
    assert other.output.index == net.output.index


# --- round trips ---


def handmade() -> Network:
    net = Network((12, 10), channels=4, name="hand 'made' \"é\" \\ #", gates="follow")
    mask = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], dtype=bool)
    x = net.conv(net.input, np.int64(3), padding=((1, 1), (0, 2)), mask=mask, groups=2)
    net.identity(x, name="relu")
    net.identity(x)  # no name
    x = net.conv("relu", (1, 3), (np.int32(2), 1), "same", channels=8, name='it\'s: a "name"')
    gate = net.linear(net.global_pool(x), name="yes")
    x = net.gate(x, gate, name="null")
    x = net.add(x, 'it\'s: a "name"', x, name="2001-01-01")
    x = net.slice(x, start=1, step=(2, -1))
    x = net.upsample(x, size=(7, 5), mode="linear", align_corners=True)
    x = net.upsample(x, scale=(0.5, 1.5))
    x = net.max_pool(x, 2, ceil_mode=np.True_)
    net.identity("input", name="1e3")
    return net


def made_networks() -> dict[str, Network]:
    nets = {name: make() for name, make in registry.NETWORKS.items()}
    return nets | {"handmade": handmade()} | {name: zoo.build(name, head=True) for name in zoo.ZOO}


@pytest.mark.parametrize("suffix", FORMATS)
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    refused = []
    for name, net in made_networks().items():
        path = tmp_path / f"{len(name)}{suffix}"
        try:
            eg.save_network(net, path)
        except eg.FileError as error:
            assert "NoneType" in str(error)  # noqa: PT017
            refused.append(name)
            continue
        assert_same(net, eg.load(path))
    # an open end on one axis and not on the other; TOML has no null
    assert refused == (["slice_steps"] if suffix == ".toml" else [])


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_file_of_thousands_of_layers(tmp_path: Path, suffix: str) -> None:
    net = eg.load("res(conv3p1 conv3p1)*2000", 9)
    eg.save_network(net, tmp_path / f"deep{suffix}")
    assert eg.load(tmp_path / f"deep{suffix}").to_dict() == net.to_dict()


def test_the_comparison_can_fail() -> None:
    other = handmade()
    other.identity("relu", name="one more")
    with pytest.raises(AssertionError):
        assert_same(handmade(), other)


def test_a_file_without_a_name_is_called_as_the_file(tmp_path: Path) -> None:
    path = save_text(tmp_path, json.dumps(document({"op": "conv", "kernel": 3})))
    assert eg.load(path).name == "net"


def test_the_contract_s_fields_in_every_format(tmp_path: Path) -> None:
    toml = 'input = [8]\nchannels = 2\nname = "n"\n[[layers]]\nop = "conv"\nkernel = 3\n'
    yaml = "input: 8\nchannels: 2\nname: n\nlayers:\n- {op: conv, kernel: 3}\n"
    jsons = '\ufeff{"input": 8, "channels": 2, "name": "n", "layers": [{"op":"conv","kernel":3}]}'
    nets = [
        eg.load(save_text(tmp_path, text, suffix))
        for text, suffix in ((toml, ".toml"), (yaml, ".YAML"), (jsons, ".json"))
    ]
    for net in nets:
        assert (net.name, net.input.shape, net.output.shape) == ("n", (8,), (6,))
        assert (net.input.channels, net.output.channels) == (2, 2)


# a value other than the default for every parameter of every method
PARAMS: dict[str, dict[str, Any]] = {
    "conv": {
        "kernel": [3, 1],
        "stride": 2,
        "padding": [[1, 2], [0, 0]],
        "dilation": [2, 1],
        "groups": 2,
        "channels": 6,
        "padding_mode": "reflect",
        "mask": [[1], [0], [1]],
    },
    "conv_transpose": {
        "kernel": 3,
        "stride": [2, 3],
        "padding": 1,
        "dilation": 2,
        "groups": 4,
        "channels": 8,
        "padding_mode": "zeros",
        "mask": [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
        "output_padding": [1, 2],
    },
    "max_pool": {"kernel": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True},
    "avg_pool": {
        "kernel": 3,
        "stride": 2,
        "padding": "same",
        "dilation": 1,
        "ceil_mode": True,
        "count_include_pad": False,
    },
    "adaptive_pool": {"size": [3, 4]},
    "global_pool": {},
    "linear": {"channels": 10},
    "attention": {"window": 3, "shift": [1, 2], "dilation": [2, 1]},
    "identity": {"kind": "leaky_relu", "value": 0.2},
    "gate": {"inputs": ["input", "input"]},
    "upsample": {
        "scale": 1.5,
        "mode": "nearest",
        "size": None,
        "align_corners": False,
        "coordinates": "half_pixel",
        "rounding": "ceil",
    },
    "pad": {"padding": [1, 2], "mode": "symmetric"},
    "crop": {"amount": [[1, 2], [0, 1]]},
    "slice": {"start": [1, None], "stop": -1, "step": [1, 2]},
    "roll": {"shift": [-1, 3]},
    "add": {"inputs": ["input", "input"]},
    "multiply": {"inputs": ["input"]},
    "concat": {"inputs": ["input", "input", "input"], "constant": 2},
    "channel_slice": {"start": -1, "stop": None, "step": -2},
    "channel_take": {"order": [3, 0, 0]},
    "channel_shuffle": {"groups": 2},
    "channel_pool": {"channels": 2},
    "pixel_shuffle": {"block": [2, 1]},
    "pixel_unshuffle": {"block": [3, 11]},
}


@pytest.mark.parametrize("op", LAYER_METHODS)
def test_every_parameter_of_every_op(op: str) -> None:
    params = PARAMS[op]
    takes = set(inspect.signature(getattr(Network, op)).parameters) - {"self", "name"}
    assert takes - {"x", "xs", "factor"} == set(params) - {"inputs"}
    called = Network((9, 11), channels=4)
    inputs = params.get("inputs", ["input"])
    getattr(called, op)(*inputs, **{k: v for k, v in params.items() if k != "inputs"}, name="n")
    row = {"op": op, "name": "n"} | params
    built = netfile.build({"input": [9, 11], "channels": 4, "layers": [row]})
    assert_same(called, built)


def test_inputs_default_to_the_layer_before() -> None:
    rows = [
        {"op": "conv", "kernel": 3, "name": "a"},
        {"op": "identity", "name": "b"},
        {"op": "conv", "kernel": 3},
        {"op": "conv", "kernel": 3, "inputs": "input"},
        {"op": "conv", "kernel": 1, "inputs": ["b"]},
    ]
    net = netfile.build(document(*rows))
    assert [[link.src for link in m.links] for m in net.maps] == [[], [0], [1], [0], [1]]


def test_shape_and_channels_in_place_of_the_file_s() -> None:
    net = netfile.build(document({"op": "conv", "kernel": 3}), shape=(7, 8), channels=5)
    assert (net.output.shape, net.output.channels) == ((5, 6), 5)


# --- errors name the field ---

CONV = {"op": "conv", "kernel": 3}
WANTED = {
    "unknown op": ([CONV, {"op": "cnv"}], r"layers\[1\].op: unknown layer 'cnv'; did you mean"),
    "private op": ([{"op": "__init__"}], r"layers\[0\].op: unknown layer '__init__'"),
    "no op": ([{"kernel": 3}], r"layers\[0\].op: missing; a layer needs it"),
    "op is a number": ([{"op": 3}], r"layers\[0\].op: expected `str`, got `int`"),
    "unknown parameter": (
        [CONV, CONV, CONV, CONV | {"kernal": 3}],
        r"layers\[3\].kernal: unknown field of conv 'kernal'; did you mean 'kernel'",
    ),
    "missing kernel": ([CONV, {"op": "conv"}], r"layers\[1\].kernel: missing; conv needs it"),
    "bool": (
        [CONV | {"kernel": True}],
        r"layers\[0\].kernel: expected `int \| array`, got `bool`",
    ),
    "float": ([CONV | {"kernel": 3.5}], r"layers\[0\].kernel: expected .* got `float`"),
    "whole float": ([CONV | {"kernel": 3.0}], r"layers\[0\].kernel: expected .* got `float`"),
    "string": ([CONV | {"kernel": "3"}], r"layers\[0\].kernel: expected .* got `str`"),
    "null": ([CONV | {"kernel": None}], r"layers\[0\].kernel: expected .* got `null`"),
    "object": ([CONV | {"kernel": {}}], r"layers\[0\].kernel: expected .* got `object`"),
    "one of a list": ([CONV | {"kernel": [3, "a"]}], r"layers\[0\].kernel\[1\]: expected `int`"),
    "int for bool": (
        [{"op": "max_pool", "kernel": 2, "ceil_mode": 1}],
        r"layers\[0\].ceil_mode: expected `bool`, got `int`",
    ),
    "too many axes": (
        [CONV | {"kernel": [3, 3]}],
        r"layers\[0\].kernel: got \[3, 3\], wanted an integer >= 1, or 1 of them",
    ),
    "shapes": (
        [CONV, {"op": "add", "inputs": ["conv1", "input"]}],
        r"layers\[1\].inputs: spatial shapes differ: \(7,\), \(9,\); reads 'conv1' of shape \(7",
    ),
    "gate": (
        [CONV, {"op": "gate", "inputs": ["input", "conv1"]}],
        r"layers\[1\].inputs: shape \(7,\) cannot be broadcast to \(9,\)",
    ),
    "kernel too large": (
        [CONV | {"kernel": 12, "padding": 1, "name": "it's"}],
        r"layers\[0\].kernel: spans 12 positions on axis 0, but the padded input has 11",
    ),
    "dangling": (
        [CONV | {"name": "stem"}, CONV | {"inputs": ["stm"]}],
        r"layers\[1\].inputs\[0\]: unknown layer 'stm'; did you mean 'stem'",
    ),
    "dangling text": ([CONV | {"inputs": "inpt"}], r"layers\[0\].inputs: .* mean 'input'"),
    "later": (
        [CONV | {"inputs": "b"}, CONV | {"name": "b"}],
        r"layers\[0\].inputs: 'b' is made only by layers\[1\].*no cycles",
    ),
    "itself": (
        [CONV | {"name": "a", "inputs": "a"}],
        r"layers\[0\].inputs: 'a' is made only by layers\[0\].*no cycles",
    ),
    "name twice": ([CONV | {"name": "a"}] * 2, r"layers\[1\].name: 'a' is taken already"),
    "name of the input": ([CONV | {"name": "input"}], r"layers\[0\].name: 'input' is taken"),
    "empty name": ([CONV | {"name": ""}], r"layers\[0\].name: got '', wanted a string"),
    "name is a number": ([CONV | {"name": 5}], r"layers\[0\].name: expected `str \| null`"),
    "two inputs": ([CONV | {"inputs": ["input"] * 2}], r"layers\[0\].inputs: got 2, conv wants 1"),
    "no inputs": ([CONV | {"inputs": []}], r"layers\[0\].inputs: got 0, conv wants 1"),
    "add of none": ([{"op": "add", "inputs": []}], r"layers\[0\].inputs: got no feature map"),
    "gate of one": ([{"op": "gate"}], r"layers\[0\].inputs: got 1, gate wants 2"),
    "empty": ([], "layers: is empty, wanted at least one layer"),
    "a layer is a number": ([3], r"layers\[0\]: expected `object`, got `int`"),
    "a key is a number": ([CONV | {3: 4}], r"layers\[0\]: a key: expected `str`"),
    "negative": ([CONV | {"padding": -1}], r"layers\[0\].padding: got -1, wanted an integer >= 0"),
    "zero": ([CONV | {"stride": 0}], r"layers\[0\].stride: got 0, wanted an integer >= 1"),
    "mode": ([CONV | {"padding_mode": "zero"}], r"layers\[0\].padding_mode: got 'zero', wanted"),
    "mask": ([CONV | {"mask": [1, 0]}], r"layers\[0\].mask: got \(2,\), wanted the kernel's"),
    "groups": ([CONV | {"groups": 2}], r"layers\[0\].groups: 2 does not divide 1 input and 1"),
    "scale and size": ([{"op": "upsample"}], r"layers\[0\].scale: got scale=None and size=None"),
    "nan": ([{"op": "upsample", "scale": float("nan")}], r"layers\[0\].scale: got nan, wanted"),
    "infinity": ([{"op": "upsample", "scale": float("inf")}], r"layers\[0\].scale: got inf, want"),
}


@pytest.mark.parametrize(("layers", "problem"), WANTED.values(), ids=WANTED)
def test_a_wrong_layer_is_located(layers: list[Any], problem: str) -> None:
    with pytest.raises(eg.InputError, match=f"^{problem}"):
        netfile.build(document(*layers))


@pytest.mark.parametrize("number", [10**30, 2**62, -(10**30)])
@pytest.mark.parametrize(
    ("op", "key"),
    [
        (op, key)
        for op, params in PARAMS.items()
        for key, value in params.items()
        if key not in ("inputs", "mask") and not isinstance(value, str | bool)
        if op not in ("slice", "channel_slice")  # which may end anywhere
        if key not in ("order", "value")  # a list; any number
    ],
)
def test_numbers_beyond_any_axis(op: str, key: str, number: int) -> None:
    params = PARAMS[op] | {key: number}
    if (op, key) == ("upsample", "size"):
        params["scale"] = None
    start = time.perf_counter()
    with pytest.raises(eg.LayerError, match=rf"^layers\[0\].{key}: got {number}, wanted"):
        netfile.build({"input": [9, 9], "channels": 4, "layers": [{"op": op} | params]})
    assert time.perf_counter() - start < QUICKLY


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"input": [1, 2, 3, 4]},
            r"input: input shape: got \[1, 2, 3, 4\], wanted 1 to 3 positive",
        ),
        ({"input": []}, r"input: input shape: got \[\], wanted"),
        ({"input": 0}, "input: input shape: got 0, wanted"),
        ({"input": [9, -1]}, r"input: input shape: got \[9, -1\], wanted"),
        ({"input": 10**30}, "input: input shape: got 10{30}, wanted"),
        ({"input": 2**62}, "input: input shape: got 4611686018427387904, wanted"),
        ({"input": True}, r"input: expected `int \| array`, got `bool`"),
        ({"input": 9.5}, r"input: expected `int \| array`, got `float`"),
        ({"input": ["9"]}, r"input\[0\]: expected `int`, got `str`"),
        ({"input": None}, "input: expected .* got `null`"),
        ({"layers": {}}, "layers: expected `array`, got `object`"),
        ({"channels": 0}, "channels: got 0, wanted an integer >= 1"),
        ({"channels": "3"}, "channels: expected `int`, got `str`"),
        ({"gates": "x"}, "gates: got 'x', wanted one of"),
        ({"name": 3}, r"name: expected `str \| null`, got `int`"),
        ({"layer": []}, "layer: unknown field of a network file 'layer'; did you mean 'layers'"),
        ({2: 3}, "file: a key: expected `str`"),
    ],
)
def test_a_wrong_field_is_located(fields: dict[Any, Any], problem: str) -> None:
    with pytest.raises(eg.InputError, match=f"^{problem}"):
        netfile.build(document(CONV) | fields)


@pytest.mark.parametrize("field", ["input", "layers"])
def test_a_missing_field_is_located(field: str) -> None:
    rest = {k: v for k, v in document(CONV).items() if k != field}
    with pytest.raises(eg.InputError, match=f"^{field}: missing; a network file needs it$"):
        netfile.build(rest)


def test_a_shape_of_the_caller_is_not_blamed_on_the_file() -> None:
    with pytest.raises(eg.InputError, match=r"^input shape: got 0, wanted"):
        netfile.build(document(CONV), shape=0)


# --- texts that are no network ---

DEEP = '{"input": 9, "layers": ' + "[" * 100_000 + "]" * 100_000 + "}"
LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in itertools.pairwise("abcdefghijklmnop")
)
TEXTS = {
    "json empty": (".json", "", "not JSON: Input data was truncated"),
    "json broken": (".json", '{"input": 9,\n "layers": [}', r"not JSON: .*\(byte 25\)"),
    "json list": (".json", "[]", "file: expected `object`, got `array`"),
    "json deep": (".json", DEEP, "nested too deeply"),
    "json NaN": (".json", '{"input": NaN}', r"not JSON: .*\(byte 10\)"),
    "json Infinity": (".json", '{"input": Infinity}', r"not JSON: .*\(byte 10\)"),
    "json 1e999": (".json", '{"input": 1e999}', "not JSON: Number out of range"),
    "json utf-8": (".json", b'{"input": "\xff"}', r"not UTF-8 text \(byte 11\)"),
    "toml empty": (".toml", "", "input: missing; a network file needs it"),
    "toml broken": (".toml", "input = 9\nlayers = [[", r"not TOML: Invalid value"),
    "toml place": (".toml", "input = 9\nlayers == 3", r"not TOML: .*line 2, column 9"),
    "toml twice": (".toml", "input = 9\ninput = 8\n", "not TOML: Cannot overwrite a value"),
    "toml deep": (".toml", "x = " + "[" * 100_000, "nested too deeply"),
    "toml digits": (".toml", "input = " + "9" * 5000, "not TOML: Exceeds the limit"),
    "toml date": (".toml", "input = 1979-05-27\nlayers = []", "input: expected .* got `date`"),
    "yaml empty": (".yaml", "", "file: expected `object`, got `null`"),
    "yaml broken": (".yaml", "input: 9\nlayers: [", "not YAML: .*line [23], column"),
    "yaml tab": (".yaml", "input: 9\n\tlayers: 3", "not YAML: .*line 2, column"),
    "yaml two": (".yaml", "a: 1\n---\nb: 2", "not YAML: expected a single document"),
    "yaml key": (".yaml", "? [a]\n: b", "not YAML: .*unhashable key"),
    "yaml alias": (".yaml", "a: &a [1]\nb: *a", r"not YAML: line 2: aliases \(\*a\) are not"),
    "yaml laughs": (".yaml", LAUGHS, r"not YAML: line 2: aliases \(\*a\) are not taken"),
    "yaml deep": (".yaml", "[" * 100_000, "nested deeper than 64|maximum nesting depth"),
    "yaml deep blocks": (".yaml", "- " * 50_000 + "x", "nested deeper than 64 levels"),
    "yaml bool key": (".yaml", "true: 3", "file: a key: expected `str`"),
    "yaml bool tag": (".yaml", "input: !!bool x", "line 1: tags .*bool.* are not taken"),
    "yaml time tag": (".yaml", "a: 1\nb: !!timestamp x", "line 2: tags .*timestamp.* are not"),
    "yaml date": (".yaml", "input: 2001-13-45", "not YAML: month must be in 1..12"),
    "yaml control": (".yaml", "\x07", "not YAML: unacceptable character"),
}


@pytest.mark.parametrize(("suffix", "text", "problem"), TEXTS.values(), ids=TEXTS)
def test_broken_text(tmp_path: Path, suffix: str, text: str | bytes, problem: str) -> None:
    path = save_text(tmp_path, text, suffix)
    start = time.perf_counter()
    with pytest.raises(eg.InputError, match=problem) as caught:
        eg.load(path)
    assert time.perf_counter() - start < QUICKLY
    assert str(caught.value).startswith(f"{path}: ")


def test_yaml_runs_nothing(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    call = f'!!python/object/apply:pathlib.Path.touch ["{witness}"]'
    path = save_text(tmp_path, f"input: {call}\nlayers: []", ".yaml")
    with pytest.raises(eg.FileError, match=r"tags .*python/object/apply.* are not taken"):
        eg.load(path)
    assert not witness.exists()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(eg.FileError, match=r"nope.json: cannot be read: No such file"):
        eg.load(tmp_path / "nope.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(eg.FileError, match=r"folder.json: cannot be read: Is a directory"):
        eg.load(tmp_path / "folder.json")
    with pytest.raises(eg.FileError, match=r"net.txt: got suffix '.txt', wanted .toml or .json"):
        netfile.load_file(tmp_path / "net.txt")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_TEXT", 4)
    with pytest.raises(eg.FileError, match="larger than 0 MiB"):
        eg.load(save_text(tmp_path, "     "))


# --- saving whole or not at all ---


@pytest.mark.parametrize("suffix", FORMATS)
def test_saving_leaves_one_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_text("old")
    eg.save_network(handmade(), path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert_same(handmade(), eg.load(path))


def test_saving_where_nothing_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = handmade()
    with pytest.raises(eg.FileError, match=r"the folder '.*nowhere' does not exist"):
        eg.save_network(net, tmp_path / "nowhere" / "net.json")
    with pytest.raises(eg.FileError, match=r"got suffix '.txt', wanted .toml or .json or"):
        eg.save_network(net, tmp_path / "net.txt")
    with pytest.raises(eg.FileError, match="no path of a file"):
        eg.save_network(net, tmp_path / "a\0.json")
    monkeypatch.setattr(files.os, "access", lambda _, mode: mode != os.W_OK)  # not for root
    with pytest.raises(eg.FileError, match=r"the folder '.*' cannot be written"):
        eg.save_network(net, tmp_path / "net.json")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text("old")

    def fail(file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(eg.FileError, match=r"net.json: cannot be written: No space left"):
        files.write_whole(path, fail)
    with pytest.raises(KeyboardInterrupt):
        files.write_whole(path, lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert [p.name for p in tmp_path.iterdir()] == ["net.json"]
    assert path.read_text() == "old"


def test_what_a_format_cannot_say_is_refused(tmp_path: Path) -> None:
    net = registry.NETWORKS["slice_steps"]()
    with pytest.raises(eg.FileError, match=r"net.toml: cannot be written as TOML: .*NoneType"):
        eg.save_network(net, tmp_path / "net.toml")
    assert list(tmp_path.iterdir()) == []
    assert msgspec.json.decode(msgspec.json.encode(net.to_dict())) == net.to_dict()
