"""The batches of each step, on the device before they are needed there."""

from typing import Any

import torch
from lightning.fabric import Fabric

from kernelraft.trainer.batches import Batch, Batches


class Feed:
    """A step's share of the batches for this process; the next step's are made while the device is at work."""

    def __init__(self, fabric: Fabric, batches: Batches, accumulate: int) -> None:
        self._fabric, self._batches, self._accumulate = fabric, batches, accumulate
        self._ahead: tuple[int, list[Batch]] | None = None

    def at(self, step: int) -> list[Batch]:
        """Those of a step."""
        if self._ahead is None or self._ahead[0] != step:
            self.prepare(step)
        assert self._ahead is not None
        return self._ahead[1]

    def prepare(self, step: int) -> None:
        """Make those of a step and start to copy them; waits for nothing on the device."""
        ranks = self._fabric.world_size
        first = step * self._accumulate * ranks + self._fabric.global_rank
        self._ahead = step, [self._moved(self._batches[first + i * ranks]) for i in range(self._accumulate)]

    def _moved(self, batch: Batch) -> Batch:
        if self._fabric.device.type == "cuda":  # a copy from other memory would wait for what the device has to do
            parts: dict[str, Any] = {
                name: part.pin_memory() if isinstance(part, torch.Tensor) else part
                for name, part in batch._asdict().items()
            }
            batch = Batch(**parts)
        moved: Batch = self._fabric.to_device(batch)
        return moved
