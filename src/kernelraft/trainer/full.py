"""Trains every weight."""

from pathlib import Path
from typing import Any

from kernelraft.component import component
from kernelraft.console import progress
from kernelraft.model import Loaded
from kernelraft.model.quantization import Quantization
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.settings import LoopSettings


@component
class Full(LoopSettings):
    """Leaves a complete model in transformers' form."""

    def fit(self, job: Job) -> Metrics:
        with progress("loading torch, transformers and peft"):
            from kernelraft.trainer.fitting import fit

        return fit(self, job, self)

    @property
    def quantization(self) -> Quantization | None:
        return None

    @property
    def adapter(self) -> bool:
        return False

    def trainable(self, loaded: Loaded, targets: list[str], checkpoint: Path | None) -> Any:
        """The module, all of it trainable."""
        return loaded.module.requires_grad_(True)
