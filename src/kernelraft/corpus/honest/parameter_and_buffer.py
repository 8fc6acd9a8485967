# task: gated_block
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rms_kernel(x_ptr, w_ptr, h_ptr, stride_x, stride_h, dim, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < dim
    x = tl.load(x_ptr + row * stride_x + cols, mask=mask, other=0.0)
    w = tl.load(w_ptr + cols, mask=mask, other=0.0)
    h = x * w / tl.sqrt(tl.sum(x * x, axis=0) / dim + eps)
    tl.store(h_ptr + row * stride_h + cols, h, mask=mask)


@triton.jit
def gate_kernel(value_ptr, gate_ptr, limit_ptr, y_ptr, stride, dim, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < dim
    value = tl.load(value_ptr + row * stride + cols, mask=mask, other=0.0)
    gate = tl.load(gate_ptr + row * stride + cols, mask=mask, other=0.0)
    limit = tl.load(limit_ptr + cols, mask=mask, other=0.0)
    tl.store(y_ptr + row * dim + cols, tl.minimum(value * gate * tl.sigmoid(gate), limit), mask=mask)


class ModelNew(nn.Module):
    """Two kernels; the second is given the halves as views."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(dim) + 0.5)
        self.register_buffer("limit", torch.linspace(0.5, 2.0, dim // 2))
        self.eps = 1e-5

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        n, dim = rows.shape
        h = torch.empty_like(rows)
        rms_kernel[(n,)](rows, self.weight, h, rows.stride(0), h.stride(0), dim, self.eps, triton.next_power_of_2(dim))
        value, gate = h.chunk(2, dim=-1)
        y = torch.empty(value.shape, device=x.device, dtype=x.dtype)
        half = dim // 2
        gate_kernel[(n,)](value, gate, self.limit, y, value.stride(0), half, BLOCK=triton.next_power_of_2(half))
        return y.view(*x.shape[:-1], half)
