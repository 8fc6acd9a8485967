from collections import Counter

import pytest

from kernelraft.trainer.batches import Batches, Encoded

ENCODED = [Encoded(list(range(2, 4 + n)), [True] * (n + 2)) for n in range(21)]


def rows(batch):
    return [int(mask.sum()) for mask in batch.attention_BT]


def test_an_epoch_sees_every_example_once():
    batches = Batches(ENCODED, 4, pad=0, seed=1)
    for epoch in range(3):
        seen = Counter(
            n for place in range(batches.per_epoch) for n in rows(batches[epoch * batches.per_epoch + place])
        )
        assert seen == Counter(len(e.ids) for e in ENCODED)


def test_batch_n_is_the_same_whoever_asks_and_when():
    first, second = Batches(ENCODED, 4, pad=0, seed=1), Batches(ENCODED, 4, pad=0, seed=1)
    forward = [rows(first[n]) for n in range(20)]
    assert [rows(second[n]) for n in reversed(range(20))] == forward[::-1]


@pytest.mark.parametrize("other", [{"seed": 2}])
def test_another_seed_gives_another_order(other):
    a, b = Batches(ENCODED, 4, pad=0, seed=1), Batches(ENCODED, 4, pad=0, **other)
    assert [rows(a[n]) for n in range(6)] != [rows(b[n]) for n in range(6)]
