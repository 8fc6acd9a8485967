# task: h_cumsum
# category: W each program needs what the one before it stored
# expect: WRONG_VALUE or NONDETERMINISTIC
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scan_kernel(x_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK
    before = tl.load(out_ptr + at - 1, mask=at > 0, other=0.0)
    offs = at + tl.arange(0, BLOCK)
    tl.store(out_ptr + offs, before + tl.cumsum(tl.load(x_ptr + offs), axis=0))


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        scan_kernel[(4,)](x, out, BLOCK=32)
        return out
