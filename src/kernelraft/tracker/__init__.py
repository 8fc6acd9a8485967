"""The contract of a tracker: where a run's metrics go beside its own metrics.jsonl."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Metrics = dict[str, float]
"""Keys read "<noun>/<quantity>[_<unit>]": "verify/pass_rate", "train/step_s"."""


class Log(Protocol):
    """A tracker at work. Calling it never stops a run."""

    def __call__(self, metrics: Metrics, step: int) -> None: ...
    def close(self, ok: bool) -> None: ...


@runtime_checkable
class Tracker(Protocol):
    """Opens a log. Raises a KernelraftError at once if it cannot work."""

    def open(self, folder: Path, config: dict[str, Any]) -> Log: ...
