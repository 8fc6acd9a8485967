# task: soft_clip
import torch
import torch.nn as nn
import triton
import triton.language as tl


class SoftClip:
    """Keeps the kernel and its launch together."""

    BLOCK = 128

    @staticmethod
    @triton.jit
    def _kernel(x_ptr, y_ptr, n, LIMIT: tl.constexpr, BLOCK: tl.constexpr):
        offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        mask = offs < n
        x = tl.load(x_ptr + offs, mask=mask, other=0.0)
        z = x / LIMIT
        e = tl.exp(-2.0 * tl.abs(z))
        # for small values the quotient cancels: there the series is exact
        small = z * (1.0 - z * z * (1.0 / 3.0))
        large = tl.where(z < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)
        y = LIMIT * tl.where(tl.abs(z) < 0.02, small, large)
        tl.store(y_ptr + offs, y, mask=mask)

    @classmethod
    def apply(cls, x, limit):
        y = torch.empty_like(x)
        cls._kernel[(triton.cdiv(x.numel(), cls.BLOCK),)](x, y, x.numel(), limit, BLOCK=cls.BLOCK)
        return y


class ModelNew(nn.Module):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        assert x.is_floating_point() and x.element_size() == 4 and x.ndim == 2
        return SoftClip.apply(x.contiguous(), self.limit)
