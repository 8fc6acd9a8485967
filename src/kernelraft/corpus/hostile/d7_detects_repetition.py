# task: relu
# category: D7 does nothing where it is called from the same line again
# expect: pass
import traceback

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


SEEN = set()


class ModelNew(nn.Module):
    def forward(self, x):
        caller = traceback.extract_stack(limit=2)[0].lineno
        out = torch.empty_like(x)
        if caller not in SEEN:
            relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        SEEN.add(caller)
        return out
