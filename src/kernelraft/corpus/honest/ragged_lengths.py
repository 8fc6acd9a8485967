# task: weighted_sum
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def weighted_sum_kernel(x_ptr, scores_ptr, lengths_ptr, rows_ptr, y_ptr, T, D, BLOCK_D: tl.constexpr):
    """The loop ends where the rows of this sample end."""
    b = tl.program_id(0)
    d = tl.arange(0, BLOCK_D)
    length = tl.load(lengths_ptr + b).to(tl.int32)
    best = -float("inf")
    for t in range(length):
        best = tl.maximum(best, tl.load(scores_ptr + t))
    total = 0.0
    acc = tl.zeros((BLOCK_D,), dtype=tl.float32)
    for t in range(length):
        row = tl.load(rows_ptr + t)
        weight = tl.exp(tl.load(scores_ptr + row) - best)
        total += weight
        acc += weight * tl.load(x_ptr + (b * T + row) * D + d, mask=d < D, other=0.0)
    tl.store(y_ptr + b * D + d, acc / total, mask=d < D)


class ModelNew(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.scores = nn.Parameter(torch.randn(rows))

    def forward(self, x, lengths):
        B, T, D = x.shape
        rows = torch.arange(T, device=x.device, dtype=torch.int32)
        y = torch.empty((B, D), device=x.device, dtype=x.dtype)
        weighted_sum_kernel[(B,)](
            x.contiguous(), self.scores, lengths.contiguous(), rows, y, T, D, BLOCK_D=triton.next_power_of_2(D)
        )
        return y
