"""Metrics go to Weights & Biases; a sweep is one group, a resumed run one W&B run."""

import logging
import os
from pathlib import Path
from typing import Any, Literal

from kernelraft.component import component
from kernelraft.errors import ConfigError
from kernelraft.records import digest
from kernelraft.tracker import Log, Metrics

log = logging.getLogger("kernelraft")


@component
class Wandb:
    """One W&B run per run folder, found again by its id when the folder is resumed.

    Without a key the run is written offline under `<run>/wandb/` (`wandb sync`
    sends it later); nobody is ever asked for a key.
    """

    project: str
    group: str
    mode: Literal["auto", "online", "offline"] = "auto"

    def open(self, folder: Path, config: dict[str, Any]) -> Log:
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_CONSOLE", "off")
        import wandb

        try:
            return _Run(self._start(wandb, folder, config))
        except wandb.errors.Error as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"tracker=wandb cannot start: {said}; tracker.mode=offline needs no key") from None

    def _start(self, wandb: Any, folder: Path, config: dict[str, Any]) -> Any:
        mode = self.mode
        if mode == "auto":
            mode = "online" if wandb.login(prompt=False) else "offline"
            if mode == "offline":
                log.info("W&B: no key found, writing offline to %s/wandb (wandb sync sends it)", folder)
        return wandb.init(
            project=self.project, group=self.group, name=folder.name, mode=mode, config=config,
            dir=folder, resume="allow", id=digest(self.project, self.group, folder.name, config),
        )  # fmt: skip


class _Run:
    def __init__(self, run: Any) -> None:
        self.run = run

    def __call__(self, metrics: Metrics, step: int) -> None:
        self.run.log({**metrics, "step": step})

    def close(self, ok: bool) -> None:
        self.run.finish(exit_code=0 if ok else 1)  # or the next job of a sweep inherits it
