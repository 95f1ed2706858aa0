"""Output shapes and reads of single layers against PyTorch's own, over drawn geometries."""

from __future__ import annotations

import numpy as np
import pytest
from draws import patient
from hypothesis import assume, example, given
from hypothesis import strategies as st
from oracles import naive_graph, positions

import erfgraph as eg

torch = pytest.importorskip("torch")
F = torch.nn.functional

LENGTHS = st.integers(1, 10)
MODES = ("zeros", "reflect", "replicate", "circular")


def by_gradient(run, n):
    """What each output reads, int (outputs, inputs): the Jacobian of a linear function."""
    x = torch.ones(1, 1, n, dtype=torch.float64)
    found = torch.autograd.functional.jacobian(lambda v: run(v)[0, 0], x)
    return found[:, 0, 0, :].numpy()


def by_basis(run, n):
    """What each output reads, int (outputs, inputs): one input at a time is one, the rest zero.

    For a max pool, the outputs that see the one. For interpolation, whose gradient in torch
    is not always that of what it computed (nearest of 2 positions at scale 1.25).
    """
    basis = torch.eye(n, dtype=torch.float64)[:, None, None]
    columns = [run(row)[0, 0].numpy() for row in basis]
    return np.where(np.isfinite(columns), columns, 0).T  # a window of padding alone is -inf


def reads(net):
    """What each output of a one-layer, one-axis network reads, by its links and naively."""
    (link,) = net.output.links
    ((axis,),) = link.terms
    found = np.zeros((axis.n_out, axis.n_in), dtype=int)
    for out in range(axis.n_out):
        imp = eg.importance(net, unit=out)
        found[out] = imp.values
    naive = naive_graph(net)
    for out, src in positions(found.shape):
        assert found[out, src] == naive.reads[1, (out,)][0, (src,)]
    return found


def compare(op, n, run, parameters, jacobian=by_gradient, *, weighted=False):
    """Both accept the geometry and agree on shape and reads, or both refuse it."""
    net = eg.Network(n)
    try:
        want = jacobian(run, n)
    except (RuntimeError, ValueError) as error:
        refusal = str(error)
        want = None
    try:
        getattr(net, op)("input", **parameters)
    except eg.LayerError:
        assert want is None
        return
    assert want is not None, refusal
    found = reads(net)
    assert found.shape == want.shape
    assert np.array_equal(found, np.abs(want) > 1e-9 if weighted else want)


@st.composite
def geometries(draw):
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return {
        "kernel": kernel,
        "stride": draw(st.integers(1, 4)),
        "padding": draw(st.integers(0, 5)),
        "dilation": dilation,
    }


def torch_names(p):
    return {"stride": p["stride"], "padding": p["padding"], "dilation": p["dilation"]}


@patient
@given(LENGTHS, geometries(), st.sampled_from(MODES))
def test_conv(n, p, mode):
    # torch has no message for an empty circle or mirror: it raises all the same
    layer = torch.nn.Conv1d(
        1, 1, p["kernel"], bias=False, dtype=torch.float64, padding_mode=mode, **torch_names(p)
    )
    torch.nn.init.ones_(layer.weight)
    compare("conv", n, layer, {**p, "padding_mode": mode})


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@patient
@given(LENGTHS, st.integers(1, 5), st.integers(1, 3), st.sampled_from(["same", "valid"]))
def test_conv_with_named_padding(n, kernel, dilation, padding):
    weight = torch.ones(1, 1, kernel, dtype=torch.float64)
    compare(
        "conv",
        n,
        lambda x: F.conv1d(x, weight, padding=padding, dilation=dilation),
        {"kernel": kernel, "dilation": dilation, "padding": padding},
    )


@patient
@given(st.integers(1, 6), geometries(), st.integers(0, 3))
def test_conv_transpose(n, p, extra):
    weight = torch.ones(1, 1, p["kernel"], dtype=torch.float64)
    compare(
        "conv_transpose",
        n,
        lambda x: F.conv_transpose1d(x, weight, output_padding=extra, **torch_names(p)),
        {**p, "output_padding": extra},
    )


@patient
@given(LENGTHS, geometries(), st.booleans())
@example(1, {"kernel": 2, "stride": 2, "padding": 0, "dilation": 1}, True)
@example(2, {"kernel": 2, "stride": 4, "padding": 1, "dilation": 1}, True)
def test_max_pool(n, p, ceil_mode):
    assume(2 * p["padding"] <= p["kernel"])  # more is a limit of torch, not of the operation
    compare(
        "max_pool",
        n,
        lambda x: F.max_pool1d(x, p["kernel"], ceil_mode=ceil_mode, **torch_names(p)),
        {**p, "ceil_mode": ceil_mode},
        by_basis,
    )


@patient
@given(LENGTHS, geometries(), st.booleans())
@example(1, {"kernel": 3, "stride": 3, "padding": 0}, True)
def test_avg_pool(n, p, ceil_mode):
    assume(2 * p["padding"] <= p["kernel"])
    p = {key: p[key] for key in ("kernel", "stride", "padding")}
    compare(
        "avg_pool",
        n,
        lambda x: F.avg_pool1d(x, p["kernel"], p["stride"], p["padding"], ceil_mode),
        {**p, "ceil_mode": ceil_mode},
        weighted=True,
    )


