# task: relu
# category: F asks to be run with its own host code, which computes with Python's numbers
# expect: NOT_REPLAYABLE or NOT_TRITON
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


@triton.jit
def touch_kernel(out_ptr):
    tl.store(out_ptr, tl.load(out_ptr))


class ModelNew(nn.Module):
    def forward(self, x):
        out, values = torch.empty_like(x), x.view(-1)
        for n in range(x.numel()):
            out.view(-1)[n].fill_(max(values[n].item(), 0.0))
        touch_kernel[(1,)](out)
        return out
