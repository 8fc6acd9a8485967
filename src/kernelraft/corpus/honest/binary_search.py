# task: bucketize
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def bucketize_kernel(x_ptr, boundaries_ptr, out_ptr, n, count, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    """The first boundary that is not below the value."""
    tl.device_assert(count > 0, "there are no boundaries")
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    low = tl.zeros((BLOCK,), dtype=tl.int32)
    high = tl.zeros((BLOCK,), dtype=tl.int32) + count
    for _ in range(STEPS):
        searching = low < high
        middle = (low + high) // 2
        boundary = tl.load(boundaries_ptr + middle, mask=mask & searching, other=float("inf"))
        right = searching & (boundary < x)
        low = tl.where(right, middle + 1, low)
        high = tl.where(searching & (boundary >= x), middle, high)
    tl.store(out_ptr + offs, low.to(tl.int64), mask=mask)


class ModelNew(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.register_buffer("boundaries", torch.randn(count).sort().values)

    def forward(self, x):
        out = torch.empty(x.shape, device=x.device, dtype=torch.int64)
        n, count = x.numel(), self.boundaries.numel()
        bucketize_kernel[(triton.cdiv(n, 128),)](
            x.contiguous(), self.boundaries, out, n, count, STEPS=count.bit_length(), BLOCK=128
        )
        return out
