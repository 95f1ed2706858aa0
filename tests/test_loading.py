"""`load`: every kind of source, and what it says where there is none."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import erfgraph as eg

SCRIPT = """
from __future__ import annotations

from dataclasses import dataclass

import erfgraph as eg


@dataclass
class Size:
    kernel: int


net = eg.Network((9,), name="of the file")
net.conv(net.input, Size(3).kernel, name="top")


def make():
    made = eg.Network((11, 11), channels=2)
    made.identity(made.conv(made.input, 3), name="relu")
    made.conv("relu", 3)
    return made


def wrong():
    return 3


def raising():
    raise RuntimeError("no\\nluck")


def refusing():
    net.conv("top", 99)


def leaving():
    raise SystemExit(5)


def with_argument(x):
    return net


number = 3
_private = net
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "models.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "net.json"
    document = {"input": [9], "channels": 2, "layers": [{"op": "conv", "kernel": 3}]}
    path.write_text(json.dumps(document))
    return path


# --- sources ---


def test_an_attribute_of_a_file(script: Path) -> None:
    net = eg.load(f"{script}:net")
    assert (net.name, net.output.name, net.output.shape) == ("of the file", "top", (7,))


def test_a_function_of_a_file_is_called(script: Path) -> None:
    assert eg.load(f"{script}:make").output.shape == (7, 7)


def test_two_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    for folder, size in (("a", 5), ("b", 6)):
        (tmp_path / folder).mkdir()
        text = f"import erfgraph as eg\ndef make(n={size}):\n    net = eg.Network(n)\n"
        (tmp_path / folder / "m.py").write_text(
            text + "    net.conv(net.input, 1)\n    return net"
        )
    sizes = [eg.load(f"{tmp_path / folder / 'm.py'}:make").input.shape for folder in "ab"]
    assert sizes == [(5,), (6,)]
    assert "m" not in sys.modules


def test_an_attribute_of_a_module(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "erfgraph_test_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    script.rename(package / "models.py")
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as a console script finds it
    monkeypatch.chdir(tmp_path)
    assert eg.load("erfgraph_test_package.models:make").output.shape == (7, 7)


def test_a_path_object(network_file: Path) -> None:
    assert eg.load(network_file).to_dict() == eg.load(str(network_file)).to_dict()


def test_a_network_is_itself() -> None:
    net = eg.load("conv7*3")
    assert eg.load(net) is net


@pytest.mark.parametrize("kind", ["file", "attribute", "network", "notation", "zoo"])
def test_shape_and_channels_of_the_caller(kind: str, script: Path, network_file: Path) -> None:
    sources: dict[str, Any] = {
        "file": network_file,
        "attribute": f"{script}:make",
        "network": eg.load("conv3 max2", channels=2),
        "notation": "conv3*2",
        "zoo": "vgg11",
    }
    own = eg.load(sources[kind])
    shape = (64, 48)
    given = eg.load(sources[kind], shape, channels=5)
    assert (given.input.shape, given.input.channels) == (shape, 5)
    assert [layer.op for layer in given.layers] == [layer.op for layer in own.layers]
    assert given.names.keys() == own.names.keys()
    only_channels = eg.load(sources[kind], channels=5)
    assert (only_channels.input.shape, only_channels.input.channels) == (own.input.shape, 5)
    only_shape = eg.load(sources[kind], input_shape=list(shape))
    assert (only_shape.input.shape, only_shape.input.channels) == (shape, own.input.channels)
    assert own.input.shape == eg.load(sources[kind]).input.shape  # the source is as it was


@pytest.mark.parametrize("source", ["conv3", "vgg11", "{file}", "{script}:make"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"channels": 0}, "channels: got 0, wanted an integer >= 1"),
        ({"channels": True}, "channels: got True, wanted"),
        ({"input_shape": 0}, "input shape: got 0, wanted 1 to 3 positive integers"),
        ({"input_shape": (9, 9, 9, 9)}, r"input shape: got \(9, 9, 9, 9\), wanted"),
        ({"input_shape": "9x9"}, "input shape: got '9x9', wanted"),
    ],
)
def test_wrong_shapes_and_channels(
    source: str, options: Any, problem: str, script: Path, network_file: Path
) -> None:
    with pytest.raises(eg.InputError, match=problem):
        eg.load(source.format(file=network_file, script=script), **options)


def test_a_given_shape_that_is_too_small_names_the_layer(script: Path, network_file: Path) -> None:
    with pytest.raises(eg.LayerError, match=r"net.json: layers\[0\].kernel: spans 3 positions"):
        eg.load(network_file, 2)
    with pytest.raises(eg.LayerError, match=r"layers\[2\].kernel: spans 3 positions on axis 0"):
        eg.load(f"{script}:make", (3, 3))


# --- the head ---


