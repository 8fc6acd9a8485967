"""Which examples go into one batch: of a count, or of a budget of tokens."""

import math
import random
from collections.abc import Sequence

SORTED = 8  # batches that are sorted by length together: documents of a batch are alike, still shuffled
WINDOW = 2048  # examples that are packed together: packing all at once would put the same ones together each epoch
DOCUMENTS = 255  # in one batch at most


def most_documents(lengths: Sequence[int], budget: int) -> int:
    """How many documents a batch may have, where all are to have one shape: four times as many as it has on average.

    Attention on a GPU spends time on each that could be there.
    """
    average = budget * len(lengths) / sum(lengths)
    return int(min(DOCUMENTS, max(16, 2 ** math.ceil(math.log2(4 * average)))))


def by_count(order: Sequence[int], lengths: Sequence[int], size: int, draw: random.Random) -> list[list[int]]:
    """Batches of `size` examples of like length."""
    batches: list[list[int]] = []
    for start in range(0, len(order), size * SORTED):
        window = sorted(order[start : start + size * SORTED], key=lambda i: lengths[i])
        groups = [window[i : i + size] for i in range(0, len(window), size)]
        draw.shuffle(groups)
        batches += groups
    return batches


def by_tokens(
    order: Sequence[int], lengths: Sequence[int], budget: int, draw: random.Random, documents: int = DOCUMENTS
) -> list[list[int]]:
    """Batches of at most `budget` tokens and so many documents, first fit decreasing, in windows of the shuffled order.

    Raises:
        ValueError: an example is longer than the budget.
    """
    batches: list[list[int]] = []
    for start in range(0, len(order), WINDOW):
        packed: list[list[int]] = []
        room: list[int] = []
        for i in sorted(order[start : start + WINDOW], key=lambda i: -lengths[i]):
            if lengths[i] > budget:
                raise ValueError(f"an example of {lengths[i]} tokens does not fit into {budget}")
            fits = (n for n, left in enumerate(room) if left >= lengths[i] and len(packed[n]) < documents)
            place = next(fits, None)
            if place is None:
                packed.append([i])
                room.append(budget - lengths[i])
            else:
                packed[place].append(i)
                room[place] -= lengths[i]
        draw.shuffle(packed)
        batches += packed
    return batches
