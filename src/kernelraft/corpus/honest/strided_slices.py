# task: rotate_pairs
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rotate_kernel(even_ptr, odd_ptr, angle_ptr, y_even_ptr, y_odd_ptr, n, half, inner, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    a = tl.load(angle_ptr + offs // (half * inner) * half + offs % half, mask=mask, other=0.0)
    e = tl.load(even_ptr + offs * 2, mask=mask, other=0.0)
    o = tl.load(odd_ptr + offs * 2, mask=mask, other=0.0)
    tl.store(y_even_ptr + offs * 2, e * tl.cos(a) - o * tl.sin(a), mask=mask)
    tl.store(y_odd_ptr + offs * 2, e * tl.sin(a) + o * tl.cos(a), mask=mask)


class ModelNew(nn.Module):
    """Even and odd features are views with a stride of two."""

    def forward(self, x, angle):
        x = x.contiguous()
        y = torch.empty_like(x)
        half = x.shape[-1] // 2
        n = x.numel() // 2
        rotate_kernel[(triton.cdiv(n, 256),)](
            x[..., 0::2], x[..., 1::2], angle.contiguous(), y[..., 0::2], y[..., 1::2], n, half, x.shape[1], BLOCK=256
        )
        return y
