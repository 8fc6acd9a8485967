# task: row_max
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def max_kernel(x_ptr, value_ptr, index_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n_cols + cols, mask=cols < n_cols, other=-float("inf"))
    value, index = tl.max(x, axis=0, return_indices=True)
    tl.store(value_ptr + row, value)
    tl.store(index_ptr + row, index.to(tl.int64))


class ModelNew(nn.Module):
    """Values and indices, a pair as torch.max gives it."""

    def forward(self, x):
        x = x.contiguous()
        n_cols = x.shape[-1]
        values = torch.empty(x.shape[:-1], device=x.device, dtype=x.dtype)
        indices = torch.empty(x.shape[:-1], device=x.device, dtype=torch.int64)
        max_kernel[(values.numel(),)](x, values, indices, n_cols, BLOCK=triton.next_power_of_2(n_cols))
        return values, indices
