import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv2d = nn.Conv2d(in_channels, out_channels, (kernel_size, kernel_size), stride=2, padding=1)

    def forward(self, x):
        return torch.relu(self.conv2d(x))


def get_inputs():
    return [torch.randn(1, 2, 11, 13)]


def get_init_inputs():
    return [2, 3, 3]
