# task: avg_pool
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def avg_pool1d_kernel(x_ptr, y_ptr, L, OL, KERNEL: tl.constexpr, BLOCK: tl.constexpr):
    """Zeros of the padding count towards the mean."""
    row = tl.program_id(0)
    o = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    k = tl.arange(0, KERNEL)
    i = o[:, None] * 2 - 1 + k[None, :]
    mask = (o[:, None] < OL) & (i >= 0) & (i < L)
    x = tl.load(x_ptr + row * L + i, mask=mask, other=0.0)
    tl.store(y_ptr + row * OL + o, tl.sum(x, axis=1) / KERNEL, mask=o < OL)


class ModelNew(nn.Module):
    def __init__(self, kernel_size):
        super().__init__()
        self.kernel_size = kernel_size

    def forward(self, x):
        B, C, L = x.shape
        OL = (L + 2 - self.kernel_size) // 2 + 1
        y = x.new_zeros((B, C, OL))
        avg_pool1d_kernel[(B * C, triton.cdiv(OL, 32))](x.contiguous(), y, L, OL, self.kernel_size, 32)
        return y
