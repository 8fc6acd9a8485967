"""A conversing generator as a Writer: one turn a sample, for stages that ask once."""

import asyncio
import queue
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernelraft.generator import Writer, sample_id
from kernelraft.generator.chat import Chat, Converser, Paid, Request, sample_of
from kernelraft.records import Message, Sample, Task
from kernelraft.spending.forecast import GUESS, at_most

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

Job = tuple[Task, int, str]


@contextmanager
def writing(recipe: Converser, folder: Path) -> Iterator[Writer]:
    """Open the recipe's client on a thread of its own."""
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(recipe.converse(folder)) as chat:
        yield _Writer(portal, chat, recipe, folder)


@dataclass(frozen=True, slots=True)
class _Writer:
    portal: "BlockingPortal"
    chat: Chat
    recipe: Converser
    folder: Path

    def _jobs(self, tasks: Sequence[Task], attempts: range, seed: int, known: Container[str]) -> list[Job]:
        keys = ((task, n, sample_id(task, self.chat.name, n, seed)) for task in tasks for n in attempts)
        return [job for job in keys if job[2] not in known]

    def count(self, tasks: Sequence[Task], attempts: range, seed: int, known: Container[str]) -> int:
        return len(self._jobs(tasks, attempts, seed, known))

    def write(self, tasks: Sequence[Task], attempts: range, seed: int, known: Container[str]) -> Iterator[Sample]:
        jobs = self._jobs(tasks, attempts, seed, known)
        if jobs and isinstance(self.recipe, Paid):
            chars = sum(len(task.prompt) for task, _, _ in jobs)
            tokens = round(chars / GUESS)
            self.recipe.confirm(
                self.folder, at_most(len(jobs), 1, tokens, self.recipe.max_tokens, batch=self.recipe.batch)
            )
        done: queue.SimpleQueue[Sample | None] = queue.SimpleQueue()
        work = self.portal.start_task_soon(self._ask_all, jobs, done)
        try:
            while (sample := done.get()) is not None:
                yield sample
            work.result()
        finally:
            work.cancel()

    async def _ask_all(self, jobs: list[Job], done: "queue.SimpleQueue[Sample | None]") -> None:
        """Put each sample when it is there, None at the end; the first error ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(self._ask(job, done))
        except* Exception as errors:
            raise errors.exceptions[0] from None
        finally:
            done.put(None)

    async def _ask(self, job: Job, done: "queue.SimpleQueue[Sample | None]") -> None:
        task, n, key = job
        prompt = Message(role="user", content=task.prompt)
        request = Request(key=key, messages=(prompt,), batch=True, task=task, index=n)
        done.put(sample_of(request, await self.chat.reply(request), self.chat.name))
