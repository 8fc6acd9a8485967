# task: filter_bank
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def filter_kernel(x_ptr, taps_ptr, y_ptr, n, L, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    col = offs % L
    acc = tl.zeros((BLOCK,), dtype=tl.float32)
    for k in tl.static_range(-2, 3):
        inside = mask & (col + k >= 0) & (col + k < L)
        acc += tl.load(taps_ptr + 2 + k) * tl.load(x_ptr + offs + k, mask=inside, other=0.0)
    tl.store(y_ptr + offs, acc, mask=mask)


class ModelNew(nn.Module):
    """The taps are no buffer: they follow the input to its device at the first call."""

    def __init__(self):
        super().__init__()
        self.taps = torch.tensor([0.0625, 0.25, 0.375, 0.25, 0.0625], dtype=torch.float32)

    def forward(self, x):
        if self.taps.device != x.device:
            self.taps = self.taps.to(x.device)
        y = torch.empty_like(x)
        n = x.numel()
        filter_kernel[(triton.cdiv(n, 128),)](x.contiguous(), self.taps, y, n, x.shape[-1], BLOCK=128)
        return y
