"""Attention in windows: shifted and masked, with queries of other maps, and pools of windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import erfgraph as eg

torch = pytest.importorskip("torch")
F = torch.nn.functional


class Windows(torch.nn.Module):
    """Attention in windows, written as Swin's authors do."""

    def __init__(self, window: int, shift: int, how: str) -> None:
        super().__init__()
        self.qkv = torch.nn.Linear(4, 12)
        self.window, self.shift, self.how = window, shift, how

    def forward(self, x: Any) -> Any:
        b, c, h, w = x.shape
        n, s = self.window, self.shift
        x = torch.roll(x.permute(0, 2, 3, 1), (-s, -s), (1, 2))
        x = x.view(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)
        q, k, v = self.qkv(x).view(-1, n * n, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        mask = self.mask(h, w, x)
        if self.how == "sdpa":
            x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None])
        elif self.how == "bool":
            scores = (q @ k.transpose(-2, -1)).masked_fill(mask[:, None] < 0, float("-inf"))
            x = scores.softmax(-1) @ v
        else:
            x = (q @ k.transpose(-2, -1) + mask[:, None]).softmax(-1) @ v
        x = x.transpose(1, 2).reshape(b, h // n, w // n, n, n, c)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return torch.roll(x, (s, s), (1, 2)).permute(0, 3, 1, 2)

    def mask(self, h: int, w: int, like: Any) -> Any:
        n, s = self.window, self.shift
        region = like.new_zeros((h, w))
        count = 0
        for rows in ((0, -n), (-n, -s), (-s, None)):
            for cols in ((0, -n), (-n, -s), (-s, None)):
                region[rows[0] : rows[1], cols[0] : cols[1]] = count
                count += 1
        region = region.view(h // n, n, w // n, n).permute(0, 2, 1, 3).reshape(-1, n * n)
        mask = region[:, None] - region[:, :, None]
        return mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0)


@pytest.mark.parametrize("how", ["sum", "sdpa", "bool"])
@pytest.mark.parametrize("unit", [(0, 0), (1, 5), (6, 6), (11, 11)])
def test_masks_cut_shifted_windows(how: str, unit: tuple[int, int]) -> None:
    net = eg.from_torch(Windows(4, 1, how), (4, 12, 12))
    want = eg.Network((12, 12))
    want.attention(want.conv(want.input, 1), 4, 1)
    found = eg.importance(net, unit=unit)
    assert (found.values == eg.importance(want, unit=unit).values).all()
    assert found.total in (1, 4, 3, 9, 16, 12)  # corners of one, borders, whole windows


def test_without_its_mask_a_window_holds_both_ends() -> None:
    class Unmasked(Windows):
        def mask(self, h: int, w: int, like: Any) -> Any:
            return torch.zeros(1, self.window**2, self.window**2)

    net = eg.from_torch(Unmasked(4, 1, "sum"), (4, 12, 12))
    found = eg.importance(net, unit=(0, 0)).values
    assert found.sum() == 16
    assert found[0, 0] == found[0, 11] == found[11, 0] == 1


def test_a_mask_that_is_no_cut_is_refused() -> None:
    class Odd(Windows):
        def mask(self, h: int, w: int, like: Any) -> Any:
            return torch.eye(self.window**2)[None] * -100

    with pytest.raises(eg.LayerError, match="a mask that"):
        eg.from_torch(Odd(4, 1, "sum"), (4, 12, 12))


def test_swin_of_another_package_is_the_zoo_s() -> None:
    transformers = pytest.importorskip("transformers")
    net = eg.from_torch(transformers.SwinModel(transformers.SwinConfig()), (3, 224, 224))
    want = eg.load("swin_t")
    for unit in ((3, 3), (0, 6)):
        found = eg.importance(net, unit=unit)
        assert (found.values == eg.importance(want, unit=unit).values).all()


def test_queries_of_a_pooled_window() -> None:
    class Pooled(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            b, c, h, w = x.shape
            x = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, 4, c)
            q = F.max_pool2d(x.permute(0, 3, 1, 2), 2).flatten(2).transpose(1, 2)
            v = x.reshape(-1, 16, c)
            x = F.scaled_dot_product_attention(q[:, None], v[:, None], v[:, None])[:, 0]
            x = x.view(b, h // 4, w // 4, 2, 2, c).permute(0, 5, 1, 3, 2, 4)
            return x.reshape(b, c, h // 2, w // 2)

    net = eg.from_torch(Pooled(), (3, 8, 12))
    assert net.output.shape == (4, 6)
    want = np.zeros((8, 12), dtype=int)
    want[4:8, 8:12] = 1
    assert (eg.importance(net, unit=(3, 4)).values == want).all()


def test_queries_that_all_windows_share() -> None:
    class Shared(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            b, c, h, w = x.shape
            q = F.adaptive_avg_pool2d(x, 4).flatten(2).transpose(1, 2)
            v = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
            q = q.repeat(v.shape[0], 1, 1)
            x = torch.softmax(q @ v.transpose(1, 2), -1) @ v
            x = x.view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4)
            return x.reshape(b, c, h, w)

    net = eg.from_torch(Shared(), (3, 8, 12))
    want = np.zeros((8, 12), dtype=int)
    want[0:4, 4:8] = 1
    assert (eg.importance(net, unit=(1, 7)).values == want).all()


def test_pools_of_windows_and_of_rows() -> None:
    class Pools(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            b, c, h, w = x.shape
            x = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, 4, 4)
            x = F.max_pool2d(x, 2)
            x = x.view(b, h // 4, w // 4, c, 2, 2).permute(0, 3, 1, 4, 2, 5)
            x = x.reshape(b, c, h // 2, w // 2)
            return F.avg_pool1d(x.flatten(2), 3).view(b, c, h // 2, w // 6)

    net = eg.from_torch(Pools(), (3, 8, 12))
    want = np.zeros((8, 12), dtype=int)
    want[2:4, 6:12] = 1
    assert (eg.importance(net, unit=(1, 1)).values == want).all()
