# task: gated_block
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _silu(x):
    return x * _sigmoid(x)


@triton.jit
def _inverse_rms(a, b, n, eps):
    """1 / rms of a row that is held in two halves."""
    return tl.rsqrt((tl.sum(a * a, axis=0) + tl.sum(b * b, axis=0)) / n + eps)


@triton.jit
def gated_kernel(x_ptr, w_ptr, eps_ptr, limit_ptr, y_ptr, half, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < half
    value = tl.load(x_ptr + row * 2 * half + cols, mask=mask, other=0.0)
    gate = tl.load(x_ptr + row * 2 * half + half + cols, mask=mask, other=0.0)
    scale = _inverse_rms(value, gate, 2 * half, tl.load(eps_ptr))
    value = value * scale * tl.load(w_ptr + cols, mask=mask, other=0.0)
    gate = gate * scale * tl.load(w_ptr + half + cols, mask=mask, other=0.0)
    y = tl.minimum(value * _silu(gate), tl.load(limit_ptr + cols, mask=mask, other=0.0))
    tl.store(y_ptr + row * half + cols, y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(dim) + 0.5)
        self.register_buffer("eps", torch.tensor(1e-5))
        self.register_buffer("limit", torch.linspace(0.5, 2.0, dim // 2))

    def forward(self, x):
        x = x.contiguous()
        half = x.shape[-1] // 2
        y = torch.empty(*x.shape[:-1], half, device=x.device, dtype=x.dtype)
        rows = y.numel() // half
        gated_kernel[(rows,)](x, self.weight, self.eps, self.limit, y, half, BLOCK=triton.next_power_of_2(half))
        return y
