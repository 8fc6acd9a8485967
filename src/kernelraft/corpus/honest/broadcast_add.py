# task: broadcast_add
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def bias_add_kernel(x_ptr, bias_ptr, y_ptr, out_ptr, n, C, H, W, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    row = (offs // W) % H
    channel = (offs // (H * W)) % C
    x = tl.load(x_ptr + offs, mask=mask)
    b = tl.load(bias_ptr + channel, mask=mask)
    y = tl.load(y_ptr + row, mask=mask)
    tl.store(out_ptr + offs, x + b + y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(channels, 1, 1))

    def forward(self, x, y):
        x = x.contiguous()
        y = y.contiguous()
        _, C, H, W = x.shape
        out = torch.empty_like(x)
        n = x.numel()
        bias_add_kernel[(triton.cdiv(n, 256),)](x, self.bias, y, out, n, C, H, W, BLOCK=256)
        return out
