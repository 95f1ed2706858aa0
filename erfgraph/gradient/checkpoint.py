"""The file from which an interrupted run goes on: plain arrays and a JSON text, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from erfgraph.errors import FileError, InputError, excerpt
from erfgraph.files import check_target, write_whole
from erfgraph.gradient.sums import Sums

FORMAT = "erfgraph gradient run 1"
STOPS = ("samples", "until")  # these only say when to stop, and may differ


def write(path: Any, arguments: Mapping[str, Any], sums: Sums, at: int, unit: Any) -> None:
    """Write where a run stands, whole or not at all."""
    about = {"format": FORMAT, "next": at, "unit": list(unit), "arguments": dict(arguments)}
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about)), **sums.state()}
    write_whole(check_target(path, (".npz",)), lambda file: np.savez(file, **arrays))


def read(path: Any, arguments: Mapping[str, Any], sums: Sums) -> tuple[int, tuple[int, ...]]:
    """Take over what a file holds, if it was written by a run of the same arguments.

    Returns
    -------
    at : int
        Number of the next sample; 0 if there is no file yet.
    unit : tuple of int
        The unit, if it is known.

    Raises
    ------
    InputError
        If the file is of a run of other arguments; the first that differs is named.
    FileError
        If it cannot be read or holds something else.
    """
    target = check_target(path, (".npz",))
    if not target.exists():
        return 0, ()
    try:
        with np.load(target, allow_pickle=False) as data:
            state = {key: np.array(data[key]) for key in data}
        about = json.loads(str(state.pop("about")[()]))
        if about["format"] != FORMAT:
            raise ValueError("another format")
        held = about["arguments"]
        at, unit = int(about["next"]), tuple(int(v) for v in about["unit"])
    except OSError as error:
        raise FileError(f"resume: {target}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a broken archive may raise anything in zipfile and numpy
        raise FileError(
            f"resume: {target}: not a run saved by erfgraph: {excerpt(str(error))}"
        ) from None
    for key in sorted({*arguments, *held}):
        if key not in STOPS and arguments.get(key) != held.get(key):
            raise InputError(
                f"resume: {target} is of a run with another {key}: it has "
                f"{excerpt(repr(held.get(key)))}, this run {excerpt(repr(arguments.get(key)))}"
            )
    if at > arguments["samples"]:
        raise InputError(
            f"resume: {target} holds {at} samples already, and samples is {arguments['samples']}"
        )
    try:
        sums.restore(state)
    except (KeyError, ValueError, TypeError) as error:
        raise FileError(f"resume: {target}: broken: {error}") from None
    return at, unit
