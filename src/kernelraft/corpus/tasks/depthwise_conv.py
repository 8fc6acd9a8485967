import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, channels, kernel_size):
        super().__init__()
        self.conv2d = nn.Conv2d(channels, channels, kernel_size, groups=channels, padding=kernel_size // 2)

    def forward(self, x):
        return self.conv2d(x)


def get_inputs():
    return [torch.randn(2, 3, 14, 13)]


def get_init_inputs():
    return [3, 3]
