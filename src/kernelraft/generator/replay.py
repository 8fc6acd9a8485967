"""Samples that exist already: the tasks' own known answers, or a file of earlier samples."""

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kernelraft.answer import extract
from kernelraft.component import component
from kernelraft.errors import ConfigError
from kernelraft.generator import sample_id
from kernelraft.records import Sample, Task


@component
class Replay:
    """Costs nothing and needs no model: for tests, for known answers, to judge old samples anew."""

    path: Path | None

    def at(self, checkpoint: Path) -> "Replay":
        raise ConfigError("generator=replay has no weights; RAFT and checkpoints need generator=local")

    @contextmanager
    def open(self) -> Iterator["_Writer"]:
        texts: dict[str, list[str]] = defaultdict(list)
        if self.path is not None:
            from kernelraft.store import read

            for sample in read(Sample, self.path):
                texts[sample.task_id].append(sample.text)
        yield _Writer("answers" if self.path is None else str(self.path), self.path is None, dict(texts))


@dataclass(frozen=True, slots=True)
class _Writer:
    name: str
    answers: bool
    texts: dict[str, list[str]] = field(default_factory=dict)

    def _texts(self, task: Task) -> list[str]:
        if not self.answers:
            return self.texts.get(task.id, [])
        return [task.answer] if task.answer is not None else []

    def count(self, tasks: Sequence[Task], attempts: range, seed: int, known: Container[str]) -> int:
        return sum(
            sample_id(task, self.name, n, 0) not in known
            for task in tasks for n in attempts if n < len(self._texts(task))
        )  # fmt: skip

    def write(self, tasks: Sequence[Task], attempts: range, seed: int, known: Container[str]) -> Iterator[Sample]:
        for task in tasks:
            for n, text in enumerate(self._texts(task)):
                key = sample_id(task, self.name, n, 0)
                if n in attempts and key not in known:
                    answer = extract(text)
                    yield Sample(
                        id=key, task_id=task.id, index=n, text=text, code=answer.code,
                        reasoning=answer.reasoning, model=f"replay:{Path(self.name).name}",
                    )  # fmt: skip
