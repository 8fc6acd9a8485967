# task: column_mean
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def column_kernel(x_ptr, partial_ptr, ticket_ptr, out_ptr, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Each program writes its part; the one that draws the last ticket adds them up."""
    pid = tl.program_id(0)
    rows = pid * BLOCK_M + tl.arange(0, BLOCK_M)
    cols = tl.arange(0, BLOCK_N)
    mask = (rows[:, None] < M) & (cols[None, :] < N)
    x = tl.load(x_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=0.0)
    tl.store(partial_ptr + pid * N + cols, tl.sum(x * x, axis=0), mask=cols < N)
    tl.debug_barrier()
    ticket = tl.atomic_add(ticket_ptr, 1)
    if ticket == tl.num_programs(0) - 1:
        total = tl.zeros((BLOCK_N,), dtype=tl.float32)
        for part in range(tl.num_programs(0)):
            total += tl.load(partial_ptr + part * N + cols, mask=cols < N, other=0.0, volatile=True)
        tl.store(out_ptr + cols, total / M, mask=cols < N)


class ModelNew(nn.Module):
    def forward(self, x):
        M, N = x.shape
        programs = triton.cdiv(M, 16)
        partial = torch.empty((programs, N), device=x.device, dtype=torch.float32)
        ticket = torch.zeros(1, device=x.device, dtype=torch.int32)
        out = torch.empty(N, device=x.device, dtype=x.dtype)
        column_kernel[(programs,)](
            x.contiguous(), partial, ticket, out, M, N, BLOCK_M=16, BLOCK_N=triton.next_power_of_2(N)
        )
        return out
