"""Modules that write into tensors, against the same modules written without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from module_oracle import collapsed, counted

import erfgraph as eg
from erfgraph.errors import InputError, LayerError
from erfgraph.importers import torch_import

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

SHAPE = (4, 12)
Forward = Callable[[Any, Any], Any]


class Writes(nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.conv, self.after = nn.Conv1d(4, 4, 3, padding=1), nn.Conv1d(4, 2, 1)
        self.does = forward
        self.register_buffer("seen", torch.zeros(1, 4, 12))

    def forward(self, x: torch.Tensor) -> Any:
        return self.after(self.does(x, self.conv))


def shift(x: Any, conv: Any) -> Any:
    y = torch.zeros_like(x)
    y[:, :2, 1:] = conv(x)[:, :2, :-1]
    y[:, 2:] = x[:, 2:]
    return y


def shift_without(x: Any, conv: Any) -> Any:
    return torch.cat([F.pad(conv(x)[:, :2, :-1], (1, 0)), x[:, 2:]], 1)


def some_channels(x: Any, conv: Any) -> Any:
    y = conv(x)
    y[:, :2] += x[:, 2:]
    return y


def some_channels_without(x: Any, conv: Any) -> Any:
    y = conv(x)
    return torch.cat([y[:, :2] + x[:, 2:], y[:, 2:]], 1)


def an_older_view(x: Any, conv: Any) -> Any:
    y = conv(x)
    view = y.view(1, 2, 2, 12)
    y.add_(x)
    return view.flatten(1, 2)


def copied(x: Any, conv: Any) -> Any:
    y = x.new_zeros(1, 4, 14)
    y[..., 1:-1].copy_(conv(x))
    return y


def one_channel(x: Any, conv: Any) -> Any:
    y = torch.zeros_like(x)
    y[:, 1] = conv(x)[:, 2]
    return y


def one_channel_without(x: Any, conv: Any) -> Any:
    return F.pad(conv(x)[:, 2:3], (0, 0, 1, 2))


def without_gradients(x: Any, conv: Any) -> Any:
    y = conv(x)
    view = y[:, :2]
    with torch.no_grad():
        view += x[:, 2:]
    return y


def blanked(x: Any, conv: Any) -> Any:
    y = conv(x)
    y[..., :3] = 0
    return y


def parts(x: Any, conv: Any) -> Any:
    y = conv(x)
    y.narrow(1, 0, 2).mul_(2).add_(x[:, 2:])
    return y


PAIRS: dict[str, tuple[Forward, Forward]] = {
    "slices of zeros": (shift, shift_without),
    "some channels": (some_channels, some_channels_without),
    "an older view": (an_older_view, lambda x, conv: conv(x) + x),
    "a copy": (copied, lambda x, conv: F.pad(conv(x), (1, 1))),
    "one channel": (one_channel, one_channel_without),
    "without gradients": (without_gradients, some_channels_without),
    "blanked": (blanked, lambda x, conv: F.pad(conv(x)[..., 3:], (3, 0))),
    "narrowed": (parts, some_channels_without),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("unit", [2, 6])
def test_writes_through_views(name: str, unit: int) -> None:
    writes, without = map(Writes, PAIRS[name])
    net = eg.from_torch(writes, SHAPE)
    for count, channels in ((collapsed, "collapse"), (counted, "count")):
        found = eg.importance(net, unit=unit, channels=channels)
        np.testing.assert_array_equal(found.values, count(without, SHAPE, unit=(unit,)))


def test_a_buffer_that_is_written_is_no_result() -> None:
    class Remembers(Writes):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            self.seen.copy_(y)
            y[:, :2] += x[:, 2:]
            return y

    module = Remembers(shift)
    net = eg.from_torch(module, SHAPE)
    assert net.output.op == "concat"
    assert not module.seen.any()


def plain(x: Any, conv: Any) -> Any:
    y = conv(x)
    y += x
    y.mul_(2).relu_()
    return F.dropout(y, inplace=True)


def test_in_place_operations_on_memory_of_their_own_stay_as_they_are() -> None:
    module = Writes(plain)
    net = eg.from_torch(module, SHAPE)
    np.testing.assert_array_equal(eg.importance(net).values, collapsed(module, SHAPE))
    assert [m.name for m in net.maps] == ["input", "conv", "add", "after"]


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> None:
        raise InputError("export: not today")

    monkeypatch.setattr(torch_import, "_exported", fails)


@pytest.mark.usefixtures("no_export")
@pytest.mark.parametrize("name", PAIRS)
def test_without_export_they_are_refused(name: str) -> None:
    with pytest.raises(LayerError, match="memory another tensor shares"):
        eg.from_torch(Writes(PAIRS[name][0]), SHAPE)


@pytest.mark.usefixtures("no_export")
def test_without_export_what_is_written_as_a_whole_is_known() -> None:
    module = Writes(plain)
    with pytest.warns(UserWarning, match=r"imported by torch\.fx, as torch\.export failed"):
        net = eg.from_torch(module, SHAPE)
    np.testing.assert_array_equal(eg.importance(net).values, collapsed(module, SHAPE))
