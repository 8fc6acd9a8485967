import torch
import torch.nn as nn


class ChannelGate(nn.Module):
    """Features times a gate that a learned vector opens."""

    def __init__(self, dim, bias=True):
        super().__init__()
        self.gate = nn.Parameter(torch.rand(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x):
        y = x * torch.sigmoid(self.gate)
        return y if self.bias is None else y + self.bias


def get_inputs():
    return [torch.rand([4, 4, 4, 4])]


def get_init_inputs():
    return [[], {"dim": 4}]
