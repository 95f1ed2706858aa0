"""Building blocks of published networks as PyTorch modules, small; as `modules` has operations."""

from __future__ import annotations

from typing import Any

import pytest
from modules import LINE, PLANE, SPACE, Case, Does, conv, conv3, factory

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

MODULES: dict[str, Case] = {}


def add(name: str, shape: tuple[int, ...], module: Any, like: Any = None) -> None:
    """Register a block, as `modules.add` does."""
    MODULES[name] = Case(factory(module), shape, factory(like) if like is not None else None)


def linear(before: int, after: int, **options: Any) -> Any:
    return lambda: nn.Linear(before, after, **options)


# --- activations and norms, written out ---------------------------------------------------


def between(forward: Any, *layers: Any) -> tuple[Any, ...]:
    """An activation between two convolutions."""

    def run(x: Any, first: Any, last: Any, *rest: Any) -> Any:
        return last(forward(first(x), *rest))

    return run, conv3(2), conv(2, 4, 2), *layers


NOTHING = between(lambda x: x)


def global_response(x: Any) -> Any:
    total = torch.linalg.vector_norm(x, ord=2, dim=(2, 3), keepdim=True)
    return x * (total / (total.mean(1, keepdim=True) + 1e-6)) * 0.5 + x


def layer_norm(x: Any) -> Any:
    mean = x.mean(1, keepdim=True)
    return (x - mean) / torch.sqrt((x - mean).pow(2).mean(1, keepdim=True) + 1e-6)


def rms_norm(x: Any) -> Any:
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)


def instance_norm(x: Any) -> Any:
    var, mean = torch.var_mean(x, (2, 3), keepdim=True)
    return (x - mean) * torch.rsqrt(var + 1e-5)


def standardised(x: Any) -> Any:
    return (x - x.mean((1, 2, 3), keepdim=True)) / torch.std(x, (1, 2, 3), keepdim=True)


ELEMENTWISE = {
    "gelu written out": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
    "gelu by tanh": lambda x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.045 * torch.pow(x, 3)))),
    "swish": lambda x: x * torch.sigmoid(1.7 * x),
    "hard-swish written out": lambda x: x * F.relu6(x + 3) / 6,
    "mish written out": lambda x: x * torch.tanh(F.softplus(x)),
    "quadratic": lambda x: x * x + 1,
    "star relu": lambda x: 0.9 * F.relu(x) ** 2 - 0.4,
    "layer norm written out": layer_norm,
    "rms norm written out": rms_norm,
    "instance norm written out": instance_norm,
    "standardised": standardised,
    "l2 norm": lambda x: F.normalize(x, dim=1),
    "softmax over channels": lambda x: x.softmax(1),
    "softmax written out": lambda x: x.exp() / x.exp().sum(1, keepdim=True),
    "spread by its maximum": lambda x: x / x.amax((2, 3), keepdim=True),
}
for said, forward in ELEMENTWISE.items():
    add(said, PLANE, between(forward), NOTHING)
add("global response norm", PLANE, between(global_response), between(lambda x: x + x))
for n, shape in ((1, LINE), (2, PLANE), (3, SPACE)):
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[n - 1]
    instance = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)[n - 1]
    drop = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)[n - 1]
    add(
        f"norm modules {n}d",
        shape,
        (
            lambda x, c, *layers: nn.Sequential(*layers)(c(x)),
            conv3(n),
            lambda k=norms: k(4),
            lambda k=instance: k(4, affine=True),
            lambda: nn.GroupNorm(2, 4),
            lambda k=drop: k(0.5),
            nn.Dropout,
            nn.AlphaDropout,
            nn.PReLU,
        ),
    )
add(
    "layer norm of channels last",
    PLANE,
    (
        lambda x, c, norm: norm(c(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        conv3(2),
        lambda: nn.LayerNorm(4),
    ),
)
add(
    "layer norm of everything", PLANE, between(lambda x, n: n(x), lambda: nn.LayerNorm([4, 8, 12]))
)
for said, kind in (("glu", F.glu),):
    add(
        said,
        PLANE,
        between(lambda x, k=kind: k(x, dim=1).repeat(1, 2, 1, 1)),
        between(lambda x: (x[:, :2] + x[:, 2:]).repeat(1, 2, 1, 1)),
    )


def gated_halves(x: Any, c: Any) -> Any:
    a, b = c(x).chunk(2, 1)
    return a * torch.sigmoid(b)


add("gated halves", PLANE, (gated_halves, conv(2, 4, 8)))


def scaled(x: Any, c: Any, gamma: Any) -> Any:
    return x + gamma.weight.view(1, -1, 1, 1) * c(x)


add("layer scale", PLANE, (scaled, conv3(2), linear(4, 1, bias=False)))


class DropPath(nn.Module):
    """A whole branch is left out at random while training."""

    def forward(self, x: Any) -> Any:
        if not self.training:
            return x
        return x * torch.rand(len(x), 1, 1, 1).round()


add("drop path", PLANE, (lambda x, c, d: x + d(c(x)), conv3(2), DropPath))

# --- gates --------------------------------------------------------------------------------


def squeezed(x: Any, c: Any, down: Any, up: Any) -> Any:
    x = c(x)
    gate = F.adaptive_avg_pool2d(x, 1)
    return x * torch.sigmoid(up(F.relu(down(gate))))


def squeezed_by_linear(x: Any, c: Any, down: Any, up: Any) -> Any:
    x = c(x)
    gate = up(F.relu(down(x.mean((2, 3))))).sigmoid()
    return x * gate[:, :, None, None].expand_as(x)


def efficient_channels(x: Any, c: Any, mixer: Any) -> Any:
    x = c(x)
    gate = mixer(x.mean((2, 3), keepdim=True).squeeze(-1).transpose(-1, -2))
    return x * gate.transpose(-1, -2).unsqueeze(-1).sigmoid()


def convolutional_block(x: Any, c: Any, down: Any, up: Any, seven: Any) -> Any:
    x = c(x)
    pools = (F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1))
    x = x * sum(up(F.relu(down(p))) for p in pools).sigmoid()
    pair = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
    return x * torch.sigmoid(seven(pair))


def selective_kernel(x: Any, three: Any, five: Any, down: Any, up: Any) -> Any:
    branches = torch.stack([three(x), five(x)], 1)
    gate = up(F.relu(down(branches.sum(1).mean((2, 3), keepdim=True))))
    weights = gate.view(1, 2, 4, 1, 1).softmax(1)
    return (branches * weights).sum(1)


def split_attention(x: Any, c: Any, down: Any, up: Any) -> Any:
    x = c(x)
    both = x.view(1, 2, 4, 8, 12)
    gate = up(F.relu(down(both.sum(1).mean((2, 3), keepdim=True)))).view(1, 1, 2, 4)
    weights = F.softmax(gate.transpose(1, 2), dim=1).reshape(1, 8, 1, 1)
    return (both * weights.view(1, 2, 4, 1, 1)).sum(1)


def coordinates(x: Any, shared: Any, rows: Any, columns: Any) -> Any:
    height, width = x.shape[2:]
    along_y = x.mean(3, keepdim=True)
    along_x = x.mean(2, keepdim=True).permute(0, 1, 3, 2)
    both = F.relu(shared(torch.cat([along_y, along_x], 2)))
    to_y, to_x = both.split([height, width], dim=2)
    return x * rows(to_y).sigmoid() * columns(to_x.permute(0, 1, 3, 2)).sigmoid()


add("squeeze and excitation", PLANE, (squeezed, conv3(2), conv(2, 4, 1, 1), conv(2, 1, 4, 1)))
add("squeezed by linear", PLANE, (squeezed_by_linear, conv3(2), linear(4, 2), linear(2, 4)))
add("efficient channel attention", PLANE, (efficient_channels, conv3(2), conv(1, 1, 1)))
add(
    "convolutional block attention",
    PLANE,
    (convolutional_block, conv3(2), conv(2, 4, 1, 1), conv(2, 1, 4, 1), conv(2, 2, 1, 7)),
)
add(
    "selective kernels",
    PLANE,
    (selective_kernel, conv3(2), conv(2, 4, 4, 5), conv(2, 4, 2, 1), conv(2, 2, 8, 1)),
)
add(
    "split attention",
    PLANE,
    (split_attention, conv(2, 4, 8, groups=2), conv(2, 4, 2, 1), conv(2, 2, 8, 1)),
)
add(
    "coordinate attention",
    PLANE,
    (coordinates, conv(2, 4, 2, 1), conv(2, 2, 4, 1), conv(2, 2, 4, 1)),
    (lambda x: x,),
)
add(
    "squeezed in a conv's weights",
    PLANE,
    between(lambda x: x * x.mean((1, 2, 3)).sigmoid()),
    NOTHING,
)

# --- tokens, windows, attention -----------------------------------------------------------


def tokens(x: Any) -> Any:
    return x.flatten(2).transpose(1, 2)


def to_map(x: Any, height: int = 8, width: int = 12) -> Any:
    return x.transpose(1, 2).reshape(1, -1, height, width)


def attention(x: Any, qkv: Any, heads: int = 2, fused: bool = False) -> Any:
    """Attention of tokens (windows, n, channels)."""
    windows, n, _ = x.shape
    q, k, v = qkv(x).reshape(windows, n, 3, heads, -1).permute(2, 0, 3, 1, 4)
    if fused:
        made = F.scaled_dot_product_attention(q, k, v)
    else:
        made = (q @ k.transpose(-2, -1) * 0.5).softmax(-1) @ v
    return made.transpose(1, 2).reshape(windows, n, -1)


def windowed(x: Any, qkv: Any, shift: int = 0, fused: bool = False) -> Any:
    """Attention within windows of 4, as Swin has it."""
    x = x.permute(0, 2, 3, 1)
    if shift:
        x = torch.roll(x, (-shift, -shift), (1, 2))
    windows = x.view(1, 2, 4, 3, 4, -1).permute(0, 1, 3, 2, 4, 5).reshape(6, 16, -1)
    made = attention(windows, qkv, fused=fused).view(1, 2, 3, 4, 4, -1)
    x = made.permute(0, 1, 3, 2, 4, 5).reshape(1, 8, 12, -1)
    if shift:
        x = torch.roll(x, (shift, shift), (1, 2))
    return x.permute(0, 3, 1, 2)


class Windows(nn.Module):
    """The same edges by a pool over each window, spread over it again."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.v, self.shift = nn.Conv2d(4, 4, 1), shift

    def forward(self, x: Any) -> Any:
        x = torch.roll(x, (-self.shift, -self.shift), (2, 3))
        pooled = F.avg_pool2d(self.v(x), 4)
        spread = F.interpolate(pooled, scale_factor=4)
        return torch.roll(spread, (self.shift, self.shift), (2, 3))


for shift in (0, 2):
    for fused in (False, True):
        said = f"window attention, shift {shift}{', fused' * fused}"
        add(
            said,
            PLANE,
            (lambda x, qkv, s=shift, f=fused: windowed(x, qkv, s, f), linear(4, 12)),
            lambda s=shift: Windows(s),
        )
for fused in (False, True):
    add(
        f"attention{', fused' * fused}",
        PLANE,
        (lambda x, qkv, f=fused: to_map(attention(tokens(x), qkv, fused=f)), linear(4, 12)),
    )


def reduced_attention(x: Any, q: Any, kv: Any, shrink: Any) -> Any:
    """Queries of all positions, keys and values of a coarser map (PVT, SegFormer)."""
    queries = q(tokens(x))
    keys, values = kv(tokens(shrink(x))).chunk(2, -1)
    weights = torch.softmax(queries @ keys.transpose(-1, -2), -1)
    return to_map(weights @ values) + x


add(
    "attention to a coarser map",
    PLANE,
    (reduced_attention, linear(4, 4), linear(4, 8), conv(2, 4, 4, 2, stride=2, padding=0)),
)


def linear_attention(x: Any, qkv: Any, token: Any = None) -> Any:
    """Attention without a softmax over pairs, beside a class token if there is one."""
    x = tokens(x)
    if token is not None:
        x = torch.cat([token.weight[None], x], 1)
    q, k, v = qkv(x).chunk(3, -1)
    made = q @ (k.softmax(1).transpose(1, 2) @ v)
    return to_map(made if token is None else made[:, 1:])


def like_linear_attention(x: Any, qkv: Any, of_q: Any, of_k: Any, of_v: Any) -> Any:
    """Each product as an addition; v's channels are read as often, though by other ones."""
    q, k, v = qkv(tokens(x)).chunk(3, -1)
    return to_map(of_q(q) + of_k(k.sum(1, keepdim=True)) + of_v(v.sum(1, keepdim=True)))


LIKE = (like_linear_attention, linear(4, 12), linear(4, 4), linear(4, 4), linear(4, 4))
add("linear attention", PLANE, (linear_attention, linear(4, 12)), LIKE)
add(
    "linear attention beside a class token",
    PLANE,
    (linear_attention, linear(4, 12), linear(4, 1, bias=False)),
    LIKE,
)


def by_einsum(x: Any, qkv: Any) -> Any:
    q, k, v = torch.einsum("bchw,dc->bdhw", x, qkv.weight).flatten(2).chunk(3, 1)
    weights = torch.einsum("bci,bcj->bij", q, k).softmax(-1)
    return torch.einsum("bij,bcj->bci", weights, v).view(1, 4, 8, 12)


add(
    "attention by einsum",
    PLANE,
    (by_einsum, linear(4, 12)),
    (lambda x, qkv: to_map(attention(tokens(x), qkv, 1)), linear(4, 12)),
)


def multi_head(x: Any, attend: Any) -> Any:
    x = tokens(x)
    return to_map(x + attend(x, x, x, need_weights=False)[0])


add(
    "attention module",
    PLANE,
    (multi_head, lambda: nn.MultiheadAttention(4, 2, batch_first=True)),
    (
        lambda x, qkv, out: x + to_map(out(attention(tokens(x), qkv))),
        linear(4, 12),
        linear(4, 4),
    ),
)


def like_transformer(x: Any, qkv: Any, out: Any, up: Any, down: Any) -> Any:
    x = tokens(x)
    x = x + out(attention(x, qkv))
    return to_map(x + down(up(x)))


add(
    "transformer layer",
    PLANE,
    (
        lambda x, layer: to_map(layer(tokens(x))),
        lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True),
    ),
    (
        like_transformer,
        linear(4, 12),
        linear(4, 4),
        linear(4, 8),
        linear(8, 4),
    ),
)


