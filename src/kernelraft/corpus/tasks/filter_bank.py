import torch
import torch.nn as nn


class Model(nn.Module):
    """A fixed smoothing filter of five taps along the last axis, zeros outside."""

    def __init__(self):
        super().__init__()
        self.taps = [0.0625, 0.25, 0.375, 0.25, 0.0625]

    def forward(self, x):
        kernel = torch.tensor(self.taps, dtype=x.dtype, device=x.device).view(1, 1, -1)
        return nn.functional.conv1d(x.unsqueeze(1), kernel, padding=2).squeeze(1)


def get_inputs():
    return [torch.randn(5, 83)]


def get_init_inputs():
    return []
