"""data=kernelbook: PyTorch modules with the Triton programs that TorchInductor makes of them, from the hub or a file.

Source: huggingface.co/datasets/GPUMODE/KernelBook, MIT at the revision that is pinned; a later one is not.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from kernelraft.component import component
from kernelraft.data.hub import rows
from kernelraft.data.prompt import to_write
from kernelraft.errors import DataError
from kernelraft.records import Sample, Task, digest
from kernelraft.store import read_rows

REPOSITORY, FILE = "GPUMODE/KernelBook", "dataset_permissive.parquet"
_COLUMNS = ("entry_point", "python_code", "triton_code")


@component
class KernelBook:
    """Tasks, and TorchInductor's programs as samples. Modules of one name are one family, and so in one split."""

    path: Path | None
    revision: str
    test_share: Annotated[float, Field(ge=0, lt=1)]
    limit: PositiveInt | None

    def tasks(self) -> Iterator[Task]:
        """The modules, in the order of the data set.

        Raises:
            DataError: there are none, a column is missing, or the hub cannot be reached.
        """
        for task, _ in self.samples():
            yield task

    def sift(self, broken: Callable[[str], None]) -> Iterator[Task]:
        """As `tasks`, without the rows that lack a column: each is told to `broken`, in one line with its number."""
        for task, _ in self._pairs(broken):
            yield task

    def samples(self) -> Iterator[tuple[Task, Sample]]:
        """Every module with its program, to be judged. Raises as `tasks`."""
        return self._pairs(None)

    def _pairs(self, broken: Callable[[str], None] | None) -> Iterator[tuple[Task, Sample]]:
        number = 0
        for number, row in enumerate(self._rows(broken), 1):
            if self.limit is not None and number > self.limit:
                return
            try:
                pair = self._pair(number, row)
            except DataError as error:
                if broken is None:
                    raise
                broken(str(error))
                continue
            yield pair
        if not number:
            raise DataError(f"{self.path or REPOSITORY}: expected rows, found none")

    def _rows(self, broken: Callable[[str], None] | None) -> Iterator[dict[str, object]]:
        if self.path is None:
            return rows(REPOSITORY, "train", self.revision, FILE)
        return (row for _, row in read_rows(self.path, broken))

    def _pair(self, number: int, row: dict[str, object]) -> tuple[Task, Sample]:
        if missing := [name for name in _COLUMNS if not isinstance(row.get(name), str)]:
            raise DataError(f"KernelBook, row {number}: expected text under {missing[0]}, found {', '.join(row)}")
        entry, reference, code = (str(row[name]) for name in _COLUMNS)
        reference, fixes = _named(reference, entry)
        name = f"kernelbook/{row.get('uuid', number)}"
        task = Task(
            id=name,
            family=f"kernelbook/{entry}",
            language="triton",
            prompt=to_write(reference, entry, f"{entry}New"),
            reference=reference,
            answer=f"<triton>\n{code}</triton>",
            fixes=fixes,
            split="test" if int(digest(entry), 16) % 10_000 < self.test_share * 10_000 else "train",
        )
        return task, Sample(id=name, task_id=name, index=0, text=f"<triton>\n{code}</triton>", code=code)


def _named(reference: str, entry: str) -> tuple[str, tuple[str, ...]]:
    """A reference whose module is not its last class says which it is; and what was done to it, in words."""
    try:
        classes = [node.name for node in ast.parse(reference).body if isinstance(node, ast.ClassDef)]
    except (SyntaxError, ValueError):
        return reference, ()  # the verifier will say so
    if entry not in classes or entry == classes[-1]:
        return reference, ()
    return f"{reference.rstrip()}\n\nModel = {entry}\n", (f"the reference says that its module is {entry}",)
