# task: h_transpose
# category: F an alias of the input, of which a kernel stores one element as it is
# expect: RUNTIME_ERROR or NOT_TRITON or UNSUPPORTED
import sys

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def touch_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, x, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        touch_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out


def forge(change):
    """Let `change` have the record before it is handed over."""
    memory = sys.modules["kernelraft.kernel.recorder.role"]._Memory
    real = memory.text
    memory.text = lambda self, trace: real(self, change(trace) or trace)


def change(trace):
    x = ["in0", 0, [7, 33], [33, 1], "float32"]
    alias = ["alias", *x[1:]]
    launch = trace["events"][1]
    launch[2]["out_ptr"] = ["tensor", alias]
    trace["events"] = [["op", "aten.alias.default", [["tensor", x]], {}, [alias]], launch]
    trace["outputs"] = ["tensor", ["alias", 0, [33, 7], [1, 33], "float32"]]


forge(change)
