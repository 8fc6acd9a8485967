import torch
import torch.nn as nn


class Model(nn.Module):
    """Token and position embeddings."""

    def __init__(self, vocabulary, length, dim):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, dim)
        self.positions = nn.Embedding(length, dim)
        self.register_buffer("position_ids", torch.arange(length), persistent=False)

    def forward(self, ids):
        return self.tokens(ids) + self.positions(self.position_ids[: ids.shape[1]])


def get_inputs():
    return [torch.randint(0, 83, (3, 14))]


def get_init_inputs():
    return [83, 20, 45]
