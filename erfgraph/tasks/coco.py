"""`read_coco`: object sizes from COCO-format JSON, checked by msgspec."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from erfgraph.errors import FileError, InputError, excerpt
from erfgraph.memory import require
from erfgraph.tasks.objects import ObjectSizes

LARGEST = 4 << 30  # bytes of a file
BATCH = 4096  # annotations from one report of progress to the next
CHUNK = 16 << 20  # bytes of text checked at a time

Progress = Callable[[int, int], Any]


# --- schema -------------------------------------------------------------------------------

Id = int | str


class _Image(msgspec.Struct, gc=False):
    id: Id
    width: float | None = None
    height: float | None = None


class _Category(msgspec.Struct, gc=False):
    id: Id
    name: str


class _Annotation(msgspec.Struct, gc=False):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]  # x, y, width, height
    iscrowd: int | bool = False


class _File(msgspec.Struct):
    # each entry is decoded on its own: errors get its index, and progress is known
    images: list[msgspec.Raw]
    categories: list[msgspec.Raw]
    annotations: list[msgspec.Raw]


# --- reading ------------------------------------------------------------------------------


def read_coco(path: Any, lenient: bool = False, progress: Progress | None = None) -> ObjectSizes:
    """Sizes and classes of the objects of a COCO-format annotation file.

    Of the file, ``images`` (``id``, ``width``, ``height``), ``categories`` (``id``, ``name``)
    and ``annotations`` (``image_id``, ``category_id``, ``bbox``, ``iscrowd``) are read, all
    else is skipped. Annotations of crowds are ignored and counted.

    Parameters
    ----------
    path : path-like
    lenient : bool, optional
        Drop boxes whose width or height is not above 0, and count them; default an error.
    progress : callable, optional
        Called with (annotations read, all annotations) as reading goes on.

    Returns
    -------
    ObjectSizes
        In the file's order, in pixels of the original images.

    Raises
    ------
    FileError
        If the file cannot be read, is not UTF-8 or not JSON (``NaN`` is not), a field is
        missing or of the wrong type, an id unknown or used twice, or a box has no size. The
        message names the field's path, as ``annotations[17].bbox[2]``.
    SizeError
        If the file does not fit into memory.

    Notes
    -----
    The format: https://cocodataset.org/#format-data; ``bbox`` is x, y, width, height.

    Examples
    --------
    >>> import json, pathlib, tempfile, erfgraph as eg
    >>> document = {
    ...     "images": [{"id": 1, "width": 640, "height": 480}],
    ...     "categories": [{"id": 3, "name": "car"}],
    ...     "annotations": [{"image_id": 1, "category_id": 3, "bbox": [5, 5, 90, 40]}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "instances.json")
    ...     _ = file.write_text(json.dumps(document))
    ...     objects = eg.read_coco(file)
    >>> objects.names, objects.sides().tolist()
    (('car',), [60.0])
    """
    data = _bytes(Path(path))
    try:
        return _objects(_sections(data), lenient, progress)
    except InputError as error:
        raise FileError(f"{path}: {error}") from None


def _bytes(source: Path) -> bytes:
    """The file's bytes, UTF-8 without its mark."""
    try:
        size = source.stat().st_size
        if size > LARGEST:
            raise FileError(f"{source}: larger than {LARGEST >> 30} GiB")
        require(3 * size, f"reading {source}")
        data = source.read_bytes()
    except OSError as error:
        raise FileError(f"{source}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a null or half a character in the path
        raise FileError(f"{str(source)!r}: no path of a file: {error}") from None
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, max(len(data), 1), CHUNK):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + CHUNK], final=start + CHUNK >= len(data))
        except UnicodeDecodeError as error:
            at = start - pending + error.start
            raise FileError(f"{source}: not UTF-8 text (byte {at})") from None
    return data.removeprefix(codecs.BOM_UTF8)


def _sections(data: bytes) -> _File:
    try:
        return msgspec.json.decode(data, type=_File)
    except msgspec.ValidationError as error:
        raise _located(error, "", None) from None
    except msgspec.DecodeError as error:
        raise _malformed(data, error) from None
    except RecursionError:
        raise InputError("nested too deeply") from None


def _malformed(data: bytes, error: msgspec.DecodeError) -> InputError:
    """What is wrong with a text that is no JSON; other tools write NaN as if it were."""
    problem = str(error).removeprefix("JSON is malformed: ")
    found = re.search(r"\(byte (\d+)\)", problem)
    at = int(found[1]) if found else 0
    word = re.match(rb"-?(NaN|Infinity)", data[max(at - 1, 0) :][:10].lstrip(b" :,["))
    if not word:
        return InputError(f"not JSON: {problem[:1].lower()}{problem[1:]}")
    try:
        annotations = json.loads(data)["annotations"]
        for i, one in enumerate(annotations):
            for j, value in enumerate(one.get("bbox") or ()):
                if isinstance(value, float) and not math.isfinite(value):
                    return InputError(
                        f"annotations[{i}].bbox[{j}]: got {value}, wanted a finite number"
                    )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return InputError(f"not JSON: {word[0].decode()} at byte {at} is no number of JSON")


def _objects(file: _File, lenient: bool, progress: Progress | None) -> ObjectSizes:
    images = _entries(file.images, _Image, "images")
    categories = _entries(file.categories, _Category, "categories")
    for i, image in enumerate(images):
        for key in ("width", "height"):
            value = getattr(image, key)
            if value is not None and not value > 0:
                raise InputError(f"images[{i}].{key}: got {value}, wanted a number > 0")
    image_at = _index(images, "images")
    class_at = _index(categories, "categories")
    decoder = msgspec.json.Decoder(_Annotation)
    rows: list[tuple[float, float, int, int]] = []  # width, height, class, image
    crowd = 0
    degenerate: list[str] = []
    total = len(file.annotations)
    for i, raw in enumerate(file.annotations):
        if progress and i % BATCH == 0:
            progress(i, total)
        try:
            one = decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise _located(error, f"annotations[{i}]", raw) from None
        name = class_at.get(one.category_id)
        image_index = image_at.get(one.image_id)
        if name is None:
            where = f"annotations[{i}].category_id"
            raise _unknown_id(where, "category", one.category_id, categories)
        if image_index is None:
            where = f"annotations[{i}].image_id"
            raise _unknown_id(where, "image", one.image_id, images)
        _, _, width, height = one.bbox
        if one.iscrowd:
            crowd += 1
        elif width > 0 and height > 0:
            rows.append((width, height, name, image_index))
        else:
            j = 3 if width > 0 else 2
            degenerate.append(f"annotations[{i}].bbox[{j}]: got {one.bbox[j]}")
    if progress:
        progress(total, total)
    if degenerate and not lenient:
        more = len(degenerate) - 1
        others = f" and {more} more box{'es' * (more > 1)} without a size" if more else ""
        raise InputError(f"{degenerate[0]}, wanted a number > 0{others}; lenient drops such boxes")
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    sizes = np.array([(m.height, m.width) for m in images], dtype=np.float64).reshape(-1, 2)
    return ObjectSizes(
        table[:, 0],
        table[:, 1],
        table[:, 2].astype(np.int64),
        tuple(c.name for c in categories),
        sizes[table[:, 3].astype(np.int64)],
        len(images),
        crowd,
        len(degenerate),
    )


def _entries(raws: Sequence[msgspec.Raw], kind: type[Any], where: str) -> list[Any]:
    decoder = msgspec.json.Decoder(kind)
    made = []
    for i, raw in enumerate(raws):
        try:
            made.append(decoder.decode(raw))
        except msgspec.DecodeError as error:
            raise _located(error, f"{where}[{i}]", raw) from None
    return made


def _index(entries: Sequence[Any], where: str) -> dict[Id, int]:
    """Where each id stands."""
    found: dict[Id, int] = {}
    for i, one in enumerate(entries):
        first = found.setdefault(one.id, i)
        if first != i:
            raise InputError(f"{where}[{i}].id: {_show(one.id)} is the id of {where}[{first}] too")
    return found


def _unknown_id(where: str, kind: str, got: Id, entries: Sequence[Any]) -> InputError:
    known = ", ".join(_show(one.id) for one in entries[:8]) + ", …" * (len(entries) > 8)
    wanted = f"one of {len(entries)}: {known}" if entries else "one, but there is none"
    return InputError(f"{where}: got {_show(got)}, no {kind} has it; wanted {wanted}")


_WANTED = {
    "float": "a number",
    "float | null": "a number",
    "int | str": "a whole number or a text",
    "bool | int": "0 or 1",
    "str": "a text",
    "array": "an array",
    "object": "an object",
}


def _located(error: msgspec.DecodeError, prefix: str, raw: msgspec.Raw | None) -> InputError:
    """A validation error with the offending field's path in front."""
    text, _, place = str(error).partition(" - at `$")
    path = (prefix + place.rstrip("`")).removeprefix(".")
    missing = re.match(r"Object missing required field `(.*)`$", text)
    if missing:
        return InputError(f"{path}.{missing[1]}: missing".removeprefix("."))
    expected = re.match(r"Expected `(.*?)`( of length \d+)?(?:, got `(.*)`)?", text)
    shown = expected[3] if expected and expected[3] else "something else"
    if raw is not None:
        try:
            got = json.loads(bytes(raw))  # Python's own decoder knows infinity
            for key in re.findall(r"\w+", place):
                got = got[int(key) if isinstance(got, list) else key]
            shown = _show(got)
        except (ValueError, RecursionError):  # an integer of thousands of digits
            shown = "what cannot be shown"
    if expected is None:  # a number out of range
        return InputError(f"{path or 'file'}: got {shown}: {text[:1].lower()}{text[1:]}")
    wanted = _WANTED.get(expected[1], expected[1]) + (expected[2] or "")
    return InputError(f"{path or 'file'}: got {shown}, wanted {wanted}")


def _show(value: Any) -> str:
    """A value as JSON writes it, cut short."""
    return excerpt(json.dumps(value, ensure_ascii=False))
