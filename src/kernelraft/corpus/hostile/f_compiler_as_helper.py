# task: relu
# category: F a name in a kernel stands for Triton's compiler
# expect: COMPILE_ERROR or RUNTIME_ERROR
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
    tl.store(out_ptr + offs, helper(x), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out


def forge(change):
    """Let `change` have the record before it is handed over."""
    memory = sys.modules["kernelraft.kernel.recorder.role"]._Memory
    real = memory.text
    memory.text = lambda self, trace: real(self, change(trace) or trace)


def change(trace):
    for names in trace["kernels"].values():
        names["helper"] = ["member", "triton", "compile"]


forge(change)
