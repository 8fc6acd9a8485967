"""Two processes on a CPU, through gloo."""

import json

import pytest
import torch

from kernelraft.errors import ConfigError
from kernelraft.trainer.lora import Lora
from tests.conftest import trainer
from tests.trainer.test_loop import job, weights

TWO = {"devices": 2, "strategy": "ddp", "embedding_noise": 0.0, "optimizer": "adamw"}


def test_two_processes_train_as_one_does_on_as_many_examples(tmp_path, small_model, examples):
    rows = []
    two = trainer(steps=4, batch_size=4, **TWO).fit(job(small_model, examples, tmp_path / "two", rows))
    one = trainer(steps=4, batch_size=4, accumulate=2, embedding_noise=0.0, optimizer="adamw").fit(
        job(small_model, examples, tmp_path / "one")
    )
    assert [step for step, _ in rows] == [1, 2, 3, 4]
    assert two["train/tokens"] == one["train/tokens"] and two["train/loss"] == pytest.approx(
        one["train/loss"], rel=1e-4
    )
    a, b = weights(tmp_path / "two"), weights(tmp_path / "one")
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in b)


def test_two_processes_that_were_stopped_end_with_the_same_bits(tmp_path, small_model, examples):
    recipe = {"rank": 8, "alpha": 16, "dropout": 0.5, "expert_rank": None}
    loop = json.loads(json.dumps(trainer(steps=6, save_every=3, **TWO).__dict__))

    def fit(folder, steps):
        return Lora(**loop | recipe | {"steps": steps, "warmup": 0.0, "final_lr": 0.999}).fit(
            job(small_model, examples, folder)
        )

    fit(tmp_path / "whole", 6)
    with pytest.raises(Exception, match="max_hours"):
        Lora(**loop | recipe | {"warmup": 0.0, "final_lr": 0.999, "max_hours": 1e-9}).fit(
            job(small_model, examples, tmp_path / "stopped")
        )
    fit(tmp_path / "stopped", 6)
    name = "adapter_model.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_strategies_that_shard_parameters_are_refused():
    with pytest.raises(ConfigError, match=r"trainer\.strategy=fsdp: expected auto or ddp; .* weights in 4 bits"):
        trainer(strategy="fsdp")
