"""Ask a generator for programs, judge each, feed back what is wrong, ask again; keep the best that passes."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from kernelraft.component import component
from kernelraft.conversation.engine import Engine, Plan
from kernelraft.conversation.keeping import Keys, Store
from kernelraft.conversation.leaving import leave
from kernelraft.conversation.prompts import Prompts
from kernelraft.conversation.rules import Rules, Until
from kernelraft.conversation.taking import Taken, take
from kernelraft.conversation.telling import telling
from kernelraft.conversation.watch import Watch
from kernelraft.data import Tasks
from kernelraft.generator.chat import Converser, Paid
from kernelraft.records import Task, digest
from kernelraft.report.facts import collect
from kernelraft.report.page import write_page
from kernelraft.runs import Run
from kernelraft.spending.forecast import GUESS, Planned, at_most
from kernelraft.stage.assured import assured
from kernelraft.store import read
from kernelraft.tracker import Metrics
from kernelraft.verifier import Verifier

log = logging.getLogger("kernelraft")
Count = Annotated[int, Field(ge=1)]


@component
class Generate:
    """Leaves the attempts (samples.jsonl, verdicts.jsonl), the conversations, and what of them can be trained."""

    EXTENDS: ClassVar[frozenset[str]] = frozenset({"max_samples", "max_turns"})
    VOLATILE: ClassVar[frozenset[str]] = EXTENDS | {"conversations", "report"}

    data: Tasks
    generator: Converser
    verifier: Verifier
    max_abstain: Annotated[float, Field(ge=0, le=1)]
    split: str | None = None
    max_samples: Count | None = None
    fix_references: bool = False
    samples_per_task: Count = 1
    max_turns: Count = 1
    until: Until = "correct"
    min_speedup: Annotated[float, Field(gt=0)] = 1.0
    max_repeats: Annotated[int, Field(ge=2)] | None = None
    afresh: Annotated[int, Field(ge=0)] = 0
    primer: bool = False
    prompts: Path | None = None
    feedback_chars: Annotated[int, Field(ge=100)] = 1500
    tag: Annotated[str, Field(pattern=r"^\w+$")] | None = None
    context: bool = True
    conversations: Count = 1024
    report: Annotated[int, Field(ge=0)] | None = None

    def execute(self, run: Run) -> Metrics:
        if isinstance(self.generator, Paid):
            self.generator.check()
        prompts = Prompts.read(self.prompts, self.feedback_chars, primer=self.primer)
        taken = take(self.data, run.dir / "tasks.jsonl", self.split, self.max_samples, fix=self.fix_references)
        if isinstance(self.generator, Paid):
            self.generator.confirm(run.dir, self.at_most(self.generator, self._tasks(run), prompts))
        with Store.at(run.dir) as store:
            engine = asyncio.run(self._converse(run, taken, store, prompts))
            if engine.halted:
                raise engine.halted
            about = taken.about() | {"wall_s": round(run.wall_s, 2)}
            summary = leave(run.dir, self._tasks(run), engine.ended, tag=self.tag, context=self.context, about=about)
        log.info("%d of %d conversations pass", summary.statuses["pass"], summary.statuses.total())
        if self.report is not None:
            path, _ = write_page(collect(run.dir, None, self.report), run.dir, self.report)
            log.info("report: %s", path)
        return summary.metrics(engine.watch.kernels, engine.watch.busy_s)

    def at_most(
        self, paid: Paid, tasks: Iterable[Task], prompts: Prompts, chars_a_token: float = GUESS
    ) -> list[Planned]:
        """The calls that the run makes when every conversation fails to its last turn."""
        chars = [len(prompts.primer) + len(task.prompt) for task in tasks]
        times = self.samples_per_task * (self.afresh + 1)
        tokens, feedback = round(times * sum(chars) / chars_a_token), round(self.feedback_chars / GUESS)
        return at_most(len(chars) * times, self.max_turns, tokens, paid.max_tokens, feedback, batch=paid.batch)

    def _tasks(self, run: Run) -> Iterator[Task]:
        return read(Task, run.dir / "tasks.jsonl")

    def _plan(self, prompts: Prompts) -> Plan:
        rules = Rules(
            until=self.until,
            min_speedup=self.min_speedup,
            max_turns=self.max_turns,
            max_repeats=self.max_repeats,
        )
        return Plan(
            rules=rules,
            prompts=prompts,
            samples=self.samples_per_task,
            afresh=self.afresh,
            max_abstain=self.max_abstain,
        )

    async def _converse(self, run: Run, taken: Taken, store: Store, prompts: Prompts) -> Engine:
        async with AsyncExitStack() as stack:
            chat = await stack.enter_async_context(self.generator.converse(run.dir))
            judge = run.opened(assured(self.verifier, self.generator))
            wanted = taken.count * self.samples_per_task
            watch = Watch(taken.count, wanted)
            batch = getattr(self.generator, "batch", False)  # then as many as there are wait for hours, side by side
            engine = Engine(
                plan=self._plan(prompts),
                store=store,
                keys=Keys(chat.name, self.verifier.evaluator, digest(prompts.primer), run.seed),
                chat=chat,
                judge=judge,
                watch=watch,
                batch=batch,
                asking=wanted if batch else getattr(self.generator, "concurrency", self.conversations),
            )
            async with telling(run.dir, engine):
                await engine.run(self._tasks(run), wanted if batch else min(wanted, self.conversations))
        return engine
