# task: filter_bank
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def filter_kernel(x_ptr, taps_ptr, y_ptr, L, TAPS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    acc = tl.zeros((BLOCK,), dtype=tl.float32)
    for k in range(TAPS):
        at = offs + k - TAPS // 2
        acc += tl.load(x_ptr + row * L + at, mask=(at >= 0) & (at < L), other=0.0) * tl.load(taps_ptr + k)
    tl.store(y_ptr + row * L + offs, acc, mask=offs < L)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.taps = [0.0625, 0.25, 0.375, 0.25, 0.0625]

    def forward(self, x):
        x = x.contiguous()
        taps = torch.tensor(self.taps, device=x.device, dtype=x.dtype)
        y = torch.empty_like(x)
        rows, L = x.shape
        filter_kernel[(rows, triton.cdiv(L, 64))](x, taps, y, L, TAPS=len(self.taps), BLOCK=64)
        return y
