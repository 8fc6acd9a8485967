"""A model's tokenizer alone, and what its tokens spell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelraft.model import Model
from kernelraft.model.card import look, place
from kernelraft.model.chat import HALF, decode, special_tokens
from kernelraft.model.pretrained import pretrained

_LONGEST = 8  # tokens of one character; more, and the text holds this very character


@dataclass(frozen=True, slots=True)
class Piece:
    """A token with its text; several where they share a character. `special`: it stands for no text of a message."""

    text: str
    ids: tuple[int, ...]
    trained: bool
    special: bool


def tokenizer_of(model: Model, checkpoint: Path | None, folder: Path, corpus: Sequence[str], seed: int) -> Any:
    """The tokenizer with which `checkpoint`, else the model's own weights, would be trained.

    A model from scratch is made in `folder`, as its training makes it.

    Raises:
        ModelUnavailable: there is none, or it cannot be read.
    """
    if checkpoint is None:
        model.check()
        weights = model.weights(folder, corpus, seed)
    else:
        weights = place(look(checkpoint, model), model)
    from transformers import AutoTokenizer

    return pretrained(AutoTokenizer, weights, called=f"the tokenizer of {weights.path}")


def pieces(tokenizer: Any, ids: Sequence[int], trained: Sequence[bool]) -> Iterator[Piece]:
    """The tokens one after another; their texts together are the text of all."""
    special = special_tokens(tokenizer)
    before, start = 0, 0  # where the piece before begins, and this one: some tokens are spelt by their neighbours
    while start < len(ids):
        known = len(decode(tokenizer, ids[before:start]))
        end, text = start, HALF
        while HALF in text and end < min(start + _LONGEST, len(ids)) and trained[end] == trained[start]:
            end += 1
            text = decode(tokenizer, ids[before:end])[known:]
        yield Piece(text, tuple(ids[start:end]), trained[start], text in special)
        before, start = start, end
