"""Text out of tokens one at a time, as they are drawn."""

from typing import Any

from kernelraft.model.chat import HALF


class Detokenizer:
    """The pieces that `add` and `rest` return are, joined, what decoding all tokens at once gives.

    A token's text can depend on the one before it, so that both are decoded and the first is taken off.
    """

    def __init__(self, tokenizer: Any, ends: set[int]) -> None:
        self._tokenizer, self._ends = tokenizer, ends
        self._tokens: list[int] = []
        self._before = self._said = 0  # where the tokens begin that are decoded, and those that were not yet told

    def add(self, token: int) -> str:
        """What can be said now; "" in the middle of a character, and for the token that ends the answer."""
        if token in self._ends:
            return ""
        self._tokens.append(token)
        piece = self._new()
        if piece.endswith(HALF):
            return ""
        self._before, self._said = self._said, len(self._tokens)
        return piece

    def rest(self) -> str:
        """What was kept back, when the answer is over."""
        piece = self._new()
        self._before = self._said = len(self._tokens)
        return piece

    def _new(self) -> str:
        told = self._text(self._tokens[self._before : self._said])
        return self._text(self._tokens[self._before :])[len(told) :]

    def _text(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False)
        return text
