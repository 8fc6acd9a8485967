"""From messages to token ids, the same way for training and for sampling."""

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from kernelraft.errors import DataError
from kernelraft.records import Example, Message

_PLACE = "kernelraft: the answer stands here"


def render(tokenizer: Any, messages: Sequence[Message], *, ask: bool) -> str:
    """The text of a conversation by the model's own chat template; `ask` opens the assistant's turn."""
    plain = [{"role": m.role, "content": m.content} for m in messages]
    try:
        text: str = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=ask)
    except TemplateError as error:
        raise DataError(
            f"the chat template refuses the messages {', '.join(m.role for m in messages)}: {error}"
        ) from None
    return text


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a rendered text; the template has already put in every special token."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_example(tokenizer: Any, example: Example) -> tuple[list[int], list[bool]]:
    """(ids, trained), both of length T; `trained` marks the tokens that carry loss.

    A trained message is its own text, byte for byte, after the prompt that
    sampling would see and before what the template closes a turn with:
    templates that trim or move an answer have no part in it.

    Raises:
        DataError: the template cannot show these messages, or rewrites a turn that was trained before.
    """
    ids: list[int] = []
    trained: list[bool] = []
    done = ""
    for position, message in enumerate(example.messages):
        if not message.trained:
            continue
        before = render(tokenizer, example.messages[:position], ask=True)
        if not before.startswith(done):
            raise DataError(
                f"example {example.id}: the chat template rewrites earlier turns; train its last turn alone"
            )
        answer = _unopened(before, message.content) + _closing(tokenizer, example.messages[:position])
        for text, loss in ((before[len(done) :], False), (answer, True)):
            part = encode(tokenizer, text)
            ids += part
            trained += [loss] * len(part)
        done = before + answer
    return ids, trained


def _unopened(prompt: str, answer: str) -> str:
    """The answer without the `<think>` that some templates end the prompt with."""
    opened = re.search(r"<think>(\s*)$", prompt)
    begun = re.match(r"\s*<think>", answer)
    if opened and begun:
        return answer[begun.end() :].removeprefix(opened[1])
    return answer


def _closing(tokenizer: Any, before: Sequence[Message]) -> str:
    """What the template writes after the assistant's text."""
    shown = render(tokenizer, [*before, Message(role="assistant", content=_PLACE)], ask=False)
    return shown[shown.rindex(_PLACE) + len(_PLACE) :]
