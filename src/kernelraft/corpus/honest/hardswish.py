# task: hardswish
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def hardswish_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n, other=0.0)
    gate = tl.clamp(x + 3.0, 0.0, 6.0)
    tl.store(y_ptr + offs, x * gate * (1.0 / 6.0), mask=offs < n)


class ModelNew(nn.Module):
    def forward(self, x):
        flat = x.reshape(-1)
        y = torch.empty_like(flat)
        hardswish_kernel[triton.cdiv(flat.shape[0], 256),](flat, y, flat.shape[0], 256)
        return y.view(x.shape)
