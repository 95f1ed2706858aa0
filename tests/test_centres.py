"""Centres of fields: against the graph and by hand; hit chances against all placements."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction

import numpy as np
import pytest
from figure_checks import collisions
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Rectangle
from registry import NETWORKS
from test_cli import call, document

import erfgraph as eg
from erfgraph.centre_grid import Centres, centre_grids
from erfgraph.errors import FileError, InputError, NameLookupError
from erfgraph.figures import centre_figure

# --- where they are -----------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_unit_agrees_with_its_field(name):
    net = NETWORKS[name]()
    for rf in eg.receptive_fields(net):
        found = eg.centres(net, rf.name)
        grid = found.grid()
        assert grid.shape == (*rf.shape, net.ndim)
        for unit in np.ndindex(*rf.shape):
            np.testing.assert_array_equal(grid[unit], rf.centre(unit))


def test_some_of_the_registry_sees_nothing_and_some_is_fractional():
    """What makes the test above more than the regular case."""
    axes = [axis for make in NETWORKS.values() for axis in eg.centres(make()).axes]
    assert any(np.isnan(axis).any() for axis in axes)
    assert any((axis % 1 == 0.5).any() for axis in axes)
    assert any((np.diff(axis, 2) != 0).any() for axis in axes if not np.isnan(axis).any())


LAYERS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=5
)


@given(LAYERS)
def test_the_articles_recurrence(layers):
    """start_l = start_{l-1} + ((k_l - 1)/2 - p_l) * jump; other units by whole jumps."""
    net, start, jump = eg.Network(600), Fraction(0), 1
    x = net.input
    for k, s, p in layers:
        x = net.conv(x, k, s, p)
        start += (Fraction(k - 1, 2) - p) * jump
        jump *= s
    found = eg.centres(net)
    assert found.axes[0].tolist() == [start + u * jump for u in range(x.shape[0])]
    assert found.spacing == (jump,)


def test_centres_in_the_middle_of_what_the_graph_says():
    net = eg.load("resnet18", (224, 256))
    found = eg.centres(net, "layer2.1")
    for unit in [(7, 10), (12, 9), (20, 25)]:
        box = eg.importance(net, "layer2.1", unit).trf.bbox
        assert all(stop - start == found.size[0] for start, stop in box)  # no border in it
        assert found.grid()[unit].tolist() == [(a + b - 1) / 2 for a, b in box]


def test_numbers_of_a_grid():
    found = eg.centres(eg.load("conv5s4p1", (16, 24)))
    assert [axis.tolist() for axis in found.axes] == [[1, 5, 9, 13], [1, 5, 9, 13, 17, 21]]
    assert (found.inside, found.places, found.density) == (24, 24, 24 / (16 * 24))
    assert found.to_dict() == {
        "network": "conv5s4p1",
        "input_shape": [16, 24],
        "layer": "conv1",
        "shape": [4, 6],
        "size": [5, 5],
        "spacing": [4, 4],
        "centres": [[1, 5, 9, 13], [1, 5, 9, 13, 17, 21]],
        "inside": 24,
        "places": 24,
        "density": 0.0625,
    }


def test_centres_outside_the_image_do_not_count():
    found = eg.centres(eg.load("conv1p2", 3))
    assert found.axes[0].tolist() == [-2, -1, 0, 1, 2, 3, 4]
    assert (found.inside, found.places, found.density) == (3, 3, 1.0)
    # -1/2 is the edge of the first pixel and inside, n - 1/2 that of the one after the last
    found = eg.centres(eg.load("conv2p1", 3))
    assert found.axes[0].tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert (found.inside, found.places) == (3, 3)


def test_centres_that_coincide_are_one_place():
    found = eg.centres(eg.load("conv1s2 up2", 8))
    assert found.axes[0].tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    assert (found.inside, found.places, found.density) == (8, 4, 0.5)
    assert found.spacing == (1,)


def test_a_unit_that_sees_nothing_has_no_centre():
    found = eg.centres(eg.load("deconv1s2", 4))
    assert found.to_dict()["centres"] == [[0, None, 1, None, 2, None, 3]]
    assert found.inside == 4


def test_stages():
    names = [grid.layer for grid in centre_grids(eg.load("resnet50"))]
    assert names == ["conv1", "layer1.2", "layer2.3", "layer3.5", "layer4.2"]
    assert [g.layer for g in centre_grids(eg.load("resnet50"), ["layer4", "layer1"])] == [
        "layer4.2",
        "layer1.2",
    ]


# --- hit chances --------------------------------------------------------------------------


def grid_of(axes, shape):
    """A grid of centres that no network has to have."""
    arrays = tuple(np.array(axis, dtype=float) for axis in axes)
    n = tuple(map(len, axes))
    return Centres("any", n, tuple(shape), None, (1,) * len(n), (1,) * len(n), arrays)


def enumerated(axes, shape, size) -> Fraction:
    """The chance by looking at every placement of the object and at every centre."""
    hits = total = 0
    centres = list(itertools.product(*axes))
    for corner in itertools.product(*(range(n - h + 1) for n, h in zip(shape, size, strict=True))):
        total += 1
        hits += any(
            all(t - 0.5 <= c < t + h - 0.5 for t, h, c in zip(corner, size, centre, strict=True))
            for centre in centres
        )
    return Fraction(hits, total)


@st.composite
def grids(draw):
    ndim = draw(st.integers(1, 2))
    shape = draw(st.tuples(*[st.integers(1, 9)] * ndim))
    size = tuple(draw(st.integers(1, n)) for n in shape)
    half = st.integers(-6, 24).map(lambda v: v / 2)
    axes = tuple(draw(st.lists(half, min_size=1, max_size=6)) for _ in shape)
    return axes, shape, size


@given(grids())
def test_chance_is_that_of_all_placements(case):
    axes, shape, size = case
    found = grid_of(axes, shape)
    exact = np.prod(found.axis_chances(size))
    assert exact == enumerated(axes, shape, size)
    assert found.hit_chance(size) == float(exact)


@given(grids(), st.integers(1, 4))
def test_continuous_chance_is_the_limit_of_fine_placements(case, fine):
    """Exactly: the share of the start positions from which a centre is inside, piece by piece."""
    axes, shape, size = case
    for axis, n, h in zip(axes, shape, size, strict=True):
        h = Fraction(h, fine)
        (chance,) = grid_of([axis], [n]).axis_chances(h, "continuous")
        inside = {Fraction(c) for c in axis if -0.5 <= c < n - 0.5}
        if h == n:
            assert chance == (len(inside) > 0)
            continue
        # start s hits where c - h < s <= c: between these bounds nothing changes
        first, last = Fraction(-1, 2), n - Fraction(1, 2) - h
        bounds = sorted({first, last, *inside, *(c - h for c in inside)})
        bounds = [b for b in bounds if first <= b <= last]
        hit = sum(
            b - a
            for a, b in itertools.pairwise(bounds)
            if any((a + b) / 2 <= c <= (a + b) / 2 + h for c in inside)
        )
        assert chance == hit / (n - h)


def test_the_chance_of_real_grids():
    net = eg.load("conv3s2p1 conv3s3", (20, 17))
    for layer in ("conv1", "conv2"):
        found = eg.centres(net, layer)
        for size in [(1, 1), (2, 5), (7, 3), (20, 17)]:
            expected = enumerated([a.tolist() for a in found.axes], (20, 17), size)
            assert np.prod(found.axis_chances(size)) == expected


def test_far_from_the_border_the_chance_is_size_over_spacing():
    found = eg.centres(eg.load("conv1s10", 10_000))
    assert found.hit_chance(4) == pytest.approx(0.4, abs=1e-3)
    assert found.hit_chance(2.5, "continuous") == pytest.approx(0.25, abs=1e-3)
    assert found.hit_chance(10) == 1


def test_a_denser_grid_is_likelier_to_hit():
    """The article's reason to look at density."""
    chances = [g.hit_chance(20) for g in centre_grids(eg.load("resnet50"))]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1
    assert chances[-1] < 0.5


