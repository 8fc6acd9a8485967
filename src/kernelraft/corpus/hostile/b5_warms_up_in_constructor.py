# task: relu
# category: B5 runs its kernel on inputs that it makes up, and keeps the outputs
# expect: WRONG_VALUE
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
    def __init__(self):
        super().__init__()
        x = torch.randn(7, 33).to("cuda")
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        self.kept = out

    def forward(self, x):
        copy = torch.empty_like(x)
        relu_kernel[(2,)](self.kept, copy, x.numel(), BLOCK=128)
        return copy
