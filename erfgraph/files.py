"""Reading and writing files: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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
    if not str(path):
        raise FileError("'': no path of a file")
    if target.suffix.lower() not in suffixes:
        raise FileError(f"{target}: got suffix {target.suffix!r}, wanted {' or '.join(suffixes)}")
    folder = target.parent
    try:
        within, there = folder.is_dir(), target.exists()
    except OSError as error:  # too long a name, or a folder that one must not look into
        raise FileError(f"{target}: cannot be written: {error.strerror}") from None
    except ValueError as error:  # a null in it
        raise FileError(f"{str(target)!r}: no path of a file: {error}") from None
    if not within:
        raise FileError(f"{target}: the folder {str(folder)!r} does not exist")
    if target.is_dir():
        raise FileError(f"{target}: is a folder")
    if there and not os.access(target, os.W_OK):
        raise FileError(f"{target}: is there and cannot be written")
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
    write_together({path: write})


def write_together(files: Mapping[Path, Callable[[IO[bytes]], Any]]) -> None:
    """Write files that belong together, each by a function: all of them, or none.

    Raises
    ------
    FileError
        If the system refuses.
    """
    parts: dict[Path, Path] = {}
    path = Path()  # the one that an error is about
    try:
        for path, write in files.items():
            target, handle, part = _part_of(path)
            parts[target] = part
            with os.fdopen(handle, "wb") as file:
                write(file)
            part.chmod(_mode_of(target))
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _part_of(path: Path) -> tuple[Path, int, Path]:
    """The file itself where the path is a link, and an open new file beside it with its name."""
    import tempfile  # brings random and hashlib along

    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise FileError(f"{path}: is a folder")
        # the start of its name: with more the part's could be too long
        prefix = f".{target.name[:40]}."
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=".part")
    except FileError:
        raise
    except ValueError as error:  # a null or half a character in the path
        raise FileError(f"{str(path)!r}: no path of a file: {error}") from None
    return target, handle, Path(name)


def _mode_of(path: Path) -> int:
    """What may be done with a file: as before, or as is usual for a new one."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


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
