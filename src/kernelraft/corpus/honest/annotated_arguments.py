# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay_kernel(
    x_ptr: torch.Tensor,
    y_ptr: torch.Tensor,
    n: int,
    rate: float,
    BLOCK: tl.constexpr,
) -> None:
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    tl.store(y_ptr + offs, tl.exp2(-rate * tl.abs(x)) + 0.5 * tl.log2(1.0 + x * x), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.empty_like(x)
        decay_kernel[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), 1.25, BLOCK=128)
        return y
