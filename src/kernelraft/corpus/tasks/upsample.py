import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Nearest-neighbour upsampling, then a scale of each channel; dropout that drops nothing."""

    def __init__(self, channels, factor):
        super().__init__()
        self.factor = factor
        self.scale = nn.Parameter(torch.empty(channels))
        nn.init.uniform_(self.scale, 0.5, 1.5)
        self.dropout = nn.Dropout(p=0.0)

    def forward(self, x):
        x = F.interpolate(x, scale_factor=self.factor, mode="nearest")
        return self.dropout(x * self.scale.view(1, -1, 1, 1))


def get_inputs():
    return [torch.randn(2, 3, 7, 9)]


def get_init_inputs():
    return [3, 2]
