"""``erfgraph compare`` against the gradient."""

from __future__ import annotations

import json
import textwrap

import numpy as np
import pytest
from test_cli import call, document

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread():
    """On maps this small, threads cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


ZOO = ("compare", "res(conv3p1 conv3p1)*2", "--input", "11x11", "--channels", "8")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn

            def net():
                return nn.Sequential(
                    nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1),
                )

            made = net()
            """
        )
    )
    return path


def test_variance_is_the_mean_square_gradient(capsys):
    found = document(capsys, *ZOO, "--samples", "40", "--bootstrap", "100")
    assert found["b"]["samples"] == 40
    assert found["b"]["layer"] == found["layer"] == "add2"
    assert found["b"]["network"] == found["network"]
    assert found["groups"] == [0, 40]
    assert found["noise"]["both"] == pytest.approx(found["b"]["relative_error"], rel=0.15)
    assert found["noise_ratio"] < 1.5
    assert found["total_variation"]["low"] < 0.05
    assert [cost["memory"] for cost in found["costs"]] in (
        ["allocated", "resident"],
        ["allocated", "process"],
    )


def test_edges_are_another_measure(capsys):
    found = document(
        capsys, *ZOO, "--samples", "40", "--measure", "edges", "--bootstrap", "100"
    )  # fmt: skip
    assert found["noise_ratio"] > 2
    assert found["total_variation"]["low"] > 0.1


def test_text_names_samples_and_noise(capsys):
    status, out, err = call(capsys, *ZOO, "--samples", "6", "--bootstrap", "40")
    assert (status, err) == (0, "")
    assert "b: gradient mean_square, 6 samples" in out
    assert "95% interval" in out
    assert "times the sampling noise" in out


def test_seeds_and_until(capsys):
    first = document(capsys, *ZOO, "--until", "0.2", "--bootstrap", "20")
    assert first["b"]["relative_error"] <= 0.2
    again = document(capsys, *ZOO, "--until", "0.2", "--bootstrap", "20")
    assert {**first, "costs": 0} == {**again, "costs": 0}
    other = document(capsys, *ZOO, "--until", "0.2", "--bootstrap", "20", "--seed", "1")
    assert other["b"]["total"] != first["b"]["total"]


@pytest.mark.parametrize("attribute", ["net", "made"])
def test_a_module_of_ones_own_is_the_one_that_runs(capsys, source, attribute):
    arguments = ("compare", f"{source}:{attribute}", "--input", "9x9", "--samples", "16")
    found = document(capsys, *arguments, "--bootstrap", "50")
    assert found["init"] == "kaiming_fan_in"
    assert found["b"]["settings"]["init"] == "kaiming_fan_in"
    assert found["noise_ratio"] < 1.5
    inner = document(capsys, *arguments, "--layer", "0", "--unit", "0,0", "--bootstrap", "50")
    assert (inner["layer"], inner["unit"], inner["b"]["layer"]) == ("0", [0, 0], "0")
    assert inner["b"]["trf"]["bbox"] == [[0, 2], [0, 2]]


def test_images_without_samples_keep_the_weights(capsys, source, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(3):
        np.save(folder / f"{i}.npy", random.random((4, 9, 9)))
    arguments = ("compare", f"{source}:made", "--input", "9x9", "--images", str(folder))
    found = document(capsys, *arguments, "--bootstrap", "50", "--against", "mean_abs")
    assert (found["b"]["samples"], found["b"]["statistic"]) == (3, "mean_abs")


def test_linear_backward_passes(capsys, source):
    arguments = ("compare", f"{source}:made", "--input", "9x9", "--samples", "8")
    found = document(capsys, *arguments, "--passthrough", "relu", "--bootstrap", "20")
    assert found["b"]["settings"]["passthrough"] == ["relu"]


def test_units_must_agree(capsys, tmp_path):
    path = tmp_path / "two.py"
    path.write_text(
        "import torch\n"
        "class Two(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.one = torch.nn.Conv1d(1, 1, 3)\n"
        "    def forward(self, x):\n"
        "        return self.one(x).flatten(1)\n"
        "net = Two()\n"
    )
    status, out, err = call(capsys, "compare", f"{path}:net", "--input", "9", "--channels", "1")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "spatial axes" in err


def test_a_figure_of_samples(capsys, tmp_path):
    target, data = tmp_path / "a.svg", tmp_path / "a.npz"
    status, _, _ = call(
        capsys, *ZOO, "--samples", "4", "--bootstrap", "20", "-o", str(target), "--save", str(data)
    )
    assert status == 0
    assert "4 samples" in target.read_text()
    with np.load(data, allow_pickle=False) as found:
        assert (found["iou_low"] <= found["iou_high"]).all()
        assert json.loads(str(found["about"]))["draws"] == 20
