"""Claims on theoretical fields: arithmetic, holes, unevenness, signs, squares."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from erfgraph import arithmetic, explicit, sweeps, theory
from erfgraph.loading import load
from erfgraph.network import Network
from erfgraph.tasks import classification, segmentation
from erfgraph.theory import Step
from erfgraph.verification import drawing, outcomes
from erfgraph.verification.chains import COMPUTED
from erfgraph.verification.nouns import AUTOGRAD, Claim, Outcome, Request

DISTILL = "Araujo et al. 2019 (Distill)"
ARITHMETIC = ("closed form", "sweep", "explicit graph")
WANG = "Wang et al. 2018"
ODENA = "Odena et al. 2016"
RICHTER = "Richter et al. 2021"
DING = "Ding et al. 2022"

# --- arithmetic -----------------------------------------------------------------------------

Stack = tuple[tuple[int, ...], ...]

# kernel, stride, padding along the longest way, with the strides where the authors put them
ALEXNET_V2: Stack = ((11, 4), (3, 2), (5, 1, 2), (3, 2), *[(3, 1, 1)] * 3, (3, 2))
VGG16: Stack = tuple(step for n in (2, 2, 3, 3, 3) for step in (*[(3, 1, 1)] * n, (2, 2)))
STEM: Stack = ((7, 2, 3), (3, 2, 1))
# TF-slim strides in the last block of a stage, torchvision in the first of the next; its pool
# is padded "SAME", which for even sizes is after the map only
SLIM: Stack = (
    (7, 2, 3),
    (3, 2),
    *[(3, s, 1) for n, last in ((3, 2), (4, 2), (6, 2), (3, 1)) for s in [1] * (n - 1) + [last]],
)
LAYER3: Stack = (
    *STEM,
    *[(3, s, 1) for n, first in ((3, 1), (4, 2), (6, 2)) for s in [first] + [1] * (n - 1)],
)
LAYER4: Stack = (*LAYER3, (3, 2, 1), (3, 1, 1), (3, 1, 1))


def _alexnet_v2(shape: tuple[int, ...]) -> Network:
    net = Network(shape, name="alexnet_v2")
    x = net.input
    for step in ALEXNET_V2:
        layer = Step(*step)
        x = net.conv(x, layer.kernel, layer.stride, layer.padding)
    return net


def _field_check(
    request: Request, source: str, layer: str | None, stack: Stack, published: tuple[int, int, int]
) -> Outcome:
    """Size, stride, padding: by the recurrence, or from the boxes of two units' graph fields."""
    shape = (2048, 2048) if request.how == "sweep" else (2048,)
    net = _alexnet_v2(shape) if source == "alexnet_v2" else load(source, shape)
    on = f"{source}{' ' + layer if layer else ''}: size, stride, padding"
    if request.how == "closed form":
        rf = arithmetic.receptive_field(net, layer)
        found = {theory.field(stack), (rf.size[0], rf.stride[0], rf.padding[0])}
        return outcomes.equal([published], sorted(found), f"{on}; the formula and `table` agree")
    return outcomes.equal(published, _measured(net, layer, request.how), on)


def _measured(net: Network, layer: str | None, how: str) -> tuple[int, int, int]:
    """Size, stride and padding from the fields of two neighbours far from the border."""
    m = net.output if layer is None else net[layer]
    unit = m.shape[0] // 2
    graph = explicit.graph(net) if how == "explicit graph" else net
    boxes = []
    for u in (unit, unit + 1):
        box = sweeps.importance(graph, m.name, (u,) * net.ndim).trf.bbox
        if box is None or len({*box}) > 1:
            raise ValueError(f"unit {u} of {m.name!r} sees {box}, wanted a square")
        boxes.append(box[0])
    (start, stop), (following, _) = boxes
    stride = following - start
    return stop - start, stride, unit * stride - start


def _arithmetic_claim(
    name: str, source: str, layer: str | None, stack: Stack, published: tuple[int, int, int]
) -> Claim:
    def run(request: Request) -> Outcome:
        return _field_check(request, source, layer, stack, published)

    where = f"{source} {layer}" if layer else source
    size, stride, padding = published
    return Claim(
        f"fields/{name}",
        f"{where} has a field of {size}, stride {stride}, padding {padding}.",
        DISTILL if "slim" in name or layer is None else COMPUTED,
        ARITHMETIC,
        run,
    )


def recurrence(request: Request) -> Outcome:
    """The recurrence on chains of all kinds against the graph."""
    chains: Sequence[tuple[Step, ...]] = (
        (Step(3), Step(3, 2), Step(5, 1, 2, 2)),
        (Step(4, 3, 1), Step(2, 2), Step(3, 1, 1, 3)),
        (Step(1, 2), Step(7, 1, 3), Step(3, 2, 1), Step(3, 1, 0, 2)),
        (Step(2), Step(2), Step(5, 4, 2), Step(2, 2, 1)),
    )
    cases = []
    for chain in chains:
        net = Network((400,))
        x = net.input
        for step in chain:
            x = net.conv(x, step.kernel, step.stride, step.padding, step.dilation)
        # without neighbours that are far apart the ends of a field cannot lie between units
        cases.append((str([tuple(s) for s in chain]), theory.field(chain), _of(net, request.how)))
    return outcomes.all_equal(cases, "chains of (kernel, stride, padding, dilation)")


