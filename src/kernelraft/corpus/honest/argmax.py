# task: argmax
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def argmax_kernel(x_ptr, out_ptr, K, inner, BLOCK_K: tl.constexpr, BLOCK_I: tl.constexpr):
    """Index of the maximum of x[b, :, i], the first one where it occurs more than once."""
    b = tl.program_id(0)
    i = tl.program_id(1) * BLOCK_I + tl.arange(0, BLOCK_I)
    k = tl.arange(0, BLOCK_K)
    mask = (k[:, None] < K) & (i[None, :] < inner)
    x = tl.load(x_ptr + b * K * inner + k[:, None] * inner + i[None, :], mask=mask, other=float("-inf"))
    best = tl.argmax(x, axis=0, tie_break_left=True)
    tl.store(out_ptr + b * inner + i, best.to(tl.int64), mask=i < inner)


class ModelNew(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        dim = self.dim % x.dim()
        outer = x.shape[:dim].numel()
        inner = x.shape[dim + 1 :].numel()
        K = x.shape[dim]
        out = torch.empty(x.shape[:dim] + x.shape[dim + 1 :], dtype=torch.long, device=x.device)
        grid = (outer, triton.cdiv(inner, 16))
        argmax_kernel[grid](x.contiguous(), out, K, inner, BLOCK_K=triton.next_power_of_2(K), BLOCK_I=16)
        return out
