# task: filter_bank
import torch
import torch.nn as nn
import triton
import triton.language as tl

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TAPS = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=DEVICE) / 16.0


@triton.jit
def filter_kernel(x_ptr, taps_ptr, y_ptr, L, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    k = tl.arange(0, 8)
    at = offs[:, None] + k[None, :] - 2
    taps = tl.load(taps_ptr + k, mask=k < 5, other=0.0)
    x = tl.load(x_ptr + row * L + at, mask=(at >= 0) & (at < L) & (k[None, :] < 5), other=0.0)
    tl.store(y_ptr + row * L + offs, tl.sum(x * taps[None, :], axis=1), mask=offs < L)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rows, L = x.shape
        filter_kernel[(rows,)](x.contiguous(), TAPS, y, L, BLOCK=triton.next_power_of_2(L))
        return y
