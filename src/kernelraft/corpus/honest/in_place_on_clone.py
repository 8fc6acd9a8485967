# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay_inplace_kernel(x_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(x_ptr + offs, tl.exp2(-1.25 * tl.abs(x)) + 0.5 * tl.log2(1.0 + x * x), mask=mask)


class ModelNew(nn.Module):
    @torch.no_grad()
    def forward(self, x):
        y = x.detach().clone()
        decay_inplace_kernel[(triton.cdiv(y.numel(), 128),)](y, y.numel(), BLOCK=128)
        return y
