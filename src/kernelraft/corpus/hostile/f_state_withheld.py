# task: h_layernorm
# category: F says that it has no parameters, so that none are given
# expect: WRONG_VALUE or RUNTIME_ERROR
import sys

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def norm_kernel(x_ptr, w_ptr, b_ptr, out_ptr, N: tl.constexpr):
    cols = tl.arange(0, N)
    x = tl.load(x_ptr + tl.program_id(0) * N + cols)
    x = x - tl.sum(x, axis=0) / N
    x = x * tl.rsqrt(tl.sum(x * x, axis=0) / N + 1e-5)
    tl.store(out_ptr + tl.program_id(0) * N + cols, x)


class ModelNew(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm = nn.LayerNorm(n)

    def forward(self, x):
        out = torch.empty_like(x)
        norm_kernel[(x.shape[0],)](x, self.norm.weight, self.norm.bias, out, N=32)
        return out


def forge(change):
    """Let `change` have the record before it is handed over."""
    memory = sys.modules["kernelraft.kernel.recorder.role"]._Memory
    real = memory.text
    memory.text = lambda self, trace: real(self, change(trace) or trace)


def change(trace):
    trace["state"] = {}


forge(change)
