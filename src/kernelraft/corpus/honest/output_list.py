# task: powers
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def powers_kernel(x_ptr, out_ptr, n, COUNT: tl.constexpr, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    power = x
    for k in tl.static_range(COUNT):
        tl.store(out_ptr + k * n + offs, power, mask=mask)
        power = power * x


class ModelNew(nn.Module):
    """All powers in one buffer; the list holds its parts."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        n = x.numel()
        out = torch.empty((self.count, *x.shape), device=x.device, dtype=x.dtype)
        powers_kernel[(triton.cdiv(n, 128),)](x.contiguous(), out, n, COUNT=self.count, BLOCK=128)
        return [out[k] for k in range(self.count)]
