import torch
import torch.nn as nn


class Model(nn.Module):
    """Batch normalization with the statistics of the batch."""

    def __init__(self, num_features):
        super().__init__()
        self.bn = nn.BatchNorm1d(num_features, track_running_stats=False)

    def forward(self, x):
        return self.bn(x)


def get_inputs():
    return [torch.randn(61, 20)]


def get_init_inputs():
    return [20]
