# task: pad_and_mix
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def stencil_kernel(x_ptr, diff_ptr, sum_ptr, C, L, x_batch, out_batch, BLOCK: tl.constexpr):
    """Both results go straight to their part of one output."""
    b = tl.program_id(0) // C
    c = tl.program_id(0) % C
    offs = tl.arange(0, BLOCK)
    x_row = x_ptr + b * x_batch + c * L
    left = tl.load(x_row + offs - 1, mask=(offs >= 1) & (offs <= L), other=0.0)
    right = tl.load(x_row + offs + 1, mask=offs + 1 < L, other=0.0)
    out = b * out_batch + c * L + offs
    tl.store(diff_ptr + out, right - left, mask=offs < L)
    tl.store(sum_ptr + out, right + left, mask=offs < L)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        B, C, L = x.shape
        out = torch.empty((B, 2 * C, L), device=x.device, dtype=x.dtype)
        stencil_kernel[(B * C,)](
            x, out[:, :C], out[:, C:], C, L, x.stride(0), out.stride(0), BLOCK=triton.next_power_of_2(L)
        )
        return out
