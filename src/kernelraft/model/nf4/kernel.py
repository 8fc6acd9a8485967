"""Unpacking in one pass over the codes: 1.8 to 2.6 times as fast as bitsandbytes on an H200 (docs/benchmarks.md)."""

# Triton before 3.7 takes annotations of its kernels for values that they use: they have none.
# mypy: allow-untyped-defs, allow-incomplete-defs

import torch
import triton
import triton.language as tl

from kernelraft.model.nf4.codebook import levels, scale_levels

BYTES = 1024  # of one program


@triton.jit  # type: ignore[untyped-decorator]
def _unpack(
    codes,
    scales,
    stats,
    level_table,
    scale_table,
    out,
    bytes_,
    means,
    DOUBLE: tl.constexpr,
    N: tl.constexpr,
):
    """Write the two numbers of each of N bytes; 32 bytes share a scale, 256 scales share theirs."""
    at = tl.program_id(0).to(tl.int64) * N + tl.arange(0, N)
    inside = at < bytes_
    byte = tl.load(codes + at, mask=inside, other=0).to(tl.int32)
    block = at // 32
    if DOUBLE:
        code = tl.load(scales + block, mask=inside, other=0).to(tl.int32)
        scale = tl.load(scale_table + code) * tl.load(stats + block // 256, mask=inside, other=0.0)
        scale += tl.load(stats + means)
    else:
        scale = tl.load(stats + block, mask=inside, other=0.0)
    high = tl.load(level_table + (byte >> 4)) * scale
    low = tl.load(level_table + (byte & 15)) * scale
    pair = tl.program_id(0).to(tl.int64) * (2 * N) + tl.arange(0, 2 * N)
    tl.store(out + pair, tl.interleave(high, low).to(out.dtype.element_ty), mask=pair < 2 * bytes_)


def unpack(
    codes: torch.Tensor, scales: torch.Tensor, stats: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype
) -> torch.Tensor:
    """As `packing.unpack`, of CUDA tensors (or of any, in Triton's interpreter)."""
    out = torch.empty(shape, dtype=dtype, device=codes.device)
    device, size = codes.device, codes.numel()
    _unpack[(triton.cdiv(size, BYTES),)](
        codes, scales, stats.view(torch.float32), levels(device), scale_levels(device), out, size, len(stats) - 1,
        DOUBLE=len(scales) > 0, N=BYTES,
    )  # fmt: skip
    return out
