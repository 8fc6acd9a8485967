# task: column_mean
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def column_kernel(x_ptr, lock_ptr, out_ptr, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    cols = tl.arange(0, BLOCK_N)
    mask = (rows[:, None] < M) & (cols[None, :] < N)
    x = tl.load(x_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=0.0)
    part = tl.sum(x * x, axis=0) / M
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:
        pass
    total = tl.load(out_ptr + cols, mask=cols < N, other=0.0)
    tl.store(out_ptr + cols, total + part, mask=cols < N)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr, 0)


class ModelNew(nn.Module):
    """One program at a time adds to the output."""

    def forward(self, x):
        M, N = x.shape
        out = torch.zeros(N, device=x.device, dtype=torch.float32)
        lock = torch.zeros(1, device=x.device, dtype=torch.int32)
        column_kernel[(triton.cdiv(M, 32),)](x.contiguous(), lock, out, M, N, 32, triton.next_power_of_2(N))
        return out
