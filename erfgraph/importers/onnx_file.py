"""Reading ONNX files: checked before they are parsed, and nothing in them is run."""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path
from typing import Any

from erfgraph.errors import FileError, MissingExtraError
from erfgraph.importers.onnx_wire import WireError, lean

MOST_BYTES = (1 << 31) - 1  # of any message of Protocol Buffers


def onnx_module() -> Any:
    """The onnx package.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx is not installed; pip install 'erfgraph[onnx]'") from error
    return onnx


def read_model(path: Any) -> Any:
    """The model of a file, without the numbers of its large tensors.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    FileError
        If the file cannot be read, is too large, or is no ONNX model. Files that it refers to
        for its weights are not looked at.
    """
    onnx = onnx_module()
    source = Path(os.fsdecode(path))
    try:
        data = _lean_bytes(source)
        model = onnx.ModelProto.FromString(data)
    except OSError as error:
        raise FileError(f"{source}: cannot be read: {error.strerror or error}") from None
    except FileError as error:
        raise FileError(f"{source}: {error}") from None
    except WireError as error:
        raise FileError(f"{source}: no ONNX model, or not all of it: {error}") from None
    except ValueError as error:  # a null or half a character in the path
        raise FileError(f"{str(source)!r}: no path of a file: {error}") from None
    except Exception as error:  # the parser's own errors, of a package that may change
        raise FileError(f"{source}: no ONNX model: {' '.join(str(error).split())}") from None
    if not model.HasField("graph") or not model.graph.node:
        raise FileError(f"{source}: no ONNX model, or one without operations")
    return model


def _lean_bytes(source: Path) -> bytes:
    with source.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileError("not an ordinary file")
        if status.st_size == 0:
            raise FileError("empty")
        if status.st_size > MOST_BYTES:
            raise FileError(
                f"{status.st_size} bytes, but an ONNX model has at most {MOST_BYTES}; its "
                "weights belong in a file of their own (external data)"
            )
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            view = memoryview(mapped)
            try:
                return lean(view)
            finally:
                view.release()
