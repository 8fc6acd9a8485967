import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, A, B):
        return torch.matmul(A, B)


def get_inputs():
    return [torch.randn(45, 70).to(torch.float16), torch.randn(70, 39).to(torch.float16)]


def get_init_inputs():
    return []
