"""The ``.npz`` file of an importance map: plain arrays and a JSON text, no pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from erfgraph import memory
from erfgraph.counts import Counts
from erfgraph.errors import ErfgraphError, FileError
from erfgraph.files import check_target, write_whole
from erfgraph.wide import Wide

FORMAT = 1
POSITIONS = ("unit", "input_shape")  # texts that are tuples of integers
COUNTED = ("paths", "edges")  # measures whose values are numbers of something


def save(
    path: Any,
    about: Mapping[str, Any],
    counts: Counts,
    embed: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Write what a map holds; `embed` puts a window into an array of the map's shape."""
    target = check_target(path, (".npz",))
    text = json.dumps({"format": FORMAT, "scale": counts.scale, **about})
    arrays: dict[str, Any] = {"about": np.array(text)}
    if isinstance(counts.values, Wide):
        arrays["values"] = embed(counts.divided(1))
        arrays["limbs"] = np.stack([embed(limb.astype("<u4")) for limb in counts.values.limbs])
    else:
        arrays["values"] = embed(counts.values)
    if counts.nonzero is not None:
        arrays["support"] = embed(counts.nonzero)
    write_whole(target, lambda file: np.savez_compressed(file, **arrays))


def load(path: Any, keys: tuple[str, ...]) -> tuple[dict[str, Any], Counts]:
    """Read what `save` wrote: the texts of the given keys, and the counts."""
    try:
        with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            # what the arrays say they unpack to; a small file can claim a huge one
            memory.require(sum(member.file_size for member in archive.infolist()), str(path))
            file.seek(0)
            with np.load(file, allow_pickle=False) as data:
                return _unpack({key: np.array(data[key]) for key in data}, keys)
    except ErfgraphError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a broken archive may raise anything in zipfile, zlib and numpy
        problem = " ".join(str(error).split()) or type(error).__name__
        raise FileError(f"{path}: not a map saved by erfgraph: {problem}") from None


def _unpack(arrays: dict[str, np.ndarray], keys: tuple[str, ...]) -> tuple[dict[str, Any], Counts]:
    about = json.loads(str(arrays.pop("about")[()]))
    if about.pop("format") != FORMAT:
        raise ValueError(f"another format than {FORMAT}")
    counted = about.get("measure") in COUNTED
    counts = _counts(arrays, int(about.pop("scale")), counted)
    about.setdefault("channels", "collapse")  # files from before channels could be told apart
    if set(about) != set(keys):
        raise ValueError(f"texts {sorted(about)}, wanted {sorted(keys)}")
    for key, value in about.items():
        if key in POSITIONS:
            about[key] = tuple(int(v) for v in value)
        elif not (isinstance(value, str) or (key == "network" and value is None)):
            raise ValueError(f"{key}: {value!r} is no string")
    return about, counts


def _counts(arrays: Mapping[str, np.ndarray], scale: int, counted: bool) -> Counts:
    """Values that fit their measure: weights may be negative, and scaled either way."""
    values = arrays["values"]
    if values.dtype not in (np.int64, np.float64) or not 1 <= values.ndim <= 3:
        raise ValueError(f"values of type {values.dtype} with {values.ndim} axes")
    never_negative = counted or values.dtype != np.float64
    if not values.size or not np.isfinite(values).all() or (never_negative and (values < 0).any()):
        raise ValueError("values that are no finite numbers" + " of paths" * counted)
    held: np.ndarray | Wide = values
    if (limbs := arrays.get("limbs")) is not None:
        if limbs.dtype != np.uint32 or limbs.shape[1:] != values.shape or not len(limbs):
            raise ValueError(f"limbs of type {limbs.dtype} and shape {limbs.shape}")
        held = Wide(limbs.astype(np.int64))
    support = arrays.get("support")
    if support is not None and (support.dtype != bool or support.shape != values.shape):
        raise ValueError(f"support of type {support.dtype} and shape {support.shape}")
    if (counted and scale < 0) or (scale and values.dtype != np.float64):
        raise ValueError(f"scale {scale} for values of type {values.dtype}")
    return Counts(held, scale, support)
