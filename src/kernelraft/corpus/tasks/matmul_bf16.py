import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, A, B):
        return A @ B


def get_inputs():
    return [torch.randn(3, 30, 41).bfloat16(), torch.randn(3, 41, 26).bfloat16()]


def get_init_inputs():
    return []
