import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, A, B):
        return torch.bmm(A, B)


def get_inputs():
    return [torch.randn(5, 35, 22), torch.randn(5, 22, 40)]


def get_init_inputs():
    return []
