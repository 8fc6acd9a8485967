import torch
import torch.nn as nn


class Model(nn.Module):
    """Rows weighted by a softmax over learned scores, where the rows are valid."""

    def __init__(self, rows):
        super().__init__()
        self.scores = nn.Parameter(torch.randn(rows))

    def forward(self, x, lengths):
        rows = torch.arange(x.shape[1], device=x.device)
        valid = rows[None, :] < lengths[:, None]
        scores = self.scores[None, :].masked_fill(~valid, float("-inf"))
        return (torch.softmax(scores, dim=1)[:, :, None] * x).sum(dim=1)


def get_inputs():
    return [torch.randn(4, 19, 26), torch.randint(1, 20, (4,))]


def get_init_inputs():
    return [19]
