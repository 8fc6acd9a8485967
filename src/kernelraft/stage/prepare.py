"""Make a data set's tasks once, check that its splits are apart, and leave them as files."""

import logging
from collections import Counter, defaultdict

from kernelraft.component import component
from kernelraft.console import progress
from kernelraft.data import Tasks
from kernelraft.errors import DataError
from kernelraft.records import Task
from kernelraft.runs import Run
from kernelraft.store import write
from kernelraft.tracker import Metrics

log = logging.getLogger("kernelraft")


@component
class Prepare:
    """Leaves tasks.jsonl and tasks.parquet."""

    data: Tasks

    def execute(self, run: Run) -> Metrics:
        tasks = []
        with progress("tasks") as bar:
            for task in self.data.tasks():
                tasks.append(task)
                bar.advance()
        refuse_shared(tasks)
        write(run.dir / "tasks.parquet", tasks)
        write(run.dir / "tasks.jsonl", tasks)
        splits = Counter(task.split for task in tasks)
        log.info("%d tasks: %s", len(tasks), ", ".join(f"{n} {split}" for split, n in splits.items()))
        return {"data/tasks": float(len(tasks))} | {f"data/{split}": float(n) for split, n in splits.items()}


def refuse_shared(tasks: list[Task]) -> None:
    """Raise DataError where a family or an equal problem stands in two splits, or an id twice."""
    families: dict[str, set[str]] = defaultdict(set)
    problems: dict[str, dict[str, str]] = defaultdict(dict)  # its first task of each split
    for task in tasks:
        families[task.family].add(task.split)
        problems[(task.reference or task.prompt).strip()].setdefault(task.split, task.id)
    shared = sorted(family for family, found in families.items() if len(found) > 1)
    if shared:
        raise DataError(
            f"{len(shared)} families stand in more than one split "
            f"({shared[0]}: {', '.join(sorted(families[shared[0]]))}); "
            "a split by family keeps training and test apart"
        )
    equal = [found for found in problems.values() if len(found) > 1]
    if equal:
        where = ", ".join(f"{task_id} of {split}" for split, task_id in equal[0].items())
        raise DataError(f"{len(equal)} problems stand in more than one split, as the equal tasks {where}")
    twice = [task_id for task_id, n in Counter(task.id for task in tasks).items() if n > 1]
    if twice:
        raise DataError(f"{len(twice)} task ids stand twice, {twice[0]} first")
