"""A tensor as 4-bit codes and back.

n numbers, in blocks of 64 that share a scale; scales less their mean are 8-bit codes in blocks of 256 that share one.
What is left in float32 is held as integers, so that no cast of a module's floats touches it.
"""

from typing import NamedTuple

import torch

from kernelraft.model.nf4 import kernel
from kernelraft.model.nf4.codebook import level_pairs, levels, nearest, scale_levels
from kernelraft.model.nf4.kernel import LowRank

BLOCK = 64
SCALE_BLOCK = 256
ROWS = 1 << 24  # numbers packed at a time: bounds the float32 copies


class Packed(NamedTuple):
    """`codes` (n/2,) uint8; `scales` (n/64,) uint8; `stats` int32: bits of the scales' scales, last of their mean.

    Without double quantisation `scales` is empty and `stats` holds the bits of the scales themselves.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    stats: torch.Tensor


def pack(weight: torch.Tensor, *, double: bool = True) -> Packed:
    """Quantise a floating-point tensor.

    Raises:
        ValueError: its number of elements is no multiple of 64.
    """
    if weight.numel() % BLOCK:
        raise ValueError(f"expected a multiple of {BLOCK} weights, found {tuple(weight.shape)}")
    parts = [_pack_blocks(part.float()) for part in torch.split(weight.reshape(-1, BLOCK), ROWS // BLOCK)]
    codes, absmax = (torch.cat(column) for column in zip(*parts, strict=True))
    if not double:
        return Packed(codes, codes.new_empty(0), absmax.view(torch.int32))
    mean = absmax.mean()
    rest = torch.nn.functional.pad(absmax - mean, (0, -len(absmax) % SCALE_BLOCK)).view(-1, SCALE_BLOCK)
    largest = rest.abs().amax(1)
    scales = nearest(rest / largest.clamp(min=1e-38)[:, None], scale_levels(weight.device)).view(-1)[: len(absmax)]
    return Packed(codes, scales.contiguous(), torch.cat([largest, mean[None]]).view(torch.int32))


def _pack_blocks(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    absmax = blocks.abs().amax(1)
    codes = nearest(blocks / absmax.clamp(min=1e-38)[:, None], levels(blocks.device)).view(-1)
    return (codes[::2] << 4) | codes[1::2], absmax


def unpack(
    packed: Packed, shape: tuple[int, ...], dtype: torch.dtype, pieces: int = 1, number: int = 0
) -> torch.Tensor:
    """The weights again, each the nearest of its block's 16 levels.

    With `pieces` only the one of that number of each group, `shape[0]` groups of equal length: see `divides`.
    """
    if packed.codes.is_cuda:
        return kernel.unpack(*packed, shape, dtype, pieces, number)
    if pieces > 1:
        packed = _piece(packed, shape[0], pieces, number)
    pairs = level_pairs(packed.codes.device)[packed.codes.int()]
    return (pairs.view(-1, BLOCK) * scales_of(packed)[:, None]).to(dtype).view(shape)


def unpack_adding(packed: Packed, shape: tuple[int, int], dtype: torch.dtype, added: LowRank) -> torch.Tensor:
    """A matrix (O, I) and what is added to it, rounded to `dtype` once.

    What is added to a weight that was rounded before would be lost where it is less than half a last place: weights
    in bfloat16 stand on its grid. Packed ones do not, and on the mean nothing is lost.
    """
    if packed.codes.is_cuda and shape[1] % BLOCK == 0:
        return kernel.unpack_adding(*packed, shape, dtype, added)
    weight = unpack(packed, shape, torch.float32)
    return weight.addmm_(added.left.float(), added.right.float(), alpha=added.scale).to(dtype)


def scales_of(packed: Packed) -> torch.Tensor:
    """Scale of each block, (n/64,) float32."""
    stats = packed.stats.view(torch.float32)
    if not len(packed.scales):
        return stats
    known = scale_levels(packed.codes.device)[packed.scales.int()]
    return known * stats[:-1].repeat_interleave(SCALE_BLOCK)[: len(known)] + stats[-1]


def divides(numbers: int, pieces: int) -> bool:
    """Whether a group of so many numbers can be unpacked in so many pieces, the scales of scales too."""
    return numbers % (pieces * BLOCK * SCALE_BLOCK) == 0


def _piece(packed: Packed, groups: int, pieces: int, number: int) -> Packed:
    def of(part: torch.Tensor) -> torch.Tensor:
        return part.view(groups, pieces, -1)[:, number].reshape(-1)

    codes, scales, stats = packed
    if not len(scales):
        return Packed(of(codes), scales, of(stats))
    return Packed(of(codes), of(scales), torch.cat([of(stats[:-1]), stats[-1:]]))
