"""What figures say: headings, labels, numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from erfgraph.erf import ERF
from erfgraph.importance_map import ImportanceMap

NOUNS = {
    "paths": "paths",
    "edges": "edges",
    "uniform": "uniform gradient",
    "variance": "gradient variance",
}
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_RULES = {
    "peak": "importance ≥ {share} of the largest",
    "mass": "smallest set with {share} of the total",
    "square": "smallest centred square with {share} of the total",
    "count": "importance > {count}",
}
_SHORT_RULES = {
    "peak": "≥ {share} of the largest",
    "mass": "{share} of the total",
    "square": "square of {share}",
    "count": "> {count}",
}


def noun(measure: str) -> str:
    """What a measure counts, in words."""
    return NOUNS.get(measure, measure.replace("_", " "))


def counted(imp: ImportanceMap) -> str:
    """What a map counts, in words: its measure, and whether channels are told apart."""
    return f"channel {noun(imp.measure)}" if imp.channels == "count" else noun(imp.measure)


def percent(share: float) -> str:
    """A share as a percentage: three digits, without zeros at the end."""
    return f"{100 * share:.3g} %"


def counted_by_all(imps: Sequence[ImportanceMap]) -> str:
    """What maps on one scale count; ``importance`` where they differ."""
    nouns = {counted(imp) for imp in imps}
    return nouns.pop() if len(nouns) == 1 else "importance"


def power_of_ten(exponent: float) -> str:
    """A number by its decimal logarithm, for example ``2.1×10⁵²``."""
    whole = math.floor(exponent)
    digits = f"{10 ** (exponent - whole):.1f}"
    if digits == "10.0":
        digits, whole = "1.0", whole + 1
    return f"{digits}×10{str(whole).translate(_SUPERSCRIPT)}"


def number(value: float, log10_scale: float = 0.0) -> str:
    """A number of any size: in full below a million, else with a power of ten.

    Examples
    --------
    >>> number(37), number(123456), number(21 * 10**51), number(0.00012)
    ('37', '123,456', '2.1×10⁵²', '1.2×10⁻⁴')
    """
    if not value:
        return "0"
    exponent = math.log10(value) + log10_scale
    if exponent >= 6 or exponent < -3:
        return power_of_ten(exponent)
    plain = value * 10**log10_scale if log10_scale else value
    return f"{plain:,}" if isinstance(plain, int) else f"{plain:.3g}"


def position(at: tuple[int, ...]) -> str:
    """A position, for example ``(3, 3)``; one axis has no comma."""
    return f"({', '.join(map(str, at))})"


def length_unit(imp: ImportanceMap) -> str:
    """What lengths are measured in."""
    return "px" if imp.of == "input" else "units"


def axis_label(axis: int, imp: ImportanceMap) -> str:
    """Label of one spatial axis of a map; the last is x."""
    letter = "zyx"[axis - len(imp.shape)]
    return f"{letter} (pixels)" if imp.of == "input" else f"{letter} (units of {imp.of})"


def where(imp: ImportanceMap) -> str:
    """Layer, unit and measure."""
    return f"unit {position(imp.unit)} of {imp.layer}; measure: {counted(imp)}"


def heading(imp: ImportanceMap) -> tuple[str, str]:
    """Two lines: the network, and what of it is shown."""
    return imp.network or "network", where(imp)


def rule(erf: ERF) -> str:
    """The threshold in words."""
    phrase = _RULES.get(erf.rule, f"{erf.rule} {erf.threshold:g}")
    return phrase.format(share=percent(erf.threshold), count=number(erf.threshold))


def short_rule(name: str, threshold: float) -> str:
    """A rule and its threshold in few words.

    Examples
    --------
    >>> short_rule("peak", 0.0455)
    '≥ 4.55 % of the largest'
    """
    phrase = _SHORT_RULES.get(name, f"{name} {threshold:g}")
    return phrase.format(share=percent(threshold), count=number(threshold))


def erf_line(imp: ImportanceMap, erf: ERF) -> str:
    """Rule, area, equivalent side and share of an effective field."""
    unit = length_unit(imp)
    side = f", side {erf.size:.1f} {unit}" if len(imp.shape) > 1 else ""
    area = f"{'area ' if side else ''}{erf.area:,} {unit}{_exponent(imp)}"
    return f"ERF ({rule(erf)}): {area}{side}, {percent(erf.share_of_trf)} of the TRF"


def trf_line(imp: ImportanceMap) -> str:
    """Size of the theoretical field, and the largest importance."""
    box = imp.trf.bbox
    if box is None:
        return "TRF: empty, no path leads to the unit"
    unit = length_unit(imp)
    size = " × ".join(f"{n:,}" for n in imp.trf.size)
    inside = f" ({imp.holes:,} inside it without a path)" if imp.holes else ""
    most = number(imp.peak.value, imp.log10_scale)
    axes = ", ".join("zyx"[-len(imp.shape) :])
    at = (
        f"({axes}) = {position(imp.peak.position)}"
        if len(imp.shape) > 1
        else f"x = {imp.peak.position[0]}"
    )
    what = counted(imp).removesuffix("s") if most == "1" else counted(imp)
    return f"TRF: {size} {unit}{inside}; largest: {most} {what} at {at}"


def _exponent(imp: ImportanceMap) -> str:
    return {2: "²", 3: "³"}.get(len(imp.shape), "") if imp.of == "input" else ""
