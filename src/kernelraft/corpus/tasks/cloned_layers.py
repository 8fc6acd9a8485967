import copy

import torch
import torch.nn as nn


class ScaleShift(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return torch.tanh(x * self.scale + self.shift)


class Model(nn.Module):
    """The same layer several times, each with its own parameters."""

    def __init__(self, dim, depth):
        super().__init__()
        layer = ScaleShift(dim)
        self.layers = nn.ModuleList([copy.deepcopy(layer) for _ in range(depth)])

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x


def get_inputs():
    return [torch.randn(14, 25)]


def get_init_inputs():
    return [25, 3]
