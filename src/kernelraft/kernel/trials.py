"""Trials: sets of inputs with the reference's outputs for them, made when asked for and given back when large."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch

from kernelraft.kernel import plain
from kernelraft.kernel.compare import Expected


@dataclass(frozen=True)
class Trial:
    """One set of inputs and the reference's outputs for them, flat, and the structure that they had."""

    inputs: list[Any]
    expected: list[Expected]
    structure: str


class Trials(Sequence[Trial]):
    """Trials by number, made when asked for; as many are kept as fit into `keep_bytes`, at least the last.

    Room for the next is made before it is: one of many GiB needs several times as much while it is made.
    """

    def __init__(self, make: Callable[[int], Trial], count: int, keep_bytes: int) -> None:
        self._make, self._count, self._keep_bytes = make, count, keep_bytes
        self._kept: OrderedDict[int, Trial] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory of those that are kept."""
        return sum(map(_nbytes, self._kept.values()))

    def forget(self) -> None:
        """Give the memory back; what is asked for again is made again."""
        self._kept.clear()

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        if index not in self._kept:
            largest = max(map(_nbytes, self._kept.values()), default=0)
            while self._kept and self.nbytes + largest > self._keep_bytes:
                self._kept.popitem(last=False)
            self._kept[index] = self._make(index)
        return self._kept[index]


@dataclass(frozen=True)
class Case:
    """The reference with parameters, these, its trials, and the structure of what it returns.

    `state` is empty where a candidate builds its own.
    """

    model: Any
    state: dict[str, torch.Tensor]
    trials: Trials
    structure: str


def _nbytes(trial: Trial) -> int:
    tensors = [*plain.leaves(trial.inputs), *(t for e in trial.expected for t in (e.value, e.exact))]
    return sum(int(t.numel()) * t.element_size() for t in tensors if isinstance(t, torch.Tensor))
