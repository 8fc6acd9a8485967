# task: h_matmul
# category: A1 computes with the @ operator after a kernel that copies
# expect: NOT_TRITON
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def copy_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, x, mask=mask)


class ModelNew(nn.Module):
    def forward(self, a, b):
        left = torch.empty_like(a)
        copy_kernel[(8,)](a, left, a.numel(), BLOCK=128)
        return left @ b
