# task: cloned_layers
import copy

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def layer_kernel(x_ptr, scale_ptr, shift_ptr, y_ptr, n, dim, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    col = offs % dim
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    z = x * tl.load(scale_ptr + col, mask=mask, other=0.0) + tl.load(shift_ptr + col, mask=mask, other=0.0)
    e = tl.exp(-2.0 * tl.abs(z))
    t = (1.0 - e) / (1.0 + e)
    tl.store(y_ptr + offs, x + tl.where(z < 0, -t, t), mask=mask)


class ScaleShift(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(dim))
        self.shift = nn.Parameter(torch.zeros(dim))


def clones(module, count):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(count)])


class ModelNew(nn.Module):
    def __init__(self, dim, depth):
        super().__init__()
        self.layers = clones(ScaleShift(dim), depth)

    def forward(self, x):
        x = x.contiguous()
        n = x.numel()
        for layer in self.layers:
            y = torch.empty_like(x)
            layer_kernel[(triton.cdiv(n, 128),)](x, layer.scale, layer.shift, y, n, x.shape[-1], BLOCK=128)
            x = y
        return x
