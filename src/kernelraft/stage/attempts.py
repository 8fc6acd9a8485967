"""Samples and their verdicts in one folder: made while they are judged, each on disk before it is used.

samples.jsonl and verdicts.jsonl are journals: what a killed run left in them
is not made again.
"""

import json
import logging
import queue
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kernelraft.console import Bar, progress
from kernelraft.errors import VerifierUnavailable
from kernelraft.generator import Writer
from kernelraft.journal import Journal
from kernelraft.records import Reason, Sample, Status, Task, Verdict
from kernelraft.store import write_json
from kernelraft.tracker import Metrics
from kernelraft.verifier import Judge

log = logging.getLogger("kernelraft")
MIN_FOR_ABSTAIN_RATE = 20
MOST_SAID = 10  # tasks that cannot be judged, of which each has a line; the table counts all
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sample of a task and what the verifier said of it."""

    task: Task
    sample: Sample
    verdict: Verdict


@dataclass(slots=True)
class Tally:
    """How many evaluations, in how many seconds that a judge was busy; killed processes add to neither.

    A sample equal to an earlier one is judged without an evaluation: it does not count.
    """

    kernels: int = 0
    busy_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)

    @classmethod
    @contextmanager
    def kept_in(cls, path: Path) -> Iterator["Tally"]:
        """A tally that goes on from what earlier processes left in `path`."""
        tally = cls(**json.loads(path.read_text())) if path.exists() else cls()
        try:
            yield tally
        finally:
            write_json(path, {"kernels": tally.kernels, "busy_s": round(tally.busy_s, 3)})


class Attempts:
    """The journals of `folder`, filled by a writer and a judge at the same time."""

    def __init__(
        self, samples: Journal[Sample], verdicts: Journal[Verdict], tally: Tally, judge: Judge, max_abstain: float
    ) -> None:
        self.samples, self.verdicts, self.tally = samples, verdicts, tally
        self.judge, self.max_abstain = judge, max_abstain
        self._waiting = 0
        self._done: queue.SimpleQueue[Future[Verdict]] = queue.SimpleQueue()
        self._abstained = sum(v.status is Status.ABSTAIN for v in verdicts.records.values())
        self._busy_since = 0.0
        self._unsupported: set[str] = set()

    @classmethod
    @contextmanager
    def open(cls, folder: Path, judge: Judge, max_abstain: float) -> Iterator["Attempts"]:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            Journal(Sample, folder / "samples.jsonl") as samples,
            Journal(Verdict, folder / "verdicts.jsonl") as verdicts,
            Tally.kept_in(folder / ".tally.json") as tally,
        ):
            yield cls(samples, verdicts, tally, judge, max_abstain)

    def run(self, tasks: Sequence[Task], writer: Writer, attempts: range, seed: int, title: str) -> list[Attempt]:
        """Write and judge the attempts asked for; all of them, old and new, in the order of tasks and attempts.

        Raises:
            VerifierUnavailable: too many verdicts abstain.
        """
        by_id = {task.id: task for task in tasks}
        numbers = set(attempts)
        old = [s for s in self.samples.records.values() if s.task_id in by_id and s.index in numbers]
        unjudged = [sample for sample in old if sample.id not in self.verdicts]
        fresh = writer.count(tasks, attempts, seed, self.samples)
        with progress(title, len(unjudged) + fresh) as bar:
            for sample in unjudged:
                self._submit(by_id[sample.task_id], sample, bar)
            for sample in writer.write(tasks, attempts, seed, self.samples):
                self.samples.append(sample)
                self._submit(by_id[sample.task_id], sample, bar)
            self._wait(bar)
        return self._results(tasks, numbers)

    def judge_all(self, pairs: Iterable[tuple[Task, Sample]], total: int, title: str) -> None:
        """Judge samples that exist already."""
        with progress(title, total) as bar:
            for task, sample in pairs:
                self._submit(task, sample, bar)
            self._wait(bar)

    def _wait(self, bar: Bar) -> None:
        while self._waiting:
            self._collect(bar, POLL_S)

    def _submit(self, task: Task, sample: Sample, bar: Bar) -> None:
        if not self._waiting:
            self._busy_since = time.monotonic()
        self._waiting += 1
        self.judge.submit(task, sample).add_done_callback(self._done.put)
        self._collect(bar, 0)

    def _collect(self, bar: Bar, patience_s: float) -> None:
        """Write down what is done; wait `patience_s` for the first."""
        with suppress(queue.Empty):
            future = self._done.get(timeout=patience_s) if patience_s else self._done.get_nowait()
            while True:
                self._take(future.result(), bar)
                future = self._done.get_nowait()

    def _take(self, verdict: Verdict, bar: Bar) -> None:
        self._waiting -= 1
        self.verdicts.append(verdict)
        self.tally.kernels += verdict.seconds > 0
        self.tally.statuses[verdict.status] += 1
        now = time.monotonic()
        self.tally.busy_s += now - self._busy_since
        self._busy_since = now
        bar.advance(1, **self.tally.statuses, rate=f"{self.tally.kernels / max(1e-9, self.tally.busy_s):.1f}/s")
        if verdict.reason is Reason.UNSUPPORTED:
            self._say_unsupported(verdict)
        if verdict.status is Status.ABSTAIN:
            self._abstained += 1
            self._refuse_blind_judge(verdict)

    def _say_unsupported(self, verdict: Verdict) -> None:
        """Once a task, of the first ones."""
        task = self.samples.records[verdict.id].task_id if verdict.id in self.samples else verdict.id
        if task not in self._unsupported and len(self._unsupported) < MOST_SAID:
            self._unsupported.add(task)
            log.warning("task %s cannot be judged: %s", task, verdict.detail)

    def _refuse_blind_judge(self, last: Verdict) -> None:
        judged = len(self.verdicts.records)
        if judged >= MIN_FOR_ABSTAIN_RATE and self._abstained > self.max_abstain * judged:
            self.verdicts.forget([v.id for v in self.verdicts.records.values() if v.status is Status.ABSTAIN])
            raise VerifierUnavailable(
                f"{self._abstained} of {judged} verdicts abstain, more than max_abstain={self.max_abstain}: "
                f"{last.reason} {last.detail}; mend that and run the same command again"
            )

    def _results(self, tasks: Sequence[Task], numbers: set[int]) -> list[Attempt]:
        by_task: dict[str, list[Sample]] = {}
        for sample in self.samples.records.values():
            if sample.index in numbers:
                by_task.setdefault(sample.task_id, []).append(sample)
        return [
            Attempt(task, sample, self.verdicts.records[sample.id])
            for task in tasks
            for sample in sorted(by_task.get(task.id, []), key=lambda s: s.index)
        ]

    def metrics(self) -> Metrics:
        """verify/kernels and the verify/s in which they were judged, and shares of all verdicts of the folder."""
        judged = list(self.verdicts.records.values())
        known = [v for v in judged if v.status is not Status.ABSTAIN]
        return {
            "verify/kernels": float(self.tally.kernels),
            "verify/s": round(self.tally.busy_s, 3),
            "verify/pass_rate": sum(v.status is Status.PASS for v in known) / max(1, len(known)),
            "verify/compile_rate": sum(v.compiled is True for v in known) / max(1, len(known)),
            "verify/abstain_rate": 1 - len(known) / max(1, len(judged)),
        }


def tallied(folder: Path) -> Metrics:
    """verify/kernels and verify/s of every `Attempts` at or below `folder`."""
    tallies = [json.loads(path.read_text()) for path in folder.rglob(".tally.json")]
    return {
        "verify/kernels": float(sum(tally["kernels"] for tally in tallies)),
        "verify/s": round(sum(tally["busy_s"] for tally in tallies), 3),
    }
