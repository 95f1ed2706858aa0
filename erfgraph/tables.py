"""Tables of texts as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

Row = Sequence[str]

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "×": r"$\times$",
    }
)


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """A Markdown table.

    Examples
    --------
    >>> print(markdown(["name", "size"], [["conv1", "3"]]), end="")
    | name | size |
    |---|---|
    | conv1 | 3 |
    """
    lines = [header, *rows]
    texts = ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines]
    texts.insert(1, "|" + "---|" * len(header))
    return "\n".join(texts) + "\n"


def comma_separated(header: Row, rows: Sequence[Row]) -> str:
    """A CSV table with a header line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def latex(header: Row, rows: Sequence[Row]) -> str:
    r"""A LaTeX tabular with booktabs' rules, first column left, others right.

    Examples
    --------
    >>> print(latex(["name", "size"], [["conv_1", "3"]]), end="")
    \begin{tabular}{lr}
    \toprule
    name & size \\
    \midrule
    conv\_1 & 3 \\
    \bottomrule
    \end{tabular}
    """
    lines = [" & ".join(c.translate(_LATEX) for c in line) + r" \\" for line in [header, *rows]]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


FORMATS: dict[str, Callable[[Row, Sequence[Row]], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
}
