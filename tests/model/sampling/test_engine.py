from copy import deepcopy

import pytest
import torch

from kernelraft.model import Loaded
from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.attach import freeze, packable
from kernelraft.model.lora.stored import Stored
from kernelraft.model.sampling import Engine, Job, Sampling
from kernelraft.model.sampling.cache import Step
from kernelraft.model.sampling.prompts import Packed
from tests.model.sampling.families import END, FAMILIES, family, forced, greedy, own_logits, prompts

CPU = torch.device("cpu")


def engine(loaded, batch=8, temperature=1.0, top_p=1.0, max_new_tokens=40, **options):
    how = Sampling(temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens)
    return Engine(loaded, how, batch, CPU, **options)


def sampled(loaded, asked, **options):
    return engine(loaded, **options).sample(asked, [f"id {n}" for n in range(len(asked))])


class Calls:
    """Notes the shape of every forward pass of a module."""

    def __init__(self, module):
        self.reads, self.steps = [], 0
        module.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, module, args, kwargs):
        rows, tokens = kwargs["input_ids"].shape
        if not isinstance(kwargs["sampling_keys"], (Step, Packed)):
            return  # which numbers of rows give the same bits
        if tokens == 1 and rows > 1:
            self.steps += 1
        else:
            self.reads.append(tokens)


