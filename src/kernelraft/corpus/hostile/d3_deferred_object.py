# task: relu
# category: D3 an object that makes the tensor when it is asked for
# expect: WRONG_DTYPE or NOT_TRITON
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


class Deferred:
    def __init__(self, work):
        self.work = work

    def __getattr__(self, name):
        return getattr(self.work(), name)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return Deferred(lambda: torch.relu(x))
