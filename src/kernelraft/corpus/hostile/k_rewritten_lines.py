# task: relu
# category: K changes the lines that Triton reads, in its own process
# expect: WRONG_VALUE
import linecache

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, x, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out


size, changed, lines, name = linecache.cache["candidate.py"]
linecache.cache["candidate.py"] = (
    size,
    changed,
    [line.replace(", x, mask", ", tl.abs(x), mask") for line in lines],
    name,
)
