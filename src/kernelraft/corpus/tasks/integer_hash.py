import torch
import torch.nn as nn


class Model(nn.Module):
    """Whole numbers: quotients, remainders, bits."""

    def forward(self, a, b):
        q = torch.div(a, b, rounding_mode="trunc")
        r = a - q * b
        return (q ^ (r << 3)) & 0xFFFF, torch.maximum(a, b) - (b >> 1)


def get_inputs():
    return [torch.randint(0, 100000, (7, 61)), torch.randint(1, 300, (7, 61))]


def get_init_inputs():
    return []
