# task: exp_decay
from __future__ import annotations

from functools import lru_cache
from typing import Optional, Tuple

import torch
import triton
from torch import Tensor, nn
from triton import cdiv, jit
from triton import language as tl


@jit
def decay_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    tl.store(y_ptr + offs, tl.exp2(tl.abs(x) * -1.25) + tl.log2(x * x + 1.0) * 0.5, mask=mask)


@lru_cache(maxsize=None)
def launch_shape(n: int) -> Tuple[int, int]:
    block = min(256, triton.next_power_of_2(n))
    return cdiv(n, block), block


class ModelNew(nn.Module):
    def forward(self, x: Tensor, out: Optional[Tensor] = None) -> Tensor:
        y = torch.empty_like(x) if out is None else out
        programs, block = launch_shape(x.numel())
        decay_kernel[(programs,)](x, y, x.numel(), BLOCK=block)
        return y
