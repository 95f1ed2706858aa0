"""Holes, checkerboards, and tiles that give what the whole image gives."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from registry import CORNERS, NETWORKS
from test_arithmetic import sees_only_units

import erfgraph as eg
from erfgraph.errors import InputError, LayerError, NameLookupError, SizeError
from erfgraph.netfile import build
from erfgraph.tasks import segmentation

# --- holes ------------------------------------------------------------------------------------


def test_three_layers_of_dilation_2():
    """Wang et al. 2018: a 13x13 field of which 29 % is used."""
    found = eg.gridding(eg.load("conv3d2*3", (13, 13)))
    assert (found.units, found.holes) == (169, 120)
    assert found.share_used == pytest.approx(49 / 169)
    assert (found.period, found.lattice, found.box) == ((2, 2), (2, 2), ((0, 13), (0, 13)))


def test_hybrid_dilations_leave_no_holes():
    found = eg.gridding(eg.load("conv3d1 conv3d2 conv3d5", (17, 17)))
    assert (found.units, found.holes, found.share_used) == (289, 0, 1.0)
    assert (found.period, found.lattice) == ((1, 1), (1, 1))


@pytest.mark.parametrize(
    ("text", "mask", "period", "lattice"),
    [
        ("conv3d4 conv3", "11101110111", 4, 1),  # holes that repeat without a lattice
        ("conv2d3", "1001", None, 3),  # too short to repeat
        ("conv3d4 conv3d2", "1010101010101", 2, 2),
        ("conv3", "111", 1, 1),
        ("conv1", "1", 1, 1),
        ("conv2d5 conv2d2", "10100101", None, 1),
    ],
)
def test_pattern_of_holes(text, mask, period, lattice):
    imp = eg.importance(eg.load(text))
    assert "".join("01"[v] for v in imp.trf.mask.astype(int)) == mask
    found = eg.gridding(imp)
    assert (found.period, found.lattice) == ((period,), (lattice,))
    assert found.holes == mask.count("0") == imp.holes


def test_axes_have_periods_of_their_own():
    net = eg.Network((20, 20))
    net.conv(net.input, 3, dilation=(1, 3))
    found = eg.gridding(net)
    assert (found.period, found.lattice) == ((1, 3), (1, 3))
    assert found.share_of_holes == pytest.approx(12 / 21)


@pytest.mark.parametrize("name", NETWORKS)
def test_holes_are_those_of_the_importance_map(name):
    net = NETWORKS[name]()
    found, imp = eg.gridding(net), eg.importance(net)
    assert (found.holes, found.box) == (imp.holes, imp.trf.bbox)
    assert found.units - found.holes == imp.trf.area
    json.dumps(found.to_dict())


def test_a_unit_that_sees_nothing_has_no_holes():
    found = eg.gridding(eg.load("deconv1s2", 4), unit=1)
    assert (found.box, found.units, found.share_of_holes, found.share_used) == (None, 0, 0, 0)
    assert found.to_dict()["box"] is None


def test_gridding_bad_requests():
    net = eg.load("conv3")
    with pytest.raises(InputError, match="source: got 'conv3'"):
        eg.gridding("conv3")
    with pytest.raises(InputError, match="an importance map has its own"):
        eg.gridding(eg.importance(net), "conv1")
    with pytest.raises(NameLookupError, match="unknown layer 'conv2'"):
        eg.gridding(net, "conv2")


# --- unevenness -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pattern", "contrast"),
    [
        ("deconv3s2", [2, 1], 1 / 3),  # Odena et al. 2016
        ("deconv4s2", [2], 0),
        ("deconv2s3", [1, 1, 0], 1),
        ("deconv5s3", [2, 2, 1], 1 / 3),
        ("deconv3s2 deconv4s2", [3], 0),
        ("deconv3s2 conv3", [5, 4], 1 / 9),
        ("deconv3s2 conv2", [3], 0),
        ("conv3 up2", [3], 0),
    ],
)
def test_checkerboards(text, pattern, contrast):
    found = eg.checkerboard(eg.load(text, 12))
    assert found.pattern.tolist() == pattern
    assert found.period == (len(pattern),)
    assert found.contrast == found.axis_contrast[0] == pytest.approx(contrast)


def test_checkerboard_in_two_axes():
    found = eg.checkerboard(eg.load("deconv3s2", (8, 8)))
    assert found.pattern.tolist() == [[4, 2], [2, 1]]
    assert (found.contrast, found.axis_contrast) == (3 / 5, (1 / 3, 1 / 3))
    assert found.counts[4:8, 4:8].tolist() == [[4, 2, 4, 2], [2, 1, 2, 1]] * 2


def test_periods_that_differ_between_axes_and_branches():
    net = eg.Network((12, 12))
    a = net.conv_transpose(net.input, 3, stride=(2, 3))
    b = net.conv_transpose(net.input, (3, 3), stride=(2, 3), mask=CORNERS)
    net.add(a, b)
    found = eg.checkerboard(net)
    assert found.period == (2, 3)
    assert (found.counts[8:14, 9:18] == np.tile(found.pattern, (3, 3))).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_are_the_totals_of_every_unit(name):
    """The forward sweep of ones against a backward sweep a unit."""
    net = NETWORKS[name]()
    found = eg.checkerboard(net)
    assert found.counts.shape == net.output.shape
    for unit in np.ndindex(*net.output.shape):
        assert found.counts[unit] == eg.importance(net, unit=unit).total


@pytest.mark.parametrize("name", NETWORKS)
def test_the_pattern_is_what_inner_units_count(name):
    net = NETWORKS[name]()
    found = eg.checkerboard(net)
    for unit in np.ndindex(*net.output.shape):
        if sees_only_units(net, net.output, unit):
            phase = tuple(u % p for u, p in zip(unit, found.period, strict=True))
            assert found.counts[unit] == found.pattern[phase]


def test_large_counts_are_exact():
    net = eg.load("conv3p1*60 deconv3s2", 200)
    found = eg.checkerboard(net)
    assert found.pattern.tolist() == [2 * 3**60, 3**60]
    assert found.counts[200:204].tolist() == found.pattern.tolist() * 2
    assert found.contrast == 1 / 3


def test_checkerboard_without_counts_and_bad_requests(monkeypatch):
    net = eg.load("deconv3s2", 6)
    assert eg.checkerboard(net, counts=False).counts is None
    assert json.loads(json.dumps(eg.checkerboard(net).to_dict()))["pattern"] == [2, 1]
    with pytest.raises(NameLookupError, match="unknown layer"):
        eg.checkerboard(net, "deconv9")
    with pytest.raises(InputError, match="net: got 3"):
        eg.checkerboard(3)
    monkeypatch.setattr(segmentation, "LONGEST_PERIOD", 1)
    with pytest.raises(SizeError, match="paths repeat only every"):
        eg.checkerboard(net)


def test_units_that_no_path_reaches():
    net = eg.Network(4)
    net.pad(net.crop(net.pad(net.input, ((4, 0),)), ((0, 4),)), 1)  # only padding is left
    assert eg.checkerboard(net).counts.tolist() == [0] * 6


# --- tiles ------------------------------------------------------------------------------------


def tiled_unet():
    net = eg.Network((96, 80), name="unet")
    skips, x = [], net.conv(net.input, 3, padding=1)
    for _ in range(2):
        skips.append(x)
        x = net.conv(net.max_pool(x, 2), 3, padding=1)
    for skip, mode in zip(reversed(skips), ("bilinear", "nearest"), strict=True):
        x = net.conv(net.concat(skip, net.upsample(x, 2, mode)), 3, padding=1)
    return net


TILED = {
    "plain": lambda: eg.load("conv3p1*3", 60),
    "valid": lambda: eg.load("conv5 conv3d2", 60),
    "even": lambda: eg.load("conv2 conv4p2 conv2p1", 60),
    "two axes": lambda: eg.load("conv3x5p1x2 conv3d2p2", (30, 40)),
    "residual": lambda: eg.load("res(conv3p1 conv3p1)*3", 60),
    "strided": lambda: eg.load("conv3s2p1 conv3p1 conv3s2p1", (64, 48)),
    "valid strided": lambda: eg.load("conv4s2 conv3s2 conv2", 90),
    "transposed": lambda: eg.load("conv3s2p1 conv3p1 deconv4s2p1 conv3p1", 64),
    "uneven": lambda: eg.load("conv3s2p1 deconv3s2p1", 63),
    "unet": tiled_unet,
    "windows": lambda: windowed(),
    "resnet18": lambda: eg.load("resnet18", (640, 608)),
}


def windowed():
    net = eg.Network((48, 48))
    x = net.conv(net.input, 2, 2)
    net.conv(net.add(x, net.attention(x, (3, 4))), 3, padding=1)
    return net


def units_of(net, own):
    """The output units of a tile's own part, per axis."""
    rf = eg.receptive_field(net)
    return [
        range(int(a / s), min(n, -int(-b // s)))
        for (a, b), s, n in zip(own, rf.stride, rf.shape, strict=True)
    ]


def agrees(net, own, crop):
    """Whether every unit of a tile has in the crop all the paths that it has in the image."""
    try:
        part = build({**net.to_dict(), "input": [b - a for a, b in crop]})
    except LayerError:  # too small for a single unit
        return False
    stride = eg.receptive_field(net).stride
    inside = tuple(slice(a, b) for a, b in crop)
    lines = units_of(net, own)
    # the first two, the last two and one between: every phase and both borders
    lines = [sorted({*line[:2], *line[-2:], *line[len(line) // 2 :][:1]}) for line in lines]
    for unit in itertools.product(*lines):
        whole = eg.importance(net, unit=unit)
        moved = tuple(int(u - a / s) for u, (a, _), s in zip(unit, crop, stride, strict=True))
        if any(not 0 <= u < n for u, n in zip(moved, part.output.shape, strict=True)):
            return False
        found = eg.importance(part, unit=moved)
        if found.total != whole.total or not (found.values == whole.values[inside]).all():
            return False
    return True


def tiles_of(net, halo):
    """The tiles of a third of the image each way, those at the borders included."""
    sides = [
        max(1, round(n / 3 / a)) * a for n, a in zip(net.input.shape, halo.alignment, strict=True)
    ]
    return list(halo.tiles(sides))


@pytest.mark.parametrize("name", TILED)
def test_a_tile_with_its_halo_is_the_whole_image(name):
    net = TILED[name]()
    tiles = tiles_of(net, eg.halo(net))
    assert len(tiles) >= 3
    covered = np.zeros(net.input.shape, dtype=int)
    for tile in tiles:
        covered[tuple(slice(a, b) for a, b in tile.own)] += 1
        assert agrees(net, tile.own, tile.crop)
    assert (covered == 1).all()


@pytest.mark.parametrize("name", TILED)
def test_a_smaller_halo_is_not(name):
    """One pixel less on any side (one step of the alignment where cuts must be aligned)."""
    net = TILED[name]()
    halo = eg.halo(net)
    ndim = net.ndim
    middle = [
        (n // 2 // a * a, (n // 2 // a + 1) * a)
        for n, a in zip(net.input.shape, halo.alignment, strict=True)
    ]
    exact = [  # not rounded, where that makes no difference to the grids
        (a - -(-b // s) * s, c + -(-d // s) * s)
        for (a, c), s, b, d in zip(middle, halo.alignment, halo.before, halo.after, strict=True)
    ]
    assert all(a >= 0 and b <= n for (a, b), n in zip(exact, net.input.shape, strict=True))
    assert agrees(net, middle, exact)
    tried = 0
    for axis, side in itertools.product(range(ndim), (0, 1)):
        if not (halo.before, halo.after)[side][axis]:
            continue
        step = halo.alignment[axis]
        less = [list(ends) for ends in exact]
        less[axis][side] += step if side == 0 else -step
        assert not agrees(net, middle, less)
        tried += 1
    assert tried >= ndim


@pytest.mark.parametrize("name", ["strided", "valid strided", "resnet18"])
def test_one_pixel_less_behind_a_tile_is_too_little(name):
    """After a tile the grids do not depend on the cut: the halo is exact to the pixel."""
    net = TILED[name]()
    halo = eg.halo(net)
    own = [
        (n // 2 // a * a, (n // 2 // a + 1) * a)
        for n, a in zip(net.input.shape, halo.alignment, strict=True)
    ]
    front = [a - before for (a, _), (before, _) in zip(own, halo.overlap, strict=True)]
    ends = [b + after for (_, b), after in zip(own, halo.after, strict=True)]
    assert agrees(net, own, list(zip(front, ends, strict=True)))
    assert not agrees(net, own, [(a, b - 1) for a, b in zip(front, ends, strict=True)])


def test_halo_of_known_networks():
    found = eg.halo(eg.load("conv3p1*3", 60))
    assert (found.before, found.after, found.alignment) == ((3,), (3,), (1,))
    found = eg.halo(eg.load("conv5 conv3d2", 60))  # without padding all is read after
    assert (found.before, found.after) == ((0,), (8,))
    found = eg.halo(tiled_unet())
    assert (found.alignment, eg.receptive_field(tiled_unet()).stride) == ((4, 4), (1, 1))
    found = eg.halo(eg.load("resnet50", (1024, 1024)))
    rf = eg.receptive_field(eg.load("resnet50", (1024, 1024)))
    assert found.before == rf.padding
    assert tuple(b + a + 32 for b, a in zip(found.before, found.after, strict=True)) == rf.size


def test_layers_that_need_the_whole_map():
    found = eg.halo(NETWORKS["aspp"]())
    assert (found.before, found.after, found.alignment) == ((None,), (None,), (None,))
    assert found.whole == ("global_pool1",)
    assert found.crop([(0, 9)]) == ((0, 9),)
    with pytest.raises(InputError, match="own: got 0:5 on axis 0, wanted multiples of 9"):
        found.crop([(0, 5)])
    net = eg.Network((12, 12))
    net.adaptive_pool(net.conv(net.input, 3, padding=1), (12, 4), name="bins")
    found = eg.halo(net)
    assert (found.before, found.whole, found.overlap) == ((1, None), ("bins",), ((1, 1), None))
    json.dumps(found.to_dict())


@pytest.mark.parametrize("name", ["roll", "slice_steps", "up_linear_aligned", "linear", "swin"])
def test_layers_that_are_not_local(name):
    found = eg.halo(NETWORKS[name]())
    assert None in found.before
    assert found.whole


def test_branches_of_different_strides_have_no_tiles():
    net = eg.Network(24)
    net.add(net.slice(net.input, stop=8), net.conv(net.input, 3, 3))
    found = eg.halo(net)
    assert (found.before, found.whole) == ((None,), ())


def test_halo_bad_requests():
    halo = eg.halo(eg.load("conv3s2p1 conv3p1", 32))
    with pytest.raises(InputError, match="own: got 3:8 on axis 0, wanted multiples of 2"):
        halo.crop([(3, 8)])
    with pytest.raises(InputError, match="within 0:32"):
        halo.crop([(16, 34)])
    with pytest.raises(InputError, match=r"wanted 1 \(start, stop\)"):
        halo.crop([(0, 8), (0, 8)])
    with pytest.raises(InputError, match="size: got 0"):
        next(halo.tiles(0))
    with pytest.raises(InputError, match="wanted multiples of 2"):
        list(halo.tiles(5))
    with pytest.raises(InputError, match="net: got None"):
        eg.halo(None)
