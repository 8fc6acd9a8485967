# task: row_sum
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def row_sum_kernel(x_ptr, out_ptr, stride_row, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    acc = tl.zeros((BLOCK,), dtype=tl.float32)
    start = 0
    while start < n_cols:
        idx = start + cols
        acc += tl.load(x_ptr + row * stride_row + idx, mask=idx < n_cols, other=0.0)
        start += BLOCK
    tl.store(out_ptr + row, tl.sum(acc))


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        out = x.new_empty((x.size(0), 1))
        row_sum_kernel[(x.size(0),)](x, out, x.stride(0), x.size(1), BLOCK=64)
        return out
