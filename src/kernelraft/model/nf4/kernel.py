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

_BLOCKS = 32  # of 64 numbers, of one program
_ROWS = 64  # of one program, a block of each, where something is added


class LowRank(NamedTuple):
    """scale · left_OR @ right_RI, which is added before a weight is rounded."""

    left: torch.Tensor
    right: torch.Tensor
    scale: float


@triton.jit  # type: ignore[untyped-decorator]
def _numbers(codes, scales, stats, level_table, scale_table, block_B, inside_B, means, DOUBLE: tl.constexpr):
    """The numbers of each block, (B, 64): 32 bytes share a scale, 256 scales share theirs."""
    if DOUBLE:
        code_B = tl.load(scales + block_B, mask=inside_B, other=0).to(tl.int32)
        scale_B = tl.load(scale_table + code_B) * tl.load(stats + block_B // 256, mask=inside_B, other=0.0)
        scale_B += tl.load(stats + means)
    else:
        scale_B = tl.load(stats + block_B, mask=inside_B, other=0.0)
    at = block_B[:, None] * 32 + tl.arange(0, 32)[None, :]
    byte = tl.load(codes + at, mask=inside_B[:, None], other=0).to(tl.int32)
    high = tl.load(level_table + (byte >> 4)) * scale_B[:, None]
    return tl.interleave(high, tl.load(level_table + (byte & 15)) * scale_B[:, None])


@triton.jit  # type: ignore[untyped-decorator]
def _unpack(
    codes, scales, stats, level_table, scale_table, out, blocks, means, taken, stride, skipped,
    DOUBLE: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """Of each `stride` blocks those `taken` after the first `skipped`; where they are several groups, B divides all."""
    start = tl.program_id(0) * B
    block_B = start + tl.arange(0, B)
    inside_B = block_B < blocks
    source = start // taken * stride + skipped + start % taken
    number = _numbers(
        codes, scales, stats, level_table, scale_table, source.to(tl.int64) + tl.arange(0, B), inside_B, means, DOUBLE
    )
    place = out + block_B.to(tl.int64)[:, None] * 64 + tl.arange(0, 64)[None, :]
    tl.store(place, number.to(out.dtype.element_ty), mask=inside_B[:, None])


@triton.jit  # type: ignore[untyped-decorator]
def _unpack_adding(
    codes, scales, stats, level_table, scale_table, left, right, out, outputs, width, rank, means, factor,
    DOUBLE: tl.constexpr, M: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """A block of each of M rows, of a matrix `width` blocks wide and factor · left @ right; rounded once."""
    row_M, inner_R = tl.program_id(1) * M + tl.arange(0, M), tl.arange(0, R)
    column_N = tl.program_id(0) * 64 + tl.arange(0, 64)
    inside_M, known_R, inputs = row_M < outputs, inner_R < rank, width * 64
    left_MR = tl.load(
        left + row_M[:, None] * rank + inner_R[None, :], mask=inside_M[:, None] & known_R[None, :], other=0.0
    )
    right_RN = tl.load(right + inner_R[:, None] * inputs + column_N[None, :], mask=known_R[:, None], other=0.0)
    block_M = row_M.to(tl.int64) * width + tl.program_id(0)
    number_MN = _numbers(codes, scales, stats, level_table, scale_table, block_M, inside_M, means, DOUBLE)
    number_MN += factor * tl.dot(left_MR, right_RN, input_precision="ieee")
    place = out + row_M.to(tl.int64)[:, None] * inputs + column_N[None, :]
    tl.store(place, number_MN.to(out.dtype.element_ty), mask=inside_M[:, None])


def unpack(
    codes: torch.Tensor, scales: torch.Tensor, stats: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype,
    pieces: int = 1, number: int = 0,
) -> torch.Tensor:  # fmt: skip
    """As `packing.unpack`, of CUDA tensors (or of any, in Triton's interpreter)."""
    out = torch.empty(shape, dtype=dtype, device=codes.device)
    device, blocks = codes.device, codes.numel() // 32
    stride = blocks // shape[0] if pieces > 1 else blocks
    _unpack[(triton.cdiv(blocks // pieces, _BLOCKS),)](
        codes, scales, stats.view(torch.float32), levels(device), scale_levels(device), out, blocks // pieces,
        len(stats) - 1, stride // pieces, stride, number * (stride // pieces), DOUBLE=len(scales) > 0, B=_BLOCKS,
        num_warps=2,
    )  # fmt: skip
    return out


def unpack_adding(
    codes: torch.Tensor, scales: torch.Tensor, stats: torch.Tensor, shape: tuple[int, int], dtype: torch.dtype,
    added: LowRank,
) -> torch.Tensor:  # fmt: skip
    """As `packing.unpack_adding`, of CUDA tensors (or of any, in Triton's interpreter); 64 divides I."""
    out = torch.empty(shape, dtype=dtype, device=codes.device)
    (outputs, inputs), rank = shape, len(added.right)
    _unpack_adding[(inputs // 64, triton.cdiv(outputs, _ROWS))](
        codes, scales, stats.view(torch.float32), levels(codes.device), scale_levels(codes.device),
        added.left.contiguous(), added.right.contiguous(), out, outputs, inputs // 64, rank, len(stats) - 1,
        added.scale, DOUBLE=len(scales) > 0, M=_ROWS, R=max(16, triton.next_power_of_2(rank)),
    )  # fmt: skip
    return out
