"""From messages to token ids, the same way for training and for sampling."""

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from kernelraft.errors import DataError
from kernelraft.records import Example, Message

HALF = "\N{REPLACEMENT CHARACTER}"  # what tokens that are half of a character decode to
_PLACE = "kernelraft: the answer stands here"


def render(tokenizer: Any, messages: Sequence[Message], *, ask: bool) -> str:
    """The text of a conversation by the model's own chat template; `ask` opens the assistant's turn.

    Raises:
        DataError: there is no template, or it refuses the messages.
    """
    if tokenizer.chat_template is None:
        raise DataError("the tokenizer has no chat template: use an instruct model's")
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

    A trained message is its own text, byte for byte, between the prompt that
    sampling would see and the token that ends a turn, at which sampling stops:
    templates that trim, move or strip an answer have no part in it. Earlier
    messages are what the template shows of them.

    Raises:
        DataError: the template cannot show these messages, has no assistant part, or rewrites a
            turn that was trained before; or the tokenizer changes a trained text.
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
                f"example {example.id}: the chat template rewrites earlier turns: make each trained answer an example "
                "of its own, as data.earlier_reasoning=strip does of those with reasoning"
            )
        header, end = _around(tokenizer, example.messages[:position], before)
        answer = _headed(header, _unopened(before, message.content)) + end
        for text, loss in ((before[len(done) :], False), (answer, True)):
            part = encode(tokenizer, text)
            ids += part
            trained += [loss] * len(part)
        if (back := decode(tokenizer, part)) != answer:
            raise DataError(f"example {example.id}: the tokenizer changes its text, {_difference(answer, back)}")
        done = before + answer
    return ids, trained


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of token ids, special tokens included, nothing tidied up."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def special_tokens(tokenizer: Any) -> set[str]:
    """The tokens that stand for no text of a message."""
    added = tokenizer.added_tokens_decoder.values()
    return {*tokenizer.all_special_tokens, *(token.content for token in added if token.special)}


def _unopened(prompt: str, answer: str) -> str:
    """The answer without the `<think>` that some templates end the prompt with."""
    opened = re.search(r"<think>(\s*)$", prompt)
    begun = re.match(r"\s*<think>", answer)
    if opened and begun:
        return answer[begun.end() :].removeprefix(opened[1])
    return answer


def _headed(header: str, answer: str) -> str:
    """The answer behind what the model writes to open it, as the channel of gpt-oss; a sampled text has it already."""
    opening = re.match(r"<[^>]*>", header)
    return answer if opening and answer.startswith(opening[0]) else header + answer


def _around(tokenizer: Any, before: Sequence[Message], prompt: str) -> tuple[str, str]:
    """What the template writes between the prompt and the assistant's text, and after the text to end the turn.

    Empty reasoning that it puts there is left out, and so is what follows the
    end of the turn: neither is ever sampled.
    """
    shown = render(tokenizer, [*before, Message(role="assistant", content=_PLACE)], ask=False)
    opening, found, closing = shown.rpartition(_PLACE)
    if not found:
        raise DataError("the chat template has no assistant part: it leaves out what the assistant says")
    header = opening.removeprefix(prompt) if opening.startswith(prompt) else ""
    if header and prompt == render(tokenizer, before, ask=False):
        raise DataError("the chat template has no assistant part: it does not open the assistant's turn when asked to")
    ends = [closing.index(token) + len(token) for token in special_tokens(tokenizer) if token and token in closing]
    return "" if "</think>" in header else header, closing[: min(ends)] if ends else closing


def _difference(text: str, back: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(text, back, strict=False)) if a != b), min(len(text), len(back)))
    return f"{text[at : at + 20]!r} becomes {back[at : at + 20]!r}"