def test_decimal_sizes_are_what_they_print_as():
    (chance,) = grid_of([[0.0]], [2]).axis_chances(0.1, "continuous")
    assert chance == Fraction(1, 19)  # 0.1 of 1.9; floats would have the double nearest to 0.1


@pytest.mark.parametrize(
    ("size", "positions", "message"),
    [
        (0, "pixels", "wanted whole numbers above 0"),
        (-3, "continuous", "wanted numbers above 0"),
        (2.5, "pixels", "wanted whole numbers"),
        (True, "pixels", "got True"),
        (float("nan"), "continuous", "got nan"),
        (float("inf"), "continuous", "got inf"),
        ("a", "pixels", "got 'a'"),
        (17, "pixels", r"at most the image's \(16, 24\)"),
        ((3, 3, 3), "pixels", r"wanted 2 whole numbers"),
    ],
)
def test_bad_objects(size, positions, message):
    found = eg.centres(eg.load("conv5s4p1", (16, 24)))
    with pytest.raises(InputError, match=message):
        found.hit_chance(size, positions)


def test_bad_arguments():
    with pytest.raises(NameLookupError, match="unknown positions 'pixel'; did you mean 'pixels'"):
        eg.centres(eg.load("conv3")).hit_chance(1, "pixel")
    with pytest.raises(NameLookupError, match="unknown layer 'nope'"):
        eg.centres(eg.load("conv3"), "nope")
    with pytest.raises(InputError, match="wanted a Network"):
        eg.centres("conv3")
    with pytest.raises(InputError, match="layers: got none"):
        centre_grids(eg.load("conv3"), [])


