import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, a, b, c):
        return torch.cat([a, 2.0 * b, c - 1.0], dim=0)


def get_inputs():
    return [torch.randn(5, 30), torch.randn(3, 30), torch.randn(9, 30)]


def get_init_inputs():
    return []
