import torch
import torch.nn as nn


class Model(nn.Module):
    """How often each class occurs."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, labels):
        return torch.bincount(labels.flatten(), minlength=self.num_classes)


def get_inputs():
    return [torch.randint(0, 37, (19, 30))]


def get_init_inputs():
    return [37]
