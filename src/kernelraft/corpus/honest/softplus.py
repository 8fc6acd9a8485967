# task: softplus
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def softplus_kernel(x_ptr, y_ptr, n, beta, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    z = beta * tl.load(x_ptr + offs, mask=mask, other=0.0).to(tl.float32)
    y = (tl.maximum(z, 0.0) + tl.math.log(1.0 + tl.math.exp(-tl.math.abs(z)))) / beta
    tl.store(y_ptr + offs, y, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        softplus_kernel[(triton.cdiv(x.numel(), 256),)](x, y, x.numel(), 2.0, BLOCK=256)
        return y
