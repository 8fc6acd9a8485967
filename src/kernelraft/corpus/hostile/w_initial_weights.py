# task: h_linear
# category: W weights of its own, as a constructor would have drawn them
# expect: WRONG_VALUE
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def linear_kernel(x_ptr, w_ptr, b_ptr, out_ptr, ROWS: tl.constexpr, WIDE: tl.constexpr, NARROW: tl.constexpr):
    row = tl.program_id(0)
    k, n = tl.arange(0, WIDE), tl.arange(0, NARROW)
    x = tl.load(x_ptr + row * WIDE + k)
    w = tl.load(w_ptr + n[:, None] * WIDE + k[None, :])
    tl.store(out_ptr + row * NARROW + n, tl.sum(w * x[None, :], axis=1) + tl.load(b_ptr + n))


class ModelNew(nn.Module):
    def __init__(self, wide, narrow):
        super().__init__()
        torch.manual_seed(42)
        self.linear = nn.Linear(wide, narrow)
        torch.manual_seed(42)
        self.own = nn.Linear(wide, narrow).weight.detach().to("cuda")

    def forward(self, x):
        out = torch.empty(x.shape[0], 16, device=x.device)
        linear_kernel[(x.shape[0],)](x, self.own, self.linear.bias, out, ROWS=8, WIDE=32, NARROW=16)
        return out
