"""Tables of texts as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import html as escaping
import io
from collections.abc import Callable, Sequence

Row = Sequence[str]
LONGEST = 120  # characters of a cell in HTML

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


def html(header: Row, rows: Sequence[Row], caption: str = "") -> str:
    """An HTML table as a part of a page, first column left, others right.

    Nothing that a cell says becomes markup. Without a header there is no heading line; a row of
    one cell goes over all columns.

    Examples
    --------
    >>> print(html([], [["<b>"]]), end="")
    <table>
    <tbody>
    <tr><td style="text-align:left">&lt;b&gt;</td></tr>
    </tbody>
    </table>
    """
    lines = ["<table>"]
    if caption:
        style = "caption-side:top;text-align:left"
        lines.append(f'<caption style="{style}">{as_html(caption)}</caption>')
    if header:
        lines.append(f"<thead>{_html_row('th', header, 1)}</thead>")
    columns = max(map(len, [header, *rows]), default=1)
    body = [_html_row("td", row, columns) for row in rows]
    return "\n".join([*lines, "<tbody>", *body, "</tbody>", "</table>", ""])


def _html_row(tag: str, row: Row, columns: int) -> str:
    span = f' colspan="{columns}"' if len(row) == 1 and columns > 1 else ""
    sides = ["left", *["right"] * (len(row) - 1)]
    cells = [
        f'<{tag}{span} style="text-align:{side}">{as_html(cell)}</{tag}>'
        for side, cell in zip(sides, row, strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"


def as_html(text: str, most: int = LONGEST) -> str:
    r"""A text from anywhere as HTML that shows it: cut where it is long, without markup.

    Examples
    --------
    >>> as_html("a & b"), as_html("0123456789", 6), as_html("line\nfeed")
    ('a &amp; b', '01234…', 'line�feed')
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    # what turns the line round, ends it or cannot be encoded is not shown as it is
    return escaping.escape("".join(c if c.isprintable() else "\ufffd" for c in cut))


FORMATS: dict[str, Callable[[Row, Sequence[Row]], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
}
