"""One row of a file -> what it holds of a task, a sample and an example. The row's keys tell its form.

| form             | known by       | keys                                                     |
|------------------|----------------|----------------------------------------------------------|
| kernel to judge  | `code`         | id, reference, code; prompt, family, split               |
| our example      | `task_id`      | those of records.Example                                 |
| other pipelines' | see foreign    | traces, rollouts, and chats with a `turn_history`        |
| chat             | `messages`     | messages of role and content; id, split                  |
| task             | anything else  | those of records.Task                                    |
"""

import json
import re
from dataclasses import replace

from kernelraft.answer import extract, is_python
from kernelraft.data.files.choice import Choice
from kernelraft.data.files.conversations import conversation
from kernelraft.data.files.entry import Entry, Row, example_of, sample_of, text
from kernelraft.data.foreign import Unusable, dialog_of, is_foreign
from kernelraft.data.foreign.chats import messages_of
from kernelraft.data.foreign.dialog import Malformed, unclosed
from kernelraft.errors import DataError
from kernelraft.records import Example, Task, digest
from kernelraft.store import from_row

JUDGE_KEYS = ("id", "reference", "code", "prompt", "family", "split")
_EMPTY = re.compile(r"<think>\s*</think>")
TASK_KEYS = frozenset({"id", "family", "language", "prompt", "reference", "tests", "answer", "split", "fixes"})


def entry_of(row: Row, choice: Choice) -> Entry:
    """Read a row by its form.

    Raises:
        DataError: the form is not known, a key is missing or its value of the wrong type.
    """
    if not _is_utf8(row) and not {"code", "reference"} <= row.keys():
        raise DataError("is not UTF-8")
    try:
        if "task_id" in row and "messages" in row:
            return _example(from_row(Example, row), choice)
        if is_foreign(row):
            return conversation(dialog_of(row), choice)
        if "messages" in row:
            return _chat(row, choice)
    except Malformed as fault:
        raise DataError(str(fault)) from None
    except Unusable as why:
        return Entry(id=digest(row), split="train", lacks=f"of no use ({why.reason})")
    if "code" in row:
        return _to_judge(row)
    if TASK_KEYS & row.keys():
        return _task(from_row(Task, row), choice)
    raise DataError(
        "expected a task (id, family, language, prompt, reference), a kernel (id, reference, code), "
        f"a chat (messages) or a trace (pytorch_code), found the keys {', '.join(row) or 'none'}"
    )


def _example(example: Example, choice: Choice, lacks: str = "examples, without a task") -> Entry:
    refused = choice.given(example.id)
    examples = () if refused else choice.shown(example)
    return Entry(id=example.id, split="train", examples=examples, lacks=refused or lacks)


def _task(task: Task, choice: Choice) -> Entry:
    if task.answer is None:
        return Entry(id=task.id, split=task.split, task=task, lacks="tasks without an answer")
    found = extract(task.answer)
    code = found.code or task.answer
    refused = choice.given(task.id)
    return Entry(
        id=task.id,
        split=task.split,
        task=task,
        sample=sample_of(task, task.answer, code, found.reasoning, task.id),
        examples=() if refused else (example_of(task, task.answer, task.id),),
        lacks=refused,
    )


def _is_utf8(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _to_judge(row: Row) -> Entry:
    """A program that is not UTF-8 is none: what is left of its text is kept to be looked at."""
    is_program = _is_utf8(row["code"])
    row = {key: value if _is_utf8(value) else _readable(value) for key, value in row.items()}
    unknown = [key for key in row if key not in JUDGE_KEYS]
    if unknown:
        raise DataError(f"expected the keys {', '.join(JUDGE_KEYS)}, found also {', '.join(unknown)}")
    reference, code = text(row, "reference"), text(row, "code")
    task = Task(
        id=text(row, "id"),
        family=text(row, "family", f"files/{digest(reference)}"),
        language="triton",
        prompt=text(row, "prompt", reference),
        reference=reference,
        split=text(row, "split", "train"),
    )
    found = extract(code)
    source = (code if is_python(code) else found.code or code) if is_program else ""
    sample = sample_of(task, code, source, found.reasoning, task.id)
    return Entry(id=task.id, split=task.split, task=task, sample=sample, lacks="kernels that nobody judged")


def _readable(text: str) -> str:
    """With a sign in the place of each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _chat(row: Row, choice: Choice) -> Entry:
    messages = tuple(messages_of(row))
    answers = [message.content for message in messages if message.trained]
    if not answers:
        raise DataError("expected a message of the assistant, found none")
    name = text(row, "id", digest(*(part for m in messages for part in (m.role, m.content))))
    split = text(row, "split", "train")
    if any(map(unclosed, answers)):
        return Entry(id=name, split=split, lacks="chats whose reasoning was cut off")
    if any(map(_EMPTY.search, answers)):
        return Entry(id=name, split=split, lacks="chats whose reasoning is empty")
    example = Example(id=name, task_id=name, messages=messages)
    return replace(_example(example, choice, "chats, without a task"), split=split)
