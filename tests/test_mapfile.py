"""Importance maps as files: nothing is lost, nothing foreign is taken, nothing is executed."""

from __future__ import annotations

import gc
import json
import random
import warnings

import numpy as np
import pytest

import erfgraph as eg

NETS = {
    "int64": ("conv3*3", {}),
    "window": ("vgg11", {"unit": (0, 0)}),
    "edges": ("conv3x3*3", {"measure": "edges"}),
    "channels": ("conv3x3*9", {"channels": "count"}),
    "float": ("conv3x3*4", {"exact": False}),
    "wide": ("conv3x3*30", {}),
    "beyond_doubles": ("conv3*700", {}),
    "scaled": ("conv3*1000", {"exact": False}),
    "scaled_support": ("conv3*2500", {"exact": False}),
}


@pytest.fixture(scope="module")
def maps():
    return {key: eg.importance(eg.load(net), **how) for key, (net, how) in NETS.items()}


@pytest.mark.parametrize("key", NETS)
def test_round_trip(key, maps, tmp_path):
    imp = maps[key]
    path = tmp_path / "map.npz"
    imp.save(path)
    again = eg.ImportanceMap.load(path)
    assert again == imp
    assert again.values.dtype == imp.values.dtype
    assert again.values.tolist() == imp.values.tolist()
    facts, wanted = again.to_dict(), imp.to_dict()
    for rounded in ("centre_of_mass", "std", "excess_kurtosis", "entropy", "isotropy"):
        assert facts.pop(rounded) == pytest.approx(wanted.pop(rounded), rel=1e-9, abs=1e-9)
    assert facts == wanted
    assert again.log10_scale == imp.log10_scale
    assert np.array_equal(again.trf.mask, imp.trf.mask)
    for rule in ("peak", "mass", "square", "count"):
        assert np.array_equal(again.erf(rule=rule).mask, imp.erf(rule=rule).mask)
    again.save(tmp_path / "twice.npz")
    assert eg.ImportanceMap.load(tmp_path / "twice.npz") == imp


def test_the_arrays_are_plain(maps, tmp_path):
    path = tmp_path / "map.npz"
    maps["wide"].save(path)
    with np.load(path, allow_pickle=False) as data:
        assert set(data) == {"about", "values", "limbs"}
        assert np.allclose(data["values"], maps["wide"].values.astype(float), rtol=1e-14)
        whole = sum(limb.astype(object) << (32 * j) for j, limb in enumerate(data["limbs"]))
        assert (whole == maps["wide"].values).all()
        assert json.loads(str(data["about"]))["layer"] == maps["wide"].layer


def test_one_count_changed_is_another_map(maps, tmp_path):
    path = tmp_path / "map.npz"
    maps["int64"].save(path)
    with np.load(path) as data:
        arrays = dict(data)
    arrays["values"][2] += 1
    np.savez(path, **arrays)
    assert eg.ImportanceMap.load(path) != maps["int64"]


def test_files_from_before_channels_were_told_apart(maps, tmp_path):
    path = tmp_path / "map.npz"
    maps["int64"].save(path)
    with np.load(path) as data:
        arrays = dict(data)
    about = json.loads(str(arrays["about"]))
    assert about.pop("channels") == "collapse"
    arrays["about"] = np.array(json.dumps(about))
    np.savez(path, **arrays)
    assert eg.ImportanceMap.load(path) == maps["int64"]


# --- refusals -----------------------------------------------------------------------------


class Bomb:
    """Whatever unpickles it notices."""

    def __reduce__(self):
        return pytest.fail, ("the file's code was run",)


def about(**changes):
    known = {"format": 1, "scale": 0, "layer": "conv1", "unit": [3], "of": "input"}
    known |= {"measure": "paths", "network": None, "input_shape": [7]}
    return json.dumps(known | changes)


