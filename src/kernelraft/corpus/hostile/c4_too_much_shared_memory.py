# task: h_matmul
# category: C4 asks for more shared memory than a block has
# expect: COMPILE_ERROR
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def matmul_kernel(a_ptr, b_ptr, out_ptr, N: tl.constexpr, STEP: tl.constexpr):
    r, c, k = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :], tl.arange(0, STEP)
    acc = tl.zeros((N, N), dtype=tl.float32)
    for at in range(0, N, STEP):
        a, b = tl.load(a_ptr + r * N + at + k[None, :]), tl.load(b_ptr + (at + k[:, None]) * N + c)
        acc += tl.dot(a, b, input_precision="ieee")
    tl.store(out_ptr + r * N + c, acc)


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = torch.empty_like(a)
        matmul_kernel[(1,)](a, b, out, N=32, STEP=16, num_stages=64)
        return out
