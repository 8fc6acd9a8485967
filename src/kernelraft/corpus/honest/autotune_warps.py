# task: rmsnorm
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({}, num_warps=1),
        triton.Config({}, num_warps=4, num_stages=1),
        triton.Config({}, num_warps=8, num_stages=2),
    ],
    key=["dim"],
)
@triton.jit
def rmsnorm_kernel(x_ptr, w_ptr, y_ptr, dim, eps, BLOCK: tl.constexpr):
    """Only the number of warps and stages is tuned; the block is fixed by the row."""
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < dim
    x = tl.load(x_ptr + row * dim + cols, mask=mask, other=0.0)
    w = tl.load(w_ptr + cols, mask=mask, other=0.0)
    scale = tl.rsqrt(tl.sum(x * x, axis=0) / dim + eps)
    tl.store(y_ptr + row * dim + cols, x * scale * w, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps
        self.block = triton.next_power_of_2(dim)

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        dim = x.shape[-1]
        rmsnorm_kernel[(x.numel() // dim,)](x, self.weight, y, dim, self.eps, BLOCK=self.block)
        return y
