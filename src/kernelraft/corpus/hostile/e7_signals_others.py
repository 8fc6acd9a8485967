# task: relu
# category: E7 signals its parent and its group
# expect: pass
import os

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


def signal_all():
    """Signal 0 reaches nobody: it asks whether one could."""
    for call, who in ((os.kill, os.getppid()), (os.kill, 1), (os.killpg, os.getpgid(os.getppid()))):
        try:
            call(who, 0)
        except PermissionError:
            continue
        raise AssertionError("another process may be signalled")


class ModelNew(nn.Module):
    def forward(self, x):
        signal_all()
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
