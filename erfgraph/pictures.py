"""Image files, whose errors are ours."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from erfgraph.errors import FileError


@contextlib.contextmanager
def opened(path: Any, where: str = "") -> Iterator[Any]:
    """An image file, to be read inside the block.

    Parameters
    ----------
    path : path-like
    where : str, optional
        What stands before the path in a message.

    Raises
    ------
    FileError
        If it cannot be read as an image, or says that it is enormous.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except FileNotFoundError:
        raise FileError(f"{where}{path}: cannot be read: No such file or directory") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise FileError(f"{where}{path}: cannot be read as an image: {error}") from None
