# task: relu
# category: R asks for 4 GiB of shared memory
# expect: RUNTIME_ERROR
import mmap
import time

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
        self.kept = [mmap.mmap(-1, 1 << 26) for _ in range(64)]
        for part in self.kept:
            part[:] = bytes(1 << 26)
        time.sleep(5.0)
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
