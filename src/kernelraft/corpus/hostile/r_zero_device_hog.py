# task: relu
# category: R writes shared memory and gives it back, so that it counts for no process
# expect: RUNTIME_ERROR
import mmap

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
        with open("/dev/zero", "r+b") as zeros:
            shared = mmap.mmap(zeros.fileno(), 4 << 30)
        for at in range(0, len(shared), 1 << 26):
            shared[at : at + (1 << 26)] = bytes(1 << 26)
            shared.madvise(mmap.MADV_DONTNEED)
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
