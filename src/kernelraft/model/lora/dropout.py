"""Dropout that follows from a seed: it is made again where it is needed, and nothing of it is kept.

A layer that is run again in the backward pass, or that is replayed by a CUDA graph, draws as it drew before.
"""

# Triton before 3.7 takes annotations of its kernels for values that they use: they have none.
# mypy: allow-untyped-defs, allow-incomplete-defs

import torch
import triton
import triton.language as tl

SEEDS = 1 << 62
_WIDE = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _drop(x, seed, out, size, limit, enlarged, N: tl.constexpr):
    """8·N numbers a program: each word of Philox, four at a time, serves two of them, by 16 bits."""
    start = tl.program_id(0).to(tl.int64) * (8 * N)
    words = tl.randint4x(tl.load(seed), tl.program_id(0).to(tl.int64) * N + tl.arange(0, N))
    for part in tl.static_range(8):
        at = start + part * N + tl.arange(0, N)
        inside = at < size
        drawn = (words[part // 2].to(tl.uint32) >> (16 * (part % 2))) & 0xFFFF
        value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + at, tl.where(drawn >= limit, value * enlarged, 0.0).to(out.dtype.element_ty), mask=inside)


def drop(x: torch.Tensor, seed: torch.Tensor, share: float) -> torch.Tensor:
    """`x` with that share of its numbers, at random, set to zero and the others enlarged to make up for it.

    Args:
        x: any shape.
        seed: () int64, on x's device; a GPU is not asked for it.
        share: from 0 to below 1, in steps of 2^-16.
    """
    if x.is_cuda:
        return launch(x, seed, share)
    generator = torch.Generator().manual_seed(int(seed))
    return x * (torch.rand(x.shape, generator=generator) >= share).to(x.dtype) / (1 - share)


def launch(x: torch.Tensor, seed: torch.Tensor, share: float) -> torch.Tensor:
    """The kernel, of CUDA tensors (or of any, in Triton's interpreter)."""
    x = x.contiguous()
    out = torch.empty_like(x)
    grid = (triton.cdiv(x.numel(), 8 * _WIDE),)
    _drop[grid](x, seed, out, x.numel(), round(share * 65536), 1 / (1 - share), N=_WIDE)
    return out
