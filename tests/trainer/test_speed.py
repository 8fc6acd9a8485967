import shutil
from functools import partial

import pytest
import torch
from torch._dynamo.exc import Unsupported
from torch._dynamo.utils import counters
from transformers import AutoConfig, AutoModelForCausalLM

from kernelraft.model.layers import layers_of
from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.attach import freeze, packable
from kernelraft.model.lora.stored import Stored
from kernelraft.trainer import speed
from tests.conftest import FAMILIES


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(2))

    def get_decoder(self):
        return self


def test_a_compiler_that_fails_is_said_once_and_the_run_goes_on(monkeypatch, caplog):
    calls = []

    def compile_(forward, **_):
        def run(*_, **__):
            calls.append(forward)
            raise Unsupported("no such thing here\nand much more")

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    module, x = Decoder(), torch.randn(3, 4)
    wanted = [layer(x) for layer in module.layers]
    speed.compile_layers(module)
    for _ in range(2):
        assert all(torch.equal(layer(x), out) for layer, out in zip(module.layers, wanted, strict=True))
    assert len(calls) == 1
    assert caplog.text.count("torch.compile failed, the run goes on without it: no such thing here") == 1


def test_what_is_not_the_compilers_fault_is_not_hidden(monkeypatch):
    def compile_(forward, **_):
        def run(*_, **__):
            raise torch.OutOfMemoryError("out of memory")

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    module = Decoder()
    speed.compile_layers(module)
    with pytest.raises(torch.OutOfMemoryError):
        module.layers[0](torch.randn(3, 4))


def decoder(family):
    """A small model with adapters on layers and experts, and what its decoder takes."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **FAMILIES[family], vocab_size=50, pad_token_id=0)
    module = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    stored = {name: Stored.dense(module.get_parameter(name)) for name in packable(module)}
    freeze(module, stored, LoraShape(rank=4, alpha=8, dropout=0.0, targets=("q_proj", "o_proj"), expert_rank=4))
    return module, {"inputs_embeds": torch.randn(1, 24, config.hidden_size, requires_grad=True), "use_cache": False}


def gradients(module, given):
    module.get_decoder()(**given)[0].square().sum().backward()
    found = [p.grad for p in (given["inputs_embeds"], *module.parameters()) if p.grad is not None]
    module.zero_grad()
    given["inputs_embeds"].grad = None
    return found


@pytest.mark.filterwarnings("ignore")  # of what the compiler imports
@pytest.mark.parametrize("family", ["llama", "qwen2", "afmoe", "qwen3_moe"])
def test_a_layer_is_one_graph(family, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager", fullgraph=True))
    module, given = decoder(family)
    plain = gradients(module, given)
    torch._dynamo.reset()
    before = counters["stats"]["unique_graphs"]
    speed.compile_layers(module)
    compiled = gradients(module, given)
    assert 1 <= counters["stats"]["unique_graphs"] - before <= len(layers_of(module))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(plain, compiled, strict=True))


def kept(module, given):
    """Bytes that a forward pass keeps, weights apart."""
    weights, found = {p.untyped_storage()._cdata for p in (*module.parameters(), *module.buffers())}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            found[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module.get_decoder()(**given)
    return sum(storage.nbytes() for storage in found.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what the compiler imports
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_layers_compute_the_same_and_keep_less():
    module, given = decoder("llama")
    plain, before = gradients(module, given), kept(module, given)
    torch._dynamo.reset()
    speed.compile_layers(module)
    compiled = gradients(module, given)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(plain, compiled, strict=True))
    assert kept(module, given) < 0.7 * before
