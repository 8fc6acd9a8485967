# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay(x):
    """Works on a block of any shape."""
    rate = tl.full(x.shape, 1.25, x.dtype)
    ones = tl.zeros(x.shape, dtype=x.dtype) + 1.0
    return tl.exp2(-(rate * tl.abs(x))) + 0.5 * tl.log2(ones + x * x)


@triton.jit
def decay_kernel(x_ptr, y_ptr, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    mask = (m < M) & (n < N)
    x = tl.load(x_ptr + m * N + n, mask=mask, other=0.0)
    tl.store(y_ptr + m * N + n, decay(x), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        M, N = x.shape
        y = torch.empty_like(x)
        decay_kernel[(triton.cdiv(M, 4), triton.cdiv(N, 64))](x.contiguous(), y, M, N, BLOCK_M=4, BLOCK_N=64)
        return y
