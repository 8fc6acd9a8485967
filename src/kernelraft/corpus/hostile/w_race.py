# task: h_rowsum
# category: W programs that add to one element without atomics
# expect: WRONG_VALUE or NONDETERMINISTIC
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def sum_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    row, part = tl.program_id(0), tl.program_id(1)
    cols = part * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n + cols, mask=cols < n, other=0.0)
    tl.store(out_ptr + row, tl.load(out_ptr + row) + tl.sum(x, axis=0))


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.zeros(x.shape[0], device=x.device)
        sum_kernel[(x.shape[0], 3)](x, out, x.shape[1], BLOCK=16)
        return out
