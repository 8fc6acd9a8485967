import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.proj = nn.Linear(in_features, out_features, bias=True).half()

    def forward(self, x):
        return self.proj(x)


def get_inputs():
    return [torch.randn(25, 60).half()]


def get_init_inputs():
    return [60, 34]
