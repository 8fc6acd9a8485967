# task: relu
# category: D3 a tensor whose methods are replaced
# expect: NOT_TRITON or WRONG_VALUE
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, tl.maximum(x, 0.0), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.zeros_like(x)
        relu_kernel[(1,)](x, out, 1, BLOCK=128)
        for name in ("cpu", "contiguous", "detach", "double"):
            setattr(out, name, lambda: torch.relu(x))
        return out
