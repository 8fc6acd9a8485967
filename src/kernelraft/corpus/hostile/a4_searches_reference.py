# task: relu
# category: A4 looks for the reference among the modules of its process
# expect: NOT_TRITON
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


def reference():
    found = [vars(m)["Model"] for m in list(sys.modules.values()) if "get_init_inputs" in vars(m)]
    return found[0]() if found else nn.ReLU()


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = reference()

    def forward(self, x):
        return self.inner(x)
