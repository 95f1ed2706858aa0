"""Equal theoretical fields, different effective ones."""

from __future__ import annotations

import pytest
from test_cli import call, document

import erfgraph as eg
from erfgraph.errors import InputError, ThresholdError

NINETEEN = ["conv3*9", "conv7*3", "conv19", "conv3 conv3d2 conv3d3*2"]


def test_equal_fields_different_effective_fields():
    found = eg.equal_fields(NINETEEN)
    assert found.equal
    assert set(found.sizes) == {(19,)}
    assert [row.erf.area for row in found.rows] == [13, 17, 19, 19]
    stds = [row.importance.std[0] for row in found.rows]
    taps = [[3] * 9, [7] * 3, [19]]
    for std, kernels in zip(stds, taps, strict=False):  # variance of a chain: sum (k² - 1)/12
        assert std**2 == pytest.approx(sum(k * k - 1 for k in kernels) / 12)
    assert stds[3] ** 2 == pytest.approx((1 + 4 + 9 + 9) * 8 / 12)  # dilated taps: d² as much
    assert all(row.whole for row in found.rows)
    for row, text in zip(found.rows, NINETEEN, strict=True):
        assert row.importance == eg.importance(eg.load(text))
        assert row.to_dict()["erf"] == row.importance.erf().to_dict()


def test_equal_in_two_axes_and_other_rules():
    found = eg.equal_fields(
        [eg.load(t, (25, 25)) for t in ("conv3p1*4", "conv5p2*2")], rule="mass", threshold=0.5
    )
    assert found.sizes == ((9, 9),) * 2
    assert found.rows[0].erf.area < found.rows[1].erf.area
    assert found.rows[0].importance.isotropy > found.rows[1].importance.isotropy
    document = found.to_dict()
    assert (document["measure"], document["equal"]) == ("paths", True)
    assert document["rows"][0]["trf_area"] == 81
    assert document["rows"][0]["whole"] is True


def test_a_field_that_the_border_cuts_is_said_to_be():
    row, _ = eg.equal_fields([eg.load("conv3p1*4", 7), eg.load("conv3p1*4", 9)]).rows
    assert not row.whole
    assert row.importance.trf.area == 7


def test_unequal_fields():
    message = "theoretical fields differ in size: conv3 has 3, conv5 has 5"
    with pytest.raises(InputError, match=message):
        eg.equal_fields(["conv3", "conv5"])
    found = eg.equal_fields(["conv3", "conv5"], strict=False)
    assert not found.equal
    assert found.sizes == ((3,), (5,))


def test_equal_fields_refuses():
    for nets in ([], ["conv3"], "conv3"):
        with pytest.raises(InputError, match="wanted two or more networks"):
            eg.equal_fields(nets)
    with pytest.raises(InputError, match=r"number of axes: conv3 has 1, conv3x3 has 2"):
        eg.equal_fields(["conv3", "conv3x3"])
    with pytest.raises(ThresholdError):
        eg.equal_fields(["conv3", "conv3"], threshold=-1)


# --- the command --------------------------------------------------------------------------


def test_command_equal(capsys, tmp_path):
    found = document(capsys, "equal", *NINETEEN)
    assert found == eg.equal_fields(NINETEEN).to_dict()
    path = tmp_path / "equal.png"
    status, out, _ = call(capsys, "equal", *NINETEEN, "-o", str(path))
    assert status == 0
    assert next(line for line in out.splitlines() if line.startswith("conv3*9")).split() == [
        "conv3*9", "19", "yes", "13", "13.00", "68.4%", "2.449", "1.000", "2.314", "-0.167",
    ]  # fmt: skip
    assert path.read_bytes()[:4] == b"\x89PNG"
    _, out, _ = call(capsys, "equal", "conv3", "conv5", "--any")
    assert "the theoretical fields differ in size" in out
    _, out, _ = call(capsys, "equal", "conv3", "conv3", "--format", "csv")
    assert out.startswith("network,TRF,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["equal", "conv3"], "NET: got 1 network, wanted two or more"),
        (["equal", "conv3", "conv5"], "theoretical fields differ in size: conv3 has 3"),
        (["equal", "conv3", "conv3", "--unit", "9"], "unit"),
        (["equal", "conv3", "conv3", "--layer", "nope"], "unknown layer 'nope'"),
        (["equal", "conv3", "conv3", "--measure", "path"], "unknown measure 'path'"),
        (["equal", "conv3", "conv3", "--format", "xml"], "unknown format 'xml'"),
    ],
    ids=lambda v: " ".join(v)[:40],
)
def test_commands_bad_input(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("erfgraph: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []
