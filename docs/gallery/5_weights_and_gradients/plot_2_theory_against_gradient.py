"""
Theory against gradients of PyTorch
===================================

Is that what the gradient says? You draw the weights of a small residual network a few dozen times,
average the squared gradients, and compare this map with two computed ones, with intervals for what
is only noise. Needs PyTorch.
"""

import torch
from torch import nn

import erfgraph as eg
from erfgraph.figures import agreement_figure

torch.set_num_threads(1)  # maps as small as these gain nothing from more


class Block(nn.Module):
    """Two convolutions and the identity around them."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(x)))


module = nn.Sequential(*[Block(16) for _ in range(3)])
shape = (16, 21, 21)

# %%
# The gradient: 48 draws of weights, each with a random input, of the unit in the centre.

gradient = eg.gradient_importance(module, shape, samples=48, init="kaiming_fan_in")
print(f"{gradient.samples} samples, expected error {gradient.relative_error:.1%}")

# %%
# The theory: the same module as a graph, and the two measures that might predict it.

net = eg.from_torch(module, shape)
variance = eg.importance(net, measure="variance", init="kaiming_fan_in")
paths = eg.importance(net)

# %%
# ``compare`` puts numbers to it. The total variation is the share that would have to move to make
# one map of the other; the noise is what so few samples make of it by themselves.

for name, importance in (("variance", variance), ("paths", paths)):
    found = eg.compare(importance, gradient)
    print(
        f"{name:9} total variation {found.total_variation.value:.3f},"
        f" that is {found.noise_ratio:.1f} times the noise"
    )

# %%
# Both on one scale, their profiles, and the overlap of their effective fields for every threshold.
# The computed map of the expected square and the gradient are the same up to noise:

title = "Three residual blocks"
figure = agreement_figure(eg.compare(variance, gradient), title=title)

# %%
# The path count is another matter. It makes the field too wide, since it gives the identities too
# little weight.

figure = agreement_figure(eg.compare(paths, gradient), title=title)
