"""Pictures that the library draws while the documentation is built.

``drawn`` runs the code it holds and shows the figure that its last expression gives; the blocks of
a page share their names. `scrape` hands sphinx-gallery the figures of an example. Neither needs
pyplot. Pictures are PNG files below ``docs/_drawn``, which git does not hold.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib.figure import Figure
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from erfgraph.figures import save_figure

LOGGER = logging.getLogger(__name__)
FOLDER = "_drawn"
SCREEN = 96  # CSS pixels an inch: a picture is shown at the size at which it is printed


def shown_width(path: Path) -> str:
    """Width of a PNG file on the page, from its pixels and dots an inch."""
    with Image.open(path) as image:
        dots = float(image.info.get("dpi", (300, 300))[0])
        return f"{round(image.width / dots * SCREEN)}px"


def value_of(code: str, names: dict[str, Any], where: str) -> Any:
    """Run code; return the value of its last expression, None where it ends in a statement."""
    tree = ast.parse(code, where)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), where, "eval"), names)


def place_for(directive: SphinxDirective, name: str) -> Path:
    """Where a page keeps a picture."""
    path = Path(directive.env.srcdir) / FOLDER / f"{directive.env.docname}-{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def picture(directive: SphinxDirective, path: Path, alt: str) -> nodes.image:
    """The node that shows a picture below the source folder."""
    uri = "/" + path.relative_to(directive.env.srcdir).as_posix()
    node = nodes.image(uri=uri, alt=" ".join(alt.split()), width=shown_width(path))
    directive.set_source_info(node)
    return node


class Drawn(SphinxDirective):
    """See the module's docstring. The argument says in words what is to be seen."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"hide": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Show the code, and what it draws."""
        code = "\n".join(self.content)
        shown = nodes.literal_block(code, code, language="python")
        self.set_source_info(shown)
        parts: list[nodes.Node] = [] if "hide" in self.options else [shown]
        if self.env.app.builder.name == "doctest":
            return parts  # the pages themselves have run it
        page = self.env.docname
        known = self.env.temp_data.setdefault("drawn", {"names": {"__name__": page}, "count": 0})
        known["count"] += 1
        figure = value_of(code, known["names"], f"{page}, drawn block {known['count']}")
        if not isinstance(figure, Figure):
            LOGGER.warning(
                "drawn: the last expression is %r, no figure", figure, location=self.get_location()
            )
            return parts
        path = place_for(self, str(known["count"]))
        save_figure(figure, path)
        return [*parts, picture(self, path, self.arguments[0])]


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures that an example bound to names since its last block, for sphinx-gallery."""
    names = block_vars["example_globals"]
    shown = names.setdefault("__shown__", [])
    new: list[Figure] = []
    for value in list(names.values()):
        if isinstance(value, Figure) and not any(value is one for one in (*shown, *new)):
            new.append(value)
    shown.extend(new)
    lines = []
    for figure in new:
        path = Path(next(block_vars["image_path_iterator"]))
        save_figure(figure, path)
        uri = "/" + path.relative_to(gallery_conf["src_dir"]).as_posix()
        lines += [f".. image:: {uri}", f"   :alt: {figure.get_label()}"]
        lines += [f"   :width: {shown_width(path)}", "   :class: sphx-glr-single-img", ""]
    return "\n".join(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("drawn", Drawn)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
