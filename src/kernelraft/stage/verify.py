"""Judge every sample of a source."""

from typing import Annotated

from pydantic import Field
from rich.table import Table

from kernelraft.component import component
from kernelraft.console import show
from kernelraft.data import Conversed, Samples
from kernelraft.errors import DataError
from kernelraft.records import Sample, Status, Task, Verdict
from kernelraft.runs import Run
from kernelraft.stage.attempts import Attempt, Attempts
from kernelraft.stage.rejudged import leave_conversations, worth
from kernelraft.stage.selection import refuse_repeated
from kernelraft.store import write
from kernelraft.tracker import Metrics
from kernelraft.verifier import Verifier


@component
class Verify:
    """Leaves verdicts.jsonl, one Verdict a sample, in the order of `data`.

    Of conversations (a run's folder that holds them) also conversations.jsonl with these verdicts, and what of them
    can be trained: examples and sft, as stage=generate does.
    """

    data: Samples
    verifier: Verifier
    max_abstain: Annotated[float, Field(ge=0, le=1)]

    def execute(self, run: Run) -> Metrics:
        pairs = list(self.data.samples())
        if not pairs:
            raise DataError("there is no sample to judge")
        refuse_repeated((sample.id for _, sample in pairs), "sample")
        with Attempts.open(run.dir, run.opened(self.verifier), self.max_abstain) as attempts:
            self._judge(attempts, pairs)
            metrics = attempts.metrics()
            judged = [Attempt(task, sample, attempts.verdicts.records[sample.id]) for task, sample in pairs]
        verdicts = [attempt.verdict for attempt in judged]
        write(run.dir / "verdicts.jsonl", verdicts)  # the journal held them as they came
        write(run.dir / "verdicts.parquet", verdicts)
        show(summary(verdicts))
        if isinstance(self.data, Conversed) and (stops := self.data.stops()):
            claims = self.data.claims()
            right = leave_conversations(run.dir, judged, stops, claims).statuses[Status.PASS]
            if claims:
                show(worth(verdicts, claims))
            metrics["verify/conversations_pass"] = float(right)
        return metrics

    def _judge(self, attempts: Attempts, pairs: list[tuple[Task, Sample]]) -> None:
        for _, sample in pairs:
            known = attempts.samples.records.get(sample.id)
            if known is None:
                attempts.samples.append(sample)
            elif known.code != sample.code:
                raise DataError(f"sample {sample.id} has other code than when this run began: give another name=")
        left = [(task, sample) for task, sample in pairs if sample.id not in attempts.verdicts]
        attempts.judge_all(left, len(left), "verdicts")


def summary(verdicts: list[Verdict]) -> Table:
    """How many of each status and reason."""
    table = Table("status", "reason", "samples", "share", title="verdicts")
    counts: dict[tuple[Status, str], int] = {}
    for verdict in verdicts:
        key = (verdict.status, verdict.reason or "")
        counts[key] = counts.get(key, 0) + 1
    for (status, reason), n in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(status, reason, str(n), f"{n / len(verdicts):.1%}")
    return table