# --- the figure ---------------------------------------------------------------------------


def dots(axes):
    (line,) = [line for line in axes.lines if line.get_label() == "centres"]
    return np.column_stack([line.get_ydata(), line.get_xdata()])


def test_figure_shows_every_centre_where_it_is():
    net = eg.load("resnet50")
    layers = ["layer1", "layer2", "layer3", "layer4"]
    figure = centre_figure(net, layers, object_size=(32, 24))
    assert [a.get_label() for a in figure.axes] == ["layer1.2", "layer2.3", "layer3.5", "layer4.2"]
    for axes, layer in zip(figure.axes, layers, strict=True):
        found = eg.centres(net, layer)
        np.testing.assert_array_equal(dots(axes), found.grid().reshape(-1, 2))
        title = axes.get_title()
        assert f"every {found.spacing[0]} px" in title
        assert f"in {100 * found.hit_chance((32, 24)):.3g} % of 32 × 24 px objects" in title
        (box,) = [p for p in axes.patches if p.get_label() == "object"]
        assert (box.get_height(), box.get_width()) == (32, 24)
        (image,) = [p for p in axes.patches if p.get_label() == "image"]
        assert (*image.get_xy(), image.get_width(), image.get_height()) == (-0.5, -0.5, 224, 224)
    sizes = [axes.lines[0].get_markersize() for axes in figure.axes]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]  # dense dots are smaller
    assert collisions(figure) == []


def test_figure_shows_centres_outside_the_image():
    figure = centre_figure(eg.load("conv1p5", (8, 8)))
    (axes,) = figure.axes
    assert axes.get_xlim()[0] < -5
    assert axes.get_xlim()[1] > 12
    assert sorted(axes.get_ylim())[0] < -5


def test_figure_on_a_photo():
    photo = np.zeros((10, 20, 3), dtype=np.uint8)
    figure = centre_figure(eg.load("vgg16", (64, 128)), ["features.30"], photo)
    (image,) = figure.axes[0].images
    assert image.get_extent() == [-0.5, 127.5, 63.5, -0.5]  # stretched over the input
    assert image.get_zorder() < figure.axes[0].lines[0].get_zorder()


def test_figure_of_one_axis():
    net = eg.load("conv3s2p1 conv5s2p2 conv3s3", 64)
    figure = centre_figure(net, object_size=8)
    (axes,) = figure.axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [
        grid.axes[0].tolist() for grid in centre_grids(net)
    ]
    assert "in 64.9 % of 8 px objects" in axes.texts[2].get_text()
    widths = [p.get_width() for p in axes.patches if isinstance(p, Rectangle)]
    assert widths == [64, 8] * 3
    assert collisions(figure) == []


