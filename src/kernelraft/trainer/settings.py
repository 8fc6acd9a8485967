"""The settings that every trainer shares; conf/trainer/base/loop.yaml says what each means."""

from typing import Annotated, Literal

from pydantic import Field

from kernelraft.component import component
from kernelraft.errors import ConfigError

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


@component
class LoopSettings:
    """How the loop steps, whatever the weights that it moves."""

    lr: Positive
    epochs: Positive | None
    steps: Count | None
    batch_size: Count
    accumulate: Count
    max_length: Count
    optimizer: Literal["adamw", "muon"]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    final_lr: Share
    clip: Positive
    embedding_noise: Annotated[float, Field(ge=0)]
    recompute: bool
    validation_share: Share
    evaluate_every: Count
    patience: Count | None
    save_every: Count
    log_every: Count
    accelerator: str
    devices: Count
    precision: Literal["32-true", "bf16-mixed", "bf16-true"]
    threads: Count | None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise ConfigError(
                f"trainer: give epochs or steps, not both (epochs={self.epochs}, steps={self.steps}); "
                "set the other to null"
            )
        if self.patience is not None and not self.validation_share:
            raise ConfigError(
                "trainer.patience needs trainer.validation_share > 0: early stopping looks at held-back examples"
            )
        if self.devices > 1:
            raise ConfigError("trainer.devices: this version trains on one device")
