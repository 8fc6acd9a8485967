# task: scalar_input
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scale_power_kernel(a_ptr, c_ptr, s, n, POWER: tl.constexpr, NEGATE: tl.constexpr, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    a = tl.load(a_ptr + offs, mask=mask) * s
    y = a
    for _ in tl.static_range(POWER - 1):
        y = y * a
    if NEGATE:
        y = -y
    tl.store(c_ptr + offs, y, mask=mask)


class ModelNew(nn.Module):
    def forward(self, A: torch.Tensor, s: float, power: int, negate: bool) -> torch.Tensor:
        C = torch.empty_like(A)
        n = A.numel()
        scale_power_kernel[(triton.cdiv(n, 256),)](A.contiguous(), C, s, n, power, negate, BLOCK=256)
        return C
