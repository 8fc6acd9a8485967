import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, A, B):
        return torch.matmul(A.T, B.T)


def get_inputs():
    return [torch.randn(44, 30), torch.randn(51, 44)]


def get_init_inputs():
    return []
