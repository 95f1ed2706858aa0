"""The oracle for importers of modules against counts that are derived by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import module_oracle
import numpy as np
import pytest
from module_oracle import NotInOracleError, collapsed, counted

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn


class Does(nn.Module):
    """A forward written as a function of x and the module's layers."""

    def __init__(self, forward: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.does = nn.ModuleList(layers), forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.does(x, *self.layers)


def conv3(before: int, after: int, **options: Any) -> nn.Module:
    return nn.Conv1d(before, after, 3, padding=1, **options)


def of_unit(values: list[int], size: int = 9) -> np.ndarray:
    """Counts about the centre of a line, zero elsewhere."""
    expected = np.zeros(size, dtype=np.int64)
    start = size // 2 - len(values) // 2
    expected[start : start + len(values)] = values
    return expected


def test_a_chain_gives_trinomials() -> None:
    chain = nn.Sequential(conv3(2, 3), nn.BatchNorm1d(3), nn.ReLU(), conv3(3, 4), conv3(4, 5))
    trinomials = of_unit([1, 3, 6, 7, 6, 3, 1])
    np.testing.assert_array_equal(collapsed(chain, (2, 9)), trinomials)
    np.testing.assert_array_equal(counted(chain, (2, 9)), trinomials * 2 * 3 * 4 * 5)
    assert chain.training  # as it was


def residual_in_place(x: Any, conv: nn.Module) -> Any:
    out = conv(F.relu(x))
    out += x
    return F.relu(out, inplace=True)


def swish(x: Any) -> Any:
    return x * F.relu6(x + 3) / 6


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.04 * torch.pow(x, 3))))


def excited(x: Any, squeeze: nn.Module, expand: nn.Module) -> Any:
    gate = x.mean(-1, keepdim=True)
    return x * torch.sigmoid(expand(F.relu(squeeze(gate))))


def attention(x: Any, qkv: nn.Module) -> Any:
    q, k, v = qkv(x.transpose(1, 2)).chunk(3, dim=-1)
    weights = torch.softmax(q @ k.transpose(-1, -2) / 3, dim=-1)
    return (weights @ v).transpose(1, 2)


def whole_attention(x: Any, qkv: nn.Module) -> Any:
    q, k, v = qkv(x.transpose(1, 2)).view(1, -1, 3, 2, 1).permute(2, 0, 3, 1, 4)
    made = F.scaled_dot_product_attention(q, k, v)
    return made.transpose(1, 2).flatten(2).transpose(1, 2)


def layer_norm(x: Any, norm: nn.Module) -> Any:
    return norm(x.permute(0, 2, 1)).permute(0, 2, 1)


def shuffled(x: Any) -> Any:
    return x.view(1, 2, 2, -1).transpose(1, 2).flatten(1, 2)


def of_channels(x: Any, first: nn.Module, second: nn.Module) -> Any:
    a, b = x.chunk(2, dim=1)
    return torch.cat((first(a), second(b)), 1)


FOUR_SE = nn.Conv1d(4, 1, 1), nn.Conv1d(1, 4, 1)

