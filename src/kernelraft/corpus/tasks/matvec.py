import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, A, v):
        return torch.matmul(A, v)


def get_inputs():
    return [torch.randn(75, 190), torch.randn(190, 1)]


def get_init_inputs():
    return []
