"""What a training is expected to take, from shapes alone, against what is kept when it runs."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from kernelraft.errors import ModelUnavailable
from kernelraft.model.attention import documents, use_documents
from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.attach import freeze, packable
from kernelraft.model.lora.stored import Stored
from kernelraft.trainer import fitness
from kernelraft.trainer.inventory import take
from kernelraft.trainer.memory import estimate
from tests.conftest import FAMILIES, LOOP, trainer
from tests.trainer.test_loop import job
from tests.trainer.test_lora import ADAPTER, QUANT, QLora


def model(family, packed=True):
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **FAMILIES[family], vocab_size=512, pad_token_id=0, eos_token_id=1)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    stored = (
        {name: Stored.packed(module.get_parameter(name), double=True) for name in packable(module)} if packed else {}
    )
    freeze(module, stored, LoraShape(rank=8, alpha=8, dropout=0.0, targets=("q_proj", "o_proj"), expert_rank=8))
    use_documents(module)
    return module


def kept(module, tokens):
    """Bytes that a forward pass keeps on a CPU beside weights."""
    weights = {p.untyped_storage()._cdata for p in (*module.parameters(), *module.buffers())}
    found = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            found[storage._cdata] = storage
        return tensor

    embedded = torch.randn(1, tokens, module.config.hidden_size, requires_grad=True)
    places, ends = torch.arange(tokens)[None], torch.tensor([0, tokens], dtype=torch.int32)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module.get_decoder()(
            inputs_embeds=embedded, position_ids=places, use_cache=False, **documents(ends, tokens, tokens)
        )
    return sum(storage.nbytes() for storage in found.values())


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3_moe"])
def test_the_layers_share_is_what_they_keep_when_they_run(family):
    """Attention apart, which keeps copies on a CPU that it does not keep on a GPU."""
    module, tokens = model(family), 200
    settings = QLora(**LOOP | ADAPTER | QUANT | {"tokens": tokens, "max_length": tokens})
    found = estimate(module, settings, compiled=False)
    heads = module.config.num_attention_heads * module.get_decoder().layers[0].self_attn.head_dim
    copies = 4 * tokens * heads * 4  # query, keys and values of each head, and the output, side by side
    real = kept(module, tokens)
    assert found.count * found.layer <= real * 1.02
    assert found.count * (found.layer + copies) >= 0.9 * real


def test_weights_and_optimiser_are_counted_to_the_byte():
    module = model("afmoe")
    found = estimate(module, QLora(**LOOP | ADAPTER | QUANT | {"optimizer": "adamw"}), compiled=False)
    stored = [part for m in module.modules() if isinstance(m, Stored) for part in m.parts]
    assert found.weights == sum(p.numel() * p.element_size() for p in (*module.parameters(), *stored))
    assert found.optimizer == sum(12 * p.numel() for p in module.parameters() if p.requires_grad)
    rows = take(module)
    assert rows["experts"].bits < 4.5 < 8 < rows["router"].bits and rows["experts"].trained == 0


def test_recomputing_more_layers_takes_less_and_the_fewest_are_chosen():
    found = estimate(model("llama"), trainer(max_length=2000, batch_size=8), compiled=False)
    peaks = [found.peak(k) for k in range(found.count + 1)]
    assert peaks[-1] < peaks[0]
    assert found.least_recomputed(peaks[0]) == 0 and found.least_recomputed(peaks[0] - 1) in (1, 2)
    assert found.least_recomputed(peaks[-1] // 2) is None


@pytest.mark.parametrize(
    ("free", "settings", "told"),
    [
        (12_000_000, {"tokens": 4096}, r"recompute=true takes about 1\d\.\d MiB|tokens=256.* takes about"),
        (200_000, {"tokens": 4096}, "take a smaller model, or a larger card"),
    ],
)
def test_too_little_memory_is_said_before_anything_is_loaded(
    tmp_path, small_model, examples, monkeypatch, free, settings, told
):
    monkeypatch.setattr(fitness, "free_bytes", lambda device: free)
    recipe = QLora(**LOOP | ADAPTER | QUANT | {"optimizer": "adamw"} | settings)
    with pytest.raises(
        ModelUnavailable, match=f"training small llama takes about .* are free on cpu: .*({told})"
    ) as error:
        recipe.fit(job(small_model, examples, tmp_path / "m"))
    assert "\n" not in str(error.value)
