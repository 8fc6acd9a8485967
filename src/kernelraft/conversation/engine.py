"""Many conversations at once: ask, judge, feed back, ask again, with no barrier between them."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelraft.conversation.exchange import Exchange, status
from kernelraft.conversation.interrupts import interrupts
from kernelraft.conversation.keeping import Keys, Store
from kernelraft.conversation.messages import history
from kernelraft.conversation.prompts import Prompts
from kernelraft.conversation.rules import Rules
from kernelraft.conversation.watch import Watch
from kernelraft.errors import Refused, StageError, VerifierUnavailable
from kernelraft.generator.chat import Chat, Request, sample_of
from kernelraft.records import Reason, Sample, Status, Task, Verdict
from kernelraft.verifier import Judge

log = logging.getLogger("kernelraft")
MIN_FOR_ABSTAIN_RATE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a task is tried: `samples` conversations, and each that fails is begun anew `afresh` times."""

    rules: Rules
    prompts: Prompts
    samples: int
    afresh: int
    max_abstain: float

    def indices(self, attempt: int) -> range:
        """The numbers of the conversations that an attempt at a task may take."""
        return range(attempt, self.samples * (self.afresh + 1), self.samples)


@dataclass(slots=True, eq=False, repr=False)
class Engine:
    """Holds `conversations` open at once, `asking` of them at the client; what it learns is in `store` at once.

    After an error, or an interrupt, nothing new is asked, what is on its way is taken in, and `halted` says why.
    `batch`: first turns go through a batch API, which is not waited for then.
    """

    plan: Plan
    store: Store
    keys: Keys
    chat: Chat
    judge: Judge
    watch: Watch
    asking: int
    batch: bool
    halted: BaseException | None = None
    refused: dict[tuple[str, int], str] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(init=False)
    _workers: set["asyncio.Task[None]"] = field(default_factory=set)
    _at_client: set["asyncio.Task[Any]"] = field(default_factory=set)

    async def run(self, tasks: Iterator[Task], conversations: int) -> None:
        """Hold all conversations of the tasks; returns when they are over, or `halted`."""
        self._slots = asyncio.Semaphore(self.asking)
        jobs = ((task, attempt) for task in tasks for attempt in range(self.plan.samples))
        with interrupts(self._interrupt):
            self._workers = {asyncio.create_task(self._work(jobs)) for _ in range(conversations)}
            try:
                await asyncio.wait(self._workers)
            finally:
                for worker in self._workers:
                    worker.cancel()

    async def _work(self, jobs: Iterator[tuple[Task, int]]) -> None:
        try:
            for task, attempt in jobs:
                if self.halted:
                    break
                await self._attempt(task, attempt)
                await asyncio.sleep(0)  # what is all in the store is walked through without a pause
        except asyncio.CancelledError:
            if not self.halted:
                raise
        except Exception as error:
            if self.halted and not isinstance(error, type(self.halted)):
                log.warning("while the run was ending: %s", error)
            self.halt(error)

    def halt(self, why: BaseException) -> None:
        """End the run: of the conversations only those go on that wait for an answer that may be paid for."""
        if self.halted:
            return
        self.halted = why
        for worker in self._workers - self._at_client:
            worker.cancel()

    def _interrupt(self) -> None:
        """The first takes in what is on its way, the second ends at once."""
        if self.halted:
            for worker in self._workers:
                worker.cancel()
            return
        self.halt(KeyboardInterrupt())
        if self._at_client:
            log.info("waiting for %d answers that are on their way; once more ends it at once", len(self._at_client))

    async def _attempt(self, task: Task, attempt: int) -> None:
        indices, fresh = self.plan.indices(attempt), False
        for number, index in enumerate(indices):
            if any(self._passed(task, later) for later in indices[number + 1 :]):
                continue  # it failed before, and went well afresh
            turns, asked = await self._converse(task, index)
            fresh |= asked
            if not turns or status(turns) is not Status.FAIL:
                break
        self.watch.attempted(fresh=fresh)

    def ended(self, task: Task) -> Iterator[tuple[int, list[Exchange], str]]:
        """The conversations of a task that is done: number, turns, why there are no more."""
        rules = self.plan.rules
        for attempt in range(self.plan.samples):
            for index in self.plan.indices(attempt):
                turns = self.store.turns(self.keys, rules, task, index)
                if turns or (task.id, index) in self.refused:
                    refused = (task.id, index) in self.refused
                    yield index, turns, rules.stop(turns) or ("refused" if refused else "max_turns")

    def _passed(self, task: Task, index: int) -> bool:
        return status(self.store.turns(self.keys, self.plan.rules, task, index)) is Status.PASS

    async def _converse(self, task: Task, index: int) -> tuple[list[Exchange], bool]:
        """Its turns, and whether any of them was asked for now."""
        turns: list[Exchange] = []
        self.watch.opened(afresh=index >= self.plan.samples)
        try:
            while not self.plan.rules.stop(turns):
                sample = await self._sample(task, index, turns)
                if sample is None:
                    break
                turns.append(Exchange(sample, await self._verdict(task, sample)))
                self.watch.judged(task, turns[-1])
        except BaseException:
            self.watch.closed(task, index, None)
            raise
        return turns, self.watch.closed(task, index, status(turns))

    async def _sample(self, task: Task, index: int, turns: Sequence[Exchange]) -> Sample | None:
        """The next answer, out of the store or asked for; None where it is refused for good."""
        key = self.keys.sample(task, index, turns)
        if known := self.store.samples.get(key):
            self.watch.known(known)
            return known
        rules, prompts = self.plan.rules, self.plan.prompts
        wanted = rules.wanted_speedup
        feedback = prompts.feedback(turns[-1], len(turns) + 1, rules.max_turns, wanted) if turns else ""
        request = Request(
            key=key,
            messages=history(prompts.primer, task, turns, feedback),
            fixed=1 if prompts.primer else 0,
            step="repair" if turns else "generate",
            batch=not turns,
            task=task,
            index=index,
            turn=len(turns),
        )
        async with self._slots:
            worker = asyncio.current_task()
            assert worker is not None
            if not (self.batch and request.batch):  # the client finds a batch again, hours later and in another process
                self._at_client.add(worker)
            try:
                reply = await self.chat.reply(request)
                sample = sample_of(request, reply, self.chat.name, feedback)
                await self.store.samples.put(sample)
            except Refused as error:
                self.refused[task.id, index] = str(error)
                self.watch.refused(task, len(turns), str(error))
                return None
            finally:
                self._at_client.discard(worker)
        self.watch.answered(sample)
        self._mind_the_disk()
        if self.halted:
            raise asyncio.CancelledError
        return sample

    def _mind_the_disk(self) -> None:
        if self.store.reserve.used:
            folder = self.store.samples.path.parent
            self.halt(
                StageError(
                    f"the disk of {folder} is full: what was answered is kept; make room, then the same command goes on"
                )
            )

    async def _verdict(self, task: Task, sample: Sample) -> Verdict:
        if known := self.store.verdicts.get(sample.id):
            return known
        verdict = await self._judged(task, sample)
        if verdict.reason is Reason.WORKER_LOST:
            verdict = await self._judged(task, sample)
        await self.store.verdicts.put(verdict)
        self._mind_the_disk()
        judged, abstained = self.watch.verdict(verdict)
        if verdict.status is Status.ABSTAIN and judged >= MIN_FOR_ABSTAIN_RATE:
            limit = self.plan.max_abstain
            if abstained > limit * judged:
                raise VerifierUnavailable(
                    f"{abstained} of {judged} verdicts abstain, more than max_abstain={limit}: "
                    f"{verdict.reason} {verdict.detail}; mend that and run the same command again"
                )
        return verdict

    async def _judged(self, task: Task, sample: Sample) -> Verdict:
        with self.watch.judging():
            return await asyncio.wrap_future(self.judge.submit(task, sample))
