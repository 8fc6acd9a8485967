# task: relu
# category: E3 raises the evaluator's own abstention
# expect: RUNTIME_ERROR
from kernelraft.kernel.faults import Fault
from kernelraft.records import Reason

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
        raise Fault(Reason.UNSUPPORTED, "no such type")
