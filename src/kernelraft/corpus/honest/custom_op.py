# task: column_mean
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def column_kernel(x_ptr, out_ptr, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.arange(0, BLOCK_M)
    mask = (rows[:, None] < M) & (cols[None, :] < N)
    x = tl.load(x_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=0.0)
    tl.store(out_ptr + cols, tl.sum(x * x, axis=0) / M, mask=cols < N)


@torch.library.custom_op("column_kernels::mean_of_squares", mutates_args=())
def mean_of_squares(x: torch.Tensor) -> torch.Tensor:
    M, N = x.shape
    out = torch.empty(N, device=x.device, dtype=x.dtype)
    column_kernel[(triton.cdiv(N, 8),)](x.contiguous(), out, M, N, BLOCK_M=triton.next_power_of_2(M), BLOCK_N=8)
    return out


@mean_of_squares.register_fake
def _(x):
    return x.new_empty(x.shape[1])


class ModelNew(nn.Module):
    """The launch is registered as an operator, so that graphs can hold it."""

    def forward(self, x):
        return mean_of_squares(x)
