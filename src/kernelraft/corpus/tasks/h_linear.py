import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, wide, narrow):
        super().__init__()
        self.linear = nn.Linear(wide, narrow)

    def forward(self, x):
        return self.linear(x)


def get_inputs():
    return [torch.randn(8, 32)]


def get_init_inputs():
    return [32, 16]
