"""Contours, photographs, side panels, and outlines of fields that are lattices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from figure_checks import collisions, enclosed, images
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from PIL import Image

import erfgraph as eg
from erfgraph.cli import main
from erfgraph.errors import InputError, NameLookupError, ThresholdError
from erfgraph.figures import compare_figure, importance_figure, paper_style
from erfgraph.figures.about import about
from erfgraph.figures.panel import Outline

LEVELS = (0.01, 0.0455, 0.3)
PHOTO = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)


@pytest.fixture(scope="module")
def imp():
    return eg.importance(eg.load("conv3p1*6", (21, 25)), unit=(9, 12))


def outlines(axes):
    return [c for c in axes.collections if isinstance(c, Outline)]


def legend_of(figure):
    (legend,) = figure.findobj(Legend)
    return [text.get_text() for text in legend.get_texts()]


# --- contours ---------------------------------------------------------------------------------


def test_contours_are_the_fields_at_the_thresholds(imp):
    figure = importance_figure(imp, thresholds=(0.3, 0.01, 0.0455, 0.3))
    (axes,) = images(figure)
    lines = outlines(axes)
    for line, level in zip(lines, LEVELS, strict=True):
        assert np.array_equal(enclosed(line.get_segments(), imp.shape), imp.erf(level).mask)
    assert legend_of(figure) == ["TRF (bounding box)", "ERF ≥ 1 %", "ERF ≥ 4.55 %", "ERF ≥ 30 %"]
    brightness = [line.get_edgecolor()[0][:3] @ [0.3, 0.59, 0.11] for line in lines]
    assert all(a - b > 0.15 for a, b in itertools.pairwise(brightness))
    drawn = {line.get_text() for line in figure.texts}
    assert any(f"area {imp.erf(0.01).area:,}" in text for text in drawn)
    assert collisions(figure) == []


def test_contours_have_a_rim_that_is_seen_on_any_ground(imp):
    (axes,) = images(importance_figure(imp, thresholds=LEVELS))
    rims = [c for c in axes.collections if c.get_label() == "rim"]
    lines = outlines(axes)
    assert len(rims) == len(lines) == 3
    for rim, line in zip(rims, lines, strict=True):
        assert np.array_equal(rim.get_segments(), line.get_segments())
        assert rim.get_linewidth()[0] > line.get_linewidth()[0]
        assert rim.get_zorder() < line.get_zorder()
        # apart in grey: the rim is bright where the line is not
        brightness = [c.get_edgecolor()[0][:3] @ [0.3, 0.59, 0.11] for c in (rim, line)]
        assert abs(brightness[0] - brightness[1]) > 0.4


def test_contours_go_by_the_rule_of_the_field(imp):
    figure = importance_figure(imp, imp.erf(0.5, "mass"), thresholds=[0.5, 0.9])
    (axes,) = images(figure)
    for line, level in zip(outlines(axes), (0.5, 0.9), strict=True):
        assert np.array_equal(
            enclosed(line.get_segments(), imp.shape), imp.erf(level, "mass").mask
        )
    assert legend_of(figure)[1:] == ["ERF mass 50 %", "ERF mass 90 %"]


@pytest.mark.parametrize("paper", ["cvpr", "nature", "neurips"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_contours_on_paper_collide_with_nothing(paper, scale):
    lattice = eg.importance(eg.load("conv3s2p1*2 conv3p1*6", (160, 160)))
    with paper_style(paper):
        figure = importance_figure(lattice, thresholds=LEVELS, scale=scale)
    assert collisions(figure) == []
    canvas = figure.canvas
    canvas.draw_idle()
    (legend,) = figure.findobj(Legend)
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


# --- photographs ------------------------------------------------------------------------------


def test_the_photograph_lies_under_the_map(imp):
    figure = importance_figure(imp, image=PHOTO)
    (axes,) = images(figure)
    shown, photo = axes.images
    assert np.array_equal(photo.get_array(), PHOTO)
    assert photo.get_extent() == [-0.5, 24.5, 20.5, -0.5]  # stretched over the input
    assert photo.get_zorder() < shown.get_zorder()
    alpha = shown.get_alpha()
    np.testing.assert_allclose(alpha, 0.8 * imp.relative[imp.window_slices])
    plain = images(importance_figure(imp))[0]
    assert axes.axis() == plain.axis()
    assert collisions(figure) == []


def test_both_go_into_axes_of_the_callers(imp):
    axes = Figure().add_subplot()
    importance_figure(imp, ax=axes, thresholds=LEVELS, image=PHOTO)
    assert len(outlines(axes)) == 3
    assert len(axes.images) == 2


def test_what_does_not_go_together_is_refused(imp):
    line = eg.importance(eg.load("conv3*3"))
    with pytest.raises(InputError, match="thresholds: go with a map of two axes, got 1"):
        importance_figure(line, thresholds=LEVELS)
    with pytest.raises(InputError, match="image: go with a map of two axes, got 1"):
        importance_figure(line, image=PHOTO)
    with pytest.raises(InputError, match="thresholds: got 0, wanted 1 to 6"):
        importance_figure(imp, thresholds=())
    with pytest.raises(ThresholdError, match="threshold: got 2"):
        importance_figure(imp, thresholds=(2,))
    with pytest.raises(InputError, match="image: got int64"):
        importance_figure(imp, image=PHOTO.astype(int))
    other = eg.importance(eg.load("conv3p1*3", (9, 9)), of="conv1")
    with pytest.raises(InputError, match="the map is of 'conv1'"):
        importance_figure(other, image=PHOTO)


def test_the_file_names_every_threshold(imp):
    for erf, rule in ((None, "peak"), (imp.erf(0.5, "mass"), "mass")):
        found = about(importance_figure(imp, erf, thresholds=(0.3, 0.01)))
        assert found["threshold"] == f"{rule} 0.01; {rule} 0.3"
        assert "thresholds=(0.3, 0.01)" in found["call"]


def test_side_panels_as_wished(imp):
    assert len(importance_figure(imp).axes) == 4
    assert len(importance_figure(imp, marginals=False).axes) == 2
    with paper_style("ieee"):
        assert len(importance_figure(imp).axes) == 2
        assert len(importance_figure(imp, marginals=True).axes) == 4


# --- lattices ---------------------------------------------------------------------------------


def test_the_outline_of_a_fine_lattice_is_a_line_around_it():
    found = eg.importance(eg.load("conv3d2p2*12", (160, 160)))  # every second pixel
    erf = found.erf()
    assert erf.area < 0.3 * np.prod([b - a for a, b in erf.bbox])
    figure = importance_figure(found, view="input")
    (axes,) = images(figure)
    (line,) = outlines(axes)
    assert line.gap == 2
    inside = enclosed(line.get_segments(), found.shape)
    assert not (erf.mask & ~inside).any()  # all of the field
    grown = erf.mask.copy()  # and no pixel further away than a gap
    for axis in (0, 1):
        grown |= np.roll(grown, 1, axis) | np.roll(grown, -1, axis)
    assert not (inside & ~grown).any()
    assert legend_of(figure)[1] == "ERF, gaps up to 1 px closed"


def test_coarse_lattices_and_solid_fields_are_outlined_exactly(imp):
    for found in (imp, eg.importance(eg.load("conv3d2*3", (13, 13)))):
        figure = importance_figure(found)
        (line,) = outlines(images(figure)[0])
        assert line.gap == 0
        assert np.array_equal(enclosed(line.get_segments(), found.shape), found.erf().mask)
        assert "ERF" in legend_of(figure)
    solid = eg.importance(eg.load("conv3p1*30", (200, 200)))  # small pixels, nothing to close
    (line,) = outlines(images(importance_figure(solid, view="input"))[0])
    assert line.gap == 0
    assert np.array_equal(enclosed(line.get_segments(), solid.shape), solid.erf().mask)


def test_one_note_for_several_maps():
    maps = [eg.importance(eg.load(t, (160, 160))) for t in ("conv3d2p2*12", "conv3p1*12")]
    assert legend_of(compare_figure(maps, view="input"))[1] == "ERF, gaps up to 1 px closed"


# --- the command ------------------------------------------------------------------------------


def test_map_takes_them_all(tmp_path, capsys):
    photo, path = tmp_path / "photo.png", tmp_path / "a.svg"
    Image.fromarray(PHOTO).save(photo)
    run = ["map", "conv3p1*6", "--input", "21x25", "-o", str(path), "--no-marginals"]
    run += ["--thresholds", "0.01,0.3", "--image", str(photo), "--colours", "RdYlGn"]
    assert main(run) == 0
    written = path.read_text("utf-8")
    for text in ("ERF ≥ 1 %", "ERF ≥ 30 %", "--colours RdYlGn"):
        assert text in written
    assert "share per" not in written
    assert main([*run[:6], "--marginals"]) == 0
    assert "share per row" in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--thresholds", "0.1"], "--thresholds: goes with a figure"),
        (["--colours", "gray"], "--colours: goes with a figure"),
        (["conv5", "--marginals", "-o", "a.png"], "--marginals: takes one network, got 2"),
        (
            ["--thresholds", "0.1;0.2", "-o", "a.png"],
            "--thresholds: got '0.1;0.2', wanted numbers",
        ),
        (["--colours", "virdis", "-o", "a.png"], "unknown cmap 'virdis'"),
        (["--image", "no.png", "-o", "a.png"], "no.png: cannot be read"),
    ],
)
def test_what_map_refuses(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["map", "conv3*3", "--input", "9x9", *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_colour_map_is_named(imp):
    with pytest.raises(NameLookupError, match="unknown cmap"):
        importance_figure(imp, cmap="no map")
