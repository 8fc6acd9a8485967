# task: relu
# category: D2 computes with torch in a thread, where no mode is active
# expect: NOT_TRITON or RUNTIME_ERROR or WRONG_VALUE
import threading

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
        relu_kernel[(1,)](x, out, 1, BLOCK=128)
        thread = threading.Thread(target=lambda: out.copy_(torch.relu(x)))
        thread.start()
        thread.join()
        return out
