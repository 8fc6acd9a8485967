# task: window_reorder
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scale_kernel(x_ptr, scale_ptr, out_ptr, size, stride_x, BLOCK: tl.constexpr):
    window = tl.program_id(0)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    s = tl.load(scale_ptr + window)
    x = tl.load(x_ptr + window * stride_x + offs, mask=offs < size)
    tl.store(out_ptr + window * size + offs, x * s, mask=offs < size)


class ModelNew(nn.Module):
    """The order of the elements is the host's work, the arithmetic the kernel's."""

    def __init__(self, window):
        super().__init__()
        self.window = window

    def forward(self, x, scale):
        B, C, H, W = x.shape
        w = self.window
        windows = x.view(B, C, H // w, w, W // w, w).permute(0, 2, 4, 3, 5, 1)
        windows = windows.contiguous().view(-1, w * w, C)
        kept = windows[:, w:, :]
        n, area, _ = kept.shape
        out = torch.empty((n, area, C), device=x.device, dtype=x.dtype)
        size = area * C
        grid = (n, triton.cdiv(size, 64))
        scale_kernel[grid](kept, scale.contiguous().flatten(), out, size, kept.stride(0), BLOCK=64)
        return out.view(B, -1, area, C).transpose(-1, -2)
