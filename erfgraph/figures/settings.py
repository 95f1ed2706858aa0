"""`own_settings`: matplotlib as it comes, whatever a user's settings file says."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib

# where figures are shown, not how they look; asking for the backend would choose one
_APART = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")


@contextlib.contextmanager
def own_settings(begin: str = "") -> Iterator[None]:
    """A context: all settings of matplotlib that change how a figure looks are its own.

    The figures' style names the settings that it wants otherwise. Without this, a file
    `matplotlibrc` in the folder would change the rest: a grid over the maps, an image upside
    down, a file of another width.

    Parameters
    ----------
    begin : str
        How the names of these settings begin; the others stay.
    """
    changed = {key: value for key, value in _changed().items() if key.startswith(begin)}
    with matplotlib.rc_context(changed) if changed else contextlib.nullcontext():
        yield


def _changed() -> dict[Any, Any]:
    """Matplotlib's own value of each setting that is another now."""
    with warnings.catch_warnings():  # of settings that matplotlib is about to drop
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        return {
            key: value
            for key, value in matplotlib.rcParamsDefault.items()
            if key not in _APART and matplotlib.rcParams[key] != value
        }
