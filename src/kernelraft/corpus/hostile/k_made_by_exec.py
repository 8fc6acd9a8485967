# task: relu
# category: K a kernel that stands in no file
# expect: NOT_TRITON or NOT_REPLAYABLE
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


TEXT = """
def relu_kernel(x_ptr, out_ptr, n, BLOCK):
    pass
"""
linecache.cache["made.py"] = (len(TEXT), None, TEXT.splitlines(True), "made.py")
scope = {"tl": tl}
exec(compile(TEXT, "made.py", "exec"), scope)
relu_kernel = triton.jit(scope["relu_kernel"])
