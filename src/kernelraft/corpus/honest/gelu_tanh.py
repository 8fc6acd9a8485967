# task: gelu_tanh
import math

import torch
import torch.nn as nn
import triton
import triton.language as tl
from triton.language.extra import libdevice

SQRT_2_OVER_PI = tl.constexpr(math.sqrt(2 / math.pi))
CUBIC: tl.constexpr = tl.constexpr(0.044715)


@triton.jit
def gelu_tanh_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    inner = SQRT_2_OVER_PI * (x + CUBIC * x * x * x)
    tl.store(out_ptr + offs, 0.5 * x * (1.0 + libdevice.tanh(inner)), mask=mask)


class ModelNew(nn.Module):
    BLOCK = 256

    def forward(self, x):
        out = torch.empty(x.shape, device=x.device, dtype=x.dtype)
        n = x.numel()
        gelu_tanh_kernel[(triton.cdiv(n, self.BLOCK),)](x, out, n, BLOCK=self.BLOCK, num_warps=4)
        return out