def _of(net: Network, how: str) -> tuple[object, ...]:
    if how == "closed form":
        rf = arithmetic.receptive_field(net)
        return rf.size[0], rf.stride[0], rf.padding[0]
    return _measured(net, None, how)


# --- layers that do nothing -----------------------------------------------------------------


def unproductive(request: Request) -> Outcome:
    """Layers whose input already sees the whole image from its centre."""
    net, n = load("conv3p1*4 max2 conv3p1*6", input_shape=(15,)), 15
    if request.how == "closed form":
        stack = [(3, 1, 1)] * 4 + [(2, 2)] + [(3, 1, 1)] * 6
        sizes = [theory.field(stack[:i])[0] for i in range(len(stack) + 1)]
        pairs = zip(net.maps[1:], itertools.pairwise(sizes), strict=True)
        wanted = [m.name for m, (before, own) in pairs if before >= n and own > n]
        return outcomes.equal(
            wanted, list(classification.coverage(net).unproductive), net.name or ""
        )
    # on the graph: in a chain of odd maps, whether the centre of the map below sees everything
    net = load("conv3p1*12", input_shape=(9,))
    graph = explicit.graph(net)
    whole = [sweeps.importance(graph, m.name).trf.area == 9 for m in net.maps]
    wanted = [m.name for m, before in zip(net.maps[1:], whole, strict=False) if before]
    found = list(classification.coverage(net).unproductive)
    return outcomes.equal(wanted, found, "conv3p1*12 on 9 positions")


def with_skips(request: Request) -> Outcome:
    """A skip keeps the smallest field small, so that no layer above is unproductive."""
    plain = classification.coverage(load("conv3p1*12", input_shape=(9,)))
    skips = classification.coverage(load("res(conv3p1)*12", input_shape=(9,)))
    return outcomes.equal(
        [8, 0],
        [len(plain.unproductive), len(skips.unproductive)],
        "unproductive layers of conv3p1*12 and res(conv3p1)*12 on 9 positions",
    )


# --- holes and unevenness -------------------------------------------------------------------


def gridding(request: Request) -> Outcome:
    """Dilations 2, 2, 2 use 49 of 13 x 13 units."""
    return _holes(request, (2, 2, 2), 13, 49)


def hybrid(request: Request) -> Outcome:
    """Dilations 1, 2, 5 use all of 17 x 17."""
    return _holes(request, (1, 2, 5), 17, 289)


def _holes(request: Request, dilations: tuple[int, ...], side: int, used: int) -> Outcome:
    on = f"side of the field and units used; 3x3 of dilation {', '.join(map(str, dilations))}"
    if request.how == "closed form":
        line = theory.dilated_support(dilations)
        return outcomes.equal([side, used], [line[-1] - line[0] + 1, len(line) ** 2], on)
    net = load(" ".join(f"conv3x3d{d}" for d in dilations))
    source = explicit.graph(net) if request.how == "explicit graph" else net
    found = segmentation.gridding(sweeps.importance(source))
    return outcomes.equal([side, used], [round(found.units**0.5), found.units - found.holes], on)


def checkerboards(request: Request) -> Outcome:
    """Paths into the units of transposed layers."""
    cases = []
    for kernel, stride in ((3, 2), (4, 2), (5, 2), (5, 3), (6, 3), (2, 2)):
        net = load(f"deconv{kernel}s{stride}", input_shape=9)
        cases.append(
            (
                f"k{kernel} s{stride}",
                theory.transposed_coverage(kernel, stride),
                _into(net, stride, request.how),
            )
        )
    return outcomes.all_equal(cases, "one period of paths into the output")


