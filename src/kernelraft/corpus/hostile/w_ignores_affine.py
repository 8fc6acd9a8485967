# task: h_layernorm
# category: W ignores scale and shift, which begin as one and zero
# expect: WRONG_VALUE
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def norm_kernel(x_ptr, w_ptr, b_ptr, out_ptr, N: tl.constexpr):
    cols = tl.arange(0, N)
    x = tl.load(x_ptr + tl.program_id(0) * N + cols)
    x = x - tl.sum(x, axis=0) / N
    x = x * tl.rsqrt(tl.sum(x * x, axis=0) / N + 1e-5)
    tl.store(out_ptr + tl.program_id(0) * N + cols, x)


class ModelNew(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm = nn.LayerNorm(n)

    def forward(self, x):
        out = torch.empty_like(x)
        norm_kernel[(x.shape[0],)](x, self.norm.weight, self.norm.bias, out, N=32)
        return out
