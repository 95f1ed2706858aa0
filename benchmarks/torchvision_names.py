"""Compare every torchvision network of the zoo with torchvision's own module.

Run from the repository's root: ``python -m benchmarks.torchvision_names``. For each, torchvision
builds the model on the meta device, and hooks record what each module returns; the network of
the zoo, with its head, must have every module's path as a name, with the same channels and
shape, at the size it was trained on and at an odd one, and every convolution and pool must have
the same parameters. ``--paths`` also compares path counts: torchvision's own forward runs on one
channel with every weight 1, and its gradient is the number of paths.

Exit status 1 on any difference. ``--write FILE`` writes the digest that the tests compare with
where torchvision is not installed.

Not compared, as there is nothing to compare: containers that never run (a ModuleList, the
backbone of a segmentation network, which returns several tensors), modules that this evaluation
does not call (auxiliary classifiers, an empty branch). Of a module that runs several times, such
as the ReLU of a residual block, the last result counts. A tensor without positions, behind a
flatten, counts as one of one position; within ConvNeXt's blocks channels stand last.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.regnet import BlockParams

from benchmarks import torchvision_paths
from erfgraph import zoo
from erfgraph.featuremap import FeatureMap

ODD = (193, 160)
CHANNELS_LAST = re.compile(r"features\.\d+\.\d+\.block\.[1-5]")  # of ConvNeXt
TRANSFORMERS = ("swin", "vit")  # lists of tokens rather than feature maps
AUXILIARY = ("googlenet", "inception_v3")
ON_BACKBONE = ("fcn", "deeplabv3", "lraspp")

Line = tuple[int, tuple[int, ...]]  # channels, spatial shape


def names_in_both() -> list[str]:
    """Convolutional models of torchvision that the zoo has."""
    known = set(torchvision.models.list_models())
    return [name for name in zoo.ZOO if name in known and not name.startswith(TRANSFORMERS)]


def torchvision_model(name: str) -> nn.Module:
    """The model without weights, on the meta device."""
    # RegNet computes its widths with tensors, which must have values
    computed = BlockParams.from_init_params.__func__

    def on_cpu(cls: type, *args: object, **kwargs: object) -> object:
        with torch.device("cpu"):
            return computed(cls, *args, **kwargs)

    options = {"init_weights": False} if name in AUXILIARY else {}
    options |= {"weights_backbone": None} if name.startswith(ON_BACKBONE) else {}
    with (
        torch.device("meta"),
        mock.patch.object(BlockParams, "from_init_params", classmethod(on_cpu)),
    ):
        return torchvision.models.get_model(name, weights=None, **options).eval()


def recorded(model: nn.Module, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Module path → shape of the tensor that it returned last, batch left out."""
    found: dict[str, tuple[int, ...]] = {}

    def hook(path: str):
        def keep(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                found[path] = tuple(output.shape[1:])

        return keep

    handles = [m.register_forward_hook(hook(path)) for path, m in model.named_modules() if path]
    model(torch.empty(1, 3, *shape, device="meta"))
    for handle in handles:
        handle.remove()
    return found


def line(path: str, shape: tuple[int, ...], ours: FeatureMap | None, last: bool) -> Line:
    """Channels and spatial shape of a tensor."""
    if len(shape) == 1:
        flat = ours is not None and ours.channels * ours.shape[0] * ours.shape[1] == shape[0]
        return (ours.channels, ours.shape) if flat and ours else (shape[0], (1, 1))
    if last and CHANNELS_LAST.fullmatch(path):
        return shape[-1], shape[:-1]
    return shape[0], shape[1:]


def pair(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value, value)


def parameters(module: nn.Module) -> dict[str, object]:
    """What a convolution or a pool of torchvision was given; empty for other modules."""
    if isinstance(module, nn.Conv2d):
        keys = ("kernel_size", "stride", "padding", "dilation")
        plain = {"in": module.in_channels, "out": module.out_channels, "groups": module.groups}
        return plain | {key: pair(getattr(module, key)) for key in keys}
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        found = {key: pair(getattr(module, key)) for key in ("kernel_size", "stride", "padding")}
        return found | {"ceil_mode": module.ceil_mode}
    return {}


def our_parameters(m: FeatureMap) -> dict[str, object]:
    """The same of a feature map of ours."""
    p = m.params
    found = {
        "kernel_size": pair(p["kernel"]),
        "stride": pair(p.get("stride", 1 if m.op == "conv" else p["kernel"])),
        "padding": pair(p.get("padding", 0)),
    }
    if m.op != "conv":
        return found | {"ceil_mode": p.get("ceil_mode", False)}
    (part,) = m.links[0].parts
    return found | {
        "dilation": pair(p.get("dilation", 1)),
        "in": len(part.mix.reads),
        "out": m.channels,
        "groups": part.mix.groups,
    }


def differences(name: str, shape: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Names with channels and shapes at one input size, and what differs."""
    model, net = torchvision_model(name), zoo.build(name, shape, head=True)
    modules, lines, found = dict(model.named_modules()), [], []
    for path, size in recorded(model, shape).items():
        ours = net.names.get(path)
        theirs = line(path, size, ours, name.startswith("convnext"))
        lines.append(f"{path} {theirs[0]} {'x'.join(map(str, theirs[1]))}")
        if ours is None:
            found.append(f"{path}: missing, wanted {theirs}")
        elif (ours.channels, ours.shape) != theirs:
            found.append(f"{path}: {(ours.channels, ours.shape)}, wanted {theirs}")
        elif wanted := parameters(modules[path]):
            # a map has the name of the layer that made it, and others only beside
            got = our_parameters(ours) if ours.name == path else {}
            if got != wanted:
                found.append(f"{path}: {got}, wanted {wanted}")
    return lines, found


def beside(name: str, lines: list[str]) -> list[str]:
    """Names of the zoo that are no modules of torchvision, every number in them written #."""

    def without_numbers(names: Iterable[str]) -> set[str]:
        return {re.sub(r"\d+", "#", path) for path in names}

    paths = {text.split()[0] for text in lines}
    more = without_numbers(zoo.build(name, head=True).names.keys() - paths)
    both = more & without_numbers(paths)
    if both:
        raise ValueError(f"{name}: {both} name modules and other things")
    return sorted(more)


def digest(lines: list[str]) -> str:
    """What stands for all names, channels and shapes of a network."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def compared(name: str, with_paths: bool) -> tuple[dict[str, object], list[str]]:
    """What is known of a model of torchvision, and where the zoo's differs."""
    at, found = [], []
    for shape in (zoo.ZOO[name].input_shape, ODD):
        lines, differing = differences(name, shape)
        found += differing if not at else [f"at {shape}: {text}" for text in differing]
        last = zoo.build(name, shape).output
        at.append({"input": shape, "output": last.shape, "sha256": digest(lines)})
    known = {
        "names": len(lines),
        "beside": beside(name, lines),
        "channels": last.channels,
        "at": at,
    }
    if with_paths:
        known["log10_paths"], differing = torchvision_paths.differences(
            torchvision_model(name), name, ODD
        )
        found += differing
    return known, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="default: all that both have")
    parser.add_argument("--paths", action="store_true", help="compare path counts too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the digest, with paths")
    options = parser.parse_args()
    failed, models = 0, {}
    print(f"{'model':<28} {'names':>6} {'missing':>8} {'differing':>10}")
    for name in options.names or names_in_both():
        models[name], found = compared(name, options.paths or options.write is not None)
        missing = sum(": missing" in text for text in found)
        count = models[name]["names"]
        print(f"{name:<28} {count:>6} {missing:>8} {len(found) - missing:>10}", flush=True)
        print("".join(f"    {text}\n" for text in found[:10]), end="")
        failed += bool(found)
    if options.write and not failed:
        known = ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in models.items())
        version = json.dumps(torchvision.__version__)
        options.write.write_text(f'{{"torchvision": {version}, "models": {{\n{known}\n}}}}\n')
    print(f"{len(models)} models, {failed} with differences")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
