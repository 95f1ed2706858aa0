"""`eg.from_torch` on small modules of every kind, against autograd through the modules."""

from __future__ import annotations

import numpy as np
import pytest
from module_oracle import collapsed, counted
from modules import MODULES as OPERATIONS
from modules import check_shapes
from modules_blocks import MODULES as BLOCKS

import erfgraph as eg
from erfgraph.importers.rows import transparent
from erfgraph.importers.torch_ops import TABLE
from erfgraph.importers.translate import Translator

torch = pytest.importorskip("torch")

MODULES = OPERATIONS | BLOCKS

# These return their axes the other way round; a map keeps the order of the input's.
TURNED = ("permute", "transpose", "moveaxis", "matrix transposes")
# A layer of this one reads rows and columns side by side, which are maps of their own.
APART = "coordinate attention"


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation:UserWarning")
@pytest.mark.parametrize("name", MODULES)
def test_paths_and_shapes(name: str) -> None:
    case = MODULES[name]
    module, judged = case.make(), case.judged()
    net = eg.from_torch(module, case.shape)
    corner = (0,) * len(net.output.shape) if max(net.output.shape) > 1 else None
    for unit in (None, corner):
        for count, channels in ((collapsed, "collapse"), (counted, "count")):
            found = eg.importance(net, unit=unit, channels=channels)
            expected = count(judged, case.shape, unit=unit)
            np.testing.assert_array_equal(found.values, expected)
    if name != APART:
        check_shapes(module, case.shape, net, name in TURNED)


OTHER_DEVICES = "of another device; the names that a processor has stand in the same row"
NO_RESULT = "gives no tensor that a layer reads, and stands in programs of varying shapes only"
NEVER_RECORDED = "recorded by the name of what it is made of"
UNREACHED = {
    "aten._assert_async": NO_RESULT,
    "aten._assert_scalar": NO_RESULT,
    "aten.sym_constrain_range": NO_RESULT,
    "aten.sym_constrain_range_for_size": NO_RESULT,
    "prim.device": NO_RESULT,
    "aten._batch_norm_with_update": OTHER_DEVICES,
    "aten.cudnn_batch_norm": OTHER_DEVICES,
    "aten._scaled_dot_product_efficient_attention": OTHER_DEVICES,
    "aten._scaled_dot_product_flash_attention": OTHER_DEVICES,
    "aten.empty_permuted": "takes no tensor, so that nothing traced enters it",
    "aten.equal": "makes one truth value of two tensors, on which no network can depend",
    "aten.lift_fresh": NEVER_RECORDED,
    "aten.norm": NEVER_RECORDED,
}


def test_every_row_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    done: set[str] = set()
    monkeypatch.setattr(Translator, "finished", lambda self, what: done.update(self.done))
    for case in MODULES.values():
        eg.from_torch(case.make(), case.shape)
    assert set(TABLE) - done - set(UNREACHED) == set()


def test_a_wrong_row_is_seen() -> None:
    case = MODULES["residual blocks"]
    module = case.make()
    net = eg.from_torch(module, case.shape, ops={"aten.add": transparent})
    found = eg.importance(net).values
    assert not np.array_equal(found, collapsed(module, case.shape))
