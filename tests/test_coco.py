"""COCO files: what is read, what is refused and in which words, how long it takes."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

import erfgraph as eg
from erfgraph.errors import FileError, InputError, NameLookupError
from erfgraph.tasks import coco as module


def base():
    return {
        "images": [{"id": 7, "width": 640, "height": 480}, {"id": 8, "width": 100, "height": 300}],
        "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "mouse"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [5, 5.5, 90, 40], "iscrowd": 0},
            {"id": 2, "image_id": 8, "category_id": 90, "bbox": [0, 0, 2, 8]},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 0},
        ],
    }


def changed(*path_and_value):
    """The base document with one field set; `del` in place of a value takes it out."""
    *path, last, value = path_and_value
    document = base()
    at = document
    for key in path:
        at = at[key]
    if value is del_:
        del at[last]
    else:
        at[last] = value
    return json.dumps(document).encode()


del_ = object()
A = "annotations"


def read(tmp_path, content, **options):
    file = tmp_path / "instances.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return eg.read_coco(file, **options)


# --- reading ------------------------------------------------------------------------------


def test_sizes_classes_and_images(tmp_path):
    found = read(tmp_path, base())
    assert found.widths.tolist() == [90, 2, 9]
    assert found.heights.tolist() == [40, 8, 9]
    assert found.classes.tolist() == [0, 1, 0]
    assert found.names == ("car", "mouse")
    assert found.image_sizes.tolist() == [[480, 640], [300, 100], [480, 640]]
    assert (len(found), found.n_images, found.n_crowd, found.n_dropped) == (3, 2, 0, 0)
    assert found.sides().tolist() == [60, 4, 9]
    assert found.sides("width").tolist() == [90, 2, 9]
    assert found.sides("height").tolist() == [40, 8, 9]
    assert not found.widths.flags.writeable


def test_a_mark_at_the_start_and_other_fields_are_skipped(tmp_path):
    document = base() | {"info": {"year": 2017}, "licenses": [{}]}
    document[A][0]["segmentation"] = [[1, 2, 3, 4]]
    assert len(read(tmp_path, b"\xef\xbb\xbf" + json.dumps(document).encode())) == 3


def test_ids_may_be_texts(tmp_path):
    content = json.dumps(base()).replace('"id": 7', '"id": "a"').replace('_id": 7', '_id": "a"')
    assert len(read(tmp_path, content.encode())) == 3


def test_crowds_are_ignored_and_counted(tmp_path):
    found = read(tmp_path, changed(A, 2, "iscrowd", 1))
    assert found.widths.tolist() == [90, 2]
    assert found.n_crowd == 1
    crowd = base()
    crowd[A][2] |= {"iscrowd": True, "bbox": [0, 0, 0, 0]}
    assert read(tmp_path, crowd).n_crowd == 1  # nor is it checked for a size


def test_image_sizes_may_be_missing_until_they_are_needed(tmp_path):
    found = read(tmp_path, changed("images", 1, {"id": 8}))
    assert np.isnan(found.image_sizes).any(axis=1).tolist() == [False, True, False]
    assert found.resized((224, 224), "none") is found
    with pytest.raises(InputError, match=r"resize 'longer' needs .* 1 of 3 objects' images"):
        found.resized((224, 224), "longer")


def test_lenient_drops_boxes_without_a_size(tmp_path):
    bad = base()
    bad[A][0]["bbox"][2] = -3
    bad[A][2]["bbox"][3] = 0
    found = read(tmp_path, bad, lenient=True)
    assert (found.widths.tolist(), found.n_dropped) == ([2.0], 2)
    with pytest.raises(
        FileError,
        match=r"annotations\[0\].bbox\[2\]: got -3.0, wanted a number > 0 and 1 more box without",
    ):
        read(tmp_path, bad)


# --- refusing -----------------------------------------------------------------------------

BAD = {
    "negative": (
        changed(A, 1, "bbox", [0, 0, -3, 5]),
        r"annotations\[1\].bbox\[2\]: got -3.0, wanted a number > 0; lenient drops",
    ),
    "flat": (changed(A, 2, "bbox", [0, 0, 3, 0]), r"annotations\[2\].bbox\[3\]: got 0.0, wanted"),
    "nan": (
        changed(A, 1, "bbox", [0, 0, 3, float("nan")]),
        r"annotations\[1\].bbox\[3\]: got nan, wanted a finite number",
    ),
    "infinity": (
        changed(A, 1, "bbox", [float("-inf"), 0, 3, 4]),
        r"annotations\[1\].bbox\[0\]: got -inf, wanted a finite number",
    ),
    "nan elsewhere": (changed(A, 1, "score", float("nan")), r"not JSON: NaN at byte \d+ is no"),
    "too large": (
        json.dumps(base()).replace("90, 40", "1e999, 40").encode(),
        r"annotations\[0\].bbox\[2\]: got Infinity: number out of range",
    ),
    "thousands of digits": (
        json.dumps(base()).replace("90, 40", "9" * 5000 + ", 40").encode(),
        r"annotations\[0\].bbox\[2\]: got what cannot be shown: number out of range",
    ),
    "text": (
        changed(A, 1, "bbox", [0, 0, "3", 4]),
        r'annotations\[1\].bbox\[2\]: got "3", wanted a number',
    ),
    "short": (
        changed(A, 1, "bbox", [0, 0, 3]),
        r"annotations\[1\].bbox: got \[0, 0, 3\], wanted an array of length 4",
    ),
    "null": (changed(A, 1, "bbox", None), r"annotations\[1\].bbox: got null, wanted an array"),
    "no box": (changed(A, 1, "bbox", del_), r"annotations\[1\].bbox: missing"),
    "no category": (changed(A, 0, "category_id", del_), r"annotations\[0\].category_id: missing"),
    "no image": (changed(A, 0, "image_id", del_), r"annotations\[0\].image_id: missing"),
    "no name": (changed("categories", 1, "name", del_), r"categories\[1\].name: missing"),
    "no images": (changed("images", del_), "images: missing"),
    "no annotations": (changed(A, del_), "annotations: missing"),
    "unknown category": (
        changed(A, 2, "category_id", 4),
        r"annotations\[2\].category_id: got 4, no category has it; wanted one of 2: 3, 90",
    ),
    "unknown image": (
        changed(A, 2, "image_id", "7"),
        r'annotations\[2\].image_id: got "7", no image has it; wanted one of 2: 7, 8',
    ),
    "nothing known": (changed("categories", []), r"wanted one, but there is none"),
    "fraction": (
        changed(A, 2, "category_id", 3.5),
        r"annotations\[2\].category_id: got 3.5, wanted a whole number or a text",
    ),
    "crowd": (changed(A, 2, "iscrowd", "no"), r'annotations\[2\].iscrowd: got "no", wanted 0 or'),
    "image size": (
        changed("images", 1, "width", 0),
        r"images\[1\].width: got 0.0, wanted a number > 0",
    ),
    "same id": (changed("images", 1, "id", 7), r"images\[1\].id: 7 is the id of images\[0\] too"),
    "same category": (changed("categories", 1, "id", 3), r"categories\[1\].id: 3 is the id of"),
    "entry": (changed(A, 1, 5), r"annotations\[1\]: got 5, wanted an object"),
    "no list": (changed(A, {}), r"annotations: got object, wanted an array"),
    "results": (b"[]", r"file: got array, wanted an object"),
    "empty": (b"", "not JSON: input data was truncated"),
    "cut off": (json.dumps(base()).encode()[:-5], "not JSON: input data was truncated"),
    "latin": (json.dumps(base()).encode().replace(b"car", b"caf\xe9"), r"not UTF-8 text \(byte"),
    "half a character": (b'{"images": "\xe2\x82', r"not UTF-8 text \(byte 12\)"),
    "deep": (b'{"images":' + b"[" * 200_000, "nested too deeply"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, content, message):
    file = tmp_path / "instances.json"
    file.write_bytes(content)
    with pytest.raises(FileError) as caught:
        eg.read_coco(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert re.search(message, str(caught.value)), caught.value
    assert len(str(caught.value)) < len(str(file)) + 300


def test_the_byte_that_is_no_text_is_found_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    good = "{}€€€".encode()
    for at in range(len(good)):
        content = good[:at] + b"\xff" + good[at:]
        try:
            content.decode()
        except UnicodeDecodeError as error:
            wanted = error.start
        with pytest.raises(FileError, match=rf"not UTF-8 text \(byte {wanted}\)"):
            read(tmp_path, content)


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(FileError, match="No such file"):
        eg.read_coco(tmp_path / "nothing.json")
    with pytest.raises(FileError, match="Is a directory"):
        eg.read_coco(tmp_path)
    with pytest.raises(FileError, match="no path of a file"):
        eg.read_coco("a\0b")
    monkeypatch.setattr(module, "LARGEST", 10)
    with pytest.raises(FileError, match="larger than"):
        read(tmp_path, base())


# --- size ---------------------------------------------------------------------------------


def test_a_hundred_thousand_annotations(tmp_path):
    n = 100_000
    rng = np.random.default_rng(0)
    sizes = rng.uniform(1, 500, (n, 2)).round(2)
    outline = rng.uniform(0, 500, 40).round(2).tolist()  # what real files are full of
    document = base()
    document[A] = [
        {
            "id": i,
            "image_id": 7 + i % 2,
            "category_id": 3,
            "segmentation": [outline],
            "bbox": [1, 2, w, h],
            "iscrowd": 0,
        }
        for i, (w, h) in enumerate(sizes.tolist())
    ]
    file = tmp_path / "large.json"
    file.write_text(json.dumps(document))
    calls = []
    start = time.perf_counter()
    found = eg.read_coco(file, progress=lambda done, total: calls.append((done, total)))
    assert time.perf_counter() - start < 5
    assert np.array_equal(np.stack([found.widths, found.heights], axis=1), sizes)
    assert calls[0] == (0, n)
    assert calls[-1] == (n, n)
    assert len(calls) > 20
    assert calls == sorted(set(calls))


# --- objects of one's own -----------------------------------------------------------------


def test_resizing():
    two = eg.ObjectSizes([64, 10], [48, 20], image_sizes=[[480, 640], [100, 50]])
    wide = (120, 320)
    for mode, sizes in {
        "none": [(48, 64), (20, 10)],
        "stretch": [(12, 32), (24, 64)],  # by 1/4 and 1/2, by 1.2 and 6.4
        "longer": [(12, 16), (24, 12)],  # the whole image fits: the smaller factor
        "shorter": [(24, 32), (128, 64)],  # the image covers the input: the larger one
    }.items():
        found = two.resized(wide, mode)
        assert np.stack([found.heights, found.widths], 1) == pytest.approx(np.array(sizes)), mode
    assert found.image_sizes.tolist() == [[120, 320], [120, 320]]
    with pytest.raises(NameLookupError, match="unknown resize 'strech'; did you mean 'stretch'"):
        two.resized(wide, "strech")
    with pytest.raises(InputError, match="wanted height and width"):
        two.resized((7,), "stretch")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1]), r"heights: got shape \(1,\), wanted \(2,\)"),
        (([1, -2], [1, 1]), r"widths\[1\]: got -2.0, wanted a number > 0"),
        (([1, 2], [1, np.nan]), r"heights\[1\]: got nan"),
        ((["a"], [1]), "widths: .* wanted numbers"),
        (([1], [1], [1]), "classes: wanted indices of the 1 names"),
        (([1], [1], [0], ("a",), [[1, 2, 3]]), r"image_sizes: got shape \(1, 3\)"),
    ],
)
def test_bad_objects(arguments, message):
    with pytest.raises(InputError, match=message):
        eg.ObjectSizes(*arguments)


def test_unknown_size():
    with pytest.raises(NameLookupError, match="unknown size 'aera'; did you mean 'area'"):
        eg.ObjectSizes([1], [1]).sides("aera")
