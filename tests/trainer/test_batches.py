from collections import Counter

import pytest

from kernelraft.errors import DataError
from kernelraft.model.bpe import train_tokenizer
from kernelraft.records import Example, Message
from kernelraft.trainer.batches import Batches, Encoded, encode_all

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


def test_an_example_that_does_not_fit_the_template_is_left_out_and_counted(caplog):
    tokenizer = train_tokenizer(["x = 1\n"] * 3, 300)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['content'] == 'odd' %}{{ raise_exception('odd') }}{% endif %}"
        "{{ m['content'] }}</>{% endfor %}"
    )
    answer = Message(role="assistant", content="x = 1", trained=True)
    asked = [Message(role="user", content=text) for text in ("do", "odd", "do")]
    examples = [Example(id=f"{n}", task_id=f"{n}", messages=(ask, answer)) for n, ask in enumerate(asked)]
    kept, left_out = encode_all(tokenizer, examples, 64)
    assert (len(kept), left_out) == (2, {"train/overlong": 0.0, "train/unfit": 1.0})
    assert "1 of 3 examples do not fit the chat template and are left out" in caplog.text
    with pytest.raises(DataError, match="no example to train on: 1 given, 0 longer than 64 tokens, 1 unfit"):
        encode_all(tokenizer, examples[1:2], 64)
