# task: upsample
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def upsample_kernel(x_ptr, s_ptr, y_ptr, C, H, W, FACTOR: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_W: tl.constexpr):
    plane = tl.program_id(0)
    h = tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    w = tl.program_id(2) * BLOCK_W + tl.arange(0, BLOCK_W)
    inside = (h[:, None] < H * FACTOR) & (w[None, :] < W * FACTOR)
    source = plane * H * W + (h // FACTOR)[:, None] * W + (w // FACTOR)[None, :]
    y = tl.load(x_ptr + source, mask=inside) * tl.load(s_ptr + plane % C)
    tl.store(y_ptr + (plane * H * FACTOR + h[:, None]) * W * FACTOR + w[None, :], y, mask=inside)


class ModelNew(nn.Module):
    def __init__(self, channels, factor):
        super().__init__()
        self.factor = factor
        self.scale = nn.Parameter(torch.empty(channels))
        nn.init.uniform_(self.scale, 0.5, 1.5)
        self.dropout = nn.Dropout(p=0.0)

    def forward(self, x):
        B, C, H, W = x.shape
        f = self.factor
        y = torch.empty((B, C, H * f, W * f), device=x.device, dtype=x.dtype)
        grid = (B * C, triton.cdiv(H * f, 16), triton.cdiv(W * f, 16))
        upsample_kernel[grid](x.contiguous(), self.scale, y, C, H, W, FACTOR=f, BLOCK_H=16, BLOCK_W=16)
        return self.dropout(y)
