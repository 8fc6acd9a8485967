# task: optional_bias
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scale_kernel(x_ptr, w_ptr, b_ptr, y_ptr, n, dim, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    col = offs % dim
    y = tl.load(x_ptr + offs, mask=mask) * tl.load(w_ptr + col, mask=mask)
    if b_ptr is not None:
        y += tl.load(b_ptr + col, mask=mask)
    tl.store(y_ptr + offs, y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, dim, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(dim))
        if bias:
            self.bias = nn.Parameter(torch.randn(dim))
        else:
            self.register_parameter("bias", None)

    def forward(self, x):
        y = torch.empty_like(x)
        n = x.numel()
        scale_kernel[(triton.cdiv(n, 256),)](x.contiguous(), self.weight, self.bias, y, n, x.shape[-1], BLOCK=256)
        return y
