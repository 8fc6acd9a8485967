"""Trains low-rank adapters on frozen base weights.

Source: Hu et al. 2021, arXiv:2106.09685.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kernelraft.component import component
from kernelraft.console import progress
from kernelraft.model import Loaded
from kernelraft.model.quantization import Quantization
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.settings import Count, LoopSettings, Positive


@component
class Lora(LoopSettings):
    """Leaves an adapter in peft's form; it names its base."""

    rank: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]

    def fit(self, job: Job) -> Metrics:
        with progress("loading torch, transformers and peft"):
            from kernelraft.trainer.fitting import fit

        return fit(self, job, self)

    @property
    def quantization(self) -> Quantization | None:
        return None

    @property
    def adapter(self) -> bool:
        return True

    def trainable(self, loaded: Loaded, targets: list[str], checkpoint: Path | None) -> Any:
        """The module with adapters: those of `checkpoint` if it holds an adapter, else new ones."""
        from peft import LoraConfig, PeftModel, get_peft_model

        if isinstance(loaded.module, PeftModel):
            return loaded.module
        config = LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=targets,
            task_type="CAUSAL_LM",
        )  # fmt: skip
        return get_peft_model(loaded.module, config)
