# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay_kernel(x_ptr, y_ptr, n, stride, BLOCK: tl.constexpr, UNROLL: tl.constexpr):
    tl.static_assert(BLOCK >= 32 and UNROLL > 0)
    tl.assume(stride == 1)
    pid = tl.program_id(0)
    if pid * BLOCK * UNROLL >= n:
        return
    for step in tl.static_range(UNROLL):
        offs = pid * BLOCK * UNROLL + step * BLOCK + tl.arange(0, BLOCK)
        offs = tl.max_contiguous(tl.multiple_of(offs, BLOCK), BLOCK)
        mask = offs < n
        x = tl.load(x_ptr + offs * stride, mask=mask, other=0.0, eviction_policy="evict_first")
        y = tl.exp2(-1.25 * tl.abs(x)) + 0.5 * tl.log2(tl.fma(x, x, 1.0))
        tl.debug_barrier()
        tl.store(y_ptr + offs, y, mask=mask, cache_modifier=".cs")


class ModelNew(nn.Module):
    def forward(self, x):
        flat = x.flatten()
        y = torch.empty_like(flat)
        n = flat.numel()
        grid = (triton.cdiv(n, 64 * 2) + 1,)
        decay_kernel[grid](flat, y, n, flat.stride(0), BLOCK=64, UNROLL=2, num_warps=2, num_stages=1, maxnreg=64)
        return y.view_as(x)
