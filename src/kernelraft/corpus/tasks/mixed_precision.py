import torch
import torch.nn as nn


class Model(nn.Module):
    """A single-precision input, a product of half-precision operands, a single-precision output."""

    def forward(self, x, w):
        return (x.to(torch.float16) @ w.to(torch.float16).t()).float()


def get_inputs():
    return [torch.randn(33, 48), torch.randn(41, 48)]


def get_init_inputs():
    return []
