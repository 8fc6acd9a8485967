from collections import Counter

import pytest

from kernelraft.errors import DataError
from kernelraft.model.bpe import train_tokenizer
from kernelraft.records import Example, Message
from kernelraft.trainer.batches import Batches, Encoded, Frame, collate, encode_all

ENCODED = [Encoded(list(range(2, 4 + n)), [True] * (n + 2)) for n in range(21)]


def batches(seed=1, size=4, budget=None, frame=None):
    return Batches(ENCODED, size, budget, pad=0, seed=seed, frame=frame)


def lengths(batch):
    return [length for length in batch.ends.diff().tolist() if length]


@pytest.mark.parametrize("budget", [None, 22, 64])
def test_an_epoch_sees_every_example_once(budget):
    found, place = batches(budget=budget), 0
    for epoch in range(1, 4):
        seen = Counter()
        while place < found.count(epoch):
            seen.update(lengths(found[place]))
            place += 1
        assert seen == Counter(len(e.ids) for e in ENCODED)


@pytest.mark.parametrize("budget", [None, 40])
def test_batch_n_is_the_same_whoever_asks_and_when(budget):
    first, second = batches(budget=budget), batches(budget=budget)
    forward = [lengths(first[n]) for n in range(20)]
    assert [lengths(second[n]) for n in reversed(range(20))] == forward[::-1]


@pytest.mark.parametrize("budget", [None, 40])
def test_another_seed_and_another_epoch_give_another_order(budget):
    a, b = batches(budget=budget), batches(seed=2, budget=budget)
    first = [lengths(a[n]) for n in range(6)]
    assert first != [lengths(b[n]) for n in range(6)]
    start = round(a.count(1))
    assert first != [lengths(a[start + n]) for n in range(6)]


def test_a_budget_is_kept_and_filled():
    found = batches(budget=64)
    sizes = [found[n].tokens for n in range(round(found.count(1)))]
    assert max(sizes) <= 64 and sum(sizes) == sum(len(e.ids) for e in ENCODED)
    assert len(sizes) <= sum(sizes) // 64 + 2  # first fit decreasing leaves little room
    assert batches(budget=64).count(2.5) == pytest.approx(found.count(2) + len(found._order(2)) / 2)


def test_an_example_longer_than_the_budget_is_refused():
    with pytest.raises(ValueError, match="22 tokens does not fit into 20"):
        batches(budget=20)[0]


def test_a_frame_gives_all_batches_one_shape_and_padding_carries_no_loss():
    frame = Frame(tokens=64, documents=30, longest=24)
    found, plain = batches(budget=64, frame=frame), batches(budget=64)
    for n in range(round(found.count(1))):
        framed, bare = found[n], plain[n]
        assert framed.ids_1T.shape == framed.positions_1T.shape == (1, 64) and framed.ends.shape == (31,)
        assert framed.ends[-1] == 64 and framed.longest == 24 and max(lengths(framed)) <= 24
        assert framed.tokens == bare.tokens and framed.label_count == bare.label_count
        assert framed.before_M.tolist() == bare.before_M.tolist() and framed.labels_M.equal(bare.labels_M)


@pytest.mark.parametrize("longest", [22, 24, 64])
def test_a_frame_around_examples_holds_as_many_as_a_batch_without_one(longest):
    short = [Encoded([5] * (n % 3 + 2), [True] * (n % 3 + 2)) for n in range(100)]
    frame = Frame.around([len(e.ids) for e in short], 64, longest)
    found, plain = (Batches(short, 1, 64, pad=0, seed=1, frame=f) for f in (frame, None))
    assert found.count(1) == plain.count(1)
    assert {found[n].ends.shape for n in range(round(found.count(1)))} == {(frame.documents + 1,)}


def test_labels_follow_their_tokens_within_a_document():
    batch = collate(
        [Encoded([5, 6, 7, 8], [False, True, False, True]), Encoded([9, 10, 11], [True, False, True])], pad=0
    )
    assert batch.ids_1T.tolist() == [[5, 6, 7, 8, 9, 10, 11]]
    assert batch.positions_1T.tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert batch.ends.tolist() == [0, 4, 7] and batch.longest == 4 and batch.tokens == 7
    assert batch.before_M.tolist() == [0, 2, 5]  # 9 carries loss, but nothing predicts a first token
    assert batch.labels_M.tolist() == [6, 8, 11]


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
    with pytest.raises(DataError, match="no example to train on: 1 given, 1 unfit"):
        encode_all(tokenizer, examples[1:2], None)
