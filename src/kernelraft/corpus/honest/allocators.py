# task: running_total
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def add_row_kernel(x_ptr, total_ptr, count_ptr, row, n, BLOCK: tl.constexpr):
    """Adds the row to what is there already."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    total = tl.load(total_ptr + offs, mask=mask)
    count = tl.load(count_ptr + offs, mask=mask)
    x = tl.load(x_ptr + row * n + offs, mask=mask)
    tl.store(total_ptr + offs, total + x, mask=mask)
    tl.store(count_ptr + offs, count + 1, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        rows, n = x.shape
        total = torch.full((n,), 0.5, device=x.device, dtype=x.dtype)
        count = torch.zeros_like(total)
        for row in range(rows):
            add_row_kernel[(1,)](x, total, count, row, n, BLOCK=64)
        return total, count
