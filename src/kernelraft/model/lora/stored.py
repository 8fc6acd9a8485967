"""A frozen weight as a module: as it is, or in 4 bits."""

from collections.abc import Sequence
from math import prod

import torch

from kernelraft.model.nf4 import LowRank, Packed, pack, unpack, unpack_adding


class Stored(torch.nn.Module):
    """`shape` of the weight; its tensors are buffers that no cast of floats reaches where they are packed."""

    def __init__(self, shape: tuple[int, ...], parts: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.shape = shape
        self._names = [f"part{number}" for number in range(len(parts))]
        for name, part in zip(self._names, parts, strict=True):
            self.register_buffer(name, part)

    @classmethod
    def dense(cls, weight: torch.Tensor) -> "Stored":
        """Keep it as it is."""
        return cls(tuple(weight.shape), [weight.detach()])

    @classmethod
    def packed(cls, weight: torch.Tensor, *, double: bool) -> "Stored":
        """Quantise it to NF4."""
        return cls(tuple(weight.shape), pack(weight.detach(), double=double))

    @property
    def parts(self) -> list[torch.Tensor]:
        return [getattr(self, name) for name in self._names]

    @property
    def bits(self) -> float:
        """Of one weight, its share of the scales included."""
        return 8 * sum(part.numel() * part.element_size() for part in self.parts) / prod(self.shape)

    def extra_repr(self) -> str:
        return f"{self.shape}, {self.bits:.2f} bits"


def dense(
    parts: Sequence[torch.Tensor], shape: Sequence[int], dtype: torch.dtype, pieces: int = 1, number: int = 0
) -> torch.Tensor:
    """The weight that `parts` hold; a packed one is unpacked into new memory, or one of its `pieces`."""
    if len(parts) == 1:
        return parts[0].to(dtype)
    return unpack(Packed(*parts), tuple(shape), dtype, pieces, number)


def dense_with(
    parts: Sequence[torch.Tensor], shape: tuple[int, int], dtype: torch.dtype, added: LowRank
) -> torch.Tensor:
    """A packed matrix and what is added to it, in new memory."""
    return unpack_adding(Packed(*parts), shape, dtype, added)
