"""What a shell offers at Tab for the values of options: one row each, read when it asks.

Names of commands and of options are typer's own. Where a row offers nothing, shells offer files.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Iterable
from typing import Any

from typer.models import ParameterInfo

# "parameter", or "command.parameter" where commands differ: modules' tables of names
NAMES: dict[str, tuple[str, ...]] = {
    "against": ("erfgraph.gradient.statistics:STATISTICS", "erfgraph.sweeps:MEASURES"),
    "batchnorm": ("erfgraph.weighting:BATCHNORMS",),
    "by": ("erfgraph.scale_spectrum:BY",),
    "compare.scale": ("erfgraph.cli.compare:SCALES",),
    "detail": ("erfgraph.grouping:DETAILS",),
    "drawn": ("erfgraph.cli.scales:DRAWN",),
    "edge_width": ("erfgraph.cli.graph:EDGE_WIDTHS",),
    "form": ("erfgraph.tables:FORMATS",),
    "growth.scale": ("erfgraph.cli.growth:SCALES",),
    "init": ("erfgraph.initial:RULES",),
    "map.scale": ("erfgraph.cli.map:SCALES",),
    "measure": ("erfgraph.sweeps:MEASURES",),
    "paper": ("erfgraph.figures.papers:PAPERS",),
    "passthrough": ("erfgraph.gradient.passthrough:PASSTHROUGH",),
    "radial.scale": ("erfgraph.cli.radial:SCALES",),
    "resize": ("erfgraph.tasks.objects:RESIZES",),
    "rule": ("erfgraph.erf:RULES",),
    "scalar": ("erfgraph.weighting:SCALARS",),
    "size": ("erfgraph.tasks.objects:SIZES",),
    "weights": ("erfgraph.trained:POWERS",),
}
# names that no table has
BESIDE = {"form": ("text",), "init": ("torchvision", "std=")}
NETWORKS = ("net", "nets")
LAYERS = ("layer", "level", "of")


def names_for(key: str) -> list[str]:
    """The names that an option takes."""
    found = []
    for place in NAMES[key]:
        module, _, table = place.partition(":")
        found += list(getattr(importlib.import_module(module), table))
    return [*found, *BESIDE.get(key, ())]


def networks(incomplete: str) -> list[str]:
    """Names of the zoo; a path or a notation is left to the shell."""
    from erfgraph.zoo import ZOO

    return [name for name in ZOO if name.startswith(incomplete)]


def layers(ctx: Any) -> list[str]:
    """Feature maps of the first network on the line; nothing is run to find them."""
    import erfgraph as eg

    source = next(iter(ctx.args), None) or ctx.params.get("net")
    if not source or ":" in source:  # module:attribute is somebody's code
        return []
    try:
        net = eg.load(source, head=bool(ctx.params.get("head")))
    except (eg.ErfgraphError, OSError):
        return []
    return list(dict.fromkeys([*(m.name for m in net.maps), *net.returns]))


def completer(command: str, parameter: str) -> Callable[..., Iterable[str]] | None:
    """What offers the values of a parameter; None where there is nothing to offer."""
    if parameter in NETWORKS:
        return lambda incomplete: networks(incomplete)
    if parameter in LAYERS:
        return lambda ctx: layers(ctx)
    for key in (f"{command}.{parameter}", parameter):
        if key in NAMES:
            return lambda: names_for(key)
    return None


def attach(command: str, function: Callable[..., None]) -> None:
    """Tell typer what to offer for the parameters of a command's function."""
    hints = typing.get_type_hints(function, include_extras=True)
    for name, hint in hints.items():
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, ParameterInfo):
                info.autocompletion = completer(command, name)
    function.__annotations__ = hints  # evaluated once, as texts would be made anew
