# task: bf16_residual
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def residual_kernel(x_ptr, r_ptr, s_ptr, y_ptr, n, dim, BLOCK: tl.constexpr):
    """Computed in the type of the tensors, as the framework does it."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    r = tl.load(r_ptr + offs, mask=mask, other=0.0)
    s = tl.load(s_ptr + offs % dim, mask=mask, other=0.0)
    y = x * s + r
    tl.store(y_ptr + offs, tl.where(y > 0, y, 0.0), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x, residual, scale):
        y = torch.empty_like(x)
        n = x.numel()
        residual_kernel[(triton.cdiv(n, 256),)](
            x.contiguous(), residual.contiguous(), scale, y, n, x.shape[-1], BLOCK=256, num_warps=4
        )
        return y
