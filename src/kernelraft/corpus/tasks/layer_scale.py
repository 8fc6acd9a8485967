import torch
import torch.nn as nn


class Model(nn.Module):
    """A residual branch with a scale of each channel."""

    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(dim))
        nn.init.trunc_normal_(self.gamma, std=0.5)

    def forward(self, x, branch):
        return x + self.gamma * branch


def get_inputs():
    return [torch.randn(2, 11, 24), torch.randn(2, 11, 24)]


def get_init_inputs():
    return [24]
