"""A trace on a GPU: guard zones around what it allocates, none of them while it is timed."""

from typing import Any

import torch

from kernelraft.kernel.faults import Fault
from kernelraft.kernel.memory import GUARD
from kernelraft.kernel.replayer.buffers import Buffer
from kernelraft.kernel.replayer.program import Program
from kernelraft.records import Reason


class GpuProgram(Program):
    """While `timed`, it allocates as a program would, and keeps its state from call to call as `restore` left it.

    `taken` then holds the (address, bytes) of what the last run allocated: in a graph they are the same at each
    replay, and a kernel that finds there what it wrote before could leave out its work.
    """

    timed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guarded: list[tuple[torch.Tensor, int]] = []
        self.taken: list[tuple[int, int]] = []
        self._live: dict[str, Buffer] = {}

    def run(self, inputs: list[torch.Tensor], poison: int, *, launches: bool = True, worn: bool = False) -> list[Any]:
        self._guarded, self.taken = [], []
        return super().run(inputs, poison, launches=launches, worn=worn)

    def fresh(self, name: str) -> Buffer:
        if not self.timed:
            return super().fresh(name)
        if name not in self._live:
            self._live[name] = super().fresh(name)
        return self._live[name]

    def restore(self) -> None:
        """Give the state that a kernel has written the values that the constructor left."""
        for name, live in self._live.items():
            if name in self.rewritten:
                _bytes(live).copy_(_bytes(self._built[name]))

    def note_rewritten(self) -> None:
        """Find out which of the constructor's buffers a run writes to."""
        pairs = {name: (_bytes(self._buffers[name]), _bytes(self._built[name])) for name in self._changed}
        self.rewritten = {name for name, (after, before) in pairs.items() if not torch.equal(after, before)}

    def allocate(self, nbytes: int, poison: int, dtype: str) -> Buffer:
        if self.timed:
            plain = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            self.taken.append((plain.data_ptr(), nbytes))
            return Buffer.whole(plain.untyped_storage(), dtype)
        padded = -(-nbytes // 256) * 256
        memory = torch.full((GUARD + padded + GUARD,), 0xFF, dtype=torch.uint8, device=self.device)
        memory[GUARD : GUARD + nbytes] = poison
        self._guarded.append((memory, nbytes))
        return Buffer(memory.untyped_storage(), GUARD, nbytes, dtype)

    def check_guards(self) -> None:
        """Raises Fault where a kernel wrote beside what it was given."""
        for memory, nbytes in self._guarded:
            if not bool((memory[:GUARD] == 0xFF).all() & (memory[GUARD + nbytes :] == 0xFF).all()):
                raise Fault(Reason.OUT_OF_BOUNDS, "memory before or after a buffer was written: mask the store")


def _bytes(buffer: Buffer) -> torch.Tensor:
    whole = torch.empty(0, dtype=torch.uint8, device=buffer.storage.device).set_(buffer.storage)
    return whole[buffer.base : buffer.base + buffer.nbytes]
