# task: h_matmul
# category: A7 cuBLAS in place of a kernel
# expect: NOT_TRITON
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def matmul_kernel(a_ptr, b_ptr, out_ptr, N: tl.constexpr):
    r, c = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    a, b = tl.load(a_ptr + r * N + c), tl.load(b_ptr + r * N + c)
    tl.store(out_ptr + r * N + c, tl.dot(a, b, input_precision="ieee"))


class ModelNew(nn.Module):
    def forward(self, a, b):
        return torch.mm(a, b)
