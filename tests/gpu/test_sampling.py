"""The sampler on a CUDA device, in bfloat16: FlashAttention over the cache, one CUDA graph a step, shared prompts."""

import copy

import pytest
import torch

from kernelraft.model.sampling import Engine, Sampling
from kernelraft.model.sampling.flash import Flash, best
from tests.model.sampling.families import FAMILIES, family, forced, own_logits, prompts

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
WIDTHS = {"hidden_size": 128, "head_dim": 64, "intermediate_size": 128}


def cuda():
    return torch.device("cuda")


def bfloat16(name):
    experts = {} if name in ("llama", "qwen2", "gpt_oss") else {"moe_intermediate_size": 64}
    return family(name, cuda(), torch.bfloat16, initializer_range=0.1, **WIDTHS, **experts)


def engine(loaded, batch, temperature=1.0, new=40, top_p=0.95, **options):
    how = Sampling(temperature=temperature, top_p=top_p, max_new_tokens=new)
    return Engine(loaded, how, batch, cuda(), **options)


def test_flash_attention_is_found():
    loaded = bfloat16("llama")
    assert isinstance(best(loaded.module.config, torch.bfloat16, cuda()), Flash)


@pytest.mark.parametrize("share", [False, True], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("name", FAMILIES)
def test_its_logits_are_the_modules(name, share, monkeypatch):
    loaded, asked = bfloat16(name), prompts(5, seed=2)
    loaded.tokenizer.eos_token_id = loaded.module.generation_config.eos_token_id = None  # slots in the prompts' order
    exact = copy.deepcopy(loaded.module).float()
    texts, logits = forced(
        engine(loaded, 5, temperature=0, share=share, graphs=False), asked, monkeypatch
    )  # fmt: skip
    for prompt, text, found in zip(asked, texts, logits, strict=True):
        own, right = (own_logits(module, prompt, text)[: len(found)] for module in (loaded.module, exact))
        assert (found - right).norm() < 1.5 * (own - right).norm() + 0.03 * right.norm()  # both round to bfloat16


@pytest.mark.parametrize("name", FAMILIES)
def test_a_graph_writes_what_the_steps_without_it_write(name):
    loaded = bfloat16(name)
    asked = [prompt for prompt in prompts(12) for _ in range(4)]
    ids = [str(n) for n in range(len(asked))]
    plain = engine(loaded, 16, graphs=False).sample(asked, ids)
    calls = []
    hook = loaded.module.register_forward_pre_hook(lambda *a: calls.append(1))
    graphed = engine(loaded, 16).sample(asked, ids)
    hook.remove()
    assert graphed == plain
    assert len(calls) < 12 + 8  # prompts, rehearsals and one capture: the steps do not pass through Python


def test_weights_that_change_in_place_change_what_the_graph_writes():
    loaded = bfloat16("llama")
    asked, ids = prompts(8), [str(n) for n in range(8)]
    live = engine(loaded, 8, temperature=0)
    before = live.sample(asked, ids)
    with torch.no_grad():
        loaded.module.model.layers[0].self_attn.o_proj.weight.mul_(-1)
    after = live.sample(asked, ids)
    assert after != before and after == engine(loaded, 8, temperature=0, graphs=False).sample(asked, ids)
