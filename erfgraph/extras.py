"""Packages that need not be there, imported on use."""

from __future__ import annotations

import importlib
from typing import Any

from erfgraph.errors import MissingExtraError


def torch_module() -> Any:
    """PyTorch.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _extra("torch", "PyTorch")


def onnx_module() -> Any:
    """The onnx package.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _extra("onnx", "onnx")


def _extra(name: str, spoken: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"{spoken} is not installed; pip install 'erfgraph[{name}]'"
        ) from error
