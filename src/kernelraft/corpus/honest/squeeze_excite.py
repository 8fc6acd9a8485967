# task: channel_scale
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def pool_kernel(x_ptr, mean_ptr, HW, BLOCK: tl.constexpr):
    plane = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + plane * HW + offs, mask=offs < HW, other=0.0)
    tl.store(mean_ptr + plane, tl.sum(x, axis=0) / HW)


@triton.jit
def vec_mat(s, w_ptr, C, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    w = tl.load(w_ptr + i[:, None] * C + i[None, :], mask=(i[:, None] < C) & (i[None, :] < C), other=0.0)
    return tl.sum(s[:, None] * w, axis=0)


@triton.jit
def gate_kernel(mean_ptr, w1_ptr, w2_ptr, gate_ptr, C, BLOCK: tl.constexpr):
    b = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    s = tl.load(mean_ptr + b * C + i, mask=i < C, other=0.0)
    hidden = tl.maximum(vec_mat(s, w1_ptr, C, BLOCK), 0.0)
    tl.store(gate_ptr + b * C + i, tl.sigmoid(vec_mat(hidden, w2_ptr, C, BLOCK)), mask=i < C)


@triton.jit
def scale_kernel(x_ptr, gate_ptr, y_ptr, n, HW, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(y_ptr + offs, x * tl.load(gate_ptr + offs // HW, mask=mask), mask=mask)


class ModelNew(nn.Module):
    """Three kernels, the small one with both products at once."""

    def __init__(self, channels):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(channels, channels) * 0.3)
        self.w2 = nn.Parameter(torch.randn(channels, channels) * 0.3)

    def forward(self, x):
        x = x.contiguous()
        B, C, H, W = x.shape
        mean = torch.empty((B, C), device=x.device, dtype=x.dtype)
        gate = torch.empty_like(mean)
        y = torch.empty_like(x)
        pool_kernel[(B * C,)](x, mean, H * W, BLOCK=triton.next_power_of_2(H * W))
        gate_kernel[(B,)](mean, self.w1, self.w2, gate, C, BLOCK=triton.next_power_of_2(C))
        n = x.numel()
        scale_kernel[(triton.cdiv(n, 256),)](x, gate, y, n, H * W, BLOCK=256)
        return y
