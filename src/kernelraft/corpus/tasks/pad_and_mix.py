import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Difference of neighbours with zeros outside, beside the sum of them."""

    def forward(self, x):
        padded = F.pad(x, (1, 1))
        left, right = padded[..., :-2], padded[..., 2:]
        return torch.cat([right - left, right + left], dim=1)


def get_inputs():
    return [torch.randn(3, 4, 55)]


def get_init_inputs():
    return []
