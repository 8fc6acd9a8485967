# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay_kernel(x_ptr, y_ptr, n, ACC: tl.constexpr, BLOCK: tl.constexpr):
    """Computed in ACC, stored in the type of the output's pointer."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0).to(ACC)
    y = tl.exp2(tl.abs(x) * -1.25) + tl.log2(x * x + 1.0) * 0.5
    tl.store(y_ptr + offs, y.to(y_ptr.type.element_ty), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        n = x.numel()
        decay_kernel[(triton.cdiv(n, 128),)](x, y, n, ACC=tl.float32, BLOCK=128)
        return y
