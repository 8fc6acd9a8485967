"""Metrics of many runs go to one file, to be read with pandas after a sweep."""

import json
from pathlib import Path
from typing import Any, TextIO

from kernelraft.component import component
from kernelraft.errors import ConfigError
from kernelraft.tracker import Log, Metrics


@component
class Jsonl:
    """Appends one line a call to `path`, with the run's name; several runs may share it."""

    path: Path

    def open(self, folder: Path, config: dict[str, Any]) -> Log:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _File(self.path.open("a", encoding="utf-8"), folder.name)
        except OSError as error:
            raise ConfigError(f"tracker.path={self.path} cannot be written: {error.strerror}") from None


class _File:
    def __init__(self, out: TextIO, name: str) -> None:
        self.out, self.name = out, name

    def __call__(self, metrics: Metrics, step: int) -> None:
        self.out.write(json.dumps({"run": self.name, "step": step, **metrics}) + "\n")
        self.out.flush()

    def close(self, ok: bool) -> None:
        self.out.close()
