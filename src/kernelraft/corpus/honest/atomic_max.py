# task: global_max
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def max_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    sample = tl.program_id(1)
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + sample * n + offs, mask=offs < n, other=float("-inf"))
    tl.atomic_max(out_ptr + sample, tl.max(x, axis=0))


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        B = x.shape[0]
        n = x.numel() // B
        out = torch.full((B,), float("-inf"), device=x.device, dtype=x.dtype)
        max_kernel[(triton.cdiv(n, 256), B)](x, out, n, BLOCK=256)
        return out