@pytest.mark.parametrize("share", [False, True], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("name", FAMILIES)
def test_it_writes_what_the_module_itself_writes(name, share):
    loaded = family(name)
    asked = [prompt for prompt in prompts(5) for _ in range(2)]
    found = sampled(loaded, asked, batch=3, temperature=0, share=share)
    assert [(c.text, c.ended) for c in found] == [greedy(loaded.module, prompt, 40) for prompt in asked]


@pytest.mark.parametrize("share", [False, True], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("name", FAMILIES)
def test_its_logits_are_the_modules(name, share, monkeypatch):
    loaded, asked = family(name), prompts(5, seed=2)
    texts, logits = forced(engine(loaded, temperature=0, share=share), asked, monkeypatch)
    for prompt, text, found in zip(asked, texts, logits, strict=True):
        assert torch.allclose(found, own_logits(loaded.module, prompt, text)[: len(found)], atol=1e-4, rtol=1e-4)


@pytest.fixture
def last_bits_choose(monkeypatch):
    """The next token follows from the bits of the logits: one that differs makes another text."""

    def draw(logits_BV, uniform_B, how):
        return 4 + logits_BV.float().contiguous().view(torch.int32).long().sum(-1) % (logits_BV.shape[-1] - 4)

    monkeypatch.setattr("kernelraft.model.sampling.engine.draw", draw)


@pytest.mark.usefixtures("last_bits_choose")
@pytest.mark.parametrize("name", FAMILIES)
def test_logits_do_not_depend_on_the_batch_size_or_on_what_else_is_asked(name):
    loaded = family(name)
    asked = [prompt for prompt in prompts(9) for _ in range(3)]
    whole = sampled(loaded, asked, batch=64, max_new_tokens=16)
    assert all(sampled(loaded, asked, batch=batch, max_new_tokens=16) == whole for batch in (1, 3, 8))
    assert sampled(loaded, asked[20:22], max_new_tokens=16) == whole[20:22]


@pytest.mark.usefixtures("last_bits_choose")
def test_logits_do_not_depend_on_the_batch_size_where_sequences_are_long():
    loaded = family("llama")
    asked = prompts(12, longest=300)
    whole = sampled(loaded, asked, batch=64, max_new_tokens=150)
    assert sampled(loaded, asked, batch=5, max_new_tokens=150) == whole


def test_samples_do_not_depend_on_the_batch_size():
    loaded = family("llama")
    asked = [prompt for prompt in prompts(9) for _ in range(3)]
    whole = sampled(loaded, asked, batch=64, top_p=0.9)
    assert len({c.text for c in whole}) > 20 and len({c.tokens for c in whole}) > 5
    assert all(sampled(loaded, asked, batch=batch, top_p=0.9) == whole for batch in (3, 8))


def test_a_prompt_is_read_once_for_all_its_samples():
    loaded = family("llama")
    calls = Calls(loaded.module)
    asked = [prompt for prompt in prompts(3) for _ in range(20)]
    sampled(loaded, asked, batch=8)
    assert sorted(calls.reads) == sorted(len(prompt) for prompt in asked[::20])


def test_a_slot_is_filled_again_as_soon_as_its_sequence_ends():
    loaded = family("llama")
    asked = prompts(30)
    lengths = [c.tokens - 1 for c in sampled(loaded, asked)]  # the first token comes with the prompt
    assert len(set(lengths)) > 10
    calls = Calls(loaded.module)
    sampled(loaded, asked, batch=4)
    busy = [0] * 4
    for length in lengths:
        busy[busy.index(min(busy))] += length
    assert calls.steps == max(busy)


def test_an_end_token_ends_a_completion_and_is_counted_but_not_written():
    loaded = family("llama")
    loaded.module.generation_config.eos_token_id = [7, 9]
    found = sampled(loaded, prompts(40), max_new_tokens=30)
    ended = [c for c in found if c.ended]
    assert len(ended) > 5 and all(len(c.text.split()) == c.tokens - 1 for c in ended)
    assert not any({str(END), "7", "9"} & set(c.text.split()) for c in found)
    assert all(c.tokens == 30 == len(c.text.split()) for c in found if not c.ended)


def test_one_token_is_a_completion():
    found = sampled(family("llama"), prompts(10), max_new_tokens=1)
    assert [c.tokens for c in found] == [1] * 10


def adapted(name, packed=False, expert_rank=None, **changes):
    """A family with adapters that change what it says, in 4 bits where asked."""
    loaded = family(name, **changes)
    lora = LoraShape(rank=4, alpha=4, dropout=0.0, targets=("q_proj", "o_proj"), expert_rank=expert_rank)
    weights = loaded.module.state_dict()
    stored = {n: Stored.packed(weights[n], double=True) for n in packable(loaded.module)} if packed else {}
    freeze(loaded.module, stored, lora)
    with torch.no_grad():
        for parameter in loaded.module.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.3)
    loaded.module.eval()
    return loaded


def test_adapters_are_sampled_in_place():
    asked = prompts(4)
    plain = sampled(family("llama"), asked, temperature=0)
    loaded = adapted("llama")
    found = sampled(loaded, asked, temperature=0)
    assert found != plain
    assert [(c.text, c.ended) for c in found] == [greedy(loaded.module, prompt, 40) for prompt in asked]


@pytest.mark.usefixtures("last_bits_choose")
@pytest.mark.parametrize("name", ["afmoe", "gpt_oss"])
def test_logits_of_4_bit_experts_with_adapters_do_not_depend_on_the_batch_size(name):
    loaded = adapted(name, packed=True, expert_rank=4, hidden_size=64)
    asked = [prompt for prompt in prompts(9) for _ in range(8)]
    whole = sampled(loaded, asked, batch=64, max_new_tokens=8)
    assert len({c.text for c in whole}) == 9  # chosen by the bits alone
    assert all(sampled(loaded, asked, batch=batch, max_new_tokens=8) == whole for batch in (1, 3, 8))


class Widths:
    """Notes how many rows each step of an engine has."""

    def __init__(self, module):
        self.seen = set()
        module.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, module, args, kwargs):
        if isinstance(kwargs["sampling_keys"], Step):
            self.seen.add(len(kwargs["input_ids"]))


@pytest.mark.parametrize(("count", "rows"), [(3, 8), (20, 32), (40, 64)])
def test_a_step_has_no_more_rows_than_are_needed(count, rows):
    loaded = family("llama")
    widths = Widths(loaded.module)
    sampled(loaded, prompts(count), batch=64, max_new_tokens=5)
    assert max(widths.seen) == rows


def test_a_step_has_all_rows_where_fewer_give_other_bits():
    loaded = family("llama")
    loaded.module.lm_head.register_forward_hook(lambda module, args, out: out * (1 + 1e-3 * (len(out) < 64)))
    widths = Widths(loaded.module)
    sampled(loaded, prompts(3), max_new_tokens=5)
    assert widths.seen == {64}


def job(prompt, key, temperature=1.0, top_p=1.0, most=40, **options):
    how = Sampling(temperature=temperature, top_p=top_p, max_new_tokens=most)
    return Job(prompt=prompt, key=key, how=how, **options)


