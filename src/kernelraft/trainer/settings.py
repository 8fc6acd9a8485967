"""The settings that every trainer shares; conf/trainer/base/loop.yaml says what each means."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kernelraft.component import component
from kernelraft.errors import ConfigError

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Number = Annotated[int, Field(ge=0)]


@component
class LoopSettings:
    """How the loop steps, whatever the weights that it moves."""

    lr: Positive
    epochs: Positive | None
    steps: Count | None
    batch_size: Count
    tokens: Count | None
    accumulate: Count
    max_length: Count
    optimizer: Literal["adamw", "adamw_8bit", "muon"]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup: Share
    final_lr: Share
    clip: Positive
    embedding_noise: Annotated[float, Field(ge=0)]
    recompute: Literal["auto"] | bool | Number
    compile: Literal["auto"] | bool
    cuda_graphs: bool
    validation_share: Share
    evaluate_every: Count
    patience: Count | None
    threshold: Annotated[float, Field(ge=0)]
    metric: str
    mode: Literal["min", "max"]
    save_every: Count
    keep_last: Count
    keep_best: Count
    max_hours: Positive | None
    log_every: Count
    accelerator: str
    devices: Count
    num_nodes: Count
    strategy: str
    precision: Literal["32-true", "bf16-mixed", "bf16-true"]
    threads: Count | None

    def compiles(self, device: Any) -> bool:
        """Whether layers are compiled on a torch device."""
        return device.type == "cuda" if self.compile == "auto" else self.compile

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise ConfigError(
                f"trainer: give epochs or steps, not both (epochs={self.epochs}, steps={self.steps}); "
                "set the other to null"
            )
        if self.tokens is not None and self.tokens < self.max_length:
            raise ConfigError(
                f"trainer.tokens={self.tokens} is less than trainer.max_length={self.max_length}: "
                "a batch must hold the longest example"
            )
        if self.strategy not in ("auto", "ddp"):
            raise ConfigError(
                f"trainer.strategy={self.strategy}: expected auto or ddp; what shards parameters cannot take apart "
                "weights in 4 bits, nor save one step as one file"
            )
        if self.patience is not None and not self.validation_share:
            raise ConfigError(
                "trainer.patience needs trainer.validation_share > 0: early stopping looks at held-back examples"
            )