def with_class_token(x: Any, patch: Any, qkv: Any, head: Any, token: Any) -> Any:
    x = tokens(patch(x))
    x = torch.cat([token.weight.unsqueeze(0), x], 1) + torch.zeros(1, 25, 4)
    x = x + attention(x, qkv)
    return head(x[:, 0])


add(
    "class token",
    PLANE,
    (
        with_class_token,
        conv(2, 4, 4, 2, stride=2, padding=0),
        linear(4, 12),
        linear(4, 3),
        linear(4, 1, bias=False),
    ),
    lambda: nn.Sequential(
        nn.Conv2d(4, 4, 2, 2),
        nn.Conv2d(4, 4, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ),
)
add(
    "pool of all tokens",
    PLANE,
    (
        lambda x, a, b: torch.cat([F.adaptive_avg_pool1d(t, 1) for t in (a(x), b(x))], 1).flatten(
            1
        ),
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Flatten(2)),
        lambda: nn.Sequential(nn.Conv2d(4, 4, 5, padding=2), nn.Flatten(2)),
    ),
    (
        lambda x, a, b: torch.cat([F.adaptive_avg_pool2d(t, 1) for t in (a(x), b(x))], 1).flatten(
            1
        ),
        conv3(2),
        conv(2, 4, 4, 5),
    ),
)
add(
    "patches by reshape and linear",
    PLANE,
    (
        lambda x, embed: (
            embed(x.view(1, 4, 2, 4, 3, 4).permute(0, 2, 4, 1, 3, 5).reshape(1, 6, 64))
            .transpose(1, 2)
            .view(1, 5, 2, 3)
        ),
        linear(64, 5),
    ),
    conv(2, 4, 5, 4, stride=4, padding=0),
)
add(
    "patches by unfold and linear",
    PLANE,
    (
        lambda x, embed: (
            embed(F.unfold(x, 4, stride=4).transpose(1, 2)).transpose(1, 2).view(1, 5, 2, 3)
        ),
        linear(64, 5),
    ),
    conv(2, 4, 5, 4, stride=4, padding=0),
)
add(
    "patches by unfold methods",
    PLANE,
    (
        lambda x, embed: embed(
            x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3)
        ).permute(0, 3, 1, 2),
        linear(64, 5),
    ),
    conv(2, 4, 5, 4, stride=4, padding=0),
)
add(
    "patch merging",
    PLANE,
    (
        lambda x, reduce: reduce(
            torch.cat([x.permute(0, 2, 3, 1)[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)
        ).permute(0, 3, 1, 2),
        linear(16, 5),
    ),
)
add(
    "patch expanding",
    PLANE,
    (
        lambda x, expand, c: c(
            expand(x.permute(0, 2, 3, 1))
            .view(1, 8, 12, 2, 2, 4)
            .permute(0, 5, 1, 3, 2, 4)
            .reshape(1, 4, 16, 24)
        ),
        linear(4, 16),
        conv3(2),
    ),
    lambda: nn.Sequential(nn.Conv2d(4, 16, 1), nn.PixelShuffle(2), nn.Conv2d(4, 4, 3, padding=1)),
)
add(
    "channels last",
    PLANE,
    (
        lambda x, c, a, b: x + b(F.gelu(a(c(x).permute(0, 2, 3, 1)))).permute(0, 3, 1, 2),
        conv(2, 4, 4, 7, groups=4),
        linear(4, 16),
        linear(16, 4),
    ),
)


def mixed(x: Any, of_tokens: Any, of_channels: Any) -> Any:
    x = tokens(x)
    x = x + of_tokens(x.transpose(1, 2)).transpose(1, 2)
    return to_map(x + of_channels(x))


add(
    "mixer",
    PLANE,
    (mixed, linear(96, 96), linear(4, 4)),
)
add(
    "mixer of hidden tokens",
    PLANE,
    (mixed, lambda: nn.Sequential(nn.Linear(96, 7), nn.Linear(7, 96)), linear(4, 4)),
)


def mixed_in_windows(x: Any, mix: Any) -> Any:
    """Every window of 4 by a matrix of its tokens, as Swin-MLP has it."""
    windows = x.view(1, 4, 2, 4, 3, 4).permute(0, 2, 4, 1, 3, 5).reshape(6, 4, 16)
    made = mix(windows).view(1, 2, 3, 4, 4, 4).permute(0, 3, 1, 4, 2, 5)
    return made.reshape(1, 4, 8, 12)


add(
    "mixed in windows",
    PLANE,
    (mixed_in_windows, linear(16, 16)),
    (lambda x: F.interpolate(F.avg_pool2d(x, 4), scale_factor=4),),
)
add(
    "linear to other sizes",
    PLANE,
    (lambda x, c, a, b, d: d(b(a(c(x)))), conv3(2), linear(12, 5), linear(5, 9), conv3(2)),
)
add(
    "linear of columns",
    PLANE,
    (lambda x, c, a: a(c(x).transpose(2, 3)).transpose(2, 3), conv3(2), linear(8, 6)),
)
add(
    "halves of shuffled pixels",
    PLANE,
    (
        lambda x, c: torch.cat(
            [c(F.pixel_shuffle(x, 2)[..., :12]), F.pixel_shuffle(x, 2)[..., 12:]], 3
        ),
        conv(2, 1, 1),
    ),
)


def by_hand(x: Any) -> Any:
    """A pixel shuffle."""
    return x.view(1, 1, 2, 2, 8, 12).permute(0, 1, 4, 2, 5, 3).reshape(1, 1, 16, 24)


SHUFFLED: dict[str, tuple[Any, ...]] = {
    "a product": (lambda x, c: x * c(x), conv(2, 1, 1)),
    "a stack": (lambda x, c: torch.stack([c(x), x], 2).sum(2), conv(2, 1, 1)),
    "padding": (lambda x, c: c(F.pad(x, (1, 0, 2, 1), "reflect")), conv(2, 1, 1)),
    "every other": (lambda x, c: c(x)[..., 1::2] + x[..., ::2], conv(2, 1, 1)),
    "a roll": (lambda x, c: c(x.roll(1, 2)) + x, conv(2, 1, 1)),
    "linear": (lambda x, c, a: a(c(x)) + a(x), conv(2, 1, 1), linear(24, 24)),
    "windows": (lambda x, v: F.interpolate(F.avg_pool2d(v(x), 4), scale_factor=4), conv(2, 1, 1)),
}
for said, (rest, *layers) in SHUFFLED.items():
    add(
        f"shuffled by hand, then {said}",
        PLANE,
        (lambda x, *given, r=rest: r(by_hand(x), *given), *layers),
        (lambda x, *given, r=rest: r(F.pixel_shuffle(x, 2), *given), *layers),
    )
add("one channel many times", PLANE, (lambda x, c: c(x).repeat(1, 3, 1, 1), conv(2, 4, 1)))
add("one channel for all", PLANE, (lambda x, c: c(x).expand(-1, 3, -1, -1), conv(2, 4, 1)))
add(
    "a gate that a linear layer made of columns",
    PLANE,
    (lambda x, a, c: (lambda y: y * c(y).sigmoid())(a(x)), linear(12, 12), conv(2, 4, 1)),
)
add(
    "linear along each axis",
    PLANE,
    (
        lambda x, a, b: a(x) + b(x.transpose(2, 3)).transpose(2, 3),
        linear(12, 12),
        linear(8, 8),
    ),
)
add(
    "linear over flattened positions",
    PLANE,
    (lambda x, c, head: head(c(x).flatten(1)), conv3(2), linear(384, 6)),
)
add(
    "matrices of weights",
    PLANE,
    (
        lambda x, a: torch.matmul(a.weight, x.flatten(2)).view(1, 5, 8, 12),
        linear(4, 5),
    ),
    conv(2, 4, 5, 1),
)
add(
    "matrices of positions",
    LINE,
    (lambda x, a, b: x @ a.weight + torch.bmm(x, b.weight[None]), linear(12, 12), linear(12, 12)),
    (lambda x, a, b: a(x) + b(x), linear(12, 12), linear(12, 12)),
)
add(
    "added matrix product",
    LINE,
    (
        lambda x, a: torch.baddbmm(x, a.weight.expand(1, 4, 4), x),
        linear(4, 4),
    ),
    (lambda x, a: x + a(x.transpose(1, 2)).transpose(1, 2), linear(4, 4)),
)
add(
    "contracted",
    PLANE,
    (lambda x, a: torch.einsum("nchw,oc->nohw", x, a.weight), linear(4, 5)),
    conv(2, 4, 5, 1),
)
add(
    "contracted positions",
    PLANE,
    (lambda x, a: torch.einsum("nchw,vw->nchv", x, a.weight), linear(12, 12)),
    (lambda x, a: a(x), linear(12, 12)),
)

# --- whole models -------------------------------------------------------------------------


class Reads(nn.Module):
    """Control flow that depends on shapes, constants made in the forward, other modes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(6, 4, 1)
        self.register_buffer("scale", torch.ones(1, 4, 1, 1))

    def forward(self, x: Any) -> dict[str, Any]:
        for _ in range(max(0, x.shape[-1] // 8)):
            x = self.first(x) * self.scale
        with torch.no_grad():
            x = torch.relu(self.first(x))
        with torch.autocast("cpu", enabled=False):
            x = x + torch.linspace(0, 1, x.shape[-1]).view(1, 1, 1, -1)
        y, x_at = torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing="ij")
        grid = torch.stack([y, x_at])[None].float()
        return {"out": self.last(torch.cat([x, grid], 1)), "last": x}


add("a forward with everything", PLANE, Reads)
add("a tuple", PLANE, (lambda x, a, b: (a(x), b(x), x.shape), conv3(2), conv(2, 4, 2, 1)))
for dtype in (torch.float16, torch.bfloat16, torch.float64):
    said = str(dtype).removeprefix("torch.")
    add(
        f"weights of {said}",
        LINE,
        lambda d=dtype: nn.Sequential(nn.Conv1d(4, 3, 3), nn.ReLU(), nn.Conv1d(3, 2, 3)).to(d),
    )


def folded(x: Any, c: Any) -> Any:
    """One convolution for every group of channels, by way of the batch."""
    return c(x.view(2, 2, 8, 12)).view(1, 6, 8, 12)


def frames(x: Any, c: Any, over_time: Any) -> Any:
    """A convolution per slice of a volume, then one along the slices (R(2+1)D by hand)."""
    _, channels, depth, height, width = x.shape
    x = c(x.transpose(1, 2).reshape(depth, channels, height, width))
    x = x.view(1, depth, -1, height, width).transpose(1, 2)
    return over_time(x)


add("groups in the batch", PLANE, (folded, conv(2, 2, 3)), conv(2, 4, 6, groups=2))
add(
    "slices in the batch",
    SPACE,
    (frames, conv(2, 2, 4), conv(3, 4, 3, (3, 1, 1), padding=(1, 0, 0))),
    (
        lambda x, c, over_time: over_time(c(x)),
        conv(3, 2, 4, (1, 3, 3), padding=(0, 1, 1)),
        conv(3, 4, 3, (3, 1, 1), padding=(1, 0, 0)),
    ),
)


class Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.down = nn.Conv2d(before, after, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Any) -> Any:
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out += self.down(x)
        return self.relu(out)


class Encoder(nn.Module):
    """Down and up again, with what was skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([Residual(4, 4), Residual(4, 6, 2), Residual(6, 8, 2)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(8, 6, 2, 2), nn.ConvTranspose2d(6, 4, 2, 2)])
        self.mix = nn.ModuleList([nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)])

    def forward(self, x: Any) -> Any:
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
        for up, mix, skip in zip(self.up, self.mix, kept[-2::-1], strict=True):
            x = mix(torch.cat([up(x), skip], 1))
        return x


add("residual blocks", PLANE, lambda: nn.Sequential(Residual(4, 4), Residual(4, 8, 2)))
add("encoder and decoder", PLANE, Encoder)
add(
    "pyramid pooling",
    PLANE,
    (
        lambda x, c: c(
            torch.cat(
                [
                    x,
                    *(
                        F.interpolate(F.adaptive_avg_pool2d(x, n), (8, 12), mode="bilinear")
                        for n in (1, 2, 3)
                    ),
                ],
                1,
            )
        ),
        conv(2, 16, 4),
    ),
)
add(
    "a head that flattens pools",
    PLANE,
    (
        lambda x, head: head(
            torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in (1, 2)], 1)
        ),
        linear(20, 3),
    ),
    (
        lambda x, a, b: (
            a(F.adaptive_max_pool2d(x, 1).flatten(1)) + b(F.adaptive_max_pool2d(x, 2).flatten(1))
        ),
        linear(4, 3),
        linear(16, 3),
    ),
)

__all__ = ["MODULES", "Does"]
