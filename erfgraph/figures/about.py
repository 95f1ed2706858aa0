"""What a figure shows, kept with it: network, layer, unit, measure, threshold, and the call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec

from matplotlib.figure import Figure
from matplotlib.text import Text

from erfgraph.erf import ERF, check_threshold
from erfgraph.featuremap import FeatureMap, unit_of
from erfgraph.figures.settings import own_settings
from erfgraph.figures.style import paper_style
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import Network

FACTS = ("network", "layer", "unit", "measure", "threshold")
_KEPT = "_erfgraph_about"  # the attribute of a figure, so that it is copied with it
TICK = r"$\mathdefault{"  # what matplotlib writes at a logarithmic axis
_PLAIN = (str, int, float, bool, type(None))  # what is written in full

P = ParamSpec("P")


def described(make: Callable[P, Figure]) -> Callable[P, Figure]:
    """The same function, whose figures know what they show and which call made them."""
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Figure:
        # in axes of the caller's, letters and lines are the caller's, but up stays up
        with own_settings("image." if kwargs.get("ax") is not None else ""):
            figure = make(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        texts = [
            f"{name}={value!r}" if _plain(value) else name
            for name, value in bound.arguments.items()
        ]
        bound.apply_defaults()
        if bound.arguments.get("ax") is None and bound.arguments.get("figure") is None:
            _take_names_as_they_are(figure)
        note(figure, bound.arguments, f"{make.__name__}({', '.join(texts)})")
        return figure

    return made


def _take_names_as_they_are(figure: Figure) -> None:
    """No formulas in a figure of ours but those of ticks: a name may hold two dollars."""
    with own_settings(), paper_style():  # looking through them makes ticks
        found = [one for one in figure.findobj(Text) if isinstance(one, Text)]
    for text in found:
        if "$" in text.get_text() and TICK not in text.get_text():
            text.set_parse_math(False)


def _plain(value: Any) -> bool:
    """Whether a value can be written in full."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, _PLAIN) for one in value)
    return isinstance(value, _PLAIN)


def note(figure: Figure, given: Mapping[str, Any], call: str) -> None:
    """Keep with a figure what it was made of; a figure of several parts keeps all of them."""
    known = getattr(figure, _KEPT, {})
    found: dict[str, list[str]] = {key: list(known.get(key, ())) for key in (*FACTS, "call")}
    for key, text in [*_facts(given), ("call", call)]:
        if text not in found[key]:
            found[key].append(text)
    setattr(figure, _KEPT, found)


def about(figure: Figure) -> dict[str, str]:
    """What is known of a figure: one text per fact, several values joined.

    Examples
    --------
    >>> import erfgraph as eg
    >>> from erfgraph.figures import importance_figure
    >>> found = about(importance_figure(eg.importance(eg.load("conv7*3"))))
    >>> found["network"], found["unit"], found["threshold"], found["call"]
    ('conv7*3', '(0,)', 'peak 0.0455', 'importance_figure(imp)')
    """
    known = getattr(figure, _KEPT, {})
    return {key: "; ".join(texts) for key, texts in known.items() if texts}


def _facts(given: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Facts of a call's arguments: of the results among them, and those given by name."""
    results = [one for value in given.values() for one in _parts(value)]
    contours = given.get("thresholds")
    if contours is not None:
        by = next((one.rule for one in results if isinstance(one, ERF)), "peak")
        yield from (("threshold", f"{by} {value:g}") for value in sorted(contours))
    for one in results:
        if isinstance(one, Network):
            yield "network", one.name or "network"
            yield from _unit_of(one, given)
            continue
        for key in ("network", "layer", "unit", "measure"):
            value = getattr(one, key, None)
            if value is not None:
                yield key, str(value)
        yield from _several(one)
        rule = getattr(one, "rule", None)
        if rule is not None and contours is None:
            yield "threshold", f"{rule} {one.threshold:g}"
    maps = [one for one in results if isinstance(one, ImportanceMap)]
    if maps and contours is None and not any(isinstance(one, ERF) for one in results):
        yield "threshold", f"peak {check_threshold('peak', None):g}"


def _several(one: Any) -> Iterable[tuple[str, str]]:
    """Layers and units of a result that is about more than one."""
    rows = getattr(one, "rows", ()) or getattr(one, "levels", ())
    if rows:  # of a chain, or the levels that are matched
        names = [row.name for row in rows]
        yield "layer", names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        yield "unit", "centre"
    elif hasattr(one, "layer") and not hasattr(one, "unit"):
        yield "unit", "all"


def _unit_of(net: Network, given: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Layer, unit and measure where a figure is made of a network itself."""
    for layer in given.get("layers") or ():
        yield "layer", layer.name if isinstance(layer, FeatureMap) else str(layer)
    if "layers" in given:  # whose units are drawn
        yield "unit", "all"
    if "unit" in given:
        layer = given.get("layer")
        m = net.output if layer is None else net[layer]
        yield "layer", m.name
        yield "unit", str(unit_of(m, given["unit"]))
    if "measure" in given:
        yield "measure", str(given["measure"])


def _parts(value: Any) -> Iterable[Any]:
    """The results in an argument: itself, those of a list, the two sides of a comparison."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _parts(one)
    elif hasattr(value, "total_variation"):  # a comparison
        yield from (value.a, value.b)
    elif isinstance(value, Network) or hasattr(value, "network") or hasattr(value, "rule"):
        yield value
