"""Import real models of other packages, and print what came of it as Markdown.

Run from the repository's root: ``python -m benchmarks.models [PACKAGE ...]``. Only packages
that are installed are tried, each model at its usual size with random weights; nothing is
downloaded. ``--write FILE`` puts the table into a file, ``--check`` makes the exit status 1 if
a model is not imported.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import erfgraph as eg


@dataclass(frozen=True)
class Model:
    """A model of a package: how to make it, and how to import it."""

    package: str
    name: str
    make: Callable[[], Any]
    read: Callable[[Any], eg.Network]


# what each package offers, with the input that its documentation shows
TORCHVISION = """
alexnet vgg16 resnet18 resnet50 resnet152 wide_resnet50_2 resnext50_32x4d densenet121 googlenet
inception_v3 squeezenet1_1 mobilenet_v2 mobilenet_v3_large shufflenet_v2_x1_0 efficientnet_b0
efficientnet_b7 efficientnet_v2_s convnext_tiny regnet_y_8gf mnasnet1_0 swin_t swin_v2_t
vit_b_16 maxvit_t fcn_resnet50 deeplabv3_resnet50 lraspp_mobilenet_v3_large
"""

TRANSFORMERS = """
ResNet RegNet ConvNext ConvNextV2 MobileNetV1 MobileNetV2 EfficientNet Bit Segformer PoolFormer
PvtV2 Pvt Swin Swinv2 SwiftFormer FocalNet Levit Cvt MobileViT MobileViTV2 HieraModel TextNet
HGNetV2 ViT Dinov2 DPT Beit
"""

MONAI: dict[str, tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "UNet": ((3, 1, 2, (16, 32, 64), (2, 2)), {"num_res_units": 2}, (1, 64, 64, 64)),
    "BasicUNet": ((3,), {}, (1, 64, 64, 64)),
    "BasicUNetPlusPlus": ((2, 1, 2), {}, (1, 128, 128)),
    "AttentionUnet": ((2, 1, 2, (16, 32, 64), (2, 2)), {}, (1, 128, 128)),
    "SegResNet": ((3,), {}, (1, 64, 64, 64)),
    "SegResNetDS": ((3,), {}, (1, 64, 64, 64)),
    "VNet": ((3,), {}, (1, 64, 64, 64)),
    "DynUNet": ((3, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2]), {}, (1, 64, 64, 64)),
    "DenseNet121": ((2, 1, 2), {}, (1, 224, 224)),
    "SEResNet50": ((), {"spatial_dims": 2, "in_channels": 1, "num_classes": 2}, (1, 224, 224)),
    "HighResNet": ((3, 1, 2), {}, (1, 64, 64, 64)),
    "FlexibleUNet": ((3, 2, "efficientnet-b0"), {}, (3, 224, 224)),
    "AHNet": ((), {"spatial_dims": 2}, (1, 256, 256)),
    "RegUNet": ((2, 1, 2, 2), {}, (1, 128, 128)),
    "MedNeXt": ((3,), {}, (1, 64, 64, 64)),
    "Quicknat": ((), {}, (1, 256, 256)),
}

KERAS = """
VGG16 ResNet50 ResNet50V2 MobileNet MobileNetV2 MobileNetV3Small MobileNetV3Large DenseNet121
InceptionV3 Xception InceptionResNetV2 NASNetMobile EfficientNetB0 EfficientNetV2B0 ConvNeXtTiny
"""


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def imported(shape: tuple[int, ...]) -> Callable[[Any], eg.Network]:
    return lambda module: eg.from_torch(module, shape)


def of_torchvision() -> Iterator[Model]:
    import torchvision.models as zoo

    for name in TORCHVISION.split():
        size = 299 if name == "inception_v3" else 224
        options = {"weights": None}
        if hasattr(zoo.segmentation, name):
            options["weights_backbone"] = None
        yield Model(
            "torchvision",
            name,
            lambda name=name, options=options: zoo.get_model(name, **options),  # type: ignore[misc]
            imported((3, size, size)),
        )


def of_timm() -> Iterator[Model]:
    import timm

    for module in timm.list_modules():
        names = timm.list_models(module=module)
        if names:
            name = min(names, key=len)
            yield Model(
                "timm",
                name,
                lambda name=name: timm.create_model(name),  # type: ignore[misc]
                lambda m: eg.from_torch(m, m.default_cfg.get("input_size", (3, 224, 224))),
            )


def of_transformers() -> Iterator[Model]:
    import transformers as tf

    for name in TRANSFORMERS.split():
        stem = name.removesuffix("Model")
        model = getattr(tf, f"{stem}Model", None) or getattr(tf, f"{stem}Backbone", None)
        config = getattr(tf, f"{stem}Config", None)
        if model is None or config is None:
            continue
        size = getattr(config(), "image_size", 224) or 224
        size = size if isinstance(size, int) else size[0]
        yield Model(
            "transformers",
            model.__name__,
            lambda model=model, config=config: model(config()),  # type: ignore[misc]
            imported((3, size, size)),
        )


def of_monai() -> Iterator[Model]:
    from monai.networks import nets

    for name, (args, options, shape) in MONAI.items():
        model = getattr(nets, name, None)
        if model is not None:
            yield Model(
                "monai",
                name,
                lambda model=model, a=args, o=options: model(*a, **o),  # type: ignore[misc]
                imported(shape),
            )


def of_keras() -> Iterator[Model]:
    import keras

    for name in KERAS.split():
        model = getattr(keras.applications, name)
        yield Model(
            "keras",
            name,
            lambda model=model: model(weights=None),  # type: ignore[misc]
            lambda m: eg.from_keras(m, (224, 224) if None in m.input_shape[1:] else None),
        )


def of_onnx() -> Iterator[Model]:
    """ONNX files that installed packages carry."""
    for package in ("rapidocr_onnxruntime", "onnx"):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        folder = Path(next(iter(spec.submodule_search_locations)))
        found = [*folder.glob("models/*.onnx"), *folder.glob("backend/test/data/light/*.onnx")]
        for path in sorted(found):
            yield Model(package, path.name, lambda path=path: path, read_onnx)  # type: ignore[misc]


def read_onnx(path: Path) -> eg.Network:
    try:
        return eg.from_onnx(path)
    except eg.InputError as error:
        if "input_shape" not in str(error):
            raise
    height, width = (48, 320) if "rec" in path.name or "cls" in path.name else (640, 640)
    return eg.from_onnx(path, (height, width))


PACKAGES: dict[str, Callable[[], Iterator[Model]]] = {
    "torchvision": of_torchvision,
    "timm": of_timm,
    "transformers": of_transformers,
    "monai": of_monai,
    "keras": of_keras,
    "onnx": of_onnx,
}
HEAD = "| package | model | input | feature maps | operations | seconds | imported |"


def row(model: Model) -> tuple[str, bool]:
    """One line of the table, and whether the model was imported."""
    try:
        made = model.make()
    except Exception as error:  # the package's own trouble, such as another package missing
        return (
            f"| {model.package} | {model.name} | | | | | not made: {type(error).__name__} |",
            True,
        )
    start = time.perf_counter()
    try:
        net = model.read(made)
    except eg.ErfgraphError as error:
        reason = str(error).partition("; ")[0].replace("|", "/")
        return f"| {model.package} | {model.name} | | | | | no: {reason} |", False
    spent = time.perf_counter() - start
    shape = "x".join(map(str, net.input.shape))
    done = sum(net.operations.values())
    return (
        f"| {model.package} | {model.name} | {shape} | {len(net)} | {done} | {spent:.1f} | yes |",
        True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=", ".join(PACKAGES))
    parser.add_argument("--write", type=Path, help="file for the table")
    parser.add_argument("--check", action="store_true", help="fail if a model is not imported")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines, good = [HEAD, "|" + "---|" * HEAD.count(" | ") + "---|"], True
    print(*lines, sep="\n", flush=True)
    for package in options.packages or [p for p in PACKAGES if installed(p)]:
        for model in PACKAGES[package]():
            line, fine = row(model)
            print(line, flush=True)
            lines.append(line)
            good = good and fine
    if options.write:
        options.write.write_text("\n".join(lines) + "\n")
    return 0 if good or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
