# task: recurrence_steps
import torch
import torch.nn as nn
import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def step_kernel(x_ptr, h_ptr, out_ptr, decay_ptr, t, T, n, dim, BLOCK: tl.constexpr):
    """One time step of all samples; h is read and written."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    batch = offs // dim
    d = offs % dim
    at = (batch * T + t) * dim + d
    x = tl.load(x_ptr + at, mask=mask, other=0.0)
    h = tl.load(h_ptr + offs, mask=mask, other=0.0)
    h = libdevice.tanh(x + tl.load(decay_ptr + d, mask=mask, other=0.0) * h)
    tl.store(h_ptr + offs, h, mask=mask)
    tl.store(out_ptr + at, h, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.decay = nn.Parameter(torch.rand(dim))

    def forward(self, x):
        x = x.contiguous()
        B, T, D = x.shape
        h = torch.zeros((B, D), device=x.device, dtype=x.dtype)
        out = torch.empty_like(x)
        n = B * D
        for t in range(T):
            step_kernel[(triton.cdiv(n, 32),)](x, h, out, self.decay, t, T, n, D, BLOCK=32)
        return out, h
