import torch
import torch.nn as nn


class Model(nn.Module):
    """Rotary position embedding: the two halves of each head are turned."""

    def __init__(self, head_dim, max_length, base=10000.0):
        super().__init__()
        inv_freq = 1.0 / (base ** (torch.arange(0, head_dim, 2).float() / head_dim))
        angles = torch.outer(torch.arange(max_length).float(), inv_freq)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, q):
        _, length, _, head_dim = q.shape
        cos = self.cos[:length, None, :].to(q.dtype)
        sin = self.sin[:length, None, :].to(q.dtype)
        q1, q2 = q[..., : head_dim // 2], q[..., head_dim // 2 :]
        return torch.cat((q1 * cos - q2 * sin, q2 * cos + q1 * sin), dim=-1)


def get_inputs():
    return [torch.randn(2, 13, 3, 24)]


def get_init_inputs():
    return [24, 32]
