import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first = nn.Parameter(torch.randn(n, n) / 8)
        self.second = nn.Parameter(torch.randn(n, n) / 8)

    def forward(self, x):
        return x @ (self.first @ self.second)


def get_inputs():
    return [torch.randn(16, 32)]


def get_init_inputs():
    return [32]
