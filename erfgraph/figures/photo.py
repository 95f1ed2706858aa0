"""Photos to draw on."""

from __future__ import annotations

from typing import Any

import numpy as np

from erfgraph.errors import InputError
from erfgraph.pictures import opened

LARGEST_PHOTO = 1600  # pixels of the longer side that are kept
TOPS = (1, 255, 65535)  # white, in images of more than eight bits


def read_photo(path: Any) -> np.ndarray:
    """A photo as a uint8 array of shape (rows, columns, 3), at most 1600 pixels long.

    Raises
    ------
    FileError
        If the file cannot be read as an image.
    """
    from PIL import ImageOps

    with opened(path) as image:
        photo = _as_rgb(ImageOps.exif_transpose(image))
    photo.thumbnail((LARGEST_PHOTO, LARGEST_PHOTO))
    return np.asarray(photo)


def _as_rgb(image: Any) -> Any:
    """An image of any kind in eight bits a colour: deep ones scaled, transparent ones on white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":  # PIL would cut them at 255
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = next((top for top in TOPS if values.max() <= top), values.max())
        return Image.fromarray(np.uint8(np.clip(values / top, 0, 1) * 255)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


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
