"""`progress`: a bar where a person looks on, on a terminal or in a notebook; none in a pipe."""

from __future__ import annotations

import contextlib
import html
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

Advance = Callable[[int, int], Any]
SECONDS = 0.1  # from one drawing in a notebook to the next


@contextlib.contextmanager
def progress(what: str) -> Iterator[Advance | None]:
    """A progress bar for long work, gone when the work is done.

    Parameters
    ----------
    what : str
        Shown before the bar.

    Yields
    ------
    callable or None
        For the ``progress`` of `cells`, `compare`, `coverage`, `gradient_importance`, `growth`,
        `importance` (measure ``"edges"``), `read_coco` and `verify`: called with how much is
        done and how much there is. In a notebook it draws a bar below the cell, on a terminal
        one on standard error; elsewhere, in a pipe or a log, it is None and nothing is shown.

    Examples
    --------
    >>> import erfgraph as eg
    >>> with eg.progress("coverage") as advance:
    ...     found = eg.coverage(eg.load("conv3*5", 32), progress=advance)
    >>> len(found.rows)
    6
    """
    show = _display()
    if show is not None:
        with _in_notebook(show, what) as advance:
            yield advance
    elif sys.stderr.isatty():
        with _on_terminal(what) as advance:
            yield advance
    else:
        yield None


def _display() -> Callable[..., Any] | None:
    """What shows an object below a notebook's cell; None where there is no notebook."""
    # whoever runs in a notebook has IPython loaded: nothing is imported to find out
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):  # IPython on a terminal has no kernel
        return None
    shown: Callable[..., Any] = importlib.import_module("IPython.display").display
    return shown


class _Bar:
    """A bar at one moment."""

    def __init__(self, what: str, done: int, total: int) -> None:
        self.what, self.done, self.total = what, done, total

    def __repr__(self) -> str:
        return f"{self.what}: {self.done} of {self.total}"

    def _repr_html_(self) -> str:
        most = max(self.total, 1)
        return (
            f'{html.escape(self.what)} <progress value="{self.done}" max="{most}"></progress> '
            f"{self.done} of {self.total}"
        )


class _Nothing:
    """What is left of a bar."""

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return ""


@contextlib.contextmanager
def _in_notebook(show: Callable[..., Any], what: str) -> Iterator[Advance]:
    """Its own bar: rich's would need ipywidgets, which a notebook need not have."""
    handle: Any = None
    drawn = 0.0

    def advance(done: int, total: int) -> None:
        nonlocal handle, drawn
        now = time.monotonic()
        if handle is None:
            handle = show(_Bar(what, done, total), display_id=True)
        elif now - drawn >= SECONDS:
            handle.update(_Bar(what, done, total))
        else:
            return
        drawn = now

    try:
        yield advance
    finally:
        if handle is not None:
            handle.update(_Nothing())


@contextlib.contextmanager
def _on_terminal(what: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