def test_only_the_zoo_has_heads(script: Path, network_file: Path) -> None:
    assert eg.load("resnet18", head=True).output.name == "fc"
    sources: list[Any] = ["conv3", network_file, str(network_file), f"{script}:net"]
    for source in [*sources, eg.load("conv3"), eg.load("resnet18"), "resnet19"]:
        with pytest.raises(
            eg.InputError, match=r"head: got True for .*; only networks of the zoo"
        ):
            eg.load(source, head=True)


# --- what there is not ---


@pytest.mark.parametrize(
    ("attribute", "problem"),
    [
        ("wrong", "got int, wanted a PyTorch module, a Keras model, a Network, or a function"),
        ("number", "got int, wanted a PyTorch module, a Keras model, a Network, or a function"),
        ("Size", r"TypeError: .*missing 1 required positional argument: 'kernel'"),
        ("raising", "models.py:raising: RuntimeError: no luck"),
        ("refusing", "conv: kernel: spans 99 positions on axis 0"),
        ("leaving", "models.py:leaving: SystemExit: 5"),
        ("with_argument", "TypeError: .*missing 1 required positional argument: 'x'"),
        ("mak", r"unknown attribute 'mak' of .*models.py; did you mean 'make'"),
        ("net2", r"unknown attribute 'net2' of .*; did you mean 'net'"),
    ],
)
def test_attributes_that_are_no_network(script: Path, attribute: str, problem: str) -> None:
    with pytest.raises(eg.InputError, match=problem):
        eg.load(f"{script}:{attribute}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def f(:\n", r"bad.py:net: SyntaxError: invalid syntax \(bad.py, line 1\)"),
        ("1/0", "bad.py:net: ZeroDivisionError: division by zero"),
        ("import erfgraph_test_nowhere", "bad.py:net: ModuleNotFoundError: No module named"),
        ("", "unknown attribute 'net' of .*bad.py"),
    ],
)
def test_files_that_do_not_run(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(eg.InputError, match=problem):
        eg.load(f"{tmp_path / 'bad.py'}:net")


def test_modules_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(eg.FileError, match=r"nope.py: no such file"):
        eg.load(f"{tmp_path}/nope.py:net")
    with pytest.raises(eg.InputError, match="erfgraph_nope:net: ModuleNotFoundError: No module"):
        eg.load("erfgraph_nope:net")
    with pytest.raises(eg.FileError, match=r"nope.toml: cannot be read: No such file"):
        eg.load(tmp_path / "nope.toml")


@pytest.mark.parametrize("source", [None, 3, b"conv3", ["conv3"], object])
def test_no_kind_of_source(source: Any) -> None:
    with pytest.raises(
        eg.InputError, match=r"source: got .*, wanted a name, a notation, a file or a model"
    ):
        eg.load(source)


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(eg.NameLookupError, match=r"unknown network 'resnet51'.*mean 'resnet50'"):
        eg.load("resnet51")
    with pytest.raises(eg.NameLookupError, match="no zoo name, notation or file"):
        eg.load("dropout")
    with pytest.raises(eg.InputError, match="notation 'resnet50 conv3', column 1: unknown layer"):
        eg.load("resnet50 conv3")


MODELS = """
import torch

model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))


def make():
    return model


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(2, 4, 5)

    def forward(self, x):
        return self.conv(x)
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "torch_models.py"
    path.write_text(MODELS)
    return path


@pytest.mark.parametrize("attribute", ["model", "make"])
def test_torch_modules(models: Path, attribute: str) -> None:
    pytest.importorskip("torch")
    net = eg.load(f"{models}:{attribute}", (16, 12))
    assert (net.input.shape, net.input.channels) == ((16, 12), 1)  # the model's own channels
    assert [m.name for m in net.maps] == ["input", "0", "2"]
    with pytest.raises(eg.InputError, match=f"{attribute}: a PyTorch module has no input shape"):
        eg.load(f"{models}:{attribute}")


def test_torch_classes_and_objects(models: Path) -> None:
    torch = pytest.importorskip("torch")
    net = eg.load(f"{models}:Net", 40)
    assert (net.input.shape, net.input.channels, net.output.name) == ((40,), 2, "conv")
    assert eg.load(torch.nn.Conv2d(5, 4, 3), (9, 9), 5).input.channels == 5
    with pytest.raises(eg.InputError, match="to have 2 channels, but got 7"):
        eg.load(f"{models}:Net", 40, channels=7)


# --- garbage ------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["conv3 res(conv3p1 conv3p1)*9 max2", "deep.json"])
def test_a_network_leaves_no_cycles(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector pauses while networks are made, which is right where it would find none."""
    monkeypatch.chdir(tmp_path)
    eg.save_network(eg.load("conv3p1*9", 9), "deep.json")
    eg.load(source)
    gc.collect()
    eg.load(source)
    assert gc.collect() == 0
    assert gc.isenabled()


def test_the_collector_runs_again_after_a_failure() -> None:
    with pytest.raises(eg.LayerError):
        eg.load("conv3*9", 3)
    assert gc.isenabled()
