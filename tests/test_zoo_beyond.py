"""The zoo beyond torchvision's classifiers, against papers and formulas.

`zoo_references` compares with timm's and torchvision's own modules.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import erfgraph as eg
from erfgraph import zoo
from erfgraph.network import Network
from erfgraph.zoo import darknet, pixelcnn, swin

# name → last map without its head, its channels and stride; size of the field; last with head
FACTS: dict[str, tuple[str, int, int, int | tuple[int, ...], str, int]] = {
    "unet": ("up4", 64, 1, 204, "outc", 2),
    "unet_padded": ("up4", 64, 1, 204, "outc", 2),
    "unet3d": ("up3", 64, 1, 100, "outc", 3),
    "segnet": ("conv1_2_D", 64, 1, 404, "conv1_1_D", 11),
    "hourglass": ("features.1", 256, 4, 1353, "outs.1", 16),
    "hrnet_w18": ("stage4.2.fuse_layers.0", 18, 4, 2783, "classifier", 1000),
    "darknet53": ("stages", 1024, 32, 725, "head", 1000),
    "yolov3": ("P3", 256, 8, 981, "model.28.m.0", 255),
    "yolov8n": ("P3", 64, 8, 879, "model.22.0", 144),
    "pspnet": ("cls.3", 512, 8, 1191, "upsample", 150),
    "replknet31": ("stages.3", 1024, 32, 9011, "head", 1000),
    "replknet13": ("stages.3", 1024, 32, 4579, "head", 1000),
    "slak": ("stages.3", 998, 32, 9560, "head", 1000),
    "wavenet": ("skip", 256, 1, 2047, "end_conv_2", 256),
    "tcn": ("tcn", 25, 1, 3061, "linear", 10),
    "pixelcnn": ("blocks.14", 256, 1, (19, 37), "conv_out.2", 768),
    "swin_t": ("features", 768, 32, 1064, "head", 1000),
    "vit_b_16": ("encoder", 768, 16, 224, "heads", 1000),
}
SIZES = ("hrnet_w", "yolov8", "pspnet", "replknet31_", "slak_", "swin_", "vit_")
NAMES = [*FACTS, *(n for n in zoo.ZOO if n.startswith(SIZES) and n not in FACTS)]

# weights of convolutions and linear layers, with the head
WEIGHTS = {
    # read off torchvision's and timm's modules
    "darknet53": 41_573_216,
    "hrnet_w18": 21_242_948,
    "hrnet_w48": 77_363_648,
    "swin_t": 28_199_424,
    "swin_s": 49_433_088,
    "swin_b": 87_537_664,
    "vit_b_16": 86_292_480,
    "vit_b_32": 88_061_952,
    "vit_l_16": 303_800_320,
    "vit_h_14": 631_178_240,
    # read off Ultralytics' modules
    "yolov8n": 3_146_160,
    "yolov8s": 11_146_080,
    "yolov8m": 25_869_072,
    "yolov8l": 43_644_608,
    "yolov8x": 68_171_120,
    # 31,037,698 parameters of milesial/Pytorch-UNet, without biases and norms
    "unet_padded": 31_037_698 - 960 - 2 - 11_776,
    # 19,069,955 in the paper, without a bias for 3 classes, 1440 channels down and 896 up
    "unet3d": 19_069_955 - 3 - 1440 - 896,
}
# parameters in millions, as the papers say; SLaK's are 60 % of its weights
MILLIONS = {
    "replknet31": 79,
    "replknet31_l": 172,
    "slak": 30 / 0.6,
    "slak_small": 55 / 0.6,
    "slak_base": 95 / 0.6,
    "segnet": 29.45,
    "yolov3": 61.9,
    "tcn": 0.066,
}


def weights(net: Network) -> int:
    """Weights of all layers; those of a class token are those of the grid once more."""
    found = 0
    for m in net.maps:
        if m.op not in ("conv", "conv_transpose", "linear") or m.name.startswith("class_token"):
            continue
        (link,) = m.links
        (part,) = link.parts
        kernel = net.maps[link.src].shape if m.op == "linear" else m.params["kernel"]
        taps = kernel ** len(m.shape) if isinstance(kernel, int) else math.prod(kernel)
        found += taps * len(part.mix.reads) // part.mix.groups * len(part.mix.makes)
    return found


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str) -> None:
    last, channels, stride, field, top, classes = FACTS[name]
    net, whole = zoo.build(name), zoo.build(name, head=True)
    assert net.output.index == net[last].index
    assert (net.output.channels, whole.output.channels) == (channels, classes)
    assert whole.output is whole[top]
    assert whole[last].shape == net.output.shape
    assert top not in net
    found = eg.receptive_field(net)
    assert found.stride == (Fraction(stride),) * net.ndim
    assert found.size == ((field,) * net.ndim if isinstance(field, int) else field)


@pytest.mark.parametrize("name", WEIGHTS)
def test_as_many_weights_as_the_reference(name: str) -> None:
    assert weights(zoo.build(name, head=True)) == WEIGHTS[name]


@pytest.mark.parametrize("name", MILLIONS)
def test_about_as_many_weights_as_the_paper_says(name: str) -> None:
    found = weights(zoo.build(name, head=True)) / 1e6
    assert found == pytest.approx(MILLIONS[name], rel=0.015)


@pytest.mark.parametrize("name", NAMES)
def test_it_builds_at_once(name: str) -> None:
    times = []
    for _ in range(3):
        start = time.process_time()
        zoo.build(name, head=True)
        times.append(time.process_time() - start)
    assert min(times) < 0.1


@pytest.mark.parametrize(
    ("name", "shape", "last"),
    [
        ("unet", (188, 204), (4, 20)),
        ("unet", (201, 230), (4, 36)),  # pools drop an odd last position
        ("unet_padded", (97, 64), (97, 64)),
        ("unet3d", (100, 92, 108), (12, 4, 20)),
        ("segnet", (33, 50), (33, 50)),
        ("hourglass", (100, 64), (25, 16)),
        ("hrnet_w18", (96, 64), (24, 16)),
        ("darknet53", (97, 33), (4, 2)),
        ("yolov3", (96, 64), (12, 8)),
        ("yolov8n", (96, 64), (12, 8)),
        ("pspnet", (65, 50), (9, 7)),
        ("replknet31", (97, 64), (4, 2)),
        ("slak", (97, 64), (3, 2)),
        ("wavenet", (100,), (100,)),
        ("tcn", (9,), (9,)),
        ("pixelcnn", (28, 20), (28, 20)),
        ("swin_t", (97, 64), (3, 2)),
        ("vit_b_16", (97, 64), (6, 4)),
    ],
)
def test_other_sizes(name: str, shape: tuple[int, ...], last: tuple[int, ...]) -> None:
    net = zoo.build(name, shape, channels=5)
    assert (net.output.shape, net.input.channels) == (last, 5)
    assert eg.importance(net).total > 0


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("unet", (139, 572), "conv 'down4.maxpool_conv.1.double_conv.3': kernel: spans 3 posit"),
        ("hrnet_w18", (240, 224), "add 'stage4.0.fuse_layers.2': xs: spatial shapes differ"),
        ("yolov3", (208, 200), "concat 'model.18': xs: spatial shapes differ: (14, 14), (13, 13)"),
        (
            "yolov8n",
            (640, 600),
            "concat 'model.14': xs: spatial shapes differ: (80, 76), (80, 75)",
        ),
        ("hourglass", (32, 32), "max_pool 'hgs.0.0.low2.low2.low2.pool1': kernel: spans 2 posit"),
        ("vit_b_16", (8, 224), "conv 'conv_proj': kernel: spans 16 positions on axis 0, but the"),
        ("slak", (16, 16), "conv 'downsample_layers.3.1': kernel: spans 2 positions on axis 0"),
    ],
)
def test_sizes_that_do_not_fit(name: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(eg.LayerError, match=re.escape(said)):
        zoo.build(name, shape)


# --- paths by hand: on one axis a kernel of k multiplies them by k, a join adds ---


def unet_paths() -> int:
    skips = [9]
    for _ in range(4):
        skips.append(skips[-1] * 2 * 9)
    made = skips.pop()
    while skips:  # an up-convolution of kernel and stride 2 reads one unit
        made = 9 * (skips.pop() + made)
    return made


def hourglass_paths() -> int:
    residual = 1 + 3
    inner = residual
    for _ in range(4):  # a pool and three residuals, the middle one an hourglass itself
        inner = residual + 2 * residual * inner * residual
    x = 7 * residual * 2 * residual * residual
    feature = x * inner * residual
    x += feature + feature  # by its heat maps too
    return x * inner * residual


def hrnet_paths() -> int:
    x = [3 * 3 * (1 + 3) ** 4]
    for modules in (1, 4, 3):
        x = [*([3 * x[0]] if len(x) == 1 else x), 3 * x[-1]]
        for _ in range(modules):
            x = [n * (1 + 9) ** 4 for n in x]
            x = [sum(n * 3 ** max(i - j, 0) for j, n in enumerate(x)) for i in range(len(x))]
    return x[0]


def darknet_paths() -> list[int]:
    """After each stage."""
    made, x = [], 3
    for depth in (1, 2, 8, 8, 4):
        x *= 3 * (1 + 3) ** depth
        made.append(x)
    return made


def yolov3_paths() -> int:
    *_, c3, c4, c5 = darknet_paths()
    x = c5 * 3 * 3  # two of the five convolutions before the branch are 3x3
    x = (x + c4) * 3 * 3
    return (x + c3) * 3 * 3 * 3


def yolov8_paths() -> int:
    def c2f(x: int, repeats: int, skip: int) -> int:
        ys = [x, x]
        for _ in range(repeats):
            ys.append(ys[-1] * (skip + 9))
        return sum(ys)

    x, scales = 3, []
    for repeats in (1, 2, 2, 1):
        x = c2f(3 * x, repeats, 1)
        scales.append(x)
    x *= 1 + 5 + 25 + 125
    x = c2f(x + scales[2], 1, 0)
    return c2f(x + scales[1], 1, 0)


def replknet_paths(kernels: tuple[int, ...]) -> int:
    x = 3 * 3 * 3
    for kernel, depth in zip(kernels, (2, 2, 18, 2), strict=True):
        x *= ((1 + kernel) * (1 + 1)) ** depth * 3
    return x // 3  # no transition behind the last stage


@pytest.mark.parametrize(
    ("name", "layer", "shape", "total"),
    [
        ("unet", None, 572, unet_paths()),
        ("unet_padded", None, 512, unet_paths()),
        ("hourglass", None, 4096, hourglass_paths()),
        ("hrnet_w18", None, 8192, hrnet_paths()),
        ("darknet53", None, 2048, darknet_paths()[-1]),
        ("yolov3", None, 4096, yolov3_paths()),
        ("yolov8n", None, 4096, yolov8_paths()),
        ("pspnet", "layer4", 4096, 27 * 3 * (1 + 3) ** 16),
        ("replknet31", None, 1 << 15, replknet_paths((31, 29, 27, 13))),
        ("replknet13", None, 1 << 14, replknet_paths((13,) * 4)),
        ("wavenet", None, 8000, sum(2 * 2 * (1 + 2 * 2) ** i for i in range(20))),
        ("tcn", None, 8000, (1 + 7 * 7) ** 8),
        ("pixelcnn", None, (64, 64), 24 * (1 + 5) ** 15),
    ],
)
def test_paths_by_hand(name: str, layer: str | None, shape: Any, total: int) -> None:
    assert eg.importance(zoo.build(name, shape), layer).total == total


# --- U-Nets and what looks like them ---


def test_unet_crops_as_in_the_paper() -> None:
    net = zoo.build("unet", head=True)
    shapes = [net[n].shape[0] for n in ("inc", "down1", "down2", "down3", "down4")]
    assert shapes == [568, 280, 136, 64, 28]
    assert [net[f"up{i}"].shape[0] for i in (1, 2, 3, 4)] == [52, 100, 196, 388]
    amounts = [net[f"up{i}.crop"].params["amount"] for i in (1, 2, 3, 4)]
    assert amounts == [[[n, n], [n, n]] for n in (4, 16, 40, 88)]
    assert net["outc"].shape == (388, 388)
    assert zoo.build("unet3d").output.shape == (44, 44, 28)
    widths = ("inc.double_conv.0", "inc.double_conv.3", "down3", "up1.up", "up1")
    assert [zoo.build("unet3d")[n].channels for n in widths] == [32, 64, 512, 512, 256]


def test_the_field_of_a_unet_depends_on_where_the_unit_lies_in_its_block() -> None:
    net = zoo.build("unet", (300, 300))
    sizes = [eg.importance(net, unit=(40 + i, 40)).trf.size[0] for i in range(16)]
    # of the 16 units that share one at the bottom, those at the edges also read its neighbour
    assert set(sizes) == {188, 204}


def test_unpooling_reads_one_unit_and_undoes_the_pool() -> None:
    net = zoo.build("segnet")
    for unit in ((0, 0), (22, 29), (7, 12)):
        imp = eg.importance(net, "upsample5", unit, of="pool5")
        assert imp.trf.bbox == tuple((u // 2, u // 2 + 1) for u in unit)
        assert imp.total == 1
    assert eg.importance(net, "upsample1", (5, 6), of="conv2_1_D").trf.bbox == ((2, 3), (3, 4))
    assert net["pool5"].shape == (12, 15)
    assert net["upsample5"].shape == net["pool4"].shape == (23, 30)


def test_an_hourglass_is_a_residual_at_each_of_five_scales() -> None:
    net = zoo.build("hourglass", (1024, 1024))
    rows = {row.name: row for row in eg.receptive_fields(net)}
    # the branch at half the size: a pool and 3x3 convolutions there, once, twice, once
    for depth, low in enumerate(("", ".low2", ".low2.low2", ".low2.low2.low2")):
        jump = 4 << depth
        field = rows[f"hgs.0.0{low}.up1"].size[0]
        assert rows[f"hgs.0.0{low}.up1"].stride == (jump, jump)
        below = rows[f"hgs.0.0{low}.pool1"]
        assert below.size[0] == field - 2 * jump + jump
    assert [net[f"{n}.0"].shape for n in ("hgs.0", "hgs.1", "merge")] == [(256, 256)] * 3


# --- backbones and detectors ---


def test_hrnet_has_four_outputs() -> None:
    net = zoo.build("hrnet_w18")
    found = [net[f"stage4.2.fuse_layers.{i}"] for i in range(4)]
    assert [(m.shape[0], m.channels) for m in found] == [(56, 18), (28, 36), (14, 72), (7, 144)]
    # each of them reads every branch
    branches = {net[f"stage4.2.branches.{j}"].index for j in range(4)}
    for m in found:
        read, todo = set(), [m]
        while todo:
            at = todo.pop()
            new = {link.src for link in at.links}
            read |= new & branches
            todo += [net.maps[i] for i in new - branches]
        assert read == branches


def test_the_field_of_darknet_by_hand() -> None:
    strided = sum(2 * jump for jump in (1, 2, 4, 8, 16))
    blocks = sum(2 * jump * n for jump, n in zip((2, 4, 8, 16, 32), (1, 2, 8, 8, 4), strict=True))
    assert FACTS["darknet53"][3] == 1 + 2 + strided + blocks
    # YOLOv3's backbone is the same network
    yolo = eg.receptive_field(zoo.build("yolov3"), "model.10")
    assert (yolo.size, yolo.stride) == ((725, 725), (32, 32))


@pytest.mark.parametrize("name", ["yolov3", "yolov8n", "yolov8x"])
def test_detectors_have_three_outputs(name: str) -> None:
    net = zoo.build(name, (640, 416), head=True)
    assert [net[p].shape for p in ("P3", "P4", "P5")] == [(80, 52), (40, 26), (20, 13)]
    top = "model.28.m" if name == "yolov3" else "model.22"
    for i, p in enumerate(("P3", "P4", "P5")):
        out = net[f"{top}.{i}"]
        assert (out.shape, out.channels) == (net[p].shape, 255 if name == "yolov3" else 144)


def test_the_pools_of_yolov8_are_windows_of_5_9_and_13() -> None:
    net = zoo.build("yolov8n")
    for i, size in enumerate((5, 9, 13)):
        imp = eg.importance(net, f"model.9.m.{i}", (10, 10), of="model.9.cv1.conv")
        assert imp.trf.size == (size, size)
        # one window of that size would read each position once; three in a row read more often
        assert (imp.total == size**2) == (i == 0)


def test_yolov8_splits_channels() -> None:
    net = zoo.build("yolov8n")
    first, second = net["model.2.chunk.0"], net["model.2.chunk.1"]
    assert first.index == second.index == net["model.2.cv1"].index
    assert (first.view, second.view) == (range(16), range(16, 32))
    assert len(net["model.2.m.0.cv1.conv"].links[0].parts[0].mix.reads) == 16
    assert [link.src for link in net["model.2.cat"].links[:2]] == [first.index] * 2


def test_pspnet_sees_everything_at_stride_8() -> None:
    net = zoo.build("pspnet")
    assert net["layer4"].shape == net["ppm"].shape == (60, 60)
    assert [net[f"ppm.features.{i}.0"].shape[0] for i in range(4)] == [1, 2, 3, 6]
    assert eg.importance(net, unit=(0, 0)).trf.size == (473, 473)
    assert eg.importance(net, "layer4", (0, 0)).trf.size < (473, 473)
    assert zoo.build("pspnet", head=True).output.shape == (473, 473)


# --- large kernels ---


@pytest.mark.parametrize(
    ("name", "kernels"), [("replknet31", (31, 29, 27, 13)), ("replknet13", (13,) * 4)]
)
def test_the_field_of_replknet_by_hand(name: str, kernels: tuple[int, ...]) -> None:
    size = 1 + 2 * 1 + 2 * 2 + 2 * 2  # the stem
    for stage, (kernel, depth) in enumerate(zip(kernels, (2, 2, 18, 2), strict=True)):
        jump = 4 << stage
        size += depth * (kernel - 1) * jump + (2 * jump if stage < 3 else 0)
    assert FACTS[name][3] == size


def test_larger_kernels_see_more_with_the_same_depth() -> None:
    # one axis is as good as two, and the borders must be far
    areas = [
        eg.importance(zoo.build(name, 1 << 14), exact=False).erf(0.5, rule="mass").area
        for name in ("replknet13", "replknet31")
    ]
    assert 1.5 * areas[0] < areas[1]


def test_a_large_kernel_of_slak_is_a_cross() -> None:
    net = zoo.build("slak", (512, 512))
    imp = eg.importance(net, "stages.0.0.large_kernel", (64, 64), of="downsample_layers.0")
    y, x = np.indices((128, 128)) - 64
    tall, wide = (abs(x) <= 2) & (abs(y) <= 25), (abs(y) <= 2) & (abs(x) <= 25)
    small = (abs(y) <= 2) & (abs(x) <= 2)
    assert np.array_equal(imp.values, tall.astype(int) + wide + small)
    whole = eg.importance(net, "stages.0.0", (64, 64), of="downsample_layers.0")
    assert whole.total == imp.total + 1


# --- causal networks ---


@pytest.mark.parametrize("unit", [0, 1, 1000, 3999])
@pytest.mark.parametrize("name", ["wavenet", "tcn"])
def test_a_causal_network_sees_all_of_its_past_and_no_future(name: str, unit: int) -> None:
    past = {"wavenet": 1 + 2 * (2**10 - 1) * (2 - 1), "tcn": 1 + 2 * (2**8 - 1) * (7 - 1)}[name]
    net = zoo.build(name, (4000,))
    imp = eg.importance(net, unit=unit)
    assert imp.trf.bbox == ((max(0, unit + 1 - past), unit + 1),)
    if name == "wavenet":
        assert imp.trf.mask.sum() == min(past, unit + 1)


def test_a_gated_unit_reads_each_sample_twice() -> None:
    net = zoo.build("wavenet")
    imp = eg.importance(net, "gated.0", 100)
    assert imp.values[99:101].tolist() == [2, 2]
    # x becomes x + (x + its past), doubled by the gate; every layer multiplies the paths
    total = eg.importance(net, "residual.3", 4000).total
    assert total == (1 + 2 * 2) ** 4


def test_the_head_of_a_tcn_reads_the_last_sample() -> None:
    net = zoo.build("tcn", head=True)
    assert net["last"].shape == (1,)
    assert np.array_equal(eg.importance(net).values, eg.importance(net, "tcn", 783).values)


def before(size: int, unit: tuple[int, int], blocks: int = 15) -> np.ndarray:
    """What PixelCNN sees: ``(-r, c)`` with ``c <= r + 2``, in the field of its kernels."""
    y, x = np.indices((size, size))
    up, right = unit[0] - y, x - unit[1]
    far = 3 + blocks
    above = (up >= 1) & (up <= far) & (right >= -far) & (right <= np.minimum(far, up + 2))
    return above | ((up == 0) & (right < 0) & (right >= -far))


@pytest.mark.parametrize("unit", [(32, 20), (0, 0), (0, 5), (63, 63), (30, 62)])
def test_pixelcnn_sees_only_what_comes_before_but_its_blind_spot(unit: tuple[int, int]) -> None:
    net = zoo.build("pixelcnn", (64, 64))
    seen = eg.importance(net, unit=unit).values != 0
    assert np.array_equal(seen, before(64, unit))
    order = np.arange(64 * 64).reshape(64, 64)
    assert not seen[order >= order[unit]].any()


def test_the_masks_of_pixelcnn() -> None:
    net = zoo.build("pixelcnn", head=True)
    a = np.array(net["conv_in"].params["mask"])
    b = np.array(net["blocks.3.conv2"].params["mask"])
    assert (a.shape, a.sum(), a[3].tolist()) == ((7, 7), 24, [True] * 3 + [False] * 4)
    assert b.astype(int).tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]


def test_the_checks_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = pixelcnn.mask
    monkeypatch.setattr(pixelcnn, "mask", lambda kernel, itself: kept(kernel, itself=True))
    leaky = eg.importance(zoo.build("pixelcnn", (64, 64)), unit=(32, 20)).values != 0
    assert not np.array_equal(leaky, before(64, (32, 20)))
    monkeypatch.setattr(swin, "WINDOW", 8)
    net = zoo.build("swin_t")
    assert eg.importance(net, "features.1.0", of="features.0").trf.size == (8, 8)
    monkeypatch.setattr(darknet, "STAGES", (*darknet.STAGES[:4], (1024, 3)))
    net = zoo.build("darknet53", head=True)
    assert eg.receptive_field(net, "stages").size[0] < FACTS["darknet53"][3]
    assert weights(net) < WEIGHTS["darknet53"]


# --- transformers ---


def windows(size: int, start: int) -> list[tuple[int, int]]:
    """Windows of 7 along an axis, from `start` on, the first and last cut at the border."""
    edges = sorted({0, size, *range(start, size, 7)})
    return list(itertools.pairwise(edges))


@pytest.mark.parametrize("side", [224, 240])
@pytest.mark.parametrize(("block", "shift"), [(0, 0), (1, 3)])
def test_swin_attends_to_windows(side: int, block: int, shift: int) -> None:
    net = zoo.build("swin_t", (side, side))
    below = "features.0" if block == 0 else "features.1.0"
    n = side // 4
    for start, stop in windows(n, shift):
        for unit in {(start, n // 2), (stop - 1, n // 2)}:
            imp = eg.importance(net, f"features.1.{block}", unit, of=below)
            column = next(w for w in windows(n, shift) if w[0] <= n // 2 < w[1])
            assert imp.trf.bbox == ((start, stop), column)
            # each position by attention, the unit itself once more, and twice that by the MLP
            area = (stop - start) * (column[1] - column[0])
            assert imp.total == 2 * (area + 1)


def test_swin_does_not_shift_where_one_window_covers_the_map() -> None:
    assert [m.params.get("shift", 0) for m in attentions("swin_t", (224, 224))] == [
        *[[0, 0], [3, 3]] * 5,
        *[[0, 0], [0, 0]],
    ]
    # of 97 x 250 the last stage has 3 x 8 positions
    last = attentions("swin_t", (97, 250))[-1]
    assert (last.shape, last.params["shift"]) == ((3, 8), [0, 3])


def attentions(name: str, shape: tuple[int, int]) -> list[Any]:
    return [m for m in zoo.build(name, shape).maps if m.op == "attention"]


def test_attention_reads_values_only() -> None:
    net = zoo.build("swin_t")
    values = net["features.1.0.attn.v"]
    assert (values.view, values.index) == (range(192, 288), net["features.1.0.attn.qkv"].index)
    values = zoo.build("vit_b_16")["encoder.layers.encoder_layer_3.self_attention.v"]
    assert values.view == range(2 * 768, 3 * 768)


def test_patch_merging_pads_an_odd_size() -> None:
    net = zoo.build("swin_t", (100, 64))
    assert net["features.1"].shape == (25, 16)
    assert net["features.2.pad"].shape == (26, 16)
    assert net["features.2"].shape == (13, 8)
    assert "features.4.pad" in net
    assert "features.6.pad" in net
    imp = eg.importance(net, "features.2", (12, 0), of="features.1")
    assert imp.trf.bbox == ((24, 25), (0, 2))


def test_paths_of_a_vision_transformer_by_hand() -> None:
    # a block makes x + all of x, and doubles that by its MLP
    n = 14 * 14
    net = zoo.build("vit_b_16", head=True)
    imp = eg.importance(net, "encoder")
    own, other = 1, 0
    for _ in range(12):
        own, other = 2 * (own + own + (n - 1) * other), 2 * (other + own + (n - 1) * other)
    assert imp.values[7 * 16, 7 * 16] == own
    assert imp.values[0, 0] == other
    # the class token reads all patches in every block and has two paths through the MLP
    token, patches = 0, 1
    for _ in range(12):
        token, patches = 2 * (token + patches), 2 * (1 + n) * patches
    assert eg.importance(net).values.min() == eg.importance(net).values.max() == token
    assert not any(name.startswith("class_token") for name in zoo.build("vit_b_16").names)
