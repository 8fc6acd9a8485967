"""Examples as token tensors. Which examples make batch n is a function of (seed, n) alone: a resumed run needs no more.

B examples, T tokens.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from kernelraft.errors import DataError
from kernelraft.model.chat import encode_example
from kernelraft.records import Example

log = logging.getLogger("kernelraft")
WINDOW = 8  # batches that are sorted by length together: little padding, still shuffled
IGNORE = -100


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example: token ids and, of equal length, which of them carry loss."""

    ids: list[int]
    trained: list[bool]


class Batch(NamedTuple):
    """`ids` (B, T), `attention` (B, T), `labels` (B, T): the id where it carries loss, else IGNORE."""

    ids_BT: torch.Tensor
    attention_BT: torch.Tensor
    labels_BT: torch.Tensor

    @property
    def label_count(self) -> int:
        """How many positions carry loss; position 0 cannot, nothing predicts it."""
        return int((self.labels_BT[:, 1:] != IGNORE).sum())


def encode_all(tokenizer: Any, examples: Sequence[Example], max_length: int) -> tuple[list[Encoded], dict[str, float]]:
    """(encoded examples, how many were left out: "train/overlong" ones, and those "train/unfit" for the template).

    Raises:
        DataError: none is left.
    """
    encoded, unfit = [], []
    for example in examples:
        try:
            encoded.append(Encoded(*encode_example(tokenizer, example)))
        except DataError as error:
            unfit.append(str(error))
    kept = [e for e in encoded if len(e.ids) <= max_length]
    overlong = len(encoded) - len(kept)
    if overlong:
        log.warning("%d of %d examples are longer than %d tokens and left out", overlong, len(examples), max_length)
    if unfit:
        log.warning(
            "%d of %d examples do not fit the chat template and are left out: %s", len(unfit), len(examples), unfit[0]
        )
    if not kept:
        why = f", {len(unfit)} unfit for the chat template ({unfit[0]})" if unfit else ""
        raise DataError(
            f"no example to train on: {len(examples)} given, {overlong} longer than {max_length} tokens{why}"
        )
    return kept, {"train/overlong": float(overlong), "train/unfit": float(len(unfit))}


def collate(encoded: Sequence[Encoded], pad: int) -> Batch:
    """Right-padded tensors."""
    longest = max(len(e.ids) for e in encoded)
    ids_BT = torch.full((len(encoded), longest), pad, dtype=torch.long)
    attention_BT = torch.zeros_like(ids_BT)
    labels_BT = torch.full_like(ids_BT, IGNORE)
    for row, e in enumerate(encoded):
        length = len(e.ids)
        ids = torch.tensor(e.ids)
        ids_BT[row, :length] = ids
        attention_BT[row, :length] = 1
        labels_BT[row, :length] = torch.where(torch.tensor(e.trained), ids, IGNORE)
    return Batch(ids_BT, attention_BT, labels_BT)


class Batches:
    """The endless sequence of batches over epochs of shuffled examples."""

    def __init__(self, encoded: Sequence[Encoded], batch_size: int, pad: int, seed: int) -> None:
        self.encoded, self.size, self.pad, self.seed = encoded, batch_size, pad, seed
        self.per_epoch = -(-len(encoded) // batch_size)
        self._epoch: tuple[int, list[list[int]]] | None = None

    def __getitem__(self, n: int) -> Batch:
        epoch, place = divmod(n, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._order(epoch))
        return collate([self.encoded[i] for i in self._epoch[1][place]], self.pad)

    def _order(self, epoch: int) -> list[list[int]]:
        draw = random.Random(f"{self.seed}/{epoch}")
        order = list(range(len(self.encoded)))
        draw.shuffle(order)
        batches: list[list[int]] = []
        for start in range(0, len(order), self.size * WINDOW):
            window = sorted(order[start : start + self.size * WINDOW], key=lambda i: len(self.encoded[i].ids))
            groups = [window[i : i + self.size] for i in range(0, len(window), self.size)]
            draw.shuffle(groups)
            batches += groups
        return batches
