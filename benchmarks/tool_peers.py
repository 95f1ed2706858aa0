"""The tools for receptive fields that can be run: one small function each, one row in `tools`.

A function is given a network and the side of a square input, and answers for the columns of the
network's last feature map, with pixel centres at whole numbers. It raises `NotGivenError` where
the tool has no such number by design; any other error is the tool's own refusal.
"""

from __future__ import annotations

import importlib.util
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import erfgraph as eg
from benchmarks import tool_truth


@dataclass(frozen=True)
class Answer:
    """Size, stride, and centre of the first unit's field; None for what the tool does not give."""

    size: float | None = None
    stride: float | None = None
    start: float | None = None


class NotGivenError(Exception):
    """The tool has no such number; says what it has instead."""


Ask = Callable[[nn.Module, int], Answer]


@dataclass(frozen=True)
class Tool:
    """A row: who is asked, what it gives, and what it needs to be asked."""

    name: str
    ask: Ask
    gives: str
    needs: str
    package: str = ""  # on the package index
    file: Path | None = None  # or in a clone

    def version(self) -> str | None:
        """None where it is not installed."""
        if self.file is not None:
            return "clone" if self.file.is_file() else None
        if not self.package:
            return ""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None

    def licence(self) -> str:
        """As the package's metadata say it."""
        if not self.package:
            return ""
        known = metadata.metadata(self.package)
        written = known.get("License-Expression") or known.get("License") or ""
        classified = [text.split(" :: ")[-1] for text in licences(known)]
        title = written.strip().partition("\n")[0]
        short = textwrap.shorten(title, 30, placeholder=" …") or "UNKNOWN"
        return short if short != "UNKNOWN" else "; ".join(classified) or "none in its metadata"


def licences(known: Any) -> Iterator[str]:
    return (text for text in known.get_all("Classifier", []) if text.startswith("License ::"))


# --- ours ---------------------------------------------------------------------------------


def ours(module: nn.Module, side: int) -> Answer:
    rf = eg.receptive_fields(eg.from_torch(module, (3, side, side)))[-1]
    return Answer(rf.size[1], rf.stride[1], rf.start[1])


# --- PyTorch by hand ----------------------------------------------------------------------


def box(gradient: Tensor) -> Answer:
    """The size of what is not zero in a map of shape (..., side, side)."""
    columns = (gradient.reshape(-1, gradient.shape[-1]) != 0).any(0).nonzero()
    return Answer(int(columns.max() - columns.min()) + 1 if len(columns) else 0)


