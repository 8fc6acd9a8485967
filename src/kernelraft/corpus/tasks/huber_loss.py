import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, predictions, targets):
        return torch.nn.functional.smooth_l1_loss(predictions, targets, beta=0.7)


def get_inputs():
    return [torch.randn(29, 90), torch.randn(29, 90)]


def get_init_inputs():
    return []
