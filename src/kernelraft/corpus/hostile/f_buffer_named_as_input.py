# task: h_flip
# category: F a buffer whose name begins as an input's does
# expect: RUNTIME_ERROR or NOT_TRITON or UNSUPPORTED
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
    flipped = ["inside", 0, [7, 33], [33, 1], "float32"]
    x = ["tensor", ["in0", 0, [7, 33], [33, 1], "float32"]]
    trace["events"].append(["op", "aten.flip.default", [x, ["list", 1]], {}, [flipped]])
    trace["outputs"] = ["tensor", flipped]


forge(change)
