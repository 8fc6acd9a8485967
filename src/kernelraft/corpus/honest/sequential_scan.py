# task: recurrence_steps
import torch
import torch.nn as nn
import triton
import triton.language as tl
from triton.language.extra.cuda.libdevice import tanh


@triton.jit
def scan_kernel(x_ptr, decay_ptr, out_ptr, last_ptr, T, D, BLOCK: tl.constexpr):
    b = tl.program_id(0)
    d = tl.arange(0, BLOCK)
    mask = d < D
    decay = tl.load(decay_ptr + d, mask=mask, other=0.0)
    h = tl.zeros((BLOCK,), dtype=tl.float32)
    for t in range(T):
        at = (b * T + t) * D + d
        h = tanh(tl.load(x_ptr + at, mask=mask, other=0.0) + decay * h)
        tl.store(out_ptr + at, h, mask=mask)
    tl.store(last_ptr + b * D + d, h, mask=mask)


class ModelNew(nn.Module):
    """All steps in one launch: the state stays in registers."""

    def __init__(self, dim):
        super().__init__()
        self.decay = nn.Parameter(torch.rand(dim))

    def forward(self, x):
        B, T, D = x.shape
        out = torch.empty_like(x)
        last = torch.empty_like(x[:, 0])
        scan_kernel[(B,)](x.contiguous(), self.decay, out, last, T, D, BLOCK=triton.next_power_of_2(D), num_warps=1)
        return out, last
