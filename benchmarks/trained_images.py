"""Images for trained networks: rendered text, digits, and crops of a photograph. Nothing is
downloaded: fonts and the photograph are matplotlib's own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

FONTS = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "STIXGeneral")
TEXT = """receptive field every unit of a map is reached by paths from the input the share that
counts is smaller than what could be seen Paris 1874 Tel 030 415926 EXIT total 12.50 EUR"""
WORDS = TEXT.split()
WEIGHTS = ("normal", "bold")
MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def rendered(
    text: str, side: int, size: float, colours: tuple[str, str], **how: Any
) -> np.ndarray:
    """Text in the middle of a square, shape (side, side, 3), 0 to 1.

    Parameters
    ----------
    text : str
    side, size : int, float
        Of the square and of the letters, in pixels.
    colours : pair of str
        Of the ink and the paper.
    **how
        ``family``, ``weight``, ``rotation``: as matplotlib takes them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ink, paper = colours
    figure = Figure(figsize=(side / 72, side / 72), dpi=72, facecolor=paper)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=ink, size=size, **how)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


COLOURS = (
    ("#111111", "#f6f4ee"),
    ("#f5f5f5", "#1d2d44"),
    ("#7a1f1f", "#dfe7d8"),
    ("#202020", "#c9b458"),
)


def page(side: int, random: np.random.Generator) -> np.ndarray:
    """Lines of words that fill a square, in one of the fonts, sizes, colours and angles."""
    size = float(random.choice([12, 16, 22, 30, 44]))
    lines = []
    for _ in range(int(side / (1.7 * size)) + 1):
        words = random.choice(WORDS, size=int(side / (2.6 * size)) + 1)
        lines.append("  ".join(words.tolist()))
    how = {
        "family": str(random.choice(FONTS)),
        "weight": str(random.choice(WEIGHTS)),
        "rotation": float(random.uniform(-8, 8)),
    }
    return rendered("\n".join(lines), side, size, COLOURS[random.integers(len(COLOURS))], **how)


@lru_cache(maxsize=1)
def photograph() -> np.ndarray:
    """matplotlib's photograph of Grace Hopper, shape (600, 512, 3), 0 to 1."""
    from matplotlib import cbook, image

    path = str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return np.asarray(image.imread(path)) / 255


def crop(side: int, random: np.random.Generator) -> np.ndarray:
    """A square of the photograph."""
    whole = photograph()
    y, x = (int(random.integers(n - side + 1)) for n in whole.shape[:2])
    return whole[y : y + side, x : x + side]


def detector_images(n: int, side: int, seed: int) -> np.ndarray:
    """Three pages of text to one crop of the photograph, normalised as the detector wants.

    Returns
    -------
    float32 array, shape (n, 3, side, side)
        Channels blue, green, red.
    """
    random = np.random.default_rng(seed)
    made = [crop(side, random) if i % 4 == 3 else page(side, random) for i in range(n)]
    whole = (np.stack(made)[..., ::-1] - MEAN) / SPREAD
    return np.ascontiguousarray(whole.transpose(0, 3, 1, 2), dtype=np.float32)


# --- digits -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def glyphs() -> np.ndarray:
    """The ten digits in all fonts, plain and bold: shape (10, kinds, 32, 32), ink is 1."""
    return np.array(
        [
            [
                rendered(str(digit), 32, 26, ("white", "black"), family=font, weight=weight)[
                    ..., 0
                ]
                for font in FONTS
                for weight in WEIGHTS
            ]
            for digit in range(10)
        ]
    )


def digit_images(n: int, side: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A digit a picture, of any size, place, angle, contrast, on a cluttered ground, with noise.

    Returns
    -------
    images : float32 array, shape (n, 1, side, side)
    digits : int64 array, shape (n,)
    """
    from scipy.ndimage import affine_transform, gaussian_filter

    digits = random.integers(10, size=n)
    kinds = glyphs().shape[1]
    grid = (side - 1) / 2
    images = np.empty((n, 1, side, side), dtype=np.float32)
    for i, digit in enumerate(digits):
        glyph = glyphs()[digit, random.integers(kinds)]
        angle, scale = random.uniform(-0.35, 0.35), 32 / random.uniform(26, 0.8 * side)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        place = grid + random.uniform(-0.12, 0.12, 2) * side
        made = affine_transform(glyph, turn, 15.5 - turn @ place, (side, side), order=1)
        ground = gaussian_filter(random.standard_normal((side, side)), random.uniform(1, 6))
        made = random.uniform(0.8, 1.6) * made + 0.25 * ground / ground.std()
        images[i, 0] = made + 0.05 * random.standard_normal((side, side))
    return images, digits
