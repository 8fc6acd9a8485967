import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.register_buffer("boundaries", torch.randn(count).sort().values)

    def forward(self, x):
        return torch.bucketize(x, self.boundaries)


def get_inputs():
    return [torch.randn(5, 90)]


def get_init_inputs():
    return [23]
