"""`Cost`: what a run took, measured in the same process as what it is compared with."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")
_RESET_PEAK = "5"  # Linux: the high-water mark of resident memory starts anew (proc(5))


@dataclass(frozen=True, slots=True)
class Cost:
    """Time and memory of a run.

    Attributes
    ----------
    seconds : float
        On the clock.
    bytes : int
        Peak of the memory that the run added to what was held before it.
    memory : {"allocated", "resident", "process"}
        What the bytes are: memory allocated by Python and NumPy (``tracemalloc``), from a second
        run; resident memory of the process, all libraries' (Linux); or growth of the process's
        highest mark ever, which misses what fits below it (other systems).
    """

    seconds: float
    bytes: int
    memory: str = "allocated"

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {"seconds": self.seconds, "bytes": self.bytes, "memory": self.memory}


def allocated(run: Callable[[], Result]) -> tuple[Result, Cost]:
    """The result of a NumPy run with its cost; it runs twice, as tracing slows it down.

    Examples
    --------
    >>> import numpy as np
    >>> _, cost = allocated(lambda: np.ones(1000).sum())
    >>> 8000 <= cost.bytes < 20000
    True
    """
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    mine = not tracemalloc.is_tracing()
    if mine:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        if mine:
            tracemalloc.stop()
    return result, Cost(seconds, max(0, peak - before))


def resident(run: Callable[[], Result]) -> tuple[Result, Cost]:
    """The result of any run with its cost: what the whole process grew by, at the peak."""
    try:
        with Path("/proc/self/clear_refs").open("w", encoding="ascii") as marks:
            marks.write(_RESET_PEAK)
        before, read, kind = _status("VmRSS"), _linux_peak, "resident"
    except (OSError, ValueError):
        before, read, kind = _highest_mark(), _highest_mark, "process"
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    return result, Cost(seconds, max(0, read() - before), kind)


def _linux_peak() -> int:
    return _status("VmHWM")


def _status(key: str) -> int:
    """Bytes that the kernel says of this process."""
    with Path("/proc/self/status").open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    raise ValueError(key)


def _highest_mark() -> int:
    """Bytes of the largest resident set so far; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
