# task: rotate_pairs
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rotate_kernel(x_ptr, angle_ptr, y_ptr, rows, per_angle, D: tl.constexpr, BLOCK_R: tl.constexpr):
    r = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    d = tl.arange(0, D)
    offs = r[:, None] * D + d[None, :]
    mask = r[:, None] < rows
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    even, odd = tl.split(tl.reshape(x, (BLOCK_R, D // 2, 2)))
    h = tl.arange(0, D // 2)
    angle = tl.load(angle_ptr + (r // per_angle)[:, None] * (D // 2) + h[None, :], mask=mask, other=0.0)
    cos = tl.cos(angle)
    sin = tl.sin(angle)
    pairs = tl.join(even * cos - odd * sin, even * sin + odd * cos)
    tl.store(y_ptr + offs, tl.reshape(pairs, (BLOCK_R, D)), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x, angle):
        x = x.contiguous()
        y = torch.empty_like(x)
        D = x.shape[-1]
        rows = x.numel() // D
        rotate_kernel[(triton.cdiv(rows, 8),)](x, angle.contiguous(), y, rows, x.shape[1], D=D, BLOCK_R=8)
        return y
