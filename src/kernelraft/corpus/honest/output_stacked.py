# task: powers
from typing import List

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def multiply_kernel(a_ptr, b_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(a_ptr + offs, mask=offs < n)
    b = tl.load(b_ptr + offs, mask=offs < n)
    tl.store(out_ptr + offs, a * b, mask=offs < n)


class ModelNew(nn.Module):
    def __init__(self, count: int):
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        n = x.numel()
        powers = [torch.ones_like(x)]
        for _ in range(self.count):
            product = torch.zeros_like(x)
            multiply_kernel[(triton.cdiv(n, 128),)](powers[-1], x, product, n, BLOCK=128)
            powers.append(product)
        return list(torch.stack(powers[1:]).unbind(0))
