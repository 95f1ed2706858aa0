"""What a user's own settings and files must not change, and photos of every kind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import erfgraph as eg
from erfgraph import figures
from erfgraph.errors import FileError
from erfgraph.figures import coverage_figure, importance_figure, save_figure
from erfgraph.figures.about import about
from erfgraph.figures.photo import read_photo
from erfgraph.files import check_target, write_together, write_whole

SETTINGS = """
font.size: 30
axes.grid: True
axes.facecolor: black
axes.spines.top: False
axes.titlesize: 40
figure.autolayout: True
figure.facecolor: red
image.interpolation: bicubic
image.origin: lower
lines.linewidth: 9
pdf.compression: 0
savefig.bbox: tight
savefig.transparent: True
svg.fonttype: path
text.usetex: True
xtick.direction: in
"""
COMMANDS = (
    ("map", "conv3p1*3", "--input", "12x12", "--thresholds", "0.1,0.5"),
    ("coverage", "conv3p1*3", "--input", "12x12"),
    ("graph", "conv3*2", "--input", "7x7"),
)
SCRIPT = f"""
from erfgraph.cli import main
for i, command in enumerate({COMMANDS!r}):
    for suffix in ("png", "pdf", "svg", "pgf"):
        assert main([*command, "-o", f"a{{i}}.{{suffix}}"]) == 0
import erfgraph as eg
open("note.png", "wb").write(eg.importance(eg.load("conv3*3", (9, 9)))._repr_png_())
"""


def test_a_settings_file_changes_no_figure(tmp_path):
    written = []
    for name in ("usual", "own"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "own":
            (folder / "matplotlibrc").write_text(SETTINGS)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=folder, check=True, capture_output=True
        )
        assert done.stderr == b""
        written.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert len(written[0]) > len(COMMANDS) * 4
    assert written[1].pop("matplotlibrc")
    assert written[0] == written[1]


def test_settings_are_as_before_afterwards():
    with matplotlib.rc_context({"image.origin": "lower", "lines.linewidth": 7}):
        before = dict(matplotlib.rcParams)
        figure = importance_figure(eg.importance(eg.load("conv3*3", (9, 9))))
        assert dict(matplotlib.rcParams) == before
    assert figure.axes[0].images[0].origin == "upper"


def test_formulas_of_a_figure_of_yours_stay(tmp_path):
    figure = Figure()
    axes = figure.subplots()
    title = figure.suptitle("$x^2$")
    coverage_figure(eg.coverage(eg.load("conv3*3", (9, 9))), ax=axes)
    assert title.get_parse_math()


def test_figures_of_many_layers_and_units_say_which():
    net = eg.load("conv3p1*3 max2", (12, 12))
    made = {
        coverage_figure(eg.coverage(net)): ("input to max_pool1", "centre"),
        figures.growth_figure(eg.growth(net)): ("input to max_pool1", "centre"),
        figures.cells_figure(eg.cells(net)): ("max_pool1", "all"),
        figures.centre_figure(net, ["conv2"]): ("conv2", "all"),
        figures.match_figure(
            eg.match_objects(net, eg.ObjectSizes([6, 40], [5, 50]), ["conv2", "max_pool1"])
        ): ("conv2 to max_pool1", "centre"),
    }
    for figure, expected in made.items():
        found = about(figure)
        assert (found["layer"], found["unit"]) == expected


# --- files --------------------------------------------------------------------------------


def test_a_link_stays_a_link_and_a_file_what_one_may_do_with_it(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "b.png").write_bytes(b"old")
    (tmp_path / "there" / "b.png").chmod(0o600)
    (tmp_path / "a.png").symlink_to("there/b.png")
    save_figure(Figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").is_symlink()
    assert (tmp_path / "there" / "b.png").read_bytes()[:4] == b"\x89PNG"
    assert stat.S_IMODE((tmp_path / "there" / "b.png").stat().st_mode) == 0o600
    assert len(list(tmp_path.rglob("*"))) == 3


def test_files_that_belong_together_are_written_all_or_none(tmp_path):
    """A picture of a PGF file that cannot be written leaves the others as they were."""
    imp = eg.importance(eg.load("conv3*3", (9, 9)))
    save_figure(importance_figure(imp), tmp_path / "a.pgf")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) > 2
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    (tmp_path / names[1]).unlink()
    (tmp_path / names[1]).mkdir()
    with pytest.raises(FileError, match="is a folder"):
        save_figure(importance_figure(imp), tmp_path / "a.pgf")
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert {p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == {b"old"}


def test_a_failing_writer_leaves_the_old_files(tmp_path):
    (tmp_path / "a").write_bytes(b"old")

    def fail(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match="b: cannot be written: No space"):
        write_together({tmp_path / "a": lambda file: file.write(b"new"), tmp_path / "b": fail})
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    with pytest.raises(FileError, match="no path of a file"):
        write_whole(tmp_path / "a\0b", lambda file: file.write(b""))


def test_a_file_that_must_not_be_written_stays(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")
    # a file's mode would not stop whoever may do everything
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) == str(tmp_path))
    with pytest.raises(FileError, match="is there and cannot be written"):
        check_target(tmp_path / "a.png", (".png",))


# --- photos -------------------------------------------------------------------------------

RAMP = np.linspace(0, 1, 60 * 40).reshape(40, 60)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", (RAMP * 65535).astype(np.uint16)),
        ("a.tif", (RAMP * 65535).astype(np.int32)),
        ("b.tif", (RAMP * 255).astype(np.int32)),
        ("c.tif", RAMP.astype(np.float32)),
        ("d.tif", (RAMP * 255).astype(np.float32)),
        ("e.tif", (RAMP * 1e6).astype(np.float32)),
    ],
)
def test_deep_photos_are_scaled_not_cut(tmp_path, name, values):
    Image.fromarray(values).save(tmp_path / name)
    found = read_photo(tmp_path / name)
    assert found.shape == (40, 60, 3)
    assert np.abs(found[..., 0] - RAMP * 255).max() <= 1.01


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    image.convert(mode).save(tmp_path / "a.png")
    found = read_photo(tmp_path / "a.png")
    assert (found[:, :4] == 0).all()
    assert (found[:, 4:] == 255).all()


def test_what_is_no_photo_is_said(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    huge = data[:16] + (60000).to_bytes(4, "big") * 2 + data[24:]
    (tmp_path / "huge.png").write_bytes(huge)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("cut", "text", "folder", "huge", "missing"):
            with pytest.raises(FileError, match=f"{name}.png: cannot be read"):
                read_photo(tmp_path / f"{name}.png")
