"""How much memory there is, the refusal to ask for more, and a pause for what goes through it."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

from erfgraph.errors import SizeError

FALLBACK = 4 << 30  # where the system does not say
SMALL = 1 << 28  # bytes that are not worth asking the system


def free_memory() -> int:
    """Bytes that can be allocated now without swapping."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return FALLBACK


def require(n_bytes: int, what: str, advice: str = "") -> None:
    """Raise `SizeError` if the bytes are not free.

    Parameters
    ----------
    n_bytes : int
    what : str
        What would need them, for the message.
    advice : str, optional
        How else to get there.
    """
    if n_bytes < SMALL:
        return
    free = free_memory()
    if n_bytes > free:
        raise SizeError(
            f"{what} would need {n_bytes / 2**30:.1f} GiB, "
            f"and {free / 2**30:.1f} GiB are free{'; ' + advice if advice else ''}"
        )


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Without Python's search for cycles of garbage, while many objects are made that stay.

    It would go through all of them again whenever they have grown by a quarter: a third of the
    time that a network of thousands of layers takes, and there are no cycles in one.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
