import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, kernel_size):
        super().__init__()
        self.avg_pool = nn.AvgPool1d(kernel_size=kernel_size, stride=2, padding=1)

    def forward(self, x):
        return self.avg_pool(x)


def get_inputs():
    return [torch.randn(3, 10, 67)]


def get_init_inputs():
    return [4]
