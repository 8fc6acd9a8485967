# task: instancenorm
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def instance_norm_kernel(x_ptr, y_ptr, HW, eps, BLOCK: tl.constexpr):
    plane = tl.program_id(0) * HW
    total = 0.0
    for start in range(0, HW, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        total += tl.sum(tl.load(x_ptr + plane + offs, mask=offs < HW, other=0.0), axis=0)
    mean = total / HW
    squares = 0.0
    for start in range(0, HW, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + plane + offs, mask=offs < HW, other=0.0)
        diff = tl.where(offs < HW, x - mean, 0.0)
        squares += tl.sum(diff * diff, axis=0)
    inv_std = 1.0 / tl.sqrt(squares / HW + eps)
    for start in range(0, HW, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + plane + offs, mask=offs < HW, other=0.0)
        tl.store(y_ptr + plane + offs, (x - mean) * inv_std, mask=offs < HW)


class ModelNew(nn.Module):
    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features
        self.eps = 1e-5

    def forward(self, x):
        batch, channels, height, width = x.size()
        x = x.contiguous()
        y = torch.empty_like(x)
        instance_norm_kernel[(batch * channels,)](x, y, height * width, self.eps, BLOCK=64)
        return y
