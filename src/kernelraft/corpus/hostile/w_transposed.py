# task: h_matmul
# category: W multiplies by the transposed matrix
# expect: WRONG_VALUE
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def matmul_kernel(a_ptr, b_ptr, out_ptr, N: tl.constexpr):
    r, c = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    a, b = tl.load(a_ptr + r * N + c), tl.load(b_ptr + c * N + r)
    tl.store(out_ptr + r * N + c, tl.dot(a, b, input_precision="ieee"))


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = torch.empty_like(a)
        matmul_kernel[(1,)](a, b, out, N=32)
        return out
