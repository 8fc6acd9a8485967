import torch
import torch.nn as nn


class Model(nn.Module):
    """Squeeze and excite: each channel is scaled by a gate that depends on the channels' means."""

    def __init__(self, channels):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(channels, channels) * 0.3)
        self.w2 = nn.Parameter(torch.randn(channels, channels) * 0.3)

    def forward(self, x):
        s = x.mean(dim=(2, 3))
        gate = torch.sigmoid(torch.relu(s @ self.w1) @ self.w2)
        return x * gate[:, :, None, None]


def get_inputs():
    return [torch.randn(3, 8, 10, 11)]


def get_init_inputs():
    return [8]
