"""The contract of a generator that converses: a recipe whose `converse` opens a client of one model.

Three parties: the engine (stage=generate) asks, the client answers and retries what is transient, and the
purse knows what it costs. Nothing here imports a provider's SDK.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from kernelraft.answer import extract, whole
from kernelraft.records import Message, Sample, Task, digest
from kernelraft.spending.forecast import Forecast, Planned
from kernelraft.spending.usage import Usage as Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to make. `key` is unique to it and the same in every process that makes it again.

    The first `fixed` messages are the same in all conversations of a run (a primer): worth a prompt cache.
    `step` is what the ledger files it under: "generate", "repair", "judge". `batch`: a batch API may answer it,
    hours later. `task`, `index` and `turn` say which answer is asked for, to a client that has it already.
    """

    key: str
    messages: tuple[Message, ...]
    fixed: int = 0
    step: str = "generate"
    batch: bool = False
    task: Task | None = None
    index: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. `finish_reason` is "stop", "length" (cut off) or "refusal".

    `text` is the whole message without its reasoning, `reasoning` what the model thought, where it says.
    `dollars` is None where no price is known. `seconds` is from the first try to the last byte.
    """

    text: str
    reasoning: str = ""
    finish_reason: str = "stop"
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    dollars: float | None = None
    seconds: float = 0.0
    tries: int = 1

    @property
    def message(self) -> str:
        """All of it as one text, the reasoning in <think>."""
        return whole(self.reasoning, self.text)


def sample_of(request: Request, reply: Reply, chat: str, feedback: str = "") -> Sample:
    """The record of an answer; `chat` stands for the model where the reply does not name it.

    Where the request is of no task, the digest of what was said stands for its id.
    """
    answer, used = extract(reply.message), reply.usage
    return Sample(
        id=request.key,
        task_id=request.task.id if request.task else digest(*request.messages),
        index=request.index,
        turn=request.turn,
        text=reply.message,
        code=answer.code,
        reasoning=answer.reasoning,
        model=reply.model or chat,
        finish_reason=reply.finish_reason,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.output_tokens,
        feedback=feedback,
        cached_tokens=used.cache_read_tokens,
        dollars=reply.dollars,
        seconds=round(reply.seconds, 3),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a client is doing, for those who watch."""

    in_flight: int = 0
    waiting: int = 0
    retries: int = 0
    last_error: str = ""


class Chat(Protocol):
    """A client at work. `name` identifies model and sampling settings: it is part of every sample's id."""

    @property
    def name(self) -> str: ...

    async def reply(self, request: Request) -> Reply:
        """Answer one request; as many may wait at once as the caller likes, the client bounds what is in flight.

        Raises:
            Refused: this request can never be answered (400, too long a prompt); the conversation ends, not the run.
            GeneratorUnavailable: no request can (401, unknown model, unreachable after all tries); the run ends.
            BudgetSpent: the next call could cost more than is left; the run ends and can be resumed.
        """
        ...

    def traffic(self) -> Traffic:
        """At this moment."""
        ...


@runtime_checkable
class Converser(Protocol):
    """A recipe of a client.

    It may say how many requests are answered at once (`concurrency`), and that first turns go through a batch API
    (`batch`): then all of them are asked before any is answered.
    """

    def converse(self, folder: Path) -> AbstractAsyncContextManager[Chat]:
        """Open the client; what it must remember beyond this process (batches under way, the ledger) lies in `folder`.

        Raises:
            GeneratorUnavailable: the key is missing, or the server cannot be reached.
        """
        ...


@runtime_checkable
class Counting(Protocol):
    """A client that can say how long a prompt is."""

    async def count(self, request: Request) -> int | None:
        """Tokens of a prompt as the provider counts them, for nothing; None where it does not."""
        ...


@runtime_checkable
class Paid(Protocol):
    """A recipe whose calls may cost money."""

    @property
    def max_tokens(self) -> int:
        """Of an answer, at most."""
        ...

    @property
    def free(self) -> bool:
        """Whether the user has said that nothing is paid for."""
        ...

    @property
    def batch(self) -> bool:
        """Whether first turns go through a batch API."""
        ...

    def check(self) -> None:
        """Look whether all keys are set, before anything is read or loaded.

        Raises:
            GeneratorUnavailable: one is not.
        """
        ...

    def forecast(self, plans: Sequence[Planned]) -> Forecast:
        """What calls will cost.

        Raises:
            ConfigError: there is no price to keep the budget by.
        """
        ...

    def confirm(self, folder: Path, plans: Sequence[Planned]) -> None:
        """Ask first where what is left to do, of a run in `folder`, may cost more than may be spent unasked.

        Raises:
            ConfigError: the user does not want it, or there is nobody to ask, or no price to keep the budget by.
        """
        ...
