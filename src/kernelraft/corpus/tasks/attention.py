import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self, causal):
        super().__init__()
        self.causal = causal

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)


def get_inputs():
    return [torch.randn(2, 3, 45, 20) for _ in range(3)]


def get_init_inputs():
    return [False]