def refused(path, match="not a map saved by erfgraph"):
    with pytest.raises(eg.FileError, match=match) as caught:
        eg.ImportanceMap.load(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_tests_forge_is_taken_unspoilt(tmp_path):
    np.savez(tmp_path / "map.npz", about=np.array(about()), values=np.arange(7))
    assert eg.ImportanceMap.load(tmp_path / "map.npz").total == 21


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "map.npz"
    bomb = np.array([Bomb()], dtype=object)
    np.savez(path, about=np.array(about()), values=bomb)
    refused(path)
    np.savez(path, about=bomb, values=np.arange(7))
    refused(path)
    bomb.dump(path)
    refused(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04 and no zip", b"garbage", bytes(1000), b"\x93NUMPY\x01\x00"],
)
def test_garbage_is_refused(content, tmp_path):
    path = tmp_path / "map.npz"
    path.write_bytes(content)
    refused(path)


def test_other_arrays_are_refused(tmp_path):
    path = tmp_path / "map.npz"
    with path.open("wb") as file:
        np.save(file, np.arange(7))
    refused(path)


FORGED = {
    "no values": {"about": about()},
    "no about": {"values": np.arange(7)},
    "no json": {"about": "{", "values": np.arange(7)},
    "a list": {"about": "[1]", "values": np.arange(7)},
    "another format": {"about": about(format=99), "values": np.arange(7)},
    "one text more": {"about": about(surprise="x"), "values": np.arange(7)},
    "layer of no name": {"about": about(layer=3), "values": np.arange(7)},
    "unit of no numbers": {"about": about(unit=["a"]), "values": np.arange(7)},
    "negative counts": {"about": about(), "values": -np.arange(7)},
    "nan": {"about": about(), "values": np.full(7, np.nan)},
    "infinity": {"about": about(), "values": np.full(7, np.inf)},
    "texts": {"about": about(), "values": np.array(["a"])},
    "complex": {"about": about(), "values": np.ones(7, dtype=complex)},
    "four axes": {"about": about(), "values": np.ones((1, 1, 1, 1))},
    "nothing": {"about": about(), "values": np.ones(0)},
    "limbs of another shape": {
        "about": about(),
        "values": np.arange(7),
        "limbs": np.ones((2, 6), np.uint32),
    },
    "limbs of another type": {
        "about": about(),
        "values": np.arange(7),
        "limbs": np.ones((2, 7), np.int64),
    },
    "support of another shape": {
        "about": about(),
        "values": np.ones(7),
        "support": np.ones(6, bool),
    },
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_files_are_refused(what, tmp_path):
    arrays = {key: np.array(value) for key, value in FORGED[what].items()}
    np.savez(tmp_path / "map.npz", **arrays)
    refused(tmp_path / "map.npz")


@pytest.mark.parametrize("text", [about(scale=float("inf")), "[" * 100_000])
def test_texts_that_break_the_parser_are_refused(text, tmp_path):
    np.savez(tmp_path / "map.npz", about=np.array(text), values=np.arange(7))
    refused(tmp_path / "map.npz")


def test_truncated_files_are_refused(maps, tmp_path):
    path = tmp_path / "map.npz"
    maps["int64"].save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(path)


def test_flipped_bytes_are_refused_or_harmless(maps, tmp_path):
    path = tmp_path / "map.npz"
    maps["int64"].save(path)
    whole = path.read_bytes()
    rng = random.Random(0)
    for i in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[i] ^= 1 << rng.randrange(8)
        path.write_bytes(spoilt)
        try:
            eg.ImportanceMap.load(path)
        except eg.FileError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_refused_file_is_closed(tmp_path):
    path = tmp_path / "map.npz"
    path.write_bytes(b"PK\x03\x04 and no zip")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        refused(path)
        gc.collect()
    assert [str(w.message) for w in seen] == []


def test_missing_files_and_folders(maps, tmp_path):
    refused(tmp_path / "missing.npz", "cannot be read")
    refused(tmp_path, "cannot be read")
    with pytest.raises(eg.FileError, match=r"wanted \.npz"):
        maps["int64"].save(tmp_path / "map.npy")
    with pytest.raises(eg.FileError, match="does not exist"):
        maps["int64"].save(tmp_path / "no" / "map.npz")
    assert list(tmp_path.iterdir()) == []
