import copy

import pytest

from kernelraft.errors import DataError
from kernelraft.model.bpe import train_tokenizer
from kernelraft.model.chat import encode, encode_example, render
from kernelraft.records import Example, Message

TEXTS = ["import torch\n\n\nx = torch.relu(x)\n", "x = x * 1.5\n", "ünïcode  spaces\t\ttabs\n    deep\n"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, 300)


def messages(*turns):
    roles = ["user", "assistant"] * len(turns)
    return tuple(Message(role=r, content=t, trained=r == "assistant") for r, t in zip(roles, turns, strict=False))


def example(*turns):
    return Example(id="e", task_id="t", messages=messages(*turns))


@pytest.mark.parametrize("text", [*TEXTS, "def f():\n\n  return {'a': 1.25}\n", "\n\n\n", "never seen: ⁂"])
def test_decoding_gives_the_text_back_byte_for_byte(tokenizer, text):
    assert tokenizer.decode(encode(tokenizer, text)) == text


def test_the_trained_tokens_are_the_answer_and_its_end(tokenizer):
    ids, trained = encode_example(tokenizer, example("write relu", TEXTS[0]))
    assert tokenizer.decode([i for i, t in zip(ids, trained, strict=True) if t]) == TEXTS[0] + "<|end|>"


def test_what_stands_before_the_answer_is_the_prompt_as_sampling_sees_it(tokenizer):
    ids, trained = encode_example(tokenizer, example("write relu", TEXTS[0]))
    prompt = encode(tokenizer, render(tokenizer, messages("write relu")[:1], ask=True))
    assert ids[: len(prompt)] == prompt and not any(trained[: len(prompt)])


def test_every_trained_turn_of_a_conversation_carries_loss(tokenizer):
    ids, trained = encode_example(tokenizer, example("first", "wrong\n", "mend it", "right\n"))
    assert tokenizer.decode([i for i, t in zip(ids, trained, strict=True) if t]) == "wrong\n<|end|>right\n<|end|>"


def with_template(tokenizer, template):
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def trained_text(tokenizer, *turns):
    ids, trained = encode_example(tokenizer, example(*turns))
    return tokenizer.decode([i for i, t in zip(ids, trained, strict=True) if t])


TRIMS = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
OPENS = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>\n{% endif %}"
)


def test_a_template_that_trims_an_answer_does_not_change_what_is_trained(tokenizer):
    assert trained_text(with_template(tokenizer, TRIMS), "write relu", "  x = 1  ") == "  x = 1  </>"


def test_a_template_that_rewrites_a_turn_trained_before_is_refused(tokenizer):
    with pytest.raises(DataError, match="rewrites earlier turns"):
        encode_example(with_template(tokenizer, TRIMS), example("first", " one ", "second", "two"))


@pytest.mark.parametrize(
    ("answer", "trained"),
    [
        ("<think>\nwhy\n</think>\nx = 1", "why\n</think>\nx = 1</>"),
        ("<think>why</think>\nx = 1", "why</think>\nx = 1</>"),
        ("why</think>\nx = 1", "why</think>\nx = 1</>"),
        ("x = 1", "x = 1</>"),
    ],
)
def test_what_the_prompt_has_opened_is_not_opened_again(tokenizer, answer, trained):
    assert trained_text(with_template(tokenizer, OPENS), "write relu", answer) == trained


def test_a_template_that_refuses_the_messages_is_a_data_error(tokenizer):
    refuses = with_template(tokenizer, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(DataError, match="refuses the messages user: roles must alternate"):
        encode_example(refuses, example("write relu", "x = 1"))
