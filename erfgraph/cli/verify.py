"""``erfgraph verify``: the theory suite, every claim a named check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import erfgraph as eg
from erfgraph.cli import options as o
from erfgraph.cli import text
from erfgraph.errors import InputError
from erfgraph.files import check_target, write_whole
from erfgraph.tables import FORMATS

FAILED = 1  # exit status where a check fails
SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".json": "json"}


def verify_command(
    nets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NET...]",
            help="Networks of your own, in any form that the other commands take; the claims "
            "of the group `own` are asked of each.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only what needs seconds and no PyTorch.")
    ] = False,
    no_torch: Annotated[
        bool, typer.Option("--no-torch", help="Leave out what needs PyTorch.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this claim or group of claims; may be repeated.",
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the claims and run nothing.")
    ] = False,
    shape: o.Input = None,
    channels: o.Channels = None,
    head: o.Head = False,
    seed: Annotated[int, typer.Option(help="For everything that is drawn.")] = 0,
    form: o.Form = "text",
    as_json: o.Json = False,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="Write the result to a file: .md, .csv, .tex or .json."
        ),
    ] = None,
) -> None:
    """Check the theory: every claim with what it expects, what was found, and how.

    Exit status 1 if a check fails. Without networks, only the claims that bring their own.
    """
    o.check_form(form)
    if listed:
        _print_claims(only, form, as_json)
        return
    path = check_target(output, tuple(SUFFIXES)) if output is not None else None
    sources = nets or []
    if not sources and (shape, channels, head) != (None, None, False):
        raise InputError("--input, --channels, --head: got one without a NET that it is for")
    made = [o.network(source, shape, channels, head) for source in sources]
    with o.progress("checks") as progress:
        found = eg.verify(quick, only or None, made, seed, progress, torch=not no_torch)
    if path is not None:
        _write(path, found)
    if as_json:
        text.print_json(found.to_dict())
    elif form != "text":
        print(found.to_text(form), end="")
    else:
        _print(found)
        text.print_written(path)
    if not found.passed:
        raise typer.Exit(FAILED)


def _write(path: Path, found: eg.Verification) -> None:
    kind = SUFFIXES[path.suffix.lower()]
    if kind == "json":
        text.write_json(path, found.to_dict())
    else:
        data = found.to_text(kind).encode()
        write_whole(path, lambda file: file.write(data))


def _print(found: eg.Verification) -> None:
    from erfgraph.verification.nouns import SHORT

    header, rows = found.table()
    text.print_table(
        [header[i] for i in SHORT],
        [[row[i] for i in SHORT] for row in rows],
    )
    print()
    for line in _notes(found):
        print(line)


def _notes(found: eg.Verification) -> list[str]:
    """What failed, what was left out, and how many passed."""
    lines = [f"FAILS: {row.title}, {row.how}: {row.claim} {row.detail}" for row in found.failed]
    reasons = dict.fromkeys(row.reason for row in found.left_out)
    for reason in reasons:
        rows = [row for row in found.left_out if row.reason == reason]
        names = ", ".join(
            dict.fromkeys(f"{r.name} ({r.network})" if r.network else r.name for r in rows)
        )
        lines.append(f"left out ({reason}): {names}")
    return [*lines, found.summary]


def _print_claims(only: list[str] | None, form: str, as_json: bool) -> None:
    from erfgraph.verification import runner
    from erfgraph.verification.nouns import COLUMNS

    claims = runner.chosen(only or None)
    if as_json:
        text.print_json(
            [
                {"name": c.name, "claim": c.text, "source": c.source, "how": list(c.hows)}
                for c in claims
            ]
        )
        return
    header = [COLUMNS[0], COLUMNS[2], "claim", "source"]
    rows = [[c.name, ", ".join(c.hows), c.text, c.source] for c in claims]
    if form == "text":
        text.print_table(header, rows)
    else:
        print(FORMATS[form](header, rows), end="")
