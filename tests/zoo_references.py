"""The zoo beyond torchvision's classifiers, against the modules that its names are those of.

Needs torch, timm and torchvision, so it is run by hand: ``pytest tests/zoo_references.py``.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import zoo

# the network, whose modules, and those that are called twice, or return what nothing else does
REFERENCES = {
    "darknet53": ("timm", r"\.drop|attn|global_pool\.|head\.flatten"),
    "hrnet_w18": ("timm", r"drop_block|\.aa$|fuse_act|global_pool\.|head_drop"),
    "swin_t": ("torchvision", r"stochastic_depth"),
    "vit_b_16": ("torchvision", r"$^"),
}
CHANNELS_LAST = re.compile(r"(?!features\.0\.0$|permute|avgpool|flatten|head)")


def reference(name: str) -> Any:
    """The module that the zoo's names are those of."""
    source = REFERENCES[name][0]
    package = pytest.importorskip(source)
    return package.create_model(name) if source == "timm" else getattr(package.models, name)()


@pytest.mark.parametrize("name", REFERENCES)
def test_names_shapes_and_channels_are_the_reference_s(name: str) -> None:
    torch = pytest.importorskip("torch")
    net = zoo.build(name, head=True)
    found: dict[str, tuple[tuple[int, ...], int]] = {}

    def shape_of(key: str, made: Any) -> tuple[tuple[int, ...], int]:
        if name.startswith("vit") and made.ndim == 3:  # a list of tokens
            return (math.isqrt(made.shape[1]),) * 2, made.shape[2]
        if made.ndim == 2:
            return (1, 1), made.shape[1]
        if name.startswith("swin") and CHANNELS_LAST.match(key):
            return tuple(made.shape[1:3]), made.shape[3]
        return tuple(made.shape[2:]), made.shape[1]

    def hook(key: str) -> Any:
        def keep(module: Any, args: Any, made: Any) -> None:
            made = made[0] if name.startswith("vit") and isinstance(made, tuple) else made
            if isinstance(made, torch.Tensor):
                found[key] = shape_of(key, made)

        return keep

    with torch.device("meta"):
        model = reference(name).eval()
        for key, module in model.named_modules():
            if key and not re.search(REFERENCES[name][1], key):
                module.register_forward_hook(hook(key))
        model(torch.zeros(1, 3, *net.input.shape))
    assert len(found) > 100
    ours = {key: (m.shape, m.channels) for key, m in net.names.items()}
    assert {key: ours.get(key) for key in found} == found


def linear(model: Any) -> Any:
    """The module without activations and norms, each layer the mean of its channels."""
    torch = pytest.importorskip("torch")
    model = model.double().eval()  # before weights are set, which float32 would round
    for module in list(model.modules()):
        for key, child in module.named_children():
            if re.match(r"(Batch|Layer)Norm|.*LU$", type(child).__name__):
                setattr(module, key, torch.nn.Identity())
    for key, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            places = 4 if key.endswith("reduction") else 1  # patch merging adds four positions
            module.weight.data.fill_(places / module.weight.shape[1])
            if module.bias is not None:
                module.bias.data.zero_()
        if hasattr(module, "qkv"):  # values as they are, neither queries nor keys
            module.qkv.weight.data[: -module.qkv.weight.shape[1]] = 0
            module.relative_position_bias_table.data.zero_()
    return model


@pytest.mark.parametrize(
    ("name", "shape", "layer", "units"),
    [
        ("darknet53", (96, 64), "stages", [(0, 0), (1, 1)]),
        ("hrnet_w18", (96, 64), "final_layer", [(1, 1)]),
        ("swin_t", (120, 152), "features", [(0, 0), (2, 2)]),
        ("swin_t", (100, 64), "features", [(3, 1)]),  # sizes that windows do not divide
    ],
)
def test_as_many_paths_as_the_reference_s_forward_has(
    name: str,
    shape: tuple[int, int],
    layer: str,
    units: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    model, net = linear(reference(name)), zoo.build(name, shape, head=True)
    # attention as a sum of what no mask hides, masks being -100
    monkeypatch.setattr(torch.nn.functional, "softmax", lambda x, dim: (x > -50).to(x))
    made: dict[str, Any] = {}
    dict(model.named_modules())[layer].register_forward_hook(
        lambda module, args, out: made.update(out=out)
    )
    for unit in units:
        x = torch.zeros(1, 3, *shape, dtype=torch.double, requires_grad=True)
        model(x)
        at = (0, *unit, 0) if name.startswith("swin") else (0, 0, *unit)
        (gradient,) = torch.autograd.grad(made["out"][at], x)
        found = eg.importance(net, layer, unit).values.astype(float)
        np.testing.assert_allclose(found, gradient[0].sum(0).numpy(), rtol=1e-9)