@patient
@given(LENGTHS, LENGTHS)
def test_adaptive_pool(n, size):
    pool = torch.nn.AdaptiveAvgPool1d(size)
    compare("adaptive_pool", n, pool, {"size": size}, weighted=True)
    biggest = torch.nn.AdaptiveMaxPool1d(size)
    compare("adaptive_pool", n, biggest, {"size": size}, by_basis)


SCALES = st.sampled_from([1, 2, 3, 4, 5, 0.5, 1.5, 2.5, 0.25, 0.75, 1.25])


@patient
@given(LENGTHS, SCALES)
def test_upsample_nearest_by_scale(n, scale):
    assume(n * scale >= 1)
    compare(
        "upsample",
        n,
        lambda x: F.interpolate(x, scale_factor=float(scale)),
        {"scale": scale},
        by_basis,
    )


@patient
@given(LENGTHS, LENGTHS)
def test_upsample_nearest_to_size(n, size):
    compare("upsample", n, lambda x: F.interpolate(x, size=size), {"size": size}, by_basis)


@patient
@given(LENGTHS, LENGTHS)
def test_upsample_nearest_exact_to_size(n, size):
    compare(
        "upsample",
        n,
        lambda x: F.interpolate(x, size=size, mode="nearest-exact"),
        {"size": size, "mode": "nearest_exact"},
        by_basis,
    )


@patient
@given(LENGTHS, SCALES, st.booleans())
def test_upsample_linear_by_scale(n, scale, align):
    # torch copies, whatever the scale, where the size stays the same
    assume(int(n * scale) not in (0, n) or scale == 1)
    compare(
        "upsample",
        n,
        lambda x: F.interpolate(x, scale_factor=float(scale), mode="linear", align_corners=align),
        {"scale": scale, "mode": "linear", "align_corners": align},
        by_basis,
        weighted=True,
    )


@patient
@given(LENGTHS, LENGTHS, st.booleans())
def test_upsample_linear_to_size(n, size, align):
    compare(
        "upsample",
        n,
        lambda x: F.interpolate(x, size=size, mode="linear", align_corners=align),
        {"size": size, "mode": "linear", "align_corners": align},
        by_basis,
        weighted=True,
    )


def cubic(align, **target):
    """Torch has bicubic only in 2-D: an axis of length one beside."""

    def run(x):
        beside = {key: (1, v) for key, v in target.items()}
        return F.interpolate(x[:, :, None], mode="bicubic", align_corners=align, **beside)[:, :, 0]

    return run


@patient
@given(LENGTHS, LENGTHS, st.booleans())
def test_upsample_cubic_to_size(n, size, align):
    compare(
        "upsample",
        n,
        cubic(align, size=size),
        {"size": size, "mode": "cubic", "align_corners": align},
        by_basis,
        weighted=True,
    )


@patient
@given(LENGTHS, SCALES, st.booleans())
def test_upsample_cubic_by_scale(n, scale, align):
    assume(n * scale >= 1)
    compare(
        "upsample",
        n,
        cubic(align, scale_factor=float(scale)),
        {"scale": scale, "mode": "cubic", "align_corners": align},
        by_basis,
        weighted=True,
    )


@patient
@given(LENGTHS, st.integers(0, 6), st.integers(0, 6), st.sampled_from(MODES))
def test_pad(n, before, after, mode):
    torch_mode = "constant" if mode == "zeros" else mode
    compare(
        "pad",
        n,
        lambda x: F.pad(x, (before, after), mode=torch_mode),
        {"padding": ((before, after),), "mode": mode},
    )


@patient
@given(
    st.tuples(st.integers(3, 6), st.integers(3, 6), st.integers(3, 6)),
    st.tuples(*[st.integers(1, 3)] * 3),
    st.tuples(*[st.integers(1, 2)] * 3),
    st.tuples(*[st.integers(0, 2)] * 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_shapes_per_axis(shape, kernel, stride, padding, ndim, transposed):
    shape, kernel, stride, padding = (v[:ndim] for v in (shape, kernel, stride, padding))
    names = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
    run = getattr(F, names[ndim - 1] if transposed else names[ndim - 1].replace("_transpose", ""))
    x, weight = torch.ones(1, 1, *shape), torch.ones(1, 1, *kernel)
    try:
        want = tuple(run(x, weight, stride=stride, padding=padding).shape[2:])
    except RuntimeError:
        want = None
    net = eg.Network(shape)
    method = net.conv_transpose if transposed else net.conv
    if want is None:
        with pytest.raises(eg.LayerError):
            method("input", kernel, stride=stride, padding=padding)
    else:
        assert method("input", kernel, stride=stride, padding=padding).shape == want


def test_the_comparison_can_fail():
    weight = torch.ones(1, 1, 3, dtype=torch.float64)
    with pytest.raises(AssertionError):
        compare("conv", 6, lambda x: F.conv1d(x, weight, padding=1), {"kernel": 3, "padding": 2})
    with pytest.raises(AssertionError):
        compare("conv", 6, lambda x: 2 * F.conv1d(x, weight), {"kernel": 3})
