# task: sort_rows
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rank_sort_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    """The place of an element is the number of those that come before it."""
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n + i, mask=i < n, other=float("-inf"))
    x_i = tl.expand_dims(x, 1)
    x_j = tl.expand_dims(x, 0)
    before = (x_j > x_i) | ((x_j == x_i) & (i[None, :] < i[:, None]))
    rank = tl.sum(before.to(tl.int32), axis=1)
    tl.store(y_ptr + row * n + rank, x, mask=i < n)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rank_sort_kernel[(x.shape[0],)](x.contiguous(), y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
        return y
