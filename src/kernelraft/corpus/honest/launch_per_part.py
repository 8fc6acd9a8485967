# task: concat_rows
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def affine_kernel(x_ptr, out_ptr, n, scale, shift, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    tl.store(out_ptr + offs, tl.load(x_ptr + offs, mask=mask) * scale + shift, mask=mask)


class ModelNew(nn.Module):
    """Every part has a slice of the output."""

    def forward(self, a, b, c):
        out = a.new_empty((a.size(0) + b.size(0) + c.size(0), a.size(1)))
        start = 0
        for part, scale, shift in ((a, 1.0, 0.0), (b, 2.0, 0.0), (c, 1.0, -1.0)):
            rows = part.size(0)
            target = out[start : start + rows]
            affine_kernel[(triton.cdiv(part.numel(), 64),)](
                part.contiguous(), target, part.numel(), scale, shift, BLOCK=64
            )
            start += rows
        return out
