# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


def make_kernel(rate_value):
    RATE = tl.constexpr(rate_value)

    @triton.jit
    def term(x):
        return tl.exp2(tl.abs(x) * -RATE)

    @triton.jit
    def kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
        offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        mask = offs < n
        x = tl.load(x_ptr + offs, mask=mask, other=0.0)
        tl.store(y_ptr + offs, term(x) + tl.log2(x * x + 1.0) * 0.5, mask=mask)

    return kernel


class ModelNew(nn.Module):
    """The kernel is made for one rate."""

    def __init__(self):
        super().__init__()
        self.kernel = make_kernel(1.25)

    def forward(self, x):
        y = torch.empty_like(x)
        self.kernel[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
        return y
