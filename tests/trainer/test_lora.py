"""LoRA and QLoRA with their real components: peft, and bitsandbytes' 4 bits on a CPU."""

import pytest
import torch

from kernelraft.errors import ConfigError
from kernelraft.model.checkpoint import load_checkpoint, read_card
from kernelraft.trainer.full import Full
from kernelraft.trainer.lora import Lora
from kernelraft.trainer.qlora import QLora
from tests.conftest import LOOP
from tests.trainer.test_loop import job

ADAPTER = {"rank": 8, "alpha": 16, "dropout": 0.05}
QUANT = {"quant_type": "nf4", "double_quant": True, "compute_dtype": "float32"}
CPU = torch.device("cpu")


def test_lora_trains_only_its_adapter_and_can_be_loaded_again(tmp_path, small_model, examples):
    rows = []
    Lora(**LOOP | ADAPTER | {"steps": 40, "lr": 2e-2}).fit(job(small_model, examples, tmp_path / "m", rows))
    assert rows[-1][1]["train/loss"] < 0.95 * rows[0][1]["train/loss"]
    assert read_card(tmp_path / "m")["kind"] == "adapter"
    moved = tmp_path / "elsewhere"
    (tmp_path / "m").rename(moved)  # the base is named relative to the adapter
    loaded = load_checkpoint(moved, small_model, CPU)
    names = {name for name, _ in loaded.module.named_parameters() if "lora_B" in name}
    assert names and all(part.split(".self_attn.")[1].split(".")[0] in small_model.lora_targets for part in names)


def test_qlora_runs_on_a_cpu_with_the_experts_in_four_bits(tmp_path, small_afmoe, examples):
    settings = LOOP | ADAPTER | QUANT | {"steps": 10, "lr": 2e-2, "optimizer": "adamw", "recompute": True}
    rows = []
    QLora(**settings).fit(job(small_afmoe, examples, tmp_path / "m", rows))
    assert rows[-1][1]["train/loss"] < rows[0][1]["train/loss"]
    loaded = load_checkpoint(tmp_path / "m", small_afmoe, CPU)
    base = loaded.module.get_base_model()
    kinds = {type(part).__name__ for part in base.modules()}
    assert "Linear4bit" in kinds
    experts = base.model.layers[1].mlp.experts
    stored = dict(experts.named_parameters())
    assert stored and all(p.dtype == torch.uint8 for p in stored.values() if p.numel() > 64), {
        name: (p.dtype, tuple(p.shape)) for name, p in stored.items()
    }
    assert base.model.layers[1].mlp.router.gate.weight.dtype == torch.float32


def test_qlora_goes_on_from_its_own_adapter(tmp_path, small_model, examples):
    settings = LOOP | ADAPTER | QUANT | {"lr": 2e-2, "optimizer": "adamw"}
    QLora(**settings | {"steps": 40}).fit(job(small_model, examples, tmp_path / "first"))
    rows = []
    again = job(small_model, examples, tmp_path / "second", rows, checkpoint=tmp_path / "first")
    QLora(**settings | {"steps": 1}).fit(again)
    fresh = []
    QLora(**settings | {"steps": 1}).fit(job(small_model, examples, tmp_path / "third", fresh))
    assert rows[0][1]["train/loss"] < fresh[0][1]["train/loss"]
    load_checkpoint(tmp_path / "second", small_model, CPU)


def test_an_adapter_goes_on_only_as_what_it_is(tmp_path, small_model, examples):
    Lora(**LOOP | ADAPTER | {"steps": 1}).fit(job(small_model, examples, tmp_path / "first"))
    again = job(small_model, examples, tmp_path / "second", checkpoint=tmp_path / "first")
    for other in (Full(**LOOP | {"steps": 1}), QLora(**LOOP | ADAPTER | QUANT | {"steps": 1, "optimizer": "adamw"})):
        with pytest.raises(
            ConfigError, match="is an adapter on base weights in full precision: go on with trainer=lora"
        ):
            other.fit(again)
    Lora(**LOOP | ADAPTER | {"steps": 1}).fit(again)
