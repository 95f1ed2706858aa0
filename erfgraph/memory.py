"""How much memory there is, and the refusal to ask for more."""

from __future__ import annotations

import os
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
