"""One judge for all tests of this folder: its workers take seconds to start."""

from collections.abc import Callable, Iterator

import pytest

from kernelraft.records import Sample, Task, Verdict
from kernelraft.verifier.triton import Triton

Judged = Callable[[str, str], Verdict]


@pytest.fixture(scope="session")
def verdict_of() -> Iterator[Judged]:
    """(reference, code) -> verdict."""
    with Triton(timeout_s=10.0, memory_mib=1024, advisory=[]).open() as judge:

        def verdict(reference: str, code: str) -> Verdict:
            task = Task(id="t", family="f", language="triton", prompt="", reference=reference)
            return judge.submit(task, Sample(id="s", task_id="t", index=0, text=code, code=code)).result()

        yield verdict
