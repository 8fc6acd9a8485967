"""Which tasks of a data set can tell a right program from none, before a sample is written or paid for."""

import logging
import re
from collections import Counter
from concurrent.futures import as_completed

from rich.table import Table

from kernelraft.component import component
from kernelraft.console import progress, show
from kernelraft.data import Tasks
from kernelraft.errors import ConfigError, DataError
from kernelraft.journal import Journal
from kernelraft.records import Reason, Refusal, Task
from kernelraft.runs import Run
from kernelraft.stage.selection import refuse_repeated
from kernelraft.store import write
from kernelraft.tracker import Metrics
from kernelraft.verifier import Examiner, Verifier

log = logging.getLogger("kernelraft")


@component
class Gate:
    """Leaves tasks.jsonl and tasks.parquet, those that can be used, and refused.jsonl, one Refusal for each other."""

    data: Tasks
    verifier: Verifier

    def execute(self, run: Run) -> Metrics:
        tasks = list(self.data.tasks())
        if not tasks:
            raise DataError("there is no task to examine")
        refuse_repeated((task.id for task in tasks), "task")
        with (
            Journal(Task, run.dir / "tasks.jsonl") as usable,
            Journal(Refusal, run.dir / "refused.jsonl") as refused,
        ):
            self._examine(run, tasks, usable, refused)
        kept = [task for task in tasks if task.id in usable]
        others = [refused.records[task.id] for task in tasks if task.id in refused]
        for name, records in (("tasks.jsonl", kept), ("tasks.parquet", kept), ("refused.jsonl", others)):
            write(run.dir / name, records)  # the journals held them as they came
        show(summary(len(kept), others))
        log.info("%d of %d tasks can be used", len(kept), len(tasks))
        return {"data/tasks": float(len(kept)), "data/refused": float(len(others))}

    def _examine(self, run: Run, tasks: list[Task], usable: Journal[Task], refused: Journal[Refusal]) -> None:
        refused.forget([one.id for one in refused.records.values() if one.reason is Reason.WORKER_LOST])
        for task in tasks:
            if usable.records.get(task.id, task) != task:
                raise DataError(f"task {task.id} is another than when this run began: give another name=")
        left = [task for task in tasks if task.id not in usable and task.id not in refused]
        if not left:
            return
        judge = run.opened(self.verifier)
        if not isinstance(judge, Examiner):
            raise ConfigError(f"{type(self.verifier).__name__} examines no tasks: give verifier=triton")
        waiting = {judge.examine(task): task for task in left}
        with progress("tasks", len(left)) as bar:
            for done in as_completed(waiting):
                if refusal := done.result():
                    refused.append(refusal)
                else:
                    usable.append(waiting[done])
                bar.advance(1, usable=len(usable.records), refused=len(refused.records))


def summary(usable: int, refusals: list[Refusal]) -> Table:
    """How many tasks can be used, and how many are refused for which reason, with the first of each."""
    table = Table("", "tasks", "share", "the first", title="tasks")
    total = usable + len(refusals)
    table.add_row("can be used", str(usable), f"{usable / total:.1%}", "")
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for one in refusals:
        why = re.split(r":| \(with ", one.detail)[0]  # without what differs from task to task
        first.setdefault(why, one.id)
        counts[why] += 1
    for why, count in counts.most_common():
        table.add_row(f"refused: {why}", str(count), f"{count / total:.1%}", first[why])
    return table
