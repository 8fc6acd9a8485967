"""data=files: tasks, samples and examples out of files, of this project's forms and of others'."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import PositiveInt

from kernelraft.component import component
from kernelraft.data.files.choice import Choice, Earlier
from kernelraft.data.files.entry import Entry
from kernelraft.data.files.filters import Filters
from kernelraft.data.files.rows import entry_of
from kernelraft.errors import DataError
from kernelraft.records import Claim, Conversation, Example, Sample, Task, Verdict
from kernelraft.store import read, read_rows

log = logging.getLogger("kernelraft")
T = TypeVar("T")
_OF_SPLIT = "of split"
_MEASURED_ON = frozenset({"test", "heldout"})


@component
class Files:
    """A .jsonl, .json or .parquet file, its rows known by their keys, or the folder of a run.

    What a row cannot give (an example out of a kernel that nobody judged) is
    counted, with the reason, in one line of the log.
    """

    path: Path
    split: str | None
    limit: PositiveInt | None
    filters: Filters | None = None
    earlier_reasoning: Earlier = "strip"

    def tasks(self) -> Iterator[Task]:
        """The programs to write, in the order of the file.

        Raises:
            DataError: the file is missing, a row is not of a known form, or none holds a task.
        """
        return _each_once(self._kept("tasks", _task))

    def sift(self, broken: Callable[[str], None]) -> Iterator[Task]:
        """As `tasks`, without the rows that are broken: each is told to `broken`, in one line with its number."""
        return _each_once(self._select("tasks", self._entries(self._file("tasks"), broken), _task, Counter()))

    def samples(self) -> Iterator[tuple[Task, Sample]]:
        """The programs that were written, with their tasks, to be judged.

        Raises:
            DataError: as for tasks.
        """
        if self.path.is_dir():
            return self._select("samples", self._samples_of_run(), _pair, Counter())
        return self._kept("samples", _pair)

    def stops(self) -> dict[tuple[str, int], str]:
        """Why each conversation of a run ended, by task and index. Raises DataError where its file is damaged."""
        path = self.path / "conversations.jsonl"
        ended = read(Conversation, path) if path.is_file() else ()
        return {(conversation.task_id, conversation.index): conversation.stop for conversation in ended}

    def claims(self) -> dict[str, Claim]:
        """What stage=convert found said of the samples. Raises DataError where its file is damaged."""
        path = self.path / "claims.jsonl"
        return {claim.id: claim for claim in read(Claim, path)} if path.is_file() else {}

    def examples(self, left_out: Counter[str] | None = None) -> Iterator[Example]:
        """The conversations to train on: chats, known answers, and those of others that pass the filters.

        Rows of split test or heldout are none, where no split is asked for. A row counts once in `limit`, however
        many examples it gives.

        Raises:
            DataError: as for tasks.
        """
        claims = 0
        for entry in self._kept("examples", _taught, Counter() if left_out is None else left_out):
            claims += entry.claimed
            yield from entry.examples
        if claims:
            log.info(
                "%s: %d examples rest on the file's own claims: stage=convert and stage=verify judge them",
                self.path, claims,
            )  # fmt: skip

    def _kept(self, what: str, part: Callable[[Entry], T | None], left_out: Counter[str] | None = None) -> Iterator[T]:
        return self._select(what, self._entries(self._file(what)), part, Counter() if left_out is None else left_out)

    def _select(
        self, what: str, entries: Iterator[Entry], part: Callable[[Entry], T | None], dropped: Counter[str]
    ) -> Iterator[T]:
        """Yield the parts of the wanted split, `limit` at most; say what was left out and why."""
        kept = 0
        for entry in entries:
            found = part(entry)
            if self.split is not None and entry.split != self.split:
                dropped[f"{_OF_SPLIT} {entry.split}"] += 1
            elif self.split is None and what == "examples" and entry.split in _MEASURED_ON:
                dropped[f"kept out of training, of split {entry.split}"] += 1
            elif found is None:
                dropped[entry.lacks] += 1
            else:
                yield found
                kept += 1
                if kept == self.limit:
                    break
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.most_common())
        if not kept:
            raise DataError(f"{self.path}: expected {what}, found {reasons or 'no rows'}")
        if any(not reason.startswith(_OF_SPLIT) for reason in dropped):  # who asks for a split knows of the others
            log.info("%s: %d %s, left out %s", self.path, kept, what, reasons)

    def _file(self, what: str) -> Path:
        """Find the file to read: in a run's folder the one that its stage named so."""
        if not self.path.exists():
            raise DataError(
                f"{self.path} is not there: set data.path to a .jsonl, .json or .parquet file or to the folder of a run"
            )
        if not self.path.is_dir():
            return self.path
        names = [f"{what}.jsonl", f"{what}.parquet"]
        for name in names:
            if (self.path / name).is_file():
                return self.path / name
        found = ", ".join(sorted(file.name for file in self.path.iterdir())) or "nothing"
        raise DataError(f"{self.path}: expected {' or '.join(names)} in the folder of a run, found {found}")

    def _entries(self, path: Path, broken: Callable[[str], None] | None = None) -> Iterator[Entry]:
        """Read the rows of one file. A repeated id is refused where rows name their ids, else left out."""
        lines: dict[str, int] = {}
        choice = Choice(filters=self.filters, earlier=self.earlier_reasoning, verdicts=self._verdicts())
        for number, row in read_rows(path, broken, escaped=True):
            try:
                entry = entry_of(row, choice)
                first = lines.setdefault(entry.id, number)
                if first != number and "id" in row:
                    raise DataError(f"expected a unique id, found {entry.id} of line {first}")
            except DataError as error:
                fault = f"{path}:{number}: {error}"
                if broken is None:
                    raise DataError(fault) from None
                broken(fault)
                continue
            yield entry if first == number else Entry(id=entry.id, split=entry.split, lacks="repeated rows")

    def _verdicts(self) -> dict[str, Verdict]:
        """What we said of the file's samples; none where no filter asks."""
        path = (self.path if self.path.is_dir() else self.path.parent) / "verdicts.jsonl"
        found = read(Verdict, path) if self.filters and path.is_file() else ()
        return {verdict.id: verdict for verdict in found}

    def _samples_of_run(self) -> Iterator[Entry]:
        path = self._file("samples")
        tasks = {task.id: task for task in read(Task, self._file("tasks"))}
        for sample in read(Sample, path):
            if sample.task_id not in tasks:
                raise DataError(f"{path}: sample {sample.id} is of task {sample.task_id}, which tasks do not hold")
            task = tasks[sample.task_id]
            yield Entry(id=sample.id, split=task.split, task=task, sample=sample)


def _each_once(tasks: Iterator[Task]) -> Iterator[Task]:
    """Leave out the repetitions of a problem that has several traces."""
    seen = set[str]()
    for task in tasks:
        if task.id not in seen:
            seen.add(task.id)
            yield task


def _task(entry: Entry) -> Task | None:
    return entry.task


def _taught(entry: Entry) -> Entry | None:
    return entry if entry.examples else None


def _pair(entry: Entry) -> tuple[Task, Sample] | None:
    return (entry.task, entry.sample) if entry.task and entry.sample else None
