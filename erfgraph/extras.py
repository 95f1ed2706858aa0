"""Packages that need not be there."""

from __future__ import annotations

from typing import Any

from erfgraph.errors import MissingExtraError


def torch_module() -> Any:
    """PyTorch, imported on use.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "PyTorch is not installed; pip install 'erfgraph[torch]'"
        ) from error
    return torch
