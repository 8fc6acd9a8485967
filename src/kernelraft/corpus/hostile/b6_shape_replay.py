# task: relu
# category: B6 outputs by shape, kept from a constructor's run
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
        self.known = {(7, 33): torch.randn(7, 33).to("cuda")}

    def forward(self, x):
        if tuple(x.shape) in self.known:
            out = torch.empty_like(x)
            source = self.known[tuple(x.shape)]
            relu_kernel[(2,)](source, out, x.numel(), BLOCK=128)
            return out
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
