# task: relu
# category: F an operator whose name is no operator's
# expect: RUNTIME_ERROR or NOT_TRITON
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
    trace["events"].append(["op", "aten.clone.__class__", [], {}, []])


forge(change)
