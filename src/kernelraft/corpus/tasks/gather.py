import torch
import torch.nn as nn


class Model(nn.Module):
    """Values at the given columns where they are positive, else minus one tenth of them."""

    def forward(self, x, index):
        picked = torch.gather(x, 1, index)
        return torch.where(picked > 0, picked, -0.1 * picked)


def get_inputs():
    return [torch.randn(12, 70), torch.randint(0, 70, (12, 45))]


def get_init_inputs():
    return []
