"""Reading ONNX files: checked before they are parsed, and nothing in them is run."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erfgraph.errors import FileError, excerpt
from erfgraph.extras import onnx_module
from erfgraph.importers.onnx_wire import WireError, initialisers, lean

MOST_BYTES = (1 << 31) - 1  # of any message of Protocol Buffers


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


class Weights:
    """The numbers of the tensors that a file stores, each read when it is asked for.

    Parameters
    ----------
    path : str or path-like
    """

    def __init__(self, path: Any) -> None:
        self.source = Path(os.fsdecode(path))
        self.places: dict[str, tuple[int, int]] | None = None
        self.stamp = _stamp(self.source)

    def read(self, name: str, shape: tuple[int, ...]) -> Any:
        """A tensor as an array.

        Raises
        ------
        FileError
            If the file, or the one beside it in which the numbers are, cannot be read, or is
            no longer the one that the network was imported from.
        """
        try:
            found = self._read(name)
        except FileError:
            raise
        except Exception as error:  # of the system, the parser, the decoder
            reason = excerpt(" ".join(str(error).split()), most=200)
            raise FileError(f"{self.source}: tensor {excerpt(name)!r}: {reason}") from None
        if found.shape != shape:
            raise self._changed(name)
        return found

    def _read(self, name: str) -> Any:
        onnx = onnx_module()
        if _stamp(self.source) != self.stamp:
            raise self._changed(name)
        with self.source.open("rb") as file, _mapped(file) as view:
            if self.places is None:
                self.places = {key: (a, b) for key, a, b in initialisers(view)}
            if name not in self.places:
                raise FileError(f"{self.source}: tensor {excerpt(name)!r}: its numbers are lost")
            start, stop = self.places[name]
            tensor = onnx.TensorProto.FromString(bytes(view[start:stop]))
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            folder = str(self.source.resolve().parent)
            onnx.external_data_helper.load_external_data_for_tensor(tensor, folder)
        return onnx.numpy_helper.to_array(tensor)

    def _changed(self, name: str) -> FileError:
        return FileError(
            f"{self.source}: tensor {excerpt(name)!r}: the file has changed since the network was "
            "imported from it"
        )


def _stamp(source: Path) -> tuple[int, int] | None:
    """What tells whether a file is still the same; None if it is gone."""
    try:
        status = source.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@contextmanager
def _mapped(file: Any) -> Iterator[memoryview]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            yield view
        finally:
            view.release()


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
        with _mapped(file) as view:
            return lean(view)