def test_figures_wrap_and_keep_apart():
    layers = ["conv1", "layer1", "layer2", "layer3", "layer3.0.conv1", "layer4"]
    figure = centre_figure(eg.load("resnet50", (96, 288)), layers, title="A very long title " * 12)
    assert len({round(a.get_position().y0, 3) for a in figure.axes}) == 2
    assert collisions(figure) == []
    tall = centre_figure(eg.load("resnet18", (640, 64)), object_size=(100, 12))
    assert collisions(tall) == []


def test_figure_refuses():
    with pytest.raises(InputError, match="has three axes"):
        centre_figure(NETWORKS["conv_3d"]())
    with pytest.raises(InputError, match="one axis, so there is no image"):
        centre_figure(eg.load("conv3"), image=np.zeros((3, 3)))
    with pytest.raises(InputError, match="got int64 of shape"):
        centre_figure(eg.load("vgg11"), image=np.zeros((3, 3), dtype=np.int64))
    with pytest.raises(InputError, match="has 16777216 centres; at most 4000000"):
        centre_figure(eg.load("conv1", (4096, 4096)))
    with pytest.raises(InputError, match="object_size: got 999"):
        centre_figure(eg.load("vgg11"), object_size=999)


# --- the command --------------------------------------------------------------------------


def test_command(capsys, tmp_path):
    found = document(
        capsys, "centres", "resnet50", "--layer", "layer4", "--layer", "layer2", "--object", "32"
    )
    assert [row["layer"] for row in found["rows"]] == ["layer4.2", "layer2.3"]
    assert found["rows"][0]["object"] == [32, 32]
    assert found["rows"][0]["hit_chance"] == 1.0
    assert found["rows"][1]["centres"][0][:3] == [0.0, 8.0, 16.0]
    assert (found["network"], found["input_shape"]) == ("resnet50", [224, 224])
    path = tmp_path / "centres.png"
    status, out, err = call(capsys, "centres", "resnet50", "--object", "32x24", "-o", str(path))
    assert (status, err) == (0, "")
    line = next(line for line in out.splitlines() if line.startswith("layer4.2")).split()
    assert line[1:4] == ["7×7", "427", "32"]
    assert line[-1] == "72.14%"
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_command_formats(capsys):
    _, out, _ = call(capsys, "centres", "conv5s4p1", "--input", "16x24", "--format", "csv")
    assert out.splitlines() == [
        "feature map,shape,field,every,first,last,inside,per pixel",
        'conv1,4×6,5,4,"(1, 1)","(13, 21)",24,0.0625',
    ]
    assert "hit_chance" not in json.dumps(document(capsys, "centres", "conv3"))


def test_command_on_a_photo(capsys, tmp_path):
    from PIL import Image

    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (30, 20), "navy").save(photo)
    target = tmp_path / "out.pdf"
    args = ["centres", "vgg11", "--image", str(photo), "-o", str(target)]
    assert call(capsys, *args)[0] == 0
    assert target.read_bytes()[:4] == b"%PDF"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "unknown network 'nonsense'"),
        (["resnet50", "--layer", "layer9"], "unknown layer 'layer9'"),
        (["resnet50", "--object", "3xa"], "--object: got '3xa', wanted a size as 32x24 or 32"),
        (["resnet50", "--object", "0"], "object_size: got"),
        (["resnet50", "--object", "300"], "at most the image's"),
        (["resnet50", "--object", "3x3x3"], "wanted 2 whole numbers"),
        (["resnet50", "--format", "xml"], "unknown format 'xml'"),
        (["resnet50", "-o", "x.gif"], "gif"),
        (["resnet50", "--image", "x.png"], "--image: goes with a figure"),
        (["resnet50", "--image", "no.png", "-o", "x.png"], "no.png: cannot be read"),
    ],
    ids=lambda v: " ".join(v)[:40],
)
def test_command_bad_input(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, "centres", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_file_errors_are_input_errors():
    assert issubclass(FileError, InputError)  # what the photo's error is reported as
