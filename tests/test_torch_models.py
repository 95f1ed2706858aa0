"""Published models, small, against autograd through their own forward."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from module_oracle import collapsed, counted
from modules import check_shapes

import erfgraph as eg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of these packages about themselves
    torch = pytest.importorskip("torch")
    hf = pytest.importorskip("transformers")
    nets = pytest.importorskip("monai.networks.nets")

STAGES = {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]}
EMBEDDED = {"embedding_size": 8, **STAGES}
ALL_STAGES = {**STAGES, "out_features": ["stage1", "stage2", "stage3", "stage4"]}
TOKENS = {"image_size": 64, "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 2}
VIT = {**TOKENS, "intermediate_size": 32}
LEVELS = (4, 8, 16)

# name: (model, input shape, the module that is compared, if not the model itself)
MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...], str | None]] = {}


def of_hf(
    name: str, config: str, layer: str | None = None, size: int = 64, **options: Any
) -> None:
    def make() -> Any:
        return getattr(hf, name)(getattr(hf, config)(**options))

    kind = options.get("layer_type", "")
    MODELS[f"{name} {kind}".strip()] = make, (3, size, size), layer


def of_monai(name: str, shape: tuple[int, ...], *args: Any, **options: Any) -> None:
    def make() -> Any:
        return getattr(nets, name)(*args, **options)

    MODELS[f"{name} {len(shape) - 1}d"] = make, shape, None


of_hf("ResNetModel", "ResNetConfig", "encoder", **EMBEDDED)
of_hf("ResNetForImageClassification", "ResNetConfig", **EMBEDDED, layer_type="bottleneck")
of_hf("RegNetModel", "RegNetConfig", "encoder", **EMBEDDED, groups_width=8)
of_hf("RegNetModel", "RegNetConfig", "encoder", **EMBEDDED, groups_width=8, layer_type="x")
of_hf("ConvNextForImageClassification", "ConvNextConfig", **STAGES)
of_hf("ConvNextV2Model", "ConvNextV2Config", "encoder", **STAGES)
of_hf("MobileNetV1Model", "MobileNetV1Config", depth_multiplier=0.25)
of_hf("MobileNetV2ForSemanticSegmentation", "MobileNetV2Config", depth_multiplier=0.35)
of_hf(
    "EfficientNetModel",
    "EfficientNetConfig",
    width_coefficient=0.25,
    depth_coefficient=0.5,
    hidden_dim=320,
)
of_hf("SegformerForSemanticSegmentation", "SegformerConfig", **STAGES, decoder_hidden_size=16)
of_hf("PoolFormerModel", "PoolFormerConfig", **STAGES)
of_hf(
    "BitModel",
    "BitConfig",
    embedding_size=8,
    hidden_sizes=[32, 32, 32, 32],
    depths=[1, 1, 1, 1],
    num_groups=8,
)
of_hf("PvtV2ForImageClassification", "PvtV2Config", **STAGES, num_attention_heads=[1, 1, 2, 2])
of_hf("PvtForImageClassification", "PvtConfig", image_size=64)
of_hf("LevitForImageClassification", "LevitConfig", image_size=64)
of_hf(
    "FocalNetForImageClassification",
    "FocalNetConfig",
    image_size=64,
    embed_dim=12,
    depths=[1, 1],
    focal_levels=[2, 2],
    focal_windows=[3, 3],
)
of_hf(
    "MobileViTForImageClassification",
    "MobileViTConfig",
    image_size=64,
    hidden_sizes=[16, 16, 16],
    neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16],
    num_attention_heads=2,
)
of_hf("TextNetModel", "TextNetConfig")
of_hf("RTDetrResNetBackbone", "RTDetrResNetConfig", **EMBEDDED)
of_hf("ViTForImageClassification", "ViTConfig", **VIT)
of_hf("DeiTForImageClassificationWithTeacher", "DeiTConfig", **VIT)
of_hf("BeitForImageClassification", "BeitConfig", **VIT)
of_hf("IJepaForImageClassification", "IJepaConfig", **VIT)
of_hf(
    "Dinov2WithRegistersForImageClassification",
    "Dinov2WithRegistersConfig",
    size=56,
    **{**TOKENS, "image_size": 56},
)
of_hf("VitDetModel", "VitDetConfig", **TOKENS, pretrain_image_size=64)


def upernet() -> Any:
    backbone = hf.ConvNextConfig(**ALL_STAGES)
    config = hf.UperNetConfig(backbone_config=backbone, hidden_size=16, use_auxiliary_head=False)
    return hf.UperNetForSemanticSegmentation(config)


MODELS["UperNetForSemanticSegmentation"] = upernet, (3, 64, 64), None

for n in (1, 2, 3):
    size = {1: 64, 2: 32, 3: 16}[n]
    shape = (1, *[size] * n)
    of_monai("UNet", shape, n, 1, 2, LEVELS, (2, 2), num_res_units=2)
    of_monai("AttentionUnet", shape, n, 1, 2, LEVELS, (2, 2))
    of_monai("RegUNet", shape, n, 1, 2, 2)
    of_monai("AutoEncoder", shape, n, 1, 1, (4, 8), (2, 2))
for n in (2, 3):
    size = {2: 32, 3: 16}[n]
    shape = (1, *[size] * n)
    of_monai("DynUNet", shape, n, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2])
    of_monai("SegResNet", shape, n, 8, 1, 2)
    of_monai("VNet", shape, n, 1, 2)
of_monai("BasicUNet", (1, 64), 1, 1, 2, (4, 4, 8, 8, 8, 4))
of_monai("BasicUNetPlusPlus", (1, 32, 32), 2, 1, 2, (4, 4, 8, 8, 8, 4))
of_monai("SegResNetDS", (1, 32, 32), 2, 8, 1, 2)
of_monai("HighResNet", (1, 8, 8, 8), 3, 1, 2)
of_monai("MedNeXt", (1, 32, 32), 2, 4, 1, 2)
of_monai("AHNet", (1, 128, 128), spatial_dims=2, in_channels=1, out_channels=2)
of_monai("Discriminator", (1, 32, 32), (1, 32, 32), (4, 8), (2, 2))
of_monai("SEResNet50", (1, 32, 32), spatial_dims=2, in_channels=1, num_classes=2)
DENSE = {"init_features": 8, "growth_rate": 4, "block_config": (2, 2, 2)}
for n, size in ((1, 64), (3, 32)):
    of_monai("DenseNet", (1, *[size] * n), n, 1, 2, **DENSE)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Convolutions of few channels are many times slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(make: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return make()


def equal_to_autograd(
    net: eg.Network, module: Any, shape: tuple[int, ...], layer: str | None = None
) -> None:
    """Compare both readings: to the last digit, or to the twelfth past what floats can hold."""
    for count, channels in ((collapsed, "collapse"), (counted, "count")):
        found = eg.importance(net, channels=channels).values
        try:
            np.testing.assert_array_equal(found, count(module, shape, layer=layer))
        except OverflowError:
            expected = count(module, shape, layer=layer, exact=False)
            np.testing.assert_allclose(found.astype(float), expected, rtol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_paths_and_shapes(name: str) -> None:
    make, shape, layer = MODELS[name]
    module = made(make)
    net = eg.from_torch(module, shape, layer=layer)
    equal_to_autograd(net, module, shape, layer)
    if layer is None and net.output.shape[-1] > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_shapes(module, shape, net, every=False)


# --- Swin, whose masks the oracle does not read, by brute force -----------------------------


def sees(size: int, window: int, shift: int) -> np.ndarray:
    """Along one axis: which position of the shifted windows sees which."""
    i = np.arange(size)
    place = (i - shift) % size
    same = place[:, None] // window == place[None] // window
    wrapped = place > i  # these stand behind the seam of the roll
    return (same & (wrapped[:, None] == wrapped[None])).astype(object)


def swin_paths(size: int, depths: list[int], window: int, patch: int) -> np.ndarray:
    """Paths from every input position to every position of the last map, row by row."""

    def gathered(n: int, k: int) -> np.ndarray:
        along = np.repeat(np.eye(n, dtype=int), k, axis=1).astype(object)
        return np.kron(along, along)

    size //= patch
    paths = gathered(size, patch)
    for stage, depth in enumerate(depths):
        if stage:
            size //= 2
            paths = gathered(size, 2) @ paths
        for block in range(depth):
            shift = window // 2 if block % 2 and size > window else 0
            along = sees(size, min(window, size), shift)
            paths = paths + np.kron(along, along) @ paths  # attention beside the skip
            paths = 2 * paths  # the feed-forward layer beside its own
    return paths


@pytest.mark.parametrize("kind", ["Swin", "Swinv2"])
def test_shifted_windows_by_brute_force(kind: str) -> None:
    options = {"image_size": 32, "patch_size": 2, "embed_dim": 12, "window_size": 4}
    config = getattr(hf, f"{kind}Config")(**options, depths=[2, 2], num_heads=[1, 2])
    module = made(lambda: getattr(hf, f"{kind}Model")(config))
    net = eg.from_torch(module, (3, 32, 32))
    expected = swin_paths(32, [2, 2], 4, 2)
    for unit in ((4, 4), (0, 0), (7, 3), (1, 6)):
        found = eg.importance(net, unit=unit)
        paths = expected[unit[0] * 8 + unit[1]].reshape(32, 32)
        np.testing.assert_array_equal(found.values, paths.astype(np.int64))


# --- modules in several places ------------------------------------------------------------


def test_a_module_in_two_places_has_both_names() -> None:
    make, shape, _ = MODELS["DynUNet 2d"]
    module = made(make)
    net = eg.from_torch(module, shape)
    assert module.input_block is module.skip_layers.downsample
    assert net["input_block"] == net["skip_layers.downsample"]
    for layer in ("input_block", "skip_layers.downsample"):
        assert eg.from_torch(module, shape, layer=layer).output.shape == (32, 32)
