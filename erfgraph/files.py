"""Reading and writing files: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from erfgraph.errors import FileError

LARGEST_TEXT = 64 << 20


def check_target(path: Any, suffixes: tuple[str, ...]) -> Path:
    """The path, if a file with one of the suffixes can be written there.

    Raises
    ------
    FileError
        If the suffix is another, the folder does not exist or cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        raise FileError(f"{target}: got suffix {target.suffix!r}, wanted {' or '.join(suffixes)}")
    folder = target.parent
    if not folder.is_dir():
        raise FileError(f"{target}: the folder {str(folder)!r} does not exist")
    if target.is_dir():
        raise FileError(f"{target}: is a folder")
    if not os.access(folder, os.W_OK):
        raise FileError(f"{target}: the folder {str(folder)!r} cannot be written")
    return target


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file by a function; on any failure the old file stays and nothing is left.

    Raises
    ------
    FileError
        If the system refuses.
    """
    import tempfile  # brings random and hashlib along

    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None
    except ValueError as error:  # a null or half a character in the path
        raise FileError(f"{str(path)!r}: no path of a file: {error}") from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp makes private files; a result should be ordinary
        part.replace(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def read_text(path: Any) -> str:
    """The text of a UTF-8 file.

    Raises
    ------
    FileError
        If it cannot be read, is too large, or is not UTF-8.
    """
    source = Path(path)
    try:
        if source.stat().st_size > LARGEST_TEXT:
            raise FileError(f"{source}: larger than {LARGEST_TEXT >> 20} MiB")
        return source.read_text(encoding="utf-8-sig")  # without the mark that some editors add
    except UnicodeDecodeError as error:
        raise FileError(f"{source}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise FileError(f"{source}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a null or half a character in the path
        raise FileError(f"{str(source)!r}: no path of a file: {error}") from None
