"""Photos to draw on."""

from __future__ import annotations

from typing import Any

import numpy as np

from erfgraph.errors import InputError
from erfgraph.pictures import opened

LARGEST_PHOTO = 1600  # pixels of the longer side that are kept


def read_photo(path: Any) -> np.ndarray:
    """A photo as a uint8 array of shape (rows, columns, 3), at most 1600 pixels long.

    Raises
    ------
    FileError
        If the file cannot be read as an image.
    """
    from PIL import ImageOps

    with opened(path) as image:
        photo = ImageOps.exif_transpose(image).convert("RGB")
    photo.thumbnail((LARGEST_PHOTO, LARGEST_PHOTO))
    return np.asarray(photo)


def check_photo(image: Any) -> np.ndarray:
    """The image as an array that matplotlib draws.

    Raises
    ------
    InputError
        If it is none.
    """
    photo = np.asarray(image)
    whole = photo.dtype == np.uint8
    fits = photo.size > 0 and (photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] in (3, 4)))
    if not fits or not (whole or photo.dtype.kind == "f"):
        raise InputError(
            f"image: got {photo.dtype} of shape {photo.shape}, wanted uint8 or float of shape "
            "(rows, columns) or (rows, columns, 3 or 4)"
        )
    if not whole and not ((photo >= 0) & (photo <= 1)).all():
        raise InputError("image: wanted floats from 0 to 1")
    return photo
