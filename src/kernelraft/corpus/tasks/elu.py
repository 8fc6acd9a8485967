import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, alpha):
        super().__init__()
        self.elu = nn.ELU(alpha=alpha)

    def forward(self, x):
        return self.elu(x)


def get_inputs():
    return [torch.randn(15, 65)]


def get_init_inputs():
    return [1.3]
