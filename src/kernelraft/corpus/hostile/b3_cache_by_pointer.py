# task: relu
# category: B3 keeps outputs by the input's address
# expect: pass
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


KNOWN = {}


class ModelNew(nn.Module):
    def forward(self, x):
        if x.data_ptr() not in KNOWN:
            out = torch.empty_like(x)
            relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
            KNOWN[x.data_ptr()] = out
        return KNOWN[x.data_ptr()]
