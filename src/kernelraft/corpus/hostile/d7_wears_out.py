# task: h_linear
# category: D7 a kernel that spoils the parameters for the next call
# expect: WRONG_VALUE or NONDETERMINISTIC or MUTATES_INPUT
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
    tl.debug_barrier()
    if row == ROWS - 1:
        tl.store(w_ptr + n[:, None] * WIDE + k[None, :], 0.0 * w)


class ModelNew(nn.Module):
    def __init__(self, wide, narrow):
        super().__init__()
        self.linear = nn.Linear(wide, narrow)

    def forward(self, x):
        out = torch.empty(x.shape[0], 16, device=x.device)
        linear_kernel[(x.shape[0],)](x, self.linear.weight, self.linear.bias, out, ROWS=8, WIDE=32, NARROW=16)
        return out
