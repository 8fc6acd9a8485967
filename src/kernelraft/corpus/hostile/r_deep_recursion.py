# task: relu
# category: R recursion with no limit, 100,000 deep
# expect: RUNTIME_ERROR
import sys

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


def deeper(n):
    return [*map(deeper, [n - 1])] if n else 0


class ModelNew(nn.Module):
    def forward(self, x):
        sys.setrecursionlimit(1_000_000)
        deeper(100_000)
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
