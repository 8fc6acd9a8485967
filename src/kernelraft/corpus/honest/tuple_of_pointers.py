# task: concat_rows
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def concat_kernel(sources, scales, shifts, sizes, out_ptr, BLOCK: tl.constexpr):
    """Tuples hold one entry a source."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    start = 0
    for i in tl.static_range(len(sources)):
        size = sizes[i]
        mask = offs < size
        x = tl.load(sources[i] + offs, mask=mask, other=0.0)
        tl.store(out_ptr + start + offs, x * scales[i] + shifts[i], mask=mask)
        start += size


class ModelNew(nn.Module):
    def forward(self, a, b, c):
        sources = tuple(t.contiguous() for t in (a, b, c))
        sizes = tuple(t.numel() for t in sources)
        out = torch.empty((sum(t.shape[0] for t in sources), a.shape[1]), device=a.device, dtype=a.dtype)
        grid = (triton.cdiv(max(sizes), 128),)
        concat_kernel[grid](sources, (1.0, 2.0, 1.0), (0.0, 0.0, -1.0), sizes, out, BLOCK=128)
        return out
