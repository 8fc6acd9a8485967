# task: rmsnorm
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rmsnorm_kernel(x_ptr, w_ptr, y_ptr, stride_row, dim, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < dim
    x = tl.load(x_ptr + row * stride_row + cols, mask=mask, other=0.0)
    mean_square = tl.sum(x * x, axis=0) / dim
    y = x * tl.math.rsqrt(mean_square + eps) * tl.load(w_ptr + cols, mask=mask, other=0.0)
    tl.store(y_ptr + row * stride_row + cols, y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        shape = x.shape
        x = x.contiguous().view(-1, shape[-1])
        y = torch.empty_like(x)
        with torch.cuda.device(x.device):
            rmsnorm_kernel[(x.shape[0],)](
                x, self.weight, y, x.stride(0), x.shape[1], self.eps, BLOCK=triton.next_power_of_2(x.shape[1])
            )
        return y.view(shape)
