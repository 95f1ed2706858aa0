"""The figure of a comparison, by its artists."""

from __future__ import annotations

import numpy as np
import pytest
from figure_checks import bars_of_colour, collisions, images
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from test_agreement import bell, drawn_map, make_map

import erfgraph as eg
from erfgraph.agreement.profiles import axis_profiles, radial_profiles
from erfgraph.errors import InputError, NameLookupError
from erfgraph.figures import agreement_figure, save_figure


def paths(text, shape, **options):
    return eg.importance(eg.load(text, shape), **options)


def sampled():
    return eg.compare(make_map(bell(6.0)), drawn_map(bell(5.0), 12, 0), bootstrap=80)


COMPARISONS = {
    "samples": sampled,
    "one axis": lambda: eg.compare(paths("conv7*3", 19), paths("conv3*9", 19)),
    "one axis, samples": lambda: eg.compare(
        make_map(bell(4.0)[15]),
        make_map(np.ones(31), np.random.default_rng(0).random((8, 31))),
        bootstrap=40,
    ),
    "corner": lambda: eg.compare(
        *(
            paths("res(conv3p1)*4 conv3s2p1", (40, 24), unit=(1, 1), measure=m)
            for m in ("paths", "edges")
        )
    ),
    "three axes": lambda: eg.compare(
        paths("conv3p1*4", (11, 9, 13)), paths("conv3p1*4", (11, 9, 13), measure="edges")
    ),
    "long names": lambda: eg.compare(
        paths("conv3p1 " * 30, (80, 80)), paths("res(conv3p1) " * 30, (80, 80))
    ),
    "wide": lambda: eg.compare(
        paths("conv3p1*3", (5, 90)), paths("conv3x1p1x0*3", (5, 90))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_nothing_collides_or_is_cut_off(name, scale):
    figure = agreement_figure(COMPARISONS[name](), scale=scale)
    assert collisions(figure) == []


def panels(figure):
    """Axes of curves, by the label of their x axis."""
    return {
        axes.get_xlabel(): axes for axes in figure.axes if axes.lines and not axes.images
    }  # fmt: skip


def test_both_maps_on_one_scale_with_one_labelled_bar():
    found = sampled()
    figure = agreement_figure(found)
    shown = images(figure)
    assert len(shown) == 2
    largest = max(found.a.share.max(), found.b.share.max())
    for axes, imp in zip(shown, (found.a, found.b), strict=True):
        (image,) = axes.images
        assert image.get_clim() == (0, 1)
        np.testing.assert_allclose(image.get_array(), imp.share / largest)
        assert axes.get_xlim() == shown[0].get_xlim()
    (bar,) = bars_of_colour(figure)
    assert bar.get_ylabel() == "share / largest of both"


def test_curves_are_the_numbers():
    found = sampled()
    figure = agreement_figure(found)
    curves = panels(figure)
    for axis, label in enumerate(("y (pixels)", "x (pixels)")):
        lines = curves[label].lines
        for line, imp in zip(lines, (found.a, found.b), strict=True):
            np.testing.assert_allclose(line.get_ydata(), imp.share.sum(axis=1 - axis))
    radial = curves["distance from the centre of mass (px)"]
    assert [line.get_label() for line in radial.lines] == ["a", "b"]
    iou = curves["threshold, of the largest importance"]
    np.testing.assert_array_equal(iou.lines[0].get_ydata(), found.curve.iou)
    np.testing.assert_array_equal(iou.lines[0].get_xdata(), found.curve.thresholds)
    # a band of the map with samples, and one of the IoU
    assert len(radial.collections) == len(iou.collections) == 1
    texts = [t.get_text() for legend in figure.findobj(Legend) for t in legend.get_texts()]
    assert [text[:3] for text in texts if text[1:2] == ":"] == ["a: ", "b: "]
    assert "95 % interval" in texts
    bare = agreement_figure(COMPARISONS["corner"]())
    assert not any(axes.collections for axes in panels(bare).values())


def test_radial_profiles_are_those_of_the_maps_around_one_centre():
    imp = paths("conv3p1*6", (21, 21))
    found = eg.compare(imp, imp)
    ours, _ = radial_profiles(found)
    radius, mean = imp.radial_profile()
    np.testing.assert_allclose(ours.share, mean)
    np.testing.assert_array_equal(ours.at, radius)
    # a corner's: positions beyond the map count as 0, and mass is kept
    found = COMPARISONS["corner"]()
    centre = np.mean([found.a.centre_of_mass, found.b.centre_of_mass], axis=0)
    for profile, imp in zip(radial_profiles(found), (found.a, found.b), strict=True):
        grid = np.indices((140, 140)) - 50
        ring = np.floor(np.hypot(*(grid - centre[:, None, None])) + 0.5).astype(int)
        members = np.bincount(ring.ravel())[profile.at.astype(int)]
        assert (profile.share * members).sum() == pytest.approx(imp.share.sum())


def test_bands_hold_the_profile_of_the_expectation():
    truth, held = bell(5.0), []
    for seed in range(8):
        sampled_map = drawn_map(truth, 24, seed)
        found = eg.compare(make_map(truth), sampled_map, bootstrap=200)
        true, drawn = axis_profiles(found, 0)
        held.append((drawn.low <= true.share) & (true.share <= drawn.high))
        assert (true.low, true.high) == (None, None)
    assert np.mean(held) > 0.85


def test_one_axis_is_drawn_as_lines():
    figure = agreement_figure(COMPARISONS["one axis"]())
    assert not images(figure)
    assert len(panels(figure)) == 3


def test_three_axes_are_summed_over_the_first():
    found = COMPARISONS["three axes"]()
    figure = agreement_figure(found)
    largest = max(m.share.sum(axis=0).max() for m in (found.a, found.b))
    for axes, imp in zip(images(figure), (found.a, found.b), strict=True):
        np.testing.assert_allclose(
            axes.images[0].get_array(), imp.share.sum(axis=0) / largest
        )  # fmt: skip
        assert axes.get_xlabel() == "x (pixels), summed over z"
    assert {"z (pixels)", "y (pixels)", "x (pixels)"} <= set(panels(figure))


def test_names_and_title():
    found = COMPARISONS["corner"]()
    figure = agreement_figure(found, names=("mine", "yours"), title="A title")
    assert [axes.get_title() for axes in images(figure)] == ["a: mine", "b: yours"]
    assert figure.get_label() == "A title"
    assert agreement_figure(found).get_label().endswith("unit (1, 1) of conv5")
    nets = agreement_figure(COMPARISONS["one axis"]())
    assert nets.get_label() == "conv7*3 and conv3*9"


def test_errors(tmp_path):
    found = COMPARISONS["one axis"]()
    with pytest.raises(InputError, match="comparison: got 3, wanted a Comparison"):
        agreement_figure(3)
    with pytest.raises(NameLookupError, match="unknown scale"):
        agreement_figure(found, scale="cubic")
    with pytest.raises(InputError, match="wanted at least"):
        agreement_figure(found, figure=Figure(figsize=(3, 1)))
    save_figure(agreement_figure(found), tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes()[:4] == b"%PDF"