def autograd(module: nn.Module, side: int) -> Answer:
    """One gradient of the network as it is, at one image of noise."""
    x = torch.randn(1, 3, side, side, requires_grad=True)
    y = module(x)
    middle = y[0, :, y.shape[2] // 2, y.shape[3] // 2].sum()
    return box(torch.autograd.grad(middle, x)[0])


def captum(module: nn.Module, side: int) -> Answer:
    from captum.attr import NeuronGradient

    def middle(y: Tensor) -> Tensor:
        return y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum(1)

    x = torch.randn(1, 3, side, side)
    return box(NeuronGradient(module, module).attribute(x, neuron_selector=middle))


# --- from the package index ---------------------------------------------------------------


class Remembering(nn.Module):
    """What `receptivefield` wants of a network: its feature maps in a list."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        self.feature_maps = [self.module(x)]
        return self.feature_maps[0]


def receptivefield(module: nn.Module, side: int) -> Answer:
    from receptivefield.pytorch import PytorchReceptiveField

    (found,) = PytorchReceptiveField(lambda: Remembering(module)).compute((side, side, 3))
    # its offset is a centre, in pixel edges
    return Answer(int(found.rf.size.w), float(found.rf.stride[0]), found.rf.offset[0] - 0.5)


def receptivefield_prepared(module: nn.Module, side: int) -> Answer:
    """The same, the network made linear and positive as its README suggests."""
    return receptivefield(tool_truth.positive(module), side)


def rfa_toolbox(module: nn.Module, side: int) -> Answer:
    import collections.abc

    vars(collections).setdefault("Sequence", collections.abc.Sequence)  # gone since Python 3.10
    from rfa_toolbox import create_graph_from_pytorch_model

    last = create_graph_from_pytorch_model(module, input_res=(1, 3, side, side))
    widest = max(last.receptive_field_info, key=lambda info: np.max(info.receptive_field))
    return Answer(int(np.max(widest.receptive_field)), float(np.ravel(widest.multiplicator)[-1]))


def torchscan(module: nn.Module, side: int) -> Answer:
    from torchscan import crawl_module

    last = crawl_module(module, (3, side, side))["layers"][-1]
    if "rf" not in last:  # 0.2: every module's own window
        raise NotGivenError("the window of each module alone")
    return Answer(last["rf"], last["s"], (last["rf"] - 1) / 2 - last["p"])


def rf_calc(module: nn.Module, side: int) -> Answer:
    from rf_calc import receptive_field

    table = receptive_field(module, side)
    return Answer(int(table["Receptive_field"].iloc[-1].split("*")[0]))


def openerf(module: nn.Module, side: int) -> Answer:
    """Runs on a folder of images; its preprocessing chooses the side."""
    from openerf import compute_erf
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    last = list(dict(module.named_children()))[-1]
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(noise).save(Path(folder) / "noise.png")
        found = compute_erf(
            module, image_dir=folder, target_layer=last, device="cpu", show_progress=False
        )
    raise NotGivenError(f"a map, here {found.erf_map.shape[0]} × {found.erf_map.shape[1]}")


# --- from clones --------------------------------------------------------------------------


def loaded(file: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"cloned_{file.stem}", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def easy_receptive_fields(file: Path, module: nn.Module, side: int) -> Answer:
    found = loaded(file).receptivefield(module, (1, 3, side, side))
    size = found.rfsize.w
    return Answer(size, found.stride.x, found.offset.x + (size - 1) / 2)


def pytorch_receptive_field(file: Path, module: nn.Module, side: int) -> Answer:
    rows = loaded(file).receptive_field(module, (3, side, side), device="cpu")
    last = [row for key, row in rows.items() if key != "input_size"][-1]
    if not last["r"]:  # what it writes once it met a transposed convolution
        raise NotGivenError("0, for all that follows a transposed convolution")
    return Answer(last["r"], last["j"], last["start"] - 0.5)


# --- table --------------------------------------------------------------------------------


def tools(clones: Path) -> tuple[Tool, ...]:
    """Everyone who is asked, erfgraph first."""
    easy = clones / "easy-receptive-fields-pytorch" / "receptivefield.py"
    hooks = clones / "pytorch-receptive-field" / "torch_receptive_field" / "receptive_field.py"
    full, large = "size, stride, centre", "an input larger than the field"
    return (
        Tool("erfgraph", ours, f"{full} of every map; maps, ERF", "known operations", "erfgraph"),
        Tool("PyTorch by hand, as it is", autograd, "a map", large, "torch"),
        Tool(
            "PyTorch by hand, made positive",
            lambda module, side: autograd(tool_truth.positive(module), side),
            "a map",
            f"{large}; layers replaced",
            "torch",
        ),
        Tool("Captum, NeuronGradient", captum, "a map", large, "captum"),
        Tool(
            "easy-receptive-fields-pytorch",
            partial(easy_receptive_fields, easy),
            f"{full} of the last map",
            large,
            file=easy,
        ),
        Tool(
            "receptivefield, as it is",
            receptivefield,
            f"{full} of chosen maps; a map",
            f"{large}; the module keeps its maps",
            "receptivefield",
        ),
        Tool(
            "receptivefield, made positive",
            receptivefield_prepared,
            f"{full} of chosen maps; a map",
            "the same; layers replaced",
            "receptivefield",
        ),
        Tool(
            "rfa-toolbox",
            rfa_toolbox,
            "smallest and largest size, stride, of every layer; layers that do nothing",
            "Python below 3.11; made to run here, see below",
            "rfa-toolbox",
        ),
        Tool(
            "pytorch-receptive-field",
            partial(pytorch_receptive_field, hooks),
            f"{full} of every module",
            "a chain of known modules",
            file=hooks,
        ),
        Tool("rf-calc", rf_calc, "size of every layer", "a chain of modules", "rf-calc"),
        Tool(
            "torchscan",
            torchscan,
            "the window of each module; in 0.1 size, stride, padding",
            "modules",
            "torchscan",
        ),
        Tool("openerf", openerf, "a map, the ERF", "images; here one of noise, 224²", "openerf"),
    )


@contextmanager
def silence() -> Iterator[None]:
    """Nothing of what tools print, log or warn of."""
    import contextlib
    import io
    import logging
    import warnings

    with ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield
