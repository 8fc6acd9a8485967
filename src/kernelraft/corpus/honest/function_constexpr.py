# task: activation_by_name
import torch
import torch.nn as nn
import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def relu(x):
    return tl.maximum(x, 0.0)


@triton.jit
def tanh(x):
    return libdevice.tanh(x)


@triton.jit
def selu(x):
    return 1.0507009873554805 * tl.where(x > 0, x, 1.6732632423543772 * libdevice.expm1(tl.minimum(x, 0.0)))


ACTIVATIONS = {"relu": relu, "tanh": tanh, "selu": selu}


@triton.jit
def pointwise_add_kernel(x_ptr, r_ptr, y_ptr, n, FN: tl.constexpr, BLOCK: tl.constexpr):
    """FN is a device function, chosen on the host."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    y = FN(x) + tl.load(r_ptr + offs, mask=mask, other=0.0)
    tl.store(y_ptr + offs, y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.fn = ACTIVATIONS[activation]

    def forward(self, x, residual):
        y = torch.empty_like(x)
        n = x.numel()
        pointwise_add_kernel[(triton.cdiv(n, 128),)](x, residual, y, n, FN=self.fn, BLOCK=128)
        return y