# name: module, counts with channels collapsed, counts of the four input channels; both about
# the centre of a line of nine.
BY_HAND = {
    "residual": (Does(residual_in_place, conv3(4, 4)), [1, 2, 1], [16, 20, 16]),
    "concat": (
        Does(lambda x, a, b: b(torch.cat([a(x), x], 1)), conv3(4, 3), nn.Conv1d(7, 2, 1)),
        [1, 2, 1],
        [24, 32, 24],
    ),
    "depthwise": (nn.Sequential(conv3(4, 4, groups=4), nn.Conv1d(4, 2, 1)), [1] * 3, [8] * 3),
    "two groups": (conv3(4, 6, groups=2), [1] * 3, [12] * 3),
    "dilated": (nn.Conv1d(4, 1, 3, padding=2, dilation=2), [1, 0, 1, 0, 1], [4, 0, 4, 0, 4]),
    "squeeze and excitation": (Does(excited, *FOUR_SE), [1], [4]),
    "gate that follows a conv": (
        Does(lambda x, c, a, b: excited(c(x), a, b), conv3(4, 4), *FOUR_SE),
        [1] * 3,
        [16] * 3,
    ),
    "product of maps": (Does(lambda x, c: x * c(x), conv3(4, 4)), [1, 2, 1], [16, 20, 16]),
    "gate over channels": (Does(lambda x, c: x * c(x), conv3(4, 1)), [1, 2, 1], [16, 20, 16]),
    "twice": (Does(lambda x: x + x), [2], [8]),
    "hard-swish": (Does(swish), [1], [4]),
    "gelu": (Does(gelu), [1], [4]),
    "halves": (Does(of_channels, conv3(2, 2), conv3(2, 2)), [2] * 3, [8] * 3),
    "other halves": (Does(of_channels, conv3(2, 2), nn.Identity()), [1, 2, 1], [4, 6, 4]),
    "slice": (Does(lambda x: x[:, 1:3]), [1], [2]),
    "shuffle": (Does(shuffled), [1], [4]),
    "layer norm": (Does(layer_norm, nn.LayerNorm(4)), [1], [4]),
    "stack": (Does(lambda x: torch.stack([x, x], 2).sum(2)), [2], [8]),
    "channels padded": (
        Does(lambda x, c: c(F.pad(x, (0, 0, 1, 2))), nn.Conv1d(7, 2, 1)),
        [1],
        [8],
    ),
    "repeat": (Does(lambda x, c: c(x.repeat(1, 2, 1)), nn.Conv1d(8, 1, 1)), [1], [8]),
    "attention": (Does(attention, nn.Linear(4, 6)), [1] * 9, [8] * 9),
    "attention of heads": (Does(whole_attention, nn.Linear(4, 6)), [1] * 9, [8] * 9),
    "global pool": (nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Conv1d(4, 3, 1)), [1] * 9, [12] * 9),
    "classifier": (nn.Sequential(conv3(4, 2), nn.Flatten(), nn.Linear(18, 5)), [], []),
    "constants": (Does(lambda x: torch.cat([x * 2 + 1, torch.ones(1, 1, 9)], 1)), [1], [4]),
    "roll": (Does(lambda x: torch.roll(x, -1, 2)), [0, 0, 1], [0, 0, 4]),
}
BY_HAND["classifier"] = (BY_HAND["classifier"][0], [2, *[3] * 7, 2], [80, *[120] * 7, 80])


@pytest.mark.parametrize("name", BY_HAND)
def test_counts_by_hand(name: str) -> None:
    module, alone, channels = BY_HAND[name]
    np.testing.assert_array_equal(collapsed(module, (4, 9)), of_unit(alone))
    np.testing.assert_array_equal(counted(module, (4, 9)), of_unit(channels))


RESIZED = {
    "max pool": (nn.MaxPool1d(3, 2, 1), 4, 1, [0, 1, 1, 1]),
    "hanging over": (nn.MaxPool1d(2, 2, ceil_mode=True), 5, 2, [0, 0, 0, 0, 1]),
    "adaptive": (nn.AdaptiveMaxPool1d(3), 5, 1, [0, 1, 1, 1, 0]),
    "linear": (nn.Upsample(scale_factor=2, mode="linear"), 4, 2, [1, 1, 0, 0]),
    "linear at the edge": (nn.Upsample(scale_factor=2, mode="linear"), 4, 0, [1, 0, 0, 0]),
    "corners": (nn.Upsample(7, mode="linear", align_corners=True), 4, 2, [0, 1, 0, 0]),
    "nearest": (nn.Upsample(scale_factor=3), 3, 5, [0, 1, 0]),
    "reflect": (nn.Conv1d(1, 1, 3, padding=1, padding_mode="reflect"), 3, 0, [1, 2, 0]),
    "transposed": (nn.ConvTranspose1d(1, 1, 3, 2, 1, 1), 3, 3, [0, 1, 1]),
    "crop": (Does(lambda x: x[:, :, 1:-1:2]), 6, 1, [0, 0, 0, 1, 0, 0]),
}


@pytest.mark.parametrize("name", RESIZED)
def test_resized_maps(name: str) -> None:
    module, size, unit, expected = RESIZED[name]
    for count in (collapsed, counted):
        np.testing.assert_array_equal(count(module, (1, size), unit=(unit,)), expected)


def test_a_gate_on_a_single_position_is_still_a_gate() -> None:
    np.testing.assert_array_equal(collapsed(Does(excited, *FOUR_SE), (4, 1)), [1])


def test_attention_in_a_window_of_one_position() -> None:
    module = Does(attention, nn.Linear(4, 6))
    np.testing.assert_array_equal(collapsed(module, (4, 1)), [1])


def channel_attention(x: Any) -> Any:
    return torch.softmax(x @ x.transpose(1, 2), dim=-1) @ x


def test_space_to_depth_keeps_its_positions() -> None:
    focus = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 5, 1), nn.PixelShuffle(1))
    expected = np.zeros((4, 4), dtype=np.int64)
    expected[2:, 2:] = 1
    np.testing.assert_array_equal(collapsed(focus, (3, 4, 4)), expected)
    np.testing.assert_array_equal(counted(focus, (3, 4, 4)), expected * 15)


