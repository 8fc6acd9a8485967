# task: max_pool
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def max_pool2d_kernel(
    x_ptr, y_ptr, H, W, OH, OW, total, K: tl.constexpr, S: tl.constexpr, P: tl.constexpr, BLOCK: tl.constexpr
):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    valid = offs < total
    ow = offs % OW
    oh = (offs // OW) % OH
    plane = offs // (OW * OH)
    best = tl.full((BLOCK,), float("-inf"), dtype=tl.float32)
    for kh in range(K):
        for kw in range(K):
            ih = oh * S + kh - P
            iw = ow * S + kw - P
            mask = valid & (ih >= 0) & (ih < H) & (iw >= 0) & (iw < W)
            x = tl.load(x_ptr + plane * H * W + ih * W + iw, mask=mask, other=float("-inf"))
            best = tl.maximum(best, x)
    tl.store(y_ptr + offs, best, mask=valid)


class ModelNew(nn.Module):
    def __init__(self, kernel_size: int, stride: int, padding: int):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x):
        N, C, H, W = x.shape
        OH = (H + 2 * self.padding - self.kernel_size) // self.stride + 1
        OW = (W + 2 * self.padding - self.kernel_size) // self.stride + 1
        y = torch.empty((N, C, OH, OW), device=x.device, dtype=x.dtype)
        max_pool2d_kernel[(triton.cdiv(y.numel(), 128),)](
            x.contiguous(), y, H, W, OH, OW, y.numel(), self.kernel_size, self.stride, self.padding, BLOCK=128
        )
        return y
