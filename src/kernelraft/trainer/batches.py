"""Examples as one padding-free row of tokens. Which examples make batch n is a function of (seed, n) alone.

T tokens of N documents, M of them followed by one that carries loss.
"""

import logging
import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from kernelraft.errors import DataError
from kernelraft.model.chat import encode_example
from kernelraft.records import Example
from kernelraft.trainer.packing import DOCUMENTS, by_count, by_tokens, most_documents

log = logging.getLogger("kernelraft")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example: token ids and, of equal length, which of them carry loss."""

    ids: list[int]
    trained: list[bool]


class Batch(NamedTuple):
    """`ids` and `positions` (1, T), `ends` (N + 1,) int32, `before` (M,) places and `labels` (M,) what follows them.

    The rest are plain numbers: no document is longer than `longest`; `tokens` counts those of examples.
    """

    ids_1T: torch.Tensor
    positions_1T: torch.Tensor
    ends: torch.Tensor
    before_M: torch.Tensor
    labels_M: torch.Tensor
    longest: int
    tokens: int

    @property
    def label_count(self) -> int:
        """How many tokens carry loss; the first of a document cannot, nothing predicts it."""
        return len(self.labels_M)


@dataclass(frozen=True, slots=True)
class Frame:
    """One shape for all batches, as compiled code wants it: T tokens, N documents, none longer than `longest`."""

    tokens: int
    documents: int
    longest: int

    @classmethod
    def around(cls, lengths: Sequence[int], tokens: int, longest: int) -> "Frame":
        """Of batches of examples of these lengths."""
        return cls(tokens, most_documents(lengths, tokens) + math.ceil(tokens / longest), longest)

    @property
    def room(self) -> int:
        """How many documents of examples fit beside those of padding."""
        return self.documents - math.ceil(self.tokens / self.longest)


def encode_all(
    tokenizer: Any, examples: Sequence[Example], max_length: int | None
) -> tuple[list[Encoded], dict[str, float]]:
    """(encoded examples, how many were left out: "train/overlong" ones, and those "train/unfit" for the template).

    `max_length` None keeps those of any length.

    Raises:
        DataError: none is left.
    """
    encoded, unfit = [], []
    for example in examples:
        try:
            encoded.append(Encoded(*encode_example(tokenizer, example)))
        except DataError as error:
            unfit.append(str(error))
    kept = [e for e in encoded if max_length is None or len(e.ids) <= max_length]
    overlong = len(encoded) - len(kept)
    if overlong:
        log.warning("%d of %d examples are longer than %d tokens and left out", overlong, len(examples), max_length)
    if unfit:
        log.warning(
            "%d of %d examples do not fit the chat template and are left out: %s", len(unfit), len(examples), unfit[0]
        )
    if not kept:
        long = f", {overlong} longer than {max_length} tokens" if max_length is not None else ""
        why = f", {len(unfit)} unfit for the chat template ({unfit[0]})" if unfit else ""
        raise DataError(f"no example to train on: {len(examples)} given{long}{why}")
    return kept, {"train/overlong": float(overlong), "train/unfit": float(len(unfit))}


def collate(encoded: Sequence[Encoded], pad: int, frame: Frame | None = None) -> Batch:
    """One row; in a frame it is filled up with documents of padding, which carry no loss."""
    ids: list[int] = []
    positions: list[int] = []
    before: list[int] = []
    ends = [0]
    for e in encoded:
        before += [len(ids) + place - 1 for place, trained in enumerate(e.trained) if trained and place]
        ids += e.ids
        positions += range(len(e.ids))
        ends.append(len(ids))
    tokens, longest = len(ids), max(len(e.ids) for e in encoded)
    if frame is not None:
        while len(ids) < frame.tokens:
            filler = min(frame.longest, frame.tokens - len(ids))
            ids += [pad] * filler
            positions += range(filler)
            ends.append(len(ids))
        ends += [len(ids)] * (frame.documents + 1 - len(ends))
        longest = frame.longest
    ids_T, before_M = torch.tensor(ids), torch.tensor(before, dtype=torch.long)
    return Batch(
        ids_T[None], torch.tensor(positions)[None], torch.tensor(ends, dtype=torch.int32), before_M,
        ids_T[before_M + 1], longest, tokens,
    )  # fmt: skip


class Batches:
    """The endless sequence of batches over epochs of shuffled examples.

    `size` examples a batch, or as many as fit in `budget` tokens.
    """

    def __init__(
        self, encoded: Sequence[Encoded], size: int, budget: int | None, pad: int, seed: int, frame: Frame | None = None
    ) -> None:
        self.encoded, self.size, self.budget = encoded, size, budget
        self.pad, self.seed, self.frame = pad, seed, frame
        self._lengths = [len(e.ids) for e in encoded]
        self._documents = DOCUMENTS if frame is None else frame.room
        self._starts = [0]  # batch that each epoch begins with
        self._epoch: tuple[int, list[list[int]]] | None = None

    def __getitem__(self, n: int) -> Batch:
        while self._starts[-1] <= n:
            self._start(len(self._starts))
        epoch = bisect_right(self._starts, n) - 1
        place = n - self._starts[epoch]
        return collate([self.encoded[i] for i in self._order(epoch)[place]], self.pad, self.frame)

    def count(self, epochs: float) -> float:
        """How many batches so many epochs are."""
        whole = int(epochs)
        last = (epochs - whole) * len(self._order(whole)) if epochs > whole else 0.0
        return self._start(whole) + last

    def _start(self, epoch: int) -> int:
        """Batch that an epoch begins with."""
        while len(self._starts) <= epoch:
            self._starts.append(self._starts[-1] + len(self._order(len(self._starts) - 1)))
        return self._starts[epoch]

    def _order(self, epoch: int) -> list[list[int]]:
        if self._epoch is None or self._epoch[0] != epoch:
            draw = random.Random(f"{self.seed}/{epoch}")
            order = list(range(len(self.encoded)))
            draw.shuffle(order)
            packed = (
                by_count(order, self._lengths, self.size, draw)
                if self.budget is None
                else by_tokens(order, self._lengths, self.budget, draw, self._documents)
            )
            self._epoch = (epoch, packed)
        return self._epoch[1]