def test_jobs_of_different_settings_are_sampled_together_as_each_alone():
    loaded = family("llama")
    kinds = [(0, 1.0, 40), (1.0, 1.0, 7), (0.7, 0.8, 40), (2.0, 0.5, 1), (1.0, 0.9, 100)]
    jobs = [job(prompt, str(n), *kinds[n % 5]) for n, prompt in enumerate(prompts(20))]
    together = dict(engine(loaded).run(jobs))
    assert together == {each: dict(engine(loaded).run([each]))[each] for each in jobs}
    assert [max(together[each].tokens for each in jobs[kind::5]) for kind in (1, 3)] == [7, 1]
    assert max(completion.tokens for completion in together.values()) == 40  # the engine's room


def test_each_token_is_told_when_it_is_drawn():
    told = {n: [] for n in range(6)}
    jobs = [job(prompt, str(n), told=told[n].append) for n, prompt in enumerate(prompts(6))]
    for each, completion in engine(family("llama"), batch=4).run(jobs):
        heard = told[int(each.key)]
        assert len(heard) == completion.tokens and heard[0] != END
        assert completion.text == " ".join(map(str, heard[:-1] if completion.ended else heard))


def test_a_sequence_that_nobody_waits_for_is_given_up_and_the_others_go_on():
    loaded, told = family("llama"), []
    asked = prompts(6)
    kept = [job(prompt, str(n)) for n, prompt in enumerate(asked)]
    alone = dict(engine(loaded).run(kept))
    left = job(asked[0], "left", temperature=50.0, told=told.append, gone=lambda: len(told) >= 3)
    never = job(asked[1], "never", told=told.append, gone=lambda: True)
    assert dict(engine(loaded, batch=3).run([left, *kept, never])) == alone
    assert len(told) == 3


def test_a_job_that_comes_later_joins_those_that_are_live():
    loaded = family("llama")
    loaded.module.generation_config.eos_token_id = None
    loaded.tokenizer.eos_token_id = None
    asked = [*prompts(5), *prompts(1, seed=9, shortest=280, longest=281)]  # the last one needs more room than there is
    coming = [job(prompt, str(n), most=10) for n, prompt in enumerate(asked)]
    whole = job(prompts(1, seed=4)[0], "whole")
    alone = {each: dict(engine(loaded).run([each]))[each] for each in [whole, *coming]}
    queue = list(coming)
    found = list(engine(loaded, batch=3).run([whole], lambda free: [queue.pop(0)] if queue else []))
    assert dict(found) == alone
    assert [each.key for each, _ in found].index("whole") == 5  # all but the long one are done before it


def test_a_model_in_training_is_sampled_as_it_is_and_left_as_it_was():
    loaded = family("llama", attention_dropout=0.5)
    asked, ids = prompts(6), [f"id {n}" for n in range(6)]
    live = engine(loaded)
    before = live.sample(asked, ids)
    loaded.module.train()
    optimizer = torch.optim.SGD(loaded.module.parameters(), lr=0.5)
    loaded.module(input_ids=torch.tensor([[5, 6, 7, 8]]), labels=torch.tensor([[5, 6, 7, 8]])).loss.backward()
    optimizer.step()
    after = live.sample(asked, ids)
    assert loaded.module.training and loaded.module.config._attn_implementation == "sdpa"
    copied = Loaded(module=deepcopy(loaded.module).eval(), tokenizer=loaded.tokenizer)
    assert after != before and after == sampled(copied, asked)


def test_an_engine_left_in_the_middle_can_be_used_again():
    loaded = family("llama")
    asked, ids = prompts(12), [f"id {n}" for n in range(12)]
    live = engine(loaded, batch=3)
    stream = live.stream(asked, ids)
    first = next(stream)
    stream.close()
    whole = live.sample(asked, ids)
    assert whole[first[0]] == first[1] and whole == sampled(loaded, asked)


def test_longer_prompts_than_before_find_room():
    loaded = family("llama")
    short, long = prompts(2), prompts(2, shortest=300, longest=400)
    live = engine(loaded, temperature=0)
    live.sample(short, ["a", "b"])
    assert [c.text for c in live.sample(long, ["c", "d"])] == [greedy(loaded.module, prompt, 40)[0] for prompt in long]


def test_nothing_asked_is_nothing_written():
    assert sampled(family("llama"), []) == []