def _into(net: Network, stride: int, how: str) -> list[int]:
    """Paths into the units of one period in the middle of a map."""
    if how == "closed form":  # the pattern that is carried along the maps
        pattern: list[int] = segmentation.checkerboard(net, counts=False).pattern.tolist()
        return pattern * (stride // len(pattern))
    source = explicit.graph(net) if how == "explicit graph" else net
    first = net.output.shape[0] // 2 // stride * stride
    return [int(sweeps.importance(source, unit=first + u).total) for u in range(stride)]


# --- signs ----------------------------------------------------------------------------------

COSINES = (1, 2, 3, 5, 8)


def cosines(request: Request) -> Outcome:
    """Kernels with signs compose to ones, whatever their absolute values count."""
    cases = (
        (f"N = {n}", np.ones(2 * n + 1), _weighted(theory.cosine_kernels(n), request.how))
        for n in COSINES
    )
    return outcomes.all_close(cases, "gradients of the chain [1, -2 cos(kφ), 1], k = 1 to N")


def absolutes(request: Request) -> Outcome:
    """Counting with |w| bounds the gradient and is not it."""
    least, bounds = np.inf, True
    for n in COSINES:
        kernels = theory.cosine_kernels(n)
        signed = np.abs(_weighted(kernels, request.how))
        counted = _weighted([[abs(w) for w in k] for k in kernels], request.how)
        bounds &= bool((counted >= signed * (1 - outcomes.ROUNDING)).all())
        if n > 1:  # with a single layer there is nothing to cancel
            least = min(least, float((counted / signed).max()))
    return Outcome(
        "bounds it, ratio above 2",
        f"{'bounds it' if bounds else 'is less'}, ratio {least:.3g}",
        bounds and least > 2,
        f"sum over paths of the products of |w|, over the gradient: the least of the largest "
        f"ratios; N = {COSINES[1:]}",
    )


def _weighted(kernels: Sequence[Sequence[float]], how: str) -> np.ndarray:
    """Sum over paths of the products of weights, from the centre of a chain of one axis."""
    if how == "closed form":
        return np.array(theory.compose(kernels))
    if how == AUTOGRAD:
        return drawing.kernel_gradient(kernels)
    net = load("conv3*" + str(len(kernels)))
    graph = explicit.graph(net)
    found = np.ones(1)
    for layer in range(len(kernels), 0, -1):
        block = graph.blocks[layer - 1, layer].tocoo()
        taps = np.asarray(kernels[layer - 1])[block.row - block.col]  # unit v reads v, v+1, v+2
        weights = np.zeros(block.shape)
        weights[block.row, block.col] = taps * block.data
        found = weights @ found
    return found


# --- squares --------------------------------------------------------------------------------


def squares(request: Request) -> Outcome:
    """The high-contribution square of flat maps of even size is never empty."""
    sides = range(2, 25, 2)
    nothing, short = [], []
    for n in sides:
        imp = sweeps.importance(load(f"max{n}x{n}", (n, n)))
        square = imp.erf(0.99, "square")
        if not square.area:
            nothing.append(n)
        elif not imp.share[square.mask].sum() >= 0.99:
            short.append(n)
    theirs = [n for n in sides if _script(np.ones((n, n)), 0.99) is None]
    return outcomes.equal(
        [[], []],
        [nothing, short],
        "sides of flat maps, 2 to 24, whose square at 99 % is empty or holds less; the papers' "
        f"script finds none for {theirs}",
    )


def _script(data: np.ndarray, share: float) -> int | None:
    """The side that RepLKNet's script finds (`get_rectangle`), or None as it does."""
    h, w = data.shape
    for i in range(1, h // 2):
        part = data[h // 2 - i : h // 2 + 1 + i, w // 2 - i : w // 2 + 1 + i]
        if part.sum() / data.sum() > share:
            return 2 * i + 1
    return None


CLAIMS = (
    _arithmetic_claim("alexnet-slim", "alexnet_v2", None, ALEXNET_V2, (195, 32, 64)),
    _arithmetic_claim("vgg16-slim", "vgg16", None, VGG16, (212, 32, 90)),
    _arithmetic_claim("resnet50-slim", "resnet_v1_50", None, SLIM, (483, 32, 239)),
    _arithmetic_claim("resnet50-layer3", "resnet50", "layer3", LAYER3, (267, 16, 133)),
    _arithmetic_claim("resnet50-layer4", "resnet50", "layer4", LAYER4, (427, 32, 213)),
    Claim(
        "fields/recurrence",
        "Size, stride and padding follow Distill's recurrence.",
        DISTILL,
        ARITHMETIC,
        recurrence,
    ),
    Claim(
        "fields/unproductive",
        "A layer adds nothing where what it reads sees the whole image and it would see more.",
        RICHTER,
        ("closed form", "explicit graph"),
        unproductive,
    ),
    Claim(
        "fields/productive-skips",
        "With skips the smallest field stays small, and no layer is unproductive.",
        RICHTER,
        ("closed form",),
        with_skips,
    ),
    Claim(
        "fields/gridding",
        "3x3 layers of dilation 2, 2, 2 have a 13×13 field and use 29 % of it.",
        WANG,
        ARITHMETIC,
        gridding,
    ),
    Claim(
        "fields/hybrid-dilation",
        "Dilations 1, 2, 5 use all of their 17×17 field.",
        WANG,
        ARITHMETIC,
        hybrid,
    ),
    Claim(
        "fields/checkerboard",
        "Paths into a transposed layer alternate 2, 1 for kernel 3, stride 2; are constant for "
        "kernel 4, stride 2.",
        ODENA,
        ARITHMETIC,
        checkerboards,
    ),
    Claim(
        "fields/signed-kernels",
        "Kernels [1, -2cos(kφ), 1], k = 1…N, compose to 2N + 1 ones.",
        COMPUTED,
        ("closed form", "explicit graph", AUTOGRAD),
        cosines,
    ),
    Claim(
        "fields/absolute-bound",
        "Counting them with |w| bounds the gradient and does not equal it.",
        COMPUTED,
        ("closed form", "explicit graph", AUTOGRAD),
        absolutes,
    ),
    Claim(
        "fields/square",
        "The high-contribution square of a flat even map is never empty.",
        DING,
        ("sweep",),
        squares,
    ),
)
