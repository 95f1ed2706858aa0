"""The directive ``shell``: a console session whose ``erfgraph`` commands are run at every build.

What the page shows must be what the commands print, on either stream (``...`` stands for
anything); else the build warns. ``$ echo $?`` shows the exit status of the command before. The
option ``figure`` names a PNG file that a command writes and that is shown below the session,
``alt`` says in words what is to be seen.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from pictures import picture, place_for
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)


def steps(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Every command of a session with the output that is shown below it."""
    command, shown = "", []
    for line in [*lines, "$ "]:
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(shown)
            command, shown = line[2:].strip(), []
        else:
            shown.append(line.rstrip())


def called(words: list[str]) -> tuple[str, int]:
    """Output and exit status of an ``erfgraph`` command."""
    from erfgraph.cli import main

    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        status = main(words)
    return stream.getvalue(), status


class Shell(SphinxDirective):
    """See the module's docstring."""

    has_content = True
    option_spec = {"figure": directives.unchanged, "alt": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Check the session and show it."""
        lines = list(self.content)
        shown = nodes.literal_block("\n".join(lines), "\n".join(lines), language="console")
        self.set_source_info(shown)
        if self.env.app.builder.name == "doctest":
            return [shown]  # the pages themselves have run it
        before = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(Path(self.env.srcdir) / "examples", folder, dirs_exist_ok=True)
            os.chdir(folder)
            try:
                self._check(lines)
                return [shown, *self._picture()]
            finally:
                os.chdir(before)

    def _picture(self) -> list[nodes.Node]:
        """What the session drew, where the page wants to show it."""
        name = self.options.get("figure")
        if name is None:
            return []
        if not Path(name).is_file():
            LOGGER.warning("shell: no command wrote %r", name, location=self.get_location())
            return []
        path = place_for(self, Path(name).stem)
        shutil.copyfile(name, path)
        return [picture(self, path, self.options.get("alt", ""))]

    def _check(self, lines: list[str]) -> None:
        checker = doctest.OutputChecker()
        status = 0
        for command, wanted in steps(lines):
            words = shlex.split(command, comments=True)
            if words == ["echo", "$?"]:
                got = str(status)
            elif words[0] == "erfgraph":
                got, status = called(words[1:])
            else:
                LOGGER.warning("shell: cannot run %r", command, location=self.get_location())
                continue
            got = "\n".join(line.rstrip() for line in got.splitlines())
            if not checker.check_output(wanted + "\n", got + "\n", doctest.ELLIPSIS):
                LOGGER.warning(
                    "shell: %r prints\n%s\nbut the page shows\n%s",
                    command,
                    got,
                    wanted,
                    location=self.get_location(),
                )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("shell", Shell)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
