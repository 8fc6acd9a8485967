import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, x):
        return torch.max(x, dim=-1)


def get_inputs():
    return [torch.randn(4, 9, 85)]


def get_init_inputs():
    return []
