# task: relu
# category: E7 changes how other processes of the user are scheduled
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


def schedule():
    """Set what is set already, for the processes that were started before this one: may it be done?"""
    for pid in range(max(2, os.getpid() - 300), os.getpid()):
        try:
            os.sched_setaffinity(pid, os.sched_getaffinity(pid))
        except (PermissionError, ProcessLookupError):
            continue
        raise AssertionError("another process may be scheduled")


class ModelNew(nn.Module):
    def forward(self, x):
        schedule()
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
