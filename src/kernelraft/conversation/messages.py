"""What is said to a model."""

from collections.abc import Iterator, Sequence

from kernelraft.answer import said
from kernelraft.conversation.exchange import Exchange
from kernelraft.records import Message, Task


def history(primer: str, task: Task, turns: Sequence[Exchange], feedback: str) -> tuple[Message, ...]:
    """The messages to answer next."""
    first = (Message(role="system", content=primer),) if primer else ()
    asked = (Message(role="user", content=feedback),) if feedback else ()
    return (*first, Message(role="user", content=task.prompt), *between(turns), *asked)


def between(turns: Sequence[Exchange]) -> Iterator[Message]:
    """What was said after the task's prompt, as the model saw it."""
    for turn in turns:
        if turn.sample.feedback:
            yield Message(role="user", content=turn.sample.feedback)
        yield Message(role="assistant", content=said(turn.sample.text))
