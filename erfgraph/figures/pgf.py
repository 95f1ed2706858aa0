"""PGF pictures for LaTeX, written without LaTeX.

matplotlib's own writer runs TeX to measure every text. Here texts are measured in the
figures' font instead and set by the document in its own, so the picture goes with its text. Fonts
differ in width: each text hangs by the point that it is aligned at, on the baseline that it has
in the figures' font.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import matplotlib
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_pgf import RendererPgf
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from erfgraph.files import write_together

_HOW = (
    r"In the preamble \usepackage{pgf}, in the document \input this file.",
    r"Pictures that it names lie beside it: for those in a folder, say \graphicspath{{folder/}}.",
)
_SIGNS = {
    "≥": "geq", "≤": "leq", "×": "times", "±": "pm", "√": "surd", "→": "rightarrow", "·": "cdot",
    "∞": "infty", "∝": "propto", "∂": "partial", "‖": "Vert", "α": "alpha", "β": "beta",
    "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta", "κ": "kappa", "λ": "lambda",
    "μ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega",
    "Δ": "Delta", "Σ": "Sigma",
}  # fmt: skip
# what LaTeX would read as a command, or has no letter for in its usual fonts
_AS_TEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "…": r"\ldots{}",
    "–": "--",
    **{letter: rf"\ensuremath{{\{name}}}" for letter, name in _SIGNS.items()},
}
_RAISED = {"<super>": "^", "<sub>": "_"}
# how far along a text the point lies that it is aligned at, and how a box of no width hangs there
_ALONG = {"left": (0.0, "l"), "center": (0.5, "c"), "right": (1.0, "r")}
# a text that stands upright is aligned along itself by what is vertical on the page
_UPRIGHT = {"bottom": "left", "top": "right", "center": "center", "center_baseline": "center"}


def as_tex(text: str) -> str:
    r"""A plain text as LaTeX source.

    Examples
    --------
    >>> print(as_tex("50 % of 2×10⁵_"))
    50 \% of 2\ensuremath{\times}10\ensuremath{^{5}}\_
    """
    return "".join(map(_letter_as_tex, text))


def _letter_as_tex(letter: str) -> str:
    kind, _, plain = unicodedata.decomposition(letter).partition(" ")
    if kind in _RAISED:
        inner = "".join(chr(int(code, 16)) for code in plain.split())
        return rf"\ensuremath{{{_RAISED[kind]}{{{inner.replace('−', '-')}}}}}"
    return _AS_TEX.get(letter, letter)


def _side(text: Text | None, angle: float) -> str:
    """Which end of a text, along its own direction, keeps its place."""
    if text is None:
        return "left"
    if angle % 360 == 0 or text.get_rotation_mode() == "anchor":
        return text.get_horizontalalignment()
    return _UPRIGHT.get(text.get_verticalalignment(), "left") if angle % 360 == 90 else "left"


class _Renderer(RendererPgf):
    """Measures texts by the figures' font, and keeps pictures until the end."""

    def __init__(self, figure: Figure, file: io.StringIO, stem: str) -> None:
        start: Any = super().__init__
        start(figure, file)
        self.stem = stem
        self.pictures: dict[str, bytes] = {}
        # the lines of a text are drawn one by one, without a word of whose they are
        self.lines: dict[str, str] = {
            line: text.get_horizontalalignment()
            for text in figure.findobj(Text)
            if text.get_text().count("\n") and text.get_rotation() == 0
            for line in text.get_text().split("\n")
        }

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> Any:
        pixels = self.dpi / 72  # of a point
        return tuple(
            n * pixels for n in text_to_path.get_text_width_height_descent(s, prop, ismath)
        )

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        side = self.lines.get(s, "left") if mtext is None else _side(mtext, angle)
        along, hangs = _ALONG[side]
        way = along * self.get_text_width_height_descent(s, prop, ismath)[0]
        x += way * math.cos(math.radians(angle))
        y += way * math.sin(math.radians(angle))
        tex = rf"\makebox[0pt][{hangs}]{{{s if ismath else as_tex(s)}}}"
        draw: Any = super().draw_text
        draw(gc, x, y, tex, prop, angle, ismath)

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        from PIL import Image

        if not im.size:
            return
        name = f"{self.stem}-img{len(self.pictures)}.png"
        file = io.BytesIO()
        opaque = im.shape[2] == 4 and (im[..., 3] == 255).all()
        Image.fromarray(im[::-1, :, :3] if opaque else im[::-1]).save(file, format="png")
        self.pictures[name] = file.getvalue()
        inch = 1 / self.dpi
        high, wide = (n * inch for n in im.shape[:2])
        if transform is None:
            move = rf"\pgfsys@transformshift{{{x * inch:f}in}}{{{y * inch:f}in}}"
        else:  # of the unit square
            a, b, c, d, e, f = transform.frozen().to_values()
            matrix = "".join(f"{{{n * inch:f}}}" for n in (a, b, c, d))
            move = rf"\pgfsys@transformcm{matrix}{{{(e + x) * inch:f}in}}{{{(f + y) * inch:f}in}}"
            high = wide = 1.0
        self.fh.write("\\begin{pgfscope}%\n")
        clip: Any = self._print_pgf_clip
        clip(gc)
        shown = rf"\includegraphics[width={wide:f}in,height={high:f}in]{{{name}}}"
        self.fh.write(f"{move}%\n\\pgftext[left,bottom]{{{shown}}}%\n\\end{{pgfscope}}%\n")


def write_pgf(figure: Figure, target: Path, entries: Mapping[str, str], dpi: float) -> None:
    """Write a figure as a PGF picture; its images become PNG files beside it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    target : path
    entries : mapping of str to str
        Written as comments at the beginning, one line each.
    dpi : float
        Of the images.
    """
    file = io.StringIO()
    for line in (*(f"{key}: {value}" for key, value in entries.items()), *_HOW):
        file.write(f"% {line}\n")
    width, high = figure.get_size_inches()
    before = figure.dpi
    try:
        figure.set_dpi(dpi)
        # the document's own font, whatever it is
        with matplotlib.rc_context({"pgf.rcfonts": False}):
            inner = _Renderer(figure, file, target.stem)
            file.write(
                "\\begingroup%\n\\makeatletter%\n\\def\\mathdefault#1{#1}%\n"
                "\\begin{pgfpicture}%\n"
                "\\pgfpathrectangle{\\pgfpointorigin}"
                f"{{\\pgfqpoint{{{width:f}in}}{{{high:f}in}}}}%\n"
                "\\pgfusepath{use as bounding box, clip}%\n"
            )
            mixed: Any = MixedModeRenderer
            figure.draw(mixed(figure, width, high, dpi, inner))
            file.write("\\end{pgfpicture}%\n\\makeatother%\n\\endgroup%\n")
    finally:
        figure.set_dpi(before)
    pictures = {target.with_name(name): data for name, data in inner.pictures.items()}
    data = file.getvalue().encode("utf-8")
    write_together({path: _writer(text) for path, text in {**pictures, target: data}.items()})


def _writer(data: bytes) -> Callable[[IO[bytes]], Any]:
    return lambda out: out.write(data)
