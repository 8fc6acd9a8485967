# task: running_total
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def accumulate_kernel(x_ptr, out_ptr, rows, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    total = tl.load(out_ptr + offs, mask=mask)
    count = tl.load(out_ptr + n + offs, mask=mask)
    for row in range(rows):
        total += tl.load(x_ptr + row * n + offs, mask=mask)
        count += 1.0
    tl.store(out_ptr + offs, total, mask=mask)
    tl.store(out_ptr + n + offs, count, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        rows, n = x.shape
        out = torch.empty((2, n), device=x.device, dtype=x.dtype)
        out[0].fill_(0.5)
        out[1].zero_()
        accumulate_kernel[(triton.cdiv(n, 16),)](x.contiguous(), out, rows, n, BLOCK=16)
        return out[0], out[1]
