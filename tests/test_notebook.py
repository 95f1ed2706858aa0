"""What a notebook shows: whole HTML without markup of others, small pictures, progress."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys
import time
import types
from dataclasses import fields, replace
from html.parser import HTMLParser

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import notebook, tables
from erfgraph.counts import Counts
from erfgraph.figures import screen
from erfgraph.progress_bar import progress

HOSTILE = "<script>alert('1')</script>&\"\x00\u202e\ud800\n" + "x" * 500
VOID = {"img", "progress"}  # of what we write: progress is closed, but holds nothing


class Reader(HTMLParser):
    """Every tag closed in order, and the texts between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.images: list[bytes] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            _, _, data = dict(attrs)["src"].partition("data:image/png;base64,")
            self.images.append(base64.b64decode(data, validate=True))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "img"}


def read(noun) -> Reader:
    page = noun._repr_html_()
    page.encode()  # no lone surrogates
    reader = Reader(page)
    assert set(reader.tags) <= TAGS
    assert page.isprintable() or {c for c in page if not c.isprintable()} == {"\n"}
    return reader


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def hostile_net() -> eg.Network:
    net = eg.Network((12, 12), name=HOSTILE)
    x = net.conv(net.input, 3, padding=1, name=HOSTILE + "a")
    y = net.conv(x, 3, padding=1, dilation=1, name=HOSTILE + "b")
    net.add(x, y, name=HOSTILE)
    return net


def nouns(net: eg.Network) -> dict[str, object]:
    imp = eg.importance(net)
    top = net.output.name
    sizes = eg.ObjectSizes([3, 6], [4, 5], [0, 1], (HOSTILE, "b"))
    return {
        "Network": net,
        "FeatureMap": net.output,
        "ImportanceMap": imp,
        "ERF": imp.erf(),
        "Field": imp.trf,
        "InputRange": eg.input_range(net),
        "Maps": eg.importances(net),
        "Graph": eg.graph(net),
        "ReceptiveField": eg.receptive_field(net),
        "ReceptiveFields": eg.receptive_fields(net),
        "Comparison": eg.compare(imp, eg.importance(net, measure="uniform")),
        "Coverage": eg.coverage(net),
        "Spectrum": eg.spectrum(net),
        "Growth": eg.growth(net),
        "Radial": eg.radial(imp),
        "Centres": eg.centres(net),
        "Cells": eg.cells(net),
        "Branches": eg.branches(net, top),
        "Gridding": eg.gridding(net),
        "Checkerboard": eg.checkerboard(net),
        "Halo": eg.halo(net),
        "FieldComparison": eg.equal_fields([net, net]),
        "ObjectMatch": eg.match_objects(net, sizes, [top]),
        "Verification": eg.verify(quick=True, only="chains/three-sevens"),
    }


HOSTILE_NOUNS = nouns(hostile_net())


@pytest.mark.parametrize("name", HOSTILE_NOUNS)
def test_html_is_whole_and_holds_no_markup_of_others(name):
    reader = read(HOSTILE_NOUNS[name])
    assert "".join(reader.texts).strip()
    assert max(map(len, reader.texts)) <= 400
    if name in ("ImportanceMap", "ERF"):
        (picture,) = reader.images
        assert picture == HOSTILE_NOUNS[name]._repr_png_()


def test_every_row_of_the_table_is_tried():
    shown = {kind.__name__ for noun in HOSTILE_NOUNS.values() for kind in type(noun).__mro__}
    assert set(notebook._FORMS) <= shown


def test_the_check_can_fail():
    with pytest.raises(AssertionError):
        Reader("<table><tr></table>")
    assert "script" in Reader("<script></script>").tags


# --- what tables say ----------------------------------------------------------------------


def test_a_network():
    said = " ".join(read(eg.load("vgg11")).texts)
    assert "vgg11: input 224×224, 3 channels; 14 feature maps" in said
    assert "field of " in said
    for m in eg.load("vgg11").maps:
        assert m.name in said


def test_a_long_network_is_folded():
    reader = read(eg.load("resnet152"))
    n = len(eg.load("resnet152").maps)
    assert reader.tags.count("tr") == 1 + notebook.HEAD + 1 + notebook.TAIL
    assert f"… {n - notebook.HEAD - notebook.TAIL} more" in reader.texts


def test_numbers_of_a_map_are_those_of_the_command():
    texts = read(eg.importance(eg.load("conv7*3"))).texts
    assert texts[texts.index("paths, total") + 1] == "343"
    assert texts[texts.index("paths, largest") + 1] == "37 at (9)"


def test_a_map_that_was_sampled_says_so():
    imp = eg.importance(eg.load("conv7*3"))
    shared = {f.name: getattr(imp, f.name) for f in fields(imp)}
    texts = read(eg.GradientMap(**shared, samples=32, relative_error=0.0625)).texts
    assert texts[texts.index("samples") + 1] == "32"
    assert texts[texts.index("sampling error") + 1] == "0.0625"
    assert "samples" not in read(imp).texts


def test_only_the_maps_that_are_shown_are_made():
    maps = eg.importances(eg.load("conv3*60"))
    read(maps)
    assert len(maps) == 61
    assert len(maps._made) <= notebook.HEAD + notebook.TAIL + 1


def test_numbers_of_any_length_are_shown():
    net = eg.load("conv99p49*2500", 31)
    read(eg.spectrum(net))


def test_receptive_fields_are_still_a_list():
    rows = eg.receptive_fields(eg.load("conv3*2"))
    assert isinstance(rows, list)
    assert rows == list(rows)
    assert repr(rows) == repr(list(rows))


