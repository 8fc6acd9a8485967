"""Unpacking in one pass over the codes: 1.8 to 2.6 times as fast as bitsandbytes on an H200 (docs/benchmarks.md).

O outputs, I inputs, R rank of what an adapter adds.
"""

# Triton before 3.7 takes annotations of its kernels for values that they use: they have none.
# mypy: allow-untyped-defs, allow-incomplete-defs

from typing import NamedTuple

import torch
import triton
import triton.language as tl

from kernelraft.model.nf4.codebook import levels, scale_levels

BYTES = 1024  # of one program
_ROWS, _COLUMNS = 64, 128  # of one program, where something is added


class LowRank(NamedTuple):
    """scale · left_OR @ right_RI, which is added before a weight is rounded."""

    left: torch.Tensor
    right: torch.Tensor
    scale: float


@triton.jit  # type: ignore[untyped-decorator]
def _numbers(codes, scales, stats, level_table, scale_table, at, inside, means, DOUBLE: tl.constexpr):
    """The two numbers of each byte; 32 bytes share a scale, 256 scales share theirs."""
    byte = tl.load(codes + at, mask=inside, other=0).to(tl.int32)
    block = at // 32
    if DOUBLE:
        code = tl.load(scales + block, mask=inside, other=0).to(tl.int32)
        scale = tl.load(scale_table + code) * tl.load(stats + block // 256, mask=inside, other=0.0)
        scale += tl.load(stats + means)
    else:
        scale = tl.load(stats + block, mask=inside, other=0.0)
    return tl.load(level_table + (byte >> 4)) * scale, tl.load(level_table + (byte & 15)) * scale


@triton.jit  # type: ignore[untyped-decorator]
def _unpack(
    codes, scales, stats, level_table, scale_table, out, bytes_, means, taken, stride, skipped,
    DOUBLE: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Of each `stride` bytes those `taken` after the first `skipped`, N a program; `taken` of several groups is k·N."""
    start = tl.program_id(0).to(tl.int64) * N
    at = start + tl.arange(0, N)
    source = start // taken * stride + skipped + start % taken + tl.arange(0, N)
    high, low = _numbers(codes, scales, stats, level_table, scale_table, source, at < bytes_, means, DOUBLE)
    pair = 2 * start + tl.arange(0, 2 * N)
    tl.store(out + pair, tl.interleave(high, low).to(out.dtype.element_ty), mask=pair < 2 * bytes_)


@triton.jit  # type: ignore[untyped-decorator]
def _unpack_adding(
    codes, scales, stats, level_table, scale_table, left, right, out, outputs, inputs, rank, means, factor,
    DOUBLE: tl.constexpr, M: tl.constexpr, N: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """M rows and N columns of a matrix and of factor · left @ right, whose sum is rounded once."""
    row = tl.program_id(0) * M + tl.arange(0, M)
    half = tl.program_id(1) * (N // 2) + tl.arange(0, N // 2)
    column, inner = tl.program_id(1) * N + tl.arange(0, N), tl.arange(0, R)
    at = row.to(tl.int64)[:, None] * (inputs // 2) + half[None, :]
    inside = (row < outputs)[:, None] & (half < inputs // 2)[None, :]
    high, low = _numbers(codes, scales, stats, level_table, scale_table, at, inside, means, DOUBLE)
    left_MR = tl.load(
        left + row[:, None] * rank + inner[None, :], mask=(row < outputs)[:, None] & (inner < rank)[None, :], other=0.0
    )
    right_RN = tl.load(
        right + inner[:, None] * inputs + column[None, :], mask=(inner < rank)[:, None] & (column < inputs)[None, :],
        other=0.0,
    )  # fmt: skip
    weight = tl.interleave(high, low) + factor * tl.dot(left_MR, right_RN, input_precision="ieee")
    place = out + row.to(tl.int64)[:, None] * inputs + column[None, :]
    tl.store(place, weight.to(out.dtype.element_ty), mask=(row < outputs)[:, None] & (column < inputs)[None, :])


def unpack(
    codes: torch.Tensor, scales: torch.Tensor, stats: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype,
    pieces: int = 1, number: int = 0,
) -> torch.Tensor:  # fmt: skip
    """As `packing.unpack`, of CUDA tensors (or of any, in Triton's interpreter)."""
    out = torch.empty(shape, dtype=dtype, device=codes.device)
    device, size = codes.device, codes.numel() // pieces
    stride = codes.numel() // shape[0] if pieces > 1 else codes.numel()
    _unpack[(triton.cdiv(size, BYTES),)](
        codes, scales, stats.view(torch.float32), levels(device), scale_levels(device), out, size, len(stats) - 1,
        stride // pieces, stride, number * (stride // pieces), DOUBLE=len(scales) > 0, N=BYTES,
    )  # fmt: skip
    return out


def unpack_adding(
    codes: torch.Tensor, scales: torch.Tensor, stats: torch.Tensor, shape: tuple[int, int], dtype: torch.dtype,
    added: LowRank,
) -> torch.Tensor:  # fmt: skip
    """As `packing.unpack_adding`, of CUDA tensors (or of any, in Triton's interpreter); I is even."""
    out = torch.empty(shape, dtype=dtype, device=codes.device)
    (outputs, inputs), rank = shape, len(added.right)
    grid = (triton.cdiv(outputs, _ROWS), triton.cdiv(inputs, _COLUMNS))
    _unpack_adding[grid](
        codes, scales, stats.view(torch.float32), levels(codes.device), scale_levels(codes.device),
        added.left.contiguous(), added.right.contiguous(), out, outputs, inputs, rank, len(stats) - 1, added.scale,
        DOUBLE=len(scales) > 0, M=_ROWS, N=_COLUMNS, R=max(16, triton.next_power_of_2(rank)),
    )  # fmt: skip
    return out
