"""What a module sees: random inputs, or the user's images, of which none is resized silently."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from erfgraph.errors import FileError, InputError, unknown_name
from erfgraph.params import Shape
from erfgraph.pictures import opened

Draw = Callable[[np.random.Generator, Shape], np.ndarray]

INPUTS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "uniform": lambda rng, shape: rng.random(shape),
    "ones": lambda rng, shape: np.ones(shape),
}
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".npy")
ORIENTATION = 0x0112  # the EXIF tag; from 5 on, rows and columns are exchanged
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # what Pillow calls so many channels


@dataclass(frozen=True)
class Inputs:
    """A source of inputs of one shape.

    Attributes
    ----------
    shape : tuple of int
        ``(channels, *spatial)``.
    kind : str
        A row of `INPUTS`, for random ones.
    images : float array (n, channels, *spatial), tuple of paths, or None
    seed : int
    preprocess : callable, optional
        What an image file passes before it is seen.
    """

    shape: Shape
    kind: str
    images: np.ndarray | tuple[Path, ...] | None
    seed: int
    preprocess: Callable[[np.ndarray], Any] | None

    def __len__(self) -> int:
        """How many images there are."""
        return 0 if self.images is None else len(self.images)

    def get(self, indices: range) -> np.ndarray:
        """The inputs of these numbers, float64 of shape (n, channels, *spatial)."""
        return np.stack([self._one(i) for i in indices])

    def _one(self, index: int) -> np.ndarray:
        if self.images is None:
            rng = np.random.default_rng([self.seed, 1, index])
            return INPUTS[self.kind](rng, self.shape)
        if isinstance(self.images, np.ndarray):
            return np.asarray(self.images[index], dtype=np.float64)
        path = self.images[index]
        image = read_image(path, self.shape[0])
        if self.preprocess is not None:
            image = np.asarray(self.preprocess(image))
        _check_shape(path, image.shape, self.shape)
        return np.asarray(image, dtype=np.float64)

    def fingerprint(self) -> dict[str, str]:
        """Texts that tell one source of inputs from another."""
        if self.images is None:
            return {"inputs": self.kind, "images": "none"}
        if isinstance(self.images, np.ndarray):
            digest = hashlib.sha256(np.ascontiguousarray(self.images).tobytes()).hexdigest()
            return {"inputs": "images", "images": f"{self.images.shape} {digest}"}
        digest = hashlib.sha256("\n".join(map(str, self.images)).encode()).hexdigest()
        return {"inputs": "images", "images": f"{len(self.images)} files {digest}"}


def inputs_of(shape: Shape, kind: Any, images: Any, seed: int, preprocess: Any = None) -> Inputs:
    """A source of inputs from what the user gave.

    Raises
    ------
    InputError
        If images are neither files nor an array of the right shape.
    FileError
        If there is no image at a path.
    NameLookupError
        If there is no such kind of random input.
    """
    if not isinstance(kind, str) or kind not in INPUTS:
        raise unknown_name("inputs", str(kind), INPUTS)
    if preprocess is not None and not callable(preprocess):
        raise InputError(f"preprocess: got {preprocess!r}, wanted a function of an array")
    found: np.ndarray | tuple[Path, ...] | None = None
    if isinstance(images, str | Path):
        found = _folder(Path(images))
    elif isinstance(images, list | tuple) and all(isinstance(p, str | Path) for p in images):
        found = _files([Path(p) for p in images])
    elif images is not None:
        found = _array(images, shape)
    if preprocess is not None and not isinstance(found, tuple):
        raise InputError("preprocess: is for image files; an array is seen as it is")
    if isinstance(found, tuple) and preprocess is None:
        for path in found:  # before hours are spent on those before it
            _check_shape(path, image_shape(path, shape[0]), shape)
    return Inputs(shape, kind, found, seed, preprocess)


def _folder(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        raise FileError(f"images: {folder}: no such folder; one file goes in a list")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise FileError(f"images: {folder}: holds no image ({', '.join(SUFFIXES)})")
    return tuple(found)


def _files(paths: list[Path]) -> tuple[Path, ...]:
    if not paths:
        raise InputError("images: got an empty list, wanted at least one image")
    for path in paths:
        if not path.is_file():
            raise FileError(f"images: {path}: no such file")
        if path.suffix.lower() not in SUFFIXES:
            raise FileError(f"images: {path}: wanted one of {', '.join(SUFFIXES)}")
    return tuple(paths)


def _array(images: Any, shape: Shape) -> np.ndarray:
    if hasattr(images, "detach"):
        images = images.detach().cpu().numpy()
    try:
        found = np.asarray(images)
    except ValueError:
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "biuf" or found.shape[1:] != shape or not len(found):
        got = f"{found.dtype} array of shape {found.shape}"
        if found.dtype.kind not in "biuf":
            got = type(images).__name__
        raise InputError(
            f"images: got {got}, wanted numbers of shape (n, {', '.join(map(str, shape))}), a "
            "folder, or a list of files"
        )
    return found


def _check_shape(path: Path, got: Shape, wanted: Shape) -> None:
    if got != wanted:
        raise InputError(
            f"images: {path} has shape {got}, wanted {wanted}; resize or crop it, by preprocess= "
            "for example, or give another input_shape"
        )


def _check_channels(path: Path, channels: int) -> None:
    if channels not in MODES:
        raise InputError(
            f"images: {path} is an image file, and input_shape has {channels} channels, wanted "
            "1, 3 or 4; give an array, or .npy files"
        )


def image_shape(path: Path, channels: int) -> Shape:
    """The shape that `read_image` would give, from the head of the file."""
    if path.suffix.lower() == ".npy":
        return tuple(_array_file(path, "r").shape)
    _check_channels(path, channels)
    with opened(path, "images: ") as image:
        turned = image.getexif().get(ORIENTATION, 1) >= 5
        columns, rows = image.size[::-1] if turned else image.size
    return channels, rows, columns


def read_image(path: Path, channels: int) -> np.ndarray:
    """An image file as a float64 array (channels, rows, columns), 0 to 1; an array as it is.

    Raises
    ------
    InputError
        If no image file has so many channels.
    FileError
        If the file cannot be read.
    """
    if path.suffix.lower() == ".npy":
        return np.asarray(_array_file(path, None))
    from PIL import ImageOps

    _check_channels(path, channels)
    with opened(path, "images: ") as image:
        upright = ImageOps.exif_transpose(image).convert(MODES[channels])
    pixels = np.asarray(upright, dtype=np.float64) / 255
    return np.moveaxis(pixels.reshape(*pixels.shape[:2], channels), -1, 0)


def _array_file(path: Path, mmap_mode: Literal["r"] | None) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode=mmap_mode))
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"images: {path}: cannot be read as an array: {error}") from None