def test_a_check_that_fails_is_not_folded_away():
    found = eg.verify(quick=True, only="chains")
    rows = found.rows * 10
    middle = len(rows) // 2
    broken = (*rows[:middle], replace(rows[middle], passed=False), *rows[middle + 1 :])
    assert "FAILS" in read(replace(found, rows=broken)).texts


def test_one_cell_goes_over_all_columns():
    page = tables.html(["a", "b"], [["1", "2"], ["more"]], "caption")
    assert '<td colspan="2" style="text-align:left">more</td>' in page


# --- pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [19, (30, 20), (12, 14, 16)])
def test_pictures_are_small(shape):
    imp = eg.importance(eg.load("conv3p1*3", shape))
    for noun in (imp, imp.erf()):
        width, height = size(noun._repr_png_())
        assert max(width, height) < 800
        assert len(noun._repr_png_()) < 100_000


def test_a_large_map_is_reduced():
    values = np.zeros((4096, 4096), dtype=np.int64)
    values[5:4000:7, 3:4000:5] = np.arange(1, 1 + 571 * 800).reshape(571, 800)
    imp = eg.ImportanceMap(
        "top", (0, 0), "input", "paths", values.shape, values.shape, None, (0, 0), Counts(values)
    )
    start = time.perf_counter()
    read(imp)
    assert time.perf_counter() - start < 20  # with a machine that is busy; one second alone
    assert len(imp._repr_png_()) < 200_000
    drawn = screen.map_picture(imp, imp.erf())
    (image,) = drawn.axes[0].images
    assert max(image.get_array().shape) <= screen.POINTS
    # no unit is lost: each is the largest of its block
    assert image.get_array().max() == 1
    assert image.get_extent() == [-0.5, 4095.5, 4095.5, -0.5]


def test_a_picture_shows_the_field_where_it_is():
    imp = eg.importance(eg.load("conv3*3", (9, 9)))
    figure = screen.map_picture(imp, imp.erf(0.5))
    (axes,) = figure.axes
    assert axes.images[0].get_array().shape == (9, 9)
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(imp.relative)
    (patch,) = axes.patches
    assert patch.get_bbox().bounds == (0.5, 0.5, 7, 7)
    corners = np.concatenate(axes.collections[0].get_segments())
    (low, high) = imp.erf(0.5).bbox[0]
    assert (corners.min(), corners.max()) == (low - 0.5, high - 0.5)


def test_wide_integers_are_drawn_as_what_they_are():
    imp = eg.importance(eg.load("conv5p2*80", (40, 40)))
    assert len(imp.counts.values.limbs) > screen.LIMBS
    assert screen._relative(imp) == pytest.approx(imp.relative[imp.window_slices], rel=1e-12)


def test_a_map_without_paths_and_an_empty_field():
    net = eg.Network((9, 9))
    net.conv(net.input, 1, stride=8, padding=8, name="border")
    imp = eg.importance(net, unit=(0, 0))
    assert imp.total == 0
    for noun in (imp, imp.erf()):
        read(noun)


def test_a_picture_is_drawn_once(monkeypatch):
    imp = eg.importance(eg.load("conv3*2", (9, 9)))
    drawn = imp._repr_png_()
    monkeypatch.setattr(notebook, "png", lambda noun: pytest.fail("drawn again"))
    assert imp._repr_png_() is drawn
    read(imp)


def test_tables_load_no_matplotlib():
    script = (
        "import sys, erfgraph as eg\n"
        "net = eg.load('vgg11')\n"
        "for noun in (net, net['conv1'] if 'conv1' in net.names else net.output,"
        " eg.receptive_fields(net), eg.importances(net), eg.spectrum(net)):\n"
        "    assert noun._repr_html_().startswith('<div>')\n"
        "assert 'matplotlib' not in sys.modules\n"
        "eg.importance(net)._repr_html_()\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- progress -----------------------------------------------------------------------------


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, bar):
        self.shown.append(bar)


@pytest.fixture
def cell(monkeypatch):
    """What a notebook's cell shows, in order."""
    shown = []

    def display(bar, display_id=False):
        assert display_id is True
        shown.append(bar)
        return Handle(shown)

    shell = types.SimpleNamespace(kernel=object())
    package = types.ModuleType("IPython")
    package.get_ipython = lambda: shell
    inner = types.ModuleType("IPython.display")
    inner.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return types.SimpleNamespace(shown=shown, shell=shell)


def test_progress_in_a_notebook(cell, monkeypatch):
    monkeypatch.setattr("erfgraph.progress_bar.SECONDS", 0)
    with progress("<b>cells") as advance:
        found = eg.cells(eg.load("conv3p1 max2", (6, 6)), progress=advance)
    assert len(found) == 9
    *bars, last = cell.shown
    assert [repr(bar) for bar in bars][-1] == "<b>cells: 9 of 9"
    page = bars[-1]._repr_html_()
    Reader(page)
    assert page.startswith("&lt;b&gt;cells <progress value=")
    assert (repr(last), last._repr_html_()) == ("", "")


def test_progress_is_not_drawn_more_often_than_seen(cell):
    with progress("much") as advance:
        for i in range(10_000):
            advance(i, 10_000)
    assert len(cell.shown) < 100


def test_progress_goes_when_work_fails(cell):
    def work():
        with progress("work") as advance:
            advance(1, 2)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    assert repr(cell.shown[-1]) == ""


def test_nothing_in_a_pipe(capsys, cell):
    del cell.shell.kernel  # IPython on a terminal
    with progress("work") as advance:
        assert advance is None
    assert cell.shown == []
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen_ = Terminal()
    monkeypatch.setattr(sys, "stderr", screen_)
    monkeypatch.setenv("TERM", "xterm")
    with progress("[work]") as advance:
        advance(1, 2)
        advance(2, 2)
    assert "[work]" in screen_.getvalue()
