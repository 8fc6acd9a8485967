"""Metrics go to the run's own metrics.jsonl and nowhere else."""

from pathlib import Path
from typing import Any

from kernelraft.component import component
from kernelraft.tracker import Log, Metrics


@component
class NoTracker:
    """The default: needs no account and no network."""

    def open(self, folder: Path, config: dict[str, Any]) -> Log:
        return _Silence()


class _Silence:
    def __call__(self, metrics: Metrics, step: int) -> None: ...
    def close(self, ok: bool) -> None: ...
