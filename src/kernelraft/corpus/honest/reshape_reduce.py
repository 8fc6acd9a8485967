# task: column_mean
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def add(a, b):
    return a + b


@triton.jit
def column_kernel(x_ptr, out_ptr, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    acc = tl.zeros((8, BLOCK_N), dtype=tl.float32)
    for start in range(0, M, BLOCK_M):
        rows = start + tl.arange(0, BLOCK_M)
        mask = (rows[:, None] < M) & (cols[None, :] < N)
        x = tl.load(x_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=0.0)
        acc += tl.sum(tl.reshape(x * x, (BLOCK_M // 8, 8, BLOCK_N)), axis=0)
    transposed = tl.permute(acc, (1, 0))
    tl.store(out_ptr + cols, tl.reduce(transposed, 1, add) / M, mask=cols < N)


class ModelNew(nn.Module):
    def forward(self, x):
        M, N = x.shape
        out = torch.empty(N, device=x.device, dtype=x.dtype)
        column_kernel[(triton.cdiv(N, 16),)](x.contiguous(), out, M, N, BLOCK_M=32, BLOCK_N=16)
        return out
