# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay_backward_kernel(x_ptr, dy_ptr, dx_ptr, n, BLOCK: tl.constexpr):
    """For training; the forward pass does not need it."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    dy = tl.load(dy_ptr + offs, mask=mask)
    sign = tl.where(x < 0, -1.0, 1.0)
    slope = -0.8664339756999316 * sign * tl.exp2(-1.25 * tl.abs(x)) + 1.4426950408889634 * x / (1.0 + x * x)
    tl.store(dx_ptr + offs, dy * slope, mask=mask)


@triton.jit(do_not_specialize=["n"])
def decay_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(y_ptr + offs, tl.exp2(-1.25 * tl.abs(x)) + 0.5 * tl.log2(1.0 + x * x), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        decay_kernel[(triton.cdiv(x.numel(), 64),)](x, y, x.numel(), BLOCK=64)
        return y