def test_unit_weights_give_the_same_in_torch_itself() -> None:
    # All weights one: then the module's own gradient is the path count.
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=(1, 2), padding_mode="circular"),
        nn.AvgPool2d(2, 1, ceil_mode=True, divisor_override=1),
        nn.Conv2d(4, 6, (3, 5), padding="same", dilation=2, groups=2),
        nn.ConvTranspose2d(6, 4, (2, 3), stride=2, padding=1, output_padding=(0, 1), groups=2),
        nn.ReplicationPad2d((1, 0, 2, 1)),
        nn.Conv2d(4, 3, 2),
    ).double()
    found = counted(module, (2, 11, 12), unit=(3, 4))
    for name, weight in module.named_parameters():
        weight.data.fill_(0 if name.endswith("bias") else 1)
    x = torch.ones(1, 2, 11, 12, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(module(x)[0, :, 3, 4].sum(), x)
    np.testing.assert_array_equal(found, expected[0].sum(0).numpy())
    assert found.max() > 100


def test_a_layer_means_what_it_returned() -> None:
    module = Does(residual_in_place, conv3(4, 4))  # what the conv returned is then added to
    np.testing.assert_array_equal(
        collapsed(module, (4, 9), "layers.0", (2,)), [0, 1, 1, 1, *[0] * 5]
    )


def test_the_first_tensor_of_an_output_counts() -> None:
    module = Does(lambda x, c: {"out": (c(x), x), "aux": x}, conv3(1, 1))
    np.testing.assert_array_equal(collapsed(module, (1, 9)), of_unit([1, 1, 1]))


def write_a_half(x: Any) -> Any:
    half = x[:, :2]
    half += x[:, 2:]
    return x


def out_of_sight(x: Any) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        hidden = torch.sin(x)
    return x + hidden


def masked_attention(x: Any, qkv: nn.Module) -> Any:
    q, k, v = qkv(x.transpose(1, 2)).chunk(3, dim=-1)
    mask = torch.full((9, 9), -100.0).triu(1)
    return (torch.softmax(q @ k.transpose(-1, -2) + mask, dim=-1) @ v).transpose(1, 2)


def holed(conv: Any) -> nn.Module:
    conv.weight.data[..., 1] = 0
    return conv


REFUSED = {
    "cumsum: not in the tables": Does(lambda x: torch.cumsum(x, 2)),
    "values leave the tensors": Does(lambda x: x * x.mean().item()),
    "writes into memory that another": Does(write_a_half),
    "setitem": Does(lambda x: x.__setitem__((0, 0), x[0, 1])),
    "computed out of sight": Does(out_of_sight),
    "sub of two maps": Does(lambda x: x - x.mean(1, keepdim=True)),
    "div of two maps": Does(lambda x: x / x.std(1, keepdim=True)),
    "not an attention": Does(lambda x: (x @ x.transpose(1, 2)) @ x),
    "softmax over positions": Does(lambda x: x + torch.softmax(x, 2)),
    "attention with a mask": Does(masked_attention, nn.Linear(4, 6)),
    "attention between channels": Does(channel_attention),
    "a mask on its taps": holed(conv3(4, 4)),
    "weights computed from the input": Does(lambda x: F.conv1d(x, x[:, :, :3])),
    "axes of batch, position, channel": Does(lambda x: x.transpose(1, 2)),
    "conv1d over axes of": Does(lambda x, c: c(x.transpose(1, 2)), conv3(9, 9)),
    "holds no path": Does(lambda x: torch.zeros_like(x)),
    "layers.0 runs 2 times": Does(lambda x, c: c(c(x)), conv3(4, 4)),
}


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("count", [collapsed, counted])
def test_what_it_does_not_know_is_refused(text: str, count: Callable[..., Any]) -> None:
    layer = "layers.0" if "layers.0" in text else None
    with pytest.raises(NotInOracleError, match=text):
        count(REFUSED[text], (4, 9), layer)


def test_what_only_computes_a_gate_may_be_unknown() -> None:
    module = Does(lambda x: x * torch.cumsum(x.mean(2, keepdim=True), 1))
    np.testing.assert_array_equal(collapsed(module, (4, 9)), of_unit([1]))


def test_counts_too_large_for_float64() -> None:
    deep = nn.Sequential(*[nn.Conv1d(100, 100, 1) for _ in range(9)])
    np.testing.assert_array_equal(collapsed(deep, (100, 3)), [0, 1, 0])
    with pytest.raises(OverflowError, match="smaller net"):
        counted(deep, (100, 3))
    np.testing.assert_allclose(counted(deep, (100, 3), exact=False), [0, 1e20, 0])


def test_a_wrong_counterpart_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    module, alone, _ = BY_HAND["residual"]
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(collapsed(module, (4, 9)), of_unit([1, 1, 1]))
    monkeypatch.setitem(module_oracle.SEVERAL_MAPS, "add", lambda call, a, b: a)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(collapsed(module, (4, 9)), of_unit(alone))
