# task: h_folded
# category: B5 torch multiplies the parameters in the constructor
# expect: pass
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def matmul_kernel(x_ptr, w_ptr, out_ptr, ROWS: tl.constexpr, N: tl.constexpr):
    r, k, c = tl.arange(0, ROWS)[:, None], tl.arange(0, N), tl.arange(0, N)[None, :]
    x, w = tl.load(x_ptr + r * N + k[None, :]), tl.load(w_ptr + k[:, None] * N + c)
    tl.store(out_ptr + r * N + c, tl.dot(x, w, input_precision="ieee"))


class ModelNew(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first = nn.Parameter(torch.randn(n, n) / 8)
        self.second = nn.Parameter(torch.randn(n, n) / 8)
        with torch.no_grad():
            self.folded = (self.first @ self.second).to("cuda")

    def forward(self, x):
        out = torch.empty_like(x)
        matmul_kernel[(1,)](x, self.folded, out, ROWS=16, N=32)
        return out
