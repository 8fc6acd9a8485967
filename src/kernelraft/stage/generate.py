"""Have a generator write samples, judge them while it writes, keep the passing ones as examples."""

import logging
from typing import Annotated

from pydantic import Field

from kernelraft.component import component
from kernelraft.data import Tasks
from kernelraft.generator import Generator
from kernelraft.records import Example, Status
from kernelraft.runs import Run
from kernelraft.stage.attempts import Attempts
from kernelraft.stage.selection import of_one_split
from kernelraft.store import write
from kernelraft.tracker import Metrics
from kernelraft.verifier import Verifier

log = logging.getLogger("kernelraft")


@component
class Generate:
    """Leaves samples.jsonl, verdicts.jsonl, and examples.jsonl and .parquet of what passed."""

    data: Tasks
    generator: Generator
    verifier: Verifier
    samples_per_task: Annotated[int, Field(ge=1)]
    max_abstain: Annotated[float, Field(ge=0, le=1)]

    def execute(self, run: Run) -> Metrics:
        tasks = of_one_split(self.data.tasks())
        write(run.dir / "tasks.jsonl", tasks)
        with (
            self.generator.open() as writer,
            Attempts.open(run.dir, run.opened(self.verifier), self.max_abstain) as attempts,
        ):
            made = attempts.run(tasks, writer, range(self.samples_per_task), run.seed, "samples")
            metrics = attempts.metrics()
        passing = [a for a in made if a.verdict.status is Status.PASS]
        examples = [Example.of(a.task, a.sample, a.verdict) for a in passing]
        write(run.dir / "examples.jsonl", examples)
        write(run.dir / "examples.parquet", examples)
        log.info("%d of %d samples pass", len(passing), len(made))
        return metrics | {"generate/samples": float(len(made)), "generate/examples": float(len(examples))}
