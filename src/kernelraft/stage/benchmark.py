"""pass@k of a checkpoint on tasks that it has not seen, with every sample and its verdict kept."""

import logging
from collections import defaultdict
from pathlib import Path
from typing import Annotated

from pydantic import Field

from kernelraft.component import component
from kernelraft.data import Tasks
from kernelraft.errors import ConfigError, DataError, StageError
from kernelraft.generator import Generator
from kernelraft.generator.chat import Paid
from kernelraft.records import Status
from kernelraft.runs import Run
from kernelraft.stage.assured import assured
from kernelraft.stage.attempts import Attempt, Attempts
from kernelraft.statistics import bootstrap_interval, mean_pass_at_k, pass_at_k
from kernelraft.store import write
from kernelraft.tracker import Metrics
from kernelraft.verifier import Verifier

log = logging.getLogger("kernelraft")
Count = Annotated[int, Field(ge=1)]


@component
class Benchmark:
    """Leaves samples.jsonl and verdicts.jsonl; pass@k is unbiased, its interval resamples tasks."""

    data: Tasks
    generator: Generator
    verifier: Verifier
    checkpoint: Path | None
    split: str | None
    samples_per_task: Count
    k: list[Count]
    max_abstain: Annotated[float, Field(ge=0, le=1)]

    def __post_init__(self) -> None:
        refuse_too_few(self.samples_per_task, self.k, "stage")

    def execute(self, run: Run) -> Metrics:
        if isinstance(self.generator, Paid):
            self.generator.check()
        tasks = [task for task in self.data.tasks() if self.split in (None, task.split)]
        if not tasks:
            raise DataError(f"there is no task of split {self.split} to benchmark on; stage.split=null takes all")
        write(run.dir / "tasks.jsonl", tasks)
        generator = self.generator.at(self.checkpoint) if self.checkpoint else self.generator
        judge = run.opened(assured(self.verifier, self.generator))
        with (
            generator.open() as writer,
            Attempts.open(run.dir, judge, self.max_abstain) as attempts,
        ):
            made = attempts.run(tasks, writer, range(self.samples_per_task), run.seed, run.dir.name)
            metrics = attempts.metrics()
        metrics |= scores(made, self.k)
        if not metrics["benchmark/tasks"]:
            why = f": {made[-1].verdict.reason} {made[-1].verdict.detail}" if made else ""
            raise StageError(f"none of {len(made)} samples could be judged{why}")
        log.info("pass@1 %.3f [%.3f, %.3f]", *(metrics[f"benchmark/pass@1{end}"] for end in ("", "_low", "_high")))
        run.log(metrics, 0)
        return metrics


def refuse_too_few(samples: int, ks: list[int], where: str) -> None:
    """pass@k needs k samples a task; `where` is the node of the config with these keys."""
    if max(ks, default=0) > samples:
        raise ConfigError(f"{where}.k={ks} needs samples_per_task >= {max(ks)}, got {samples}")


def scores(made: list[Attempt], ks: list[int]) -> Metrics:
    """benchmark/pass@k with _low and _high (95 %), benchmark/kind/<kind> (pass@1), counts.

    Abstained samples count for nothing; a task with fewer than k judged ones is left out of pass@k.
    """
    counts: dict[str, tuple[int, int]] = {}
    kinds: dict[str, list[float]] = defaultdict(list)
    for attempt in made:
        if attempt.verdict.status is not Status.ABSTAIN:
            n, c = counts.get(attempt.task.id, (0, 0))
            counts[attempt.task.id] = (n + 1, c + (attempt.verdict.status is Status.PASS))
    for task in {attempt.task.id: attempt.task for attempt in made}.values():
        if task.id in counts:
            kinds[task.kind].append(pass_at_k(*counts[task.id], 1))
    metrics: Metrics = {"benchmark/tasks": float(len(counts)), "benchmark/samples": float(len(made))}
    for k in sorted({1, *ks}):
        enough = [count for count in counts.values() if count[0] >= k]
        if enough:
            low, high = bootstrap_interval([pass_at_k(*count, k) for count in enough])
            metrics[f"benchmark/pass@{k}"] = mean_pass_at_k(enough, k)
            metrics |= {f"benchmark/pass@{k}_low": low, f"benchmark/pass@{k}_high": high}
    return metrics | {f"benchmark/kind/{kind}": sum(r) / len(r) for kind, r in sorted(kinds.items())}
