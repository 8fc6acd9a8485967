import torch
import torch.nn as nn


class Model(nn.Module):
    """A bias of 0.5 to which the rows of x are added, with their number."""

    def forward(self, x):
        return 0.5 + x.sum(dim=0), torch.ones_like(x[0]) * x.shape[0]


def get_inputs():
    return [torch.randn(7, 44)]


def get_init_inputs():
    return []
