"""From messages to token ids, the same way for training and for sampling."""

from collections.abc import Sequence
from typing import Any

from kernelraft.errors import DataError
from kernelraft.records import Example, Message


def render(tokenizer: Any, messages: Sequence[Message], *, ask: bool) -> str:
    """The text of a conversation by the model's own chat template; `ask` opens the assistant's turn."""
    plain = [{"role": m.role, "content": m.content} for m in messages]
    text: str = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=ask)
    return text


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a rendered text; the template has already put in every special token."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_example(tokenizer: Any, example: Example) -> tuple[list[int], list[bool]]:
    """(ids, trained), both of length T; `trained` marks the tokens that carry loss.

    Each trained message starts where sampling would start it: what stands
    before it is rendered and encoded exactly as the prompt is.

    Raises:
        DataError: the template does not repeat a trained message byte for byte.
    """
    ids: list[int] = []
    trained: list[bool] = []
    done = ""
    for position, message in enumerate(example.messages):
        if not message.trained:
            continue
        before = render(tokenizer, example.messages[:position], ask=True)
        whole = render(tokenizer, example.messages[: position + 1], ask=False)
        if not (before.startswith(done) and whole.startswith(before)):
            raise DataError(
                f"example {example.id}: the chat template rewrites earlier turns; train its last turn alone"
            )
        answer = whole[len(before) :]
        if message.content not in answer:
            raise DataError(f"example {example.id}: the chat template changes the text that was verified")
        for text, loss in ((before[len(done) :], False), (answer, True)):
            part = encode(tokenizer, text)
            ids += part
            trained += [loss] * len(part)
        done = whole
    return ids, trained
