# task: relu
# category: F tells the tape that a relu is a clone
# expect: WRONG_VALUE or RUNTIME_ERROR
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
    tl.store(out_ptr + offs, x, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return torch.relu(out)


tape = sys.modules["kernelraft.kernel.recorder.tape"].Tape
real = tape.add


def add(self, event):
    if event[0] == "op" and event[1] == "aten.relu.default":
        event[1] = "aten.clone.default"
    real(self, event)


tape.add = add
