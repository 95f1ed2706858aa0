"""
A PyTorch module of your own
============================

A module is read by following its own ``forward``, on an input that has a shape and no numbers.
Functions between the layers, branches and merges are found as they are; weights do not matter. You
learn to import a module, to ask about any of its submodules by name, and what happens to an
operation that nobody knows. Needs PyTorch.
"""

import torch
from torch import nn
from torch.nn import functional

import erfgraph as eg
from erfgraph.figures import architecture_figure, importance_figure

# %%
# A small U-Net: two levels down, two up, with skips between them.


class UNet(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.down1 = nn.Conv2d(3, channels, 3, padding=1)
        self.down2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bottom = nn.Conv2d(channels, channels, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.join2 = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.join1 = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, image):
        first = torch.relu(self.down1(image))
        second = torch.relu(self.down2(functional.max_pool2d(first, 2)))
        x = torch.relu(self.bottom(functional.max_pool2d(second, 2)))
        x = torch.relu(self.join2(torch.cat([self.up2(x), second], dim=1)))
        return self.join1(torch.cat([self.up1(x), first], dim=1))


net = eg.from_torch(UNet(), (3, 64, 64))
eg.receptive_fields(net)

# %%
# The same as a drawing. Every line says how large the fields of the map's units are and how far
# they lie apart.

figure = architecture_figure(net, title="A small U-Net")

# %%
# One unit of the output. Behind an upsampling layer the fields of neighbouring units differ in
# size: the table has the largest of them, the map the one of its unit.

figure = importance_figure(eg.importance(net), scale="log")

# %%
# Any submodule can be asked by its name:

for layer in ("down1", "down2", "bottom", "join2", "join1"):
    importance = eg.importance(net, layer=layer)
    side = importance.erf().size
    print(f"{layer:7} field {importance.trf.size}, effective side {side:.1f}")

# %%
# An operation that erfgraph does not know is an error with its name, never passed over in silence.


class Sorted(nn.Module):
    def forward(self, x):
        return torch.sort(x, dim=-1).values


try:
    eg.from_torch(nn.Sequential(nn.Conv2d(3, 8, 3), Sorted()), (3, 16, 16))
except eg.UnknownOperationError as error:
    print(str(error).partition(";")[0])
