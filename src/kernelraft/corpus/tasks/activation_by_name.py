import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.activation = {"relu": torch.relu, "tanh": torch.tanh, "selu": torch.selu}[activation]

    def forward(self, x, residual):
        return self.activation(x) + residual


def get_inputs():
    return [torch.randn(7, 45), torch.randn(7, 45)]


def get_init_inputs():
    return ["selu"]
