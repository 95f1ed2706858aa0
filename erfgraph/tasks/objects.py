"""`ObjectSizes`: how large the objects of a data set are, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.errors import InputError, excerpt, unknown_name

SIZES = ("area", "height", "width")
RESIZES = ("none", "stretch", "shorter", "longer")


@dataclass(frozen=True, eq=False)
class ObjectSizes:
    """Sizes of objects in pixels, with their classes.

    Attributes
    ----------
    widths, heights : float64 array of shape (objects,)
        Sides of the boxes, in pixels of the image (after `resized`: of the input).
    classes : int64 array of shape (objects,)
        Index into `names`.
    names : tuple of str
        Names of the classes, those without an object included.
    image_sizes : float64 array of shape (objects, 2)
        Height and width of each object's image; NaN where unknown.
    n_images : int
        Images of the data set, those without an object included.
    n_crowd : int
        Annotations of crowds, which were ignored: their box is not that of an object.
    n_dropped : int
        Boxes without a size, which were dropped on the caller's wish.

    Raises
    ------
    InputError
        If arrays differ in length, a size is not a number above 0, or a class has no name.

    Examples
    --------
    >>> import erfgraph as eg
    >>> eg.ObjectSizes([30, 60], [40, 15]).sides("area").tolist()
    [34.64101615137755, 30.0]
    """

    widths: np.ndarray
    heights: np.ndarray
    classes: np.ndarray | None = None
    names: tuple[str, ...] = ("object",)
    image_sizes: np.ndarray | None = field(default=None, repr=False)
    n_images: int = 0
    n_crowd: int = 0
    n_dropped: int = 0

    def __post_init__(self) -> None:
        n = len(np.atleast_1d(self.widths))
        unknown = np.full((n, 2), np.nan)
        wanted: list[tuple[str, Any, tuple[int, ...], Any]] = [
            ("widths", self.widths, (n,), np.float64),
            ("heights", self.heights, (n,), np.float64),
            ("classes", np.zeros(n) if self.classes is None else self.classes, (n,), np.int64),
            (
                "image_sizes",
                unknown if self.image_sizes is None else self.image_sizes,
                (n, 2),
                np.float64,
            ),
        ]
        for key, value, shape, kind in wanted:
            try:
                made = np.array(value, dtype=kind)
            except (TypeError, ValueError, OverflowError):
                raise InputError(f"{key}: got {excerpt(repr(value))}, wanted numbers") from None
            if made.shape != shape:
                raise InputError(f"{key}: got shape {made.shape}, wanted {shape}")
            if key in ("widths", "heights") and not (np.isfinite(made) & (made > 0)).all():
                at = int(np.argmin(np.isfinite(made) & (made > 0)))
                raise InputError(f"{key}[{at}]: got {made[at]}, wanted a number > 0")
            made.flags.writeable = False
            object.__setattr__(self, key, made)
        object.__setattr__(self, "names", tuple(self.names))
        classes = np.asarray(self.classes)
        if n and (classes.min() < 0 or classes.max() >= len(self.names)):
            raise InputError(f"classes: wanted indices of the {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.widths)

    def sides(self, size: str = "area") -> np.ndarray:
        """One length per object, in pixels: √(width x height), or one of its sides.

        Parameters
        ----------
        size : {"area", "height", "width"}, optional

        Returns
        -------
        float64 array of shape (objects,)

        Raises
        ------
        NameLookupError
            If it is another word.
        """
        known = {
            "area": np.sqrt(self.widths * self.heights),
            "height": self.heights,
            "width": self.widths,
        }
        if size not in known:
            raise unknown_name("size", str(size), known)
        return np.asarray(known[size])

    def resized(self, input_shape: Sequence[int], mode: str = "none") -> ObjectSizes:
        """The objects as they appear in a network's input.

        Parameters
        ----------
        input_shape : sequence of int
            Height and width of the input, in pixels.
        mode : {"none", "stretch", "shorter", "longer"}, optional
            ``"none"``: images enter as they are, or in crops. ``"stretch"``: each image is
            stretched to the input's height and width. ``"shorter"``: it is enlarged or
            reduced, its proportions kept, until it just covers the input (its shorter side
            fits a square input; the rest is cropped). ``"longer"``: until it just fits into
            the input (its longer side fits a square input; the rest is padded).

        Returns
        -------
        ObjectSizes
            All objects; none is cropped.

        Raises
        ------
        InputError
            If an image's size is needed and unknown, or the input has not two axes.
        NameLookupError
            If there is no such mode.

        Examples
        --------
        >>> import erfgraph as eg
        >>> found = eg.ObjectSizes([64], [48], image_sizes=[[480, 640]])
        >>> for mode in ("stretch", "shorter", "longer"):
        ...     new = found.resized((240, 240), mode)
        ...     print(mode, new.heights[0], new.widths[0])
        stretch 24.0 24.0
        shorter 24.0 32.0
        longer 18.0 24.0
        """
        if mode not in RESIZES:
            raise unknown_name("resize", str(mode), RESIZES)
        if mode == "none":
            return self
        if len(input_shape) != 2:
            raise InputError(f"input shape: got {tuple(input_shape)}, wanted height and width")
        sizes = np.asarray(self.image_sizes)
        unknown = int(np.isnan(sizes).any(axis=1).sum())
        if unknown:
            raise InputError(
                f"resize {mode!r} needs the height and width of every image; "
                f"those of {unknown} of {len(self)} objects' images are not given"
            )
        scale = np.asarray(input_shape, dtype=np.float64) / sizes
        if mode != "stretch":
            pick = scale.max if mode == "shorter" else scale.min
            scale = np.repeat(pick(axis=1, keepdims=True), 2, axis=1)
        return ObjectSizes(
            self.widths * scale[:, 1],
            self.heights * scale[:, 0],
            self.classes,
            self.names,
            np.tile(np.asarray(input_shape, dtype=np.float64), (len(self), 1)),
            self.n_images,
            self.n_crowd,
            self.n_dropped,
        )
