# task: groupnorm
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def group_norm_kernel(
    x_ptr, w_ptr, b_ptr, y_ptr, HW, eps, CHANNELS: tl.constexpr, GROUPS: tl.constexpr, BLOCK: tl.constexpr
):
    """One program a (sample, group); a group's elements are contiguous in NCHW."""
    PER_GROUP: tl.constexpr = CHANNELS // GROUPS
    pid = tl.program_id(0)
    group = pid % GROUPS
    size = PER_GROUP * HW
    base = pid * size
    offs = tl.arange(0, BLOCK)
    mask = offs < size
    x = tl.load(x_ptr + base + offs, mask=mask, other=0.0)
    mean = tl.sum(x, axis=0) / size
    diff = tl.where(mask, x - mean, 0.0)
    var = tl.sum(diff * diff, axis=0) / size
    channel = group * PER_GROUP + offs // HW
    w = tl.load(w_ptr + channel, mask=mask, other=0.0)
    b = tl.load(b_ptr + channel, mask=mask, other=0.0)
    tl.store(y_ptr + base + offs, diff * (1.0 / tl.sqrt(var + eps)) * w + b, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, num_features, num_groups):
        super().__init__()
        self.gn = nn.GroupNorm(num_groups=num_groups, num_channels=num_features)

    def forward(self, x):
        x = x.contiguous()
        N, C, H, W = x.shape
        G = self.gn.num_groups
        y = torch.empty_like(x)
        block = triton.next_power_of_2(C // G * H * W)
        group_norm_kernel[(N * G,)](x, self.gn.weight, self.gn.bias, y, H * W, self.gn.eps, C, G, block)
        return y
