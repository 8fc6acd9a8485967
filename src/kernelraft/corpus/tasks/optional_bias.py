import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, dim, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(dim))
        self.bias = nn.Parameter(torch.randn(dim)) if bias else None

    def forward(self, x):
        y = x * self.weight
        if self.bias is not None:
            y = y + self.bias
        return y


def get_inputs():
    return [torch.randn(3, 8, 31)]


def get_init_inputs():
    return [31, False]
