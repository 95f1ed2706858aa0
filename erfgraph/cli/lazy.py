"""Commands that are imported when they are called: only what one needs is loaded."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from erfgraph.cli import complete
from erfgraph.cli.examples import epilog_of


@dataclass(frozen=True)
class Row:
    """One command of a table: where its function stands, and its line in the list."""

    function: str  # "module:function"
    line: str

    def load(self) -> Callable[..., None]:
        """The function itself."""
        module, _, name = self.function.partition(":")
        loaded: Callable[..., None] = getattr(importlib.import_module(module), name)
        return loaded


class Commands(Mapping[str, Any]):
    """The commands of a table by name, each made when it is looked up."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows
        self.made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            function = self.rows[name].load()
            complete.attach(name, function)
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(name, help=help_of(function), epilog=epilog_of(name))(function)
            self.made[name] = typer.main.get_command(alone)
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class Listed(TyperCommand):
    """A command as a list shows it; called, it makes way for the command itself."""

    def __init__(self, name: str, commands: Commands) -> None:
        super().__init__(name, help=commands.rows[name].line)
        self.commands = commands

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself, which it is called in."""
        command = self.commands[self.name or ""]
        return command.make_context(info_name, args, parent, **extra)


class LazyGroup(TyperGroup):
    """A group of the commands of its table."""

    rows: ClassVar[Mapping[str, Row]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = Commands(self.rows)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the table's order."""
        return list(self.rows)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command as it is listed; None if there is none of that name."""
        return Listed(cmd_name, self.commands) if cmd_name in self.rows else None


def help_of(command: Callable[..., None]) -> str:
    """A docstring with each paragraph on one line, as typer keeps a source's line breaks."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
