"""Which tasks are sampled and which samples are trained on."""

from collections import Counter
from collections.abc import Iterable

from kernelraft.errors import DataError, StageError
from kernelraft.records import Example, Message, Status, Task
from kernelraft.stage.attempts import Attempt


def of_one_split(tasks: Iterable[Task]) -> list[Task]:
    """All of them. Raises DataError where they are of several splits: what is examined must not be trained on."""
    found = list(tasks)
    splits = sorted({task.split for task in found})
    if len(splits) > 1:
        raise DataError(f"expected tasks of one split, found {', '.join(splits)}: give data.split=")
    return found


def refuse_repeated(ids: Iterable[str], what: str) -> None:
    """Raise DataError where an id comes twice: what is kept is found by it."""
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(f"expected a different id for every {what}, found {twice[0]} more than once")


def best_of(made: list[Attempt], per_task: int) -> list[Example]:
    """The best passing samples of each task, equal programs once: highest reward, most often written, shortest."""
    passing = [a for a in made if a.verdict.status is Status.PASS]
    often = Counter((a.task.id, a.sample.code) for a in passing)
    passing.sort(key=lambda a: (-(a.verdict.reward or 0.0), -often[a.task.id, a.sample.code], len(a.sample.text)))
    chosen: dict[tuple[str, str], Attempt] = {}
    taken = Counter[str]()
    for a in passing:
        key = (a.task.id, a.sample.code)
        if key not in chosen and taken[a.task.id] < per_task:
            chosen[key] = a
            taken[a.task.id] += 1
    return [Example.of(a.task, a.sample, a.verdict) for a in chosen.values()]


def unfiltered(made: list[Attempt]) -> list[Example]:
    """The last whole answer of each task, right or wrong: the control that no verifier helps."""
    last = {a.task.id: a for a in made if a.sample.finish_reason == "stop"}
    return [_example(a.task, a.sample.id, a.sample.text) for a in last.values()]


def known_answer(task: Task) -> Example:
    """The answer that the data set holds; StageError where it holds none."""
    if task.answer is None:
        raise StageError(f"select=answers: task {task.id} has no known answer")
    return _example(task, task.id, task.answer)


def _example(task: Task, key: str, text: str) -> Example:
    prompt, answer = Message(role="user", content=task.prompt), Message(role="assistant", content=text, trained=True)
    return Example(id=key, task_id=task.id, messages=(prompt, answer))
